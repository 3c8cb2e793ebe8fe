"""Layers of checkpoints called from Python: what the command reads, and what it refuses."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli import (
    BatchNormalization,
    GroupNormalization,
    InstanceNormalization,
    LayerFunction,
    LayerNormalization,
    PoolnormError,
    RMSNormalization,
    layer_from,
)
from poolnorm_cli.weights.entry import Entry
from poolnorm_cli.weights.formats import READERS, entries_of
from tests.conftest import Command


FIXTURES = Path(__file__).parent.parent / "weights" / "fixtures"
FILES = sorted(
    path.name
    for path in FIXTURES.iterdir()
    if any(path.name.endswith(suffix) for suffix in READERS)
    and not path.name.endswith((".expected.npz", ".predicted.npz"))
)
CLASSES: tuple[type[LayerFunction], ...] = (
    BatchNormalization,
    LayerNormalization,
    GroupNormalization,
    InstanceNormalization,
    RMSNormalization,
)
PLAIN = [kind for kind in CLASSES if kind is not GroupNormalization]


def input_for(entry: Entry, kind: type[LayerFunction]) -> np.ndarray[Any, Any]:
    """Return an input that a layer of a file could take, or else any."""
    try:
        shape = entry.for_rank(4).input_shape(kind().layer)
    except PoolnormError:
        shape = (1, 4)
    shape = (2, *(3,) * (3 - len(shape[1:])), *shape[1:])
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def called(
    word: str, kind: type[LayerFunction], x: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any] | None, str, list[str]]:
    """Call a layer of a file: what comes out, or the error; and what there is to say."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        try:
            y, text = layer_from(word, kind, rank=x.ndim)(x), ""
        except ValueError as error:
            y, text = None, str(error)
    return y, text, [str(each.message) for each in notes]


def in_words_of_python(line: str) -> str:
    """Leave out what differs: how a parameter is written, and where."""
    return re.sub(r"--|[-_ =']", "", line)


@pytest.mark.parametrize("name", FILES)
def test_a_layer_of_a_file_is_what_the_command_makes_of_it(
    name: str, poolnorm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FIXTURES)
    if name.endswith((".h5", ".keras", ".weights.json")):
        pytest.importorskip("h5py")
    source, target = tmp_path / "x.npy", tmp_path / "y.npy"
    done = 0
    for entry in entries_of(name)[:5]:
        for kind in CLASSES:
            if not entry.serves(kind.layer_class()) or not (entry.kind or kind in PLAIN):
                continue  # no file of these says how many groups there are
            word, x = f"{entry.file}::{entry.path}", input_for(entry, kind)
            np.save(source, x)
            y, text, notes = called(word, kind, x)
            given = [*kind.words.split(), str(source), "-o", str(target), "--overwrite"]
            command = poolnorm(*given, "--weights", word)
            if y is None:
                assert command.code in (2, 3, 4)
                said = command.err.splitlines()[-1].removeprefix("error: ")
                said = said.replace(f"{source}: ", "")
                assert in_words_of_python(said) == in_words_of_python(text)
            else:
                assert command.code == 0, command.err
                np.testing.assert_array_equal(y, np.load(target))
                for note in notes:
                    assert in_words_of_python(note) in in_words_of_python(command.err)
            done += 1
    assert done


@pytest.mark.parametrize(
    ("word", "parameters", "message"),
    [
        ("keras.keras", {}, "layers; there are: "),
        ("keras.keras::nothing", {}, "no layer 'nothing'; there are: "),
        ("torch.safetensors::groups", {}, "give kind=LayerNormalization or GroupNormalization"),
        ("missing.keras", {}, "no such file"),
        ("model.pkl", {}, "needs the program that wrote it, and is never read"),
        ("model.pt", {}, "needs the program that wrote it, and is never read"),
        ("x.txt", {}, "weights 'x.txt' is not a file of weights by its name"),
    ],
)
def test_what_is_no_layer_of_a_file_is_refused(
    word: str, parameters: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FIXTURES)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        layer_from(word, **parameters)
    assert isinstance(caught.value, PoolnormError)
    assert "--" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_a_file_are_read_once(tmp_path: Path) -> None:
    x = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "w.npz", gamma=np.full(3, 2.0), beta=np.zeros(3))
    layer = layer_from(tmp_path / "w.npz", LayerNormalization, epsilon=0.1)
    before = layer(x)
    (tmp_path / "w.npz").unlink()

    np.testing.assert_array_equal(layer(x), before)


def test_what_a_file_leaves_open_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    with pytest.warns(UserWarning, match=r"torch's default is 1e-05 \(epsilon 1e-5\)"):
        layer_from("torch.safetensors::groups", LayerNormalization)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer_from("torch.safetensors::groups", LayerNormalization, epsilon=1e-5)
