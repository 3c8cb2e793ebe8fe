"""Make the sample tensors: run `python samples/make.py` in this directory's parent."""

from pathlib import Path

import numpy as np


HERE = Path(__file__).parent


def photograph(size: int = 64) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Paint a sky, a sun, hills and some grain: one RGB image of uint8, channels last."""
    random = np.random.Generator(np.random.PCG64(7))
    y, x = np.mgrid[0:size, 0:size] / size
    sky = np.stack([0.35 + 0.4 * y, 0.55 + 0.3 * y, 0.9 - 0.1 * y], axis=-1)
    sun = np.exp(-((x - 0.7) ** 2 + (y - 0.25) ** 2) / 0.01)[..., None]
    picture = sky * (1 - sun) + np.array([1.0, 0.92, 0.6]) * sun
    hills = y > 0.65 + 0.08 * np.sin(7 * x) + 0.04 * np.sin(19 * x + 1)
    picture[hills] = np.array([0.2, 0.4, 0.15]) + 0.2 * (y[hills] - 0.6)[:, None]
    picture += 0.03 * random.standard_normal(picture.shape)
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)[None]


def main() -> None:
    """Write every sample."""
    random = np.random.Generator(np.random.PCG64(1))
    np.save(HERE / "normal.npy", random.standard_normal((4, 28, 28, 3)).astype("float32"))
    np.save(HERE / "signal.npy", random.standard_normal((4, 32, 3)).astype("float32"))
    np.save(HERE / "volume.npy", random.standard_normal((2, 8, 8, 8, 3)).astype("float32"))
    np.save(HERE / "rows.npy", (np.arange(10).reshape(5, 2) * 10).astype("float32"))
    np.save(HERE / "photo.npy", photograph())
    np.savez(
        HERE / "bn.npz",
        gamma=np.array([1.0, 0.5, 2.0], "float32"),
        beta=np.array([0.0, 0.1, -0.1], "float32"),
        moving_mean=np.array([0.02, -0.01, 0.03], "float32"),
        moving_variance=np.array([0.9, 1.1, 1.0], "float32"),
    )


if __name__ == "__main__":
    main()
