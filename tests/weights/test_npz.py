"""Weights in `.npz` files: names and shapes before any value, and nothing left out."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.weights.formats import entries_of
from tests.conftest import Command, measured


NAMES = ("gamma", "beta", "moving_mean", "moving_variance")
X = np.random.default_rng(2).normal(size=(2, 4, 3)).astype(np.float32)
VECTOR = np.array([1.5, 2.0, 3.0], np.float32)


@pytest.fixture(autouse=True)
def _x() -> None:
    np.save("x.npy", X)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write(
    arrays: dict[str, Any], file: str = "w.npz", method: int = 0, suffix: str = ".npy"
) -> None:
    """Write an archive; what is bytes is a member as it is."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, each in arrays.items():
            raw = isinstance(each, bytes)
            archive.writestr(name if raw else name + suffix, each if raw else npy(each))


def expected() -> Any:
    return (X - VECTOR) / np.sqrt(VECTOR + 1e-3) * VECTOR + VECTOR


@pytest.mark.parametrize("suffix", [".npy", ""])
@pytest.mark.parametrize(
    ("pattern", "layer"),
    [
        ("{}", ""),
        ("{}:0", ""),
        ("/{}", ""),
        ("scope/bn/{}:0", "::scope/bn"),
        ("/bn/{}:0", "::/bn"),
        ("/bn/{}:0", "::bn"),
        ("../bn/{}", "::../bn"),
        ("C:\\m/bn/{}:0", "::C:\\m/bn"),
    ],
)
def test_names_of_tensorflow_are_keys(
    poolnorm: Command, pattern: str, layer: str, suffix: str
) -> None:
    write({pattern.format(name): VECTOR for name in NAMES}, suffix=suffix)

    result = poolnorm(f"bn x.npy --epsilon 1e-3 -q -o y.npy --weights w.npz{layer}")

    assert (result.code, result.err) == (0, "")
    np.testing.assert_allclose(np.load("y.npy"), expected(), rtol=1e-5)


def test_what_lies_beside_is_told(poolnorm: Command) -> None:
    beside = {"README.md": b"# x", "__MACOSX/._w": b"\0\5\26\7", "docs/": b""}
    write(beside | dict.fromkeys(NAMES, VECTOR))

    result = poolnorm("bn x.npy --weights w.npz --no-values")

    assert result.code == 0
    assert result.err == (
        "note: w.npz: passed over README.md (no array), __MACOSX/._w (no array), docs/ (no array)\n"
    )
    assert poolnorm("bn x.npy --weights w.npz -q").err == ""


@pytest.mark.parametrize("layer", ["", "bn/"])
@pytest.mark.parametrize("weight", NAMES)
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (np.array(["a", "b", "c"]), "dtype <U1 (text) is not supported"),
        (np.zeros(3, "V2"), "two raw bytes"),
        (np.zeros(3, "c8"), "(complex) is not supported"),
        (np.arange(3), "int64 of shape (3,) is not a weight"),
    ],
)
def test_a_weight_that_cannot_be_read_is_not_one_that_is_missing(
    poolnorm: Command, layer: str, weight: str, bad: Any, told: str
) -> None:
    write({f"{layer}{name}": bad if name == weight else VECTOR for name in NAMES})
    word = f"w.npz::{layer[:-1]}" if layer else "w.npz"
    flags = {"gamma": " --no-scale", "beta": " --no-center"}.get(weight, "")

    result = poolnorm(f"bn x.npy -q --weights {word}")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert told in result.err
    assert poolnorm(f"bn x.npy -q --weights {word}{flags}").code != 0


@pytest.mark.parametrize("byte", range(0, 128, 3))
def test_a_damaged_header_never_makes_a_weight_vanish(poolnorm: Command, byte: int) -> None:
    write({f"bn/{name}": VECTOR for name in ("gamma", "moving_mean", "moving_variance", "beta")})
    data = bytearray(Path("w.npz").read_bytes())
    data[data.rindex(b"\x93NUMPY") + byte] ^= 0x14
    Path("w.npz").write_bytes(data)

    assert poolnorm("bn x.npy -q --weights w.npz::bn --no-center").code != 0
    assert poolnorm("bn x.npy -q --weights w.npz::bn").code != 0


def values_of(file: Path) -> dict[str, list[float]]:
    (entry,) = entries_of(str(file))
    return {name: array.read().tolist() for name, array in entry.arrays.items()}


def fault_of(file: Path) -> PoolnormError | None:
    try:
        values_of(file)
    except PoolnormError as error:
        return error
    return None


def test_a_damaged_byte_of_a_saved_file_is_refused_or_changes_no_weight(poolnorm: Command) -> None:
    """What no checksum covers, such as the time of a member, says nothing of the weights."""
    poolnorm("bn x.npy --training --save-weights w.npz -q")
    file, damaged = Path("w.npz"), Path("damaged.npz")
    data, saved, refused = file.read_bytes(), values_of(file), set()
    for place in range(len(data)):
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        error = fault_of(damaged)
        if error is None:
            assert values_of(damaged) == saved, place
        else:
            assert ("\n" in str(error), error.code in (2, 4)) == (False, True), place
            refused.add(place)

    with np.load(file) as arrays:
        members = [npy(arrays[name]) for name in arrays.files]
    covered = {data.index(member) + n for member in members for n in range(len(member))}
    assert covered <= refused


def test_two_names_of_one_weight_are_refused(poolnorm: Command) -> None:
    write({**dict.fromkeys(NAMES, VECTOR), "gamma:0": VECTOR})

    result = poolnorm("bn x.npy -q --weights w.npz")
    assert (result.code, "gamma and gamma:0 are one weight" in result.err) == (4, True)


BOMB = np.zeros(24 << 20, np.float32)
BOMBS = {
    "foreign names": {**dict.fromkeys(NAMES, VECTOR), "a": BOMB, "b": BOMB},
    "foreign shapes": dict.fromkeys(NAMES, BOMB),
    "another layer": {f"bn/{name}": VECTOR for name in NAMES} | {"conv/kernel": BOMB},
}


@pytest.fixture(scope="module", params=BOMBS)
def bomb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is written once for several tests: to deflate so much takes a second."""
    file = tmp_path_factory.mktemp("bombs") / f"{request.param}.npz"
    write(BOMBS[request.param], str(file), zipfile.ZIP_DEFLATED)
    return file


@pytest.mark.parametrize("inputs", ["x.npy", "x.npy x.npy"])
def test_little_that_unpacks_to_much_is_not_unpacked(bomb: Path, inputs: str) -> None:
    done = measured("bn", *inputs.split(), "-q", "--weights", str(bomb))

    assert (done.code == 0) == (bomb.stem == "another layer"), done.err
    assert done.megabytes < 90


def test_an_adjustment_is_read_if_its_names_are_right(poolnorm: Command) -> None:
    write({"scale": np.ones(3, "f4"), "odd": np.ones(3, "f4")}, "a.npz")

    result = poolnorm("bn x.npy --training --adjustment a.npz -q")
    assert (result.code, "a.npz has odd, not scale and bias" in result.err) == (2, True)
