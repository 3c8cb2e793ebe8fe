"""Large samples, seen as smaller ones or cut into bands of rows, give what they give whole."""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.backends import NUMPY
from poolnorm_cli.layers import find
from poolnorm_cli.layers.bands import window_bands
from poolnorm_cli.runs import cutting
from poolnorm_cli.runs.memory import run_array
from poolnorm_cli.shapes import window
from tests.tensors.corpus import saved


if TYPE_CHECKING:
    from tests.conftest import Command

LARGE = (3, 67, 80, 60)
LAYERS: list[tuple[str, dict[str, Any], bool]] = [
    *(
        (f"pool {kind}", {"pool_size": size, "strides": step, "padding": pad, **layout}, False)
        for kind in ("max", "average")
        for size, step, pad in ((2, 2, "valid"), (3, 1, "same"), (2, 5, "valid"), (31, 3, "same"))
        for layout in ({}, {"data_format": "channels_first"})
    ),
    ("gpool max", {}, False),
    ("gpool max", {"data_format": "channels_first", "keepdims": True}, False),
    ("gpool average", {"data_format": "channels_first"}, False),
    ("apool max", {"output_size": 7}, False),
    ("ln", {}, False),
    ("ln", {"axis": (2, 3)}, False),
    ("rms", {"axis": 2}, False),
    ("unit", {"axis": -1}, False),
    ("gn", {"groups": 4}, False),
    ("bn", {}, False),
    ("bn", {"axis": 2}, False),
    ("bn", {"axis": (1, 3)}, False),
]


def tensor(dtype: str) -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).standard_normal(LARGE, np.float32).astype(dtype)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NUMPY, "block_bytes", 1 << 18, raising=False)
    monkeypatch.setattr(cutting, "LARGE_BYTES", 1 << 19)


@pytest.fixture
def whole_samples(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a layer with blocks that hold any sample."""

    def run(*given: Any, **more: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(cutting, "LARGE_BYTES", 1 << 40)
            return run_array(*given, **more)

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize(("words", "parameters", "training"), LAYERS)
def test_the_bytes_are_those_of_whole_samples(
    words: str, parameters: dict[str, Any], training: bool, dtype: str, whole_samples: Any
) -> None:
    layer, x = find(*words.split())(**parameters), tensor(dtype)
    cut, _ = run_array(layer, x, training=training)
    whole, _ = whole_samples(layer, x, training=training)

    assert cut.shape == layer.output_shape(x.shape)
    assert cut.tobytes() == whole.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("parameters", [{}, {"keepdims": True}])
def test_a_mean_over_bands_is_as_exact_as_one_over_all(
    parameters: dict[str, Any], dtype: str, whole_samples: Any
) -> None:
    layer, x = find("gpool", "average")(**parameters), tensor(dtype)
    x[0, 40, 3, 7], x[1, :, :, 8] = np.nan, np.finfo(dtype).max
    cut, _ = run_array(layer, x)
    whole, _ = whole_samples(layer, x)

    # For float32, 4 epsilons of mean(|cells|), which is 0.8 here.
    bound = 3.2 * 2.0**-23 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(cut, whole, rtol=bound, atol=bound)
    assert np.isnan(cut).sum() == 1
    assert np.isfinite(cut).sum() == cut.size - 1


@pytest.mark.parametrize("parameters", [{}, {"renorm": True}, {"fused": True}, {"axis": 1}])
def test_training_on_large_samples_moves_the_same_statistics(
    parameters: dict[str, Any], whole_samples: Any
) -> None:
    layer, x = find("bn")(**parameters), tensor("float32") + np.float32(1e4)
    cut, cut_weights = run_array(layer, x, training=True)
    whole, whole_weights = whole_samples(layer, x, training=True)

    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)
    for name, weight in whole_weights.items():
        np.testing.assert_allclose(cut_weights[name], weight, rtol=1e-6)


@given(
    st.integers(1, 90), st.integers(1, 20), st.integers(1, 25), st.integers(1, 40), st.booleans()
)
@settings(max_examples=300)
def test_bands_cover_every_row_and_place(
    length: int, size: int, stride: int, rows: int, same: bool
) -> None:
    if not same and size > length:
        return
    whole = window(length, size, stride, "same" if same else "valid")
    bands = window_bands(length, whole, rows)

    assert bands[0].start == 0
    assert bands[-1].stop == length
    assert all(a.start < b.start <= a.stop <= b.stop for a, b in pairwise(bands))
    counts = [band.window.count for band in bands if band.window]
    assert sum(counts) == whole.count
    first = 0
    for band in bands:
        assert band.window is not None
        cells = band.window.cells(band.end - band.first)
        assert cells == whole.cells(length)[first : first + band.window.count]
        assert band.window.low == max(whole.low - first * stride, 0)
        first += band.window.count


@pytest.mark.parametrize("saved_as", [">f4", "<f4", "<f2", "fortran", "npz", "stream"])
@pytest.mark.parametrize("words", ["pool max --pool-size 3 --strides 2", "gpool max", "ln", "bn"])
def test_files_of_any_kind_go_through_in_bands(
    saved_as: str, words: str, poolnorm: Command
) -> None:
    x = tensor(saved_as if "f" in saved_as[1:2] else "float32")
    np.save("plain.npy", np.ascontiguousarray(x.astype(x.dtype.newbyteorder("="))))
    assert poolnorm(f"{words} plain.npy -q -o expected.npy").code == 0
    if saved_as == "fortran":
        x = np.asfortranarray(x)
    np.savez_compressed("x.npz", x=x) if saved_as == "npz" else np.save("x.npy", x)
    given = {"npz": "x.npz::x", "stream": "-"}.get(saved_as, "x.npy")
    stdin = Path("x.npy").read_bytes() if given == "-" else None
    done = poolnorm(f"{words} {given} -q -o y.npy", stdin=stdin)

    assert done.code == 0, done.err
    assert Path("y.npy").read_bytes() == Path("expected.npy").read_bytes()


def test_a_file_cut_short_in_a_band_is_told(poolnorm: Command) -> None:
    data = saved(tensor("float32"))[:-5000]
    done = poolnorm("pool max - -q -o y.npy", stdin=data)

    assert done.code == 4
    assert "truncated" in done.err
    assert not Path("y.npy").exists()


# The peak of this process alone: what getrusage tells begins with that of the one it came from.
_PEAK = """
import sys
from pathlib import Path
from poolnorm_cli.cli.main import run
code = run(sys.argv[1:])
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize("words", ["pool max --pool-size 4", "gpool average", "bn", "ln"])
def test_one_sample_of_half_a_gigabyte_needs_little_memory(words: str) -> None:
    import subprocess

    header = io.BytesIO()
    shape = (1, 8192, 4096, 4)
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    with Path("x.npy").open("wb") as file:
        file.write(header.getvalue())
        file.truncate(len(header.getvalue()) + 4 * int(np.prod(shape)))
    command = [sys.executable, "-c", _PEAK, *words.split(), "x.npy", "-q", "-o", "y.npy"]
    done = subprocess.run(command, capture_output=True, check=True)

    assert int(done.stdout) < 200 * 1024
    Path("y.npy").unlink()
