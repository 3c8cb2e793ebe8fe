"""The first input is opened once, however many flags ask for its shape before it is run."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Count how often a file is opened, by its name."""
    names: list[str] = []
    real = os.open

    def counted(path: str, *args: int, **more: int) -> int:
        names.append(os.path.basename(path))  # noqa: PTH119 - also of bytes and of what is none
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", counted)
    return names.count


def test_a_plain_run_opens_its_input_once(poolnorm: Command, opened: Callable[[str], int]) -> None:
    np.save("x.npy", np.ones((2, 4, 4, 3), "f4"))

    assert poolnorm("pool max x.npy -o y.npy").code == 0
    assert opened("x.npy") == 1


FILES = "--weights w.npz --export l.onnx --save-config c.json"


@pytest.mark.parametrize(
    "words",
    [
        f"bn x.npy {FILES} --journal j -o y.npy",
        f"bn x.npy {FILES} -o y.npy",
        f"bn x.npy x2.npy {FILES} -O out",
        "bn x.npy --weights w.npz --keras --torch",
        f"bn x.npy {FILES} --dry-run",
    ],
)
def test_flags_that_ask_for_its_shape_open_it_no_more(
    words: str, poolnorm: Command, opened: Callable[[str], int]
) -> None:
    pytest.importorskip("onnx")
    np.save("x.npy", np.ones((2, 4, 4, 3), "f4"))
    np.save("x2.npy", np.ones((2, 4, 4, 3), "f4"))
    poolnorm("bn x.npy --training --save-weights w.npz -o z.npy")
    before = opened("x.npy")

    result = poolnorm(words)

    assert (result.code, result.err) == (0, result.err)
    assert opened("x.npy") - before == 1


def test_a_first_input_that_changes_before_the_run_is_opened_anew(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    from poolnorm_cli.engine.export import GraphOutput

    np.save("x.npy", np.zeros((2, 4, 4, 3), "f4"))
    write = GraphOutput.write

    def replaced(self: GraphOutput, *args: object) -> None:
        write(self, *args)  # type: ignore[arg-type]
        np.save("new.npy", np.ones((2, 4, 4, 3), "f4"))
        Path("new.npy").replace("x.npy")

    monkeypatch.setattr(GraphOutput, "write", replaced)

    assert poolnorm("pool max x.npy --export l.onnx -o y.npy").code == 0
    assert np.load("y.npy").max() == 1
