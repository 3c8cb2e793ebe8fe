"""HDF5 files of many groups, many names or vast attributes take little memory, and are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.weights import hdf5
from tests.conftest import Command, measured


h5py = pytest.importorskip("h5py")


def test_too_many_groups_are_refused(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "_MOST", 20)
    with h5py.File("m.h5", "w") as file:
        for number in range(30):
            file.create_group(f"layers/g{number}")

    result = poolnorm("info m.h5")
    assert (result.code, "more than 20 groups and arrays" in result.err) == (4, True)


def _names(group: Any) -> None:
    group.attrs.create("layer_names", np.zeros(hdf5._MOST + 1, "S1"))


def _many_lists(group: Any) -> None:
    for number in range(4):
        group.attrs.create(f"layer_names{number}", np.zeros(hdf5._MOST // 3, "S1"))


def _vast(group: Any) -> None:
    group.attrs.create("layer_names", np.zeros(3_000_000, "S100"))


def _long(group: Any) -> None:
    group.file.attrs.create("model_config", np.bytes_(b"x" * 60_000_000))


@pytest.mark.parametrize("make", [_names, _many_lists, _vast, _long])
def test_vast_attributes_take_little_memory(make: Callable[[Any], None], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w", libver="latest") as file:
        make(file.create_group("model_weights"))
    done = measured("info", "m.h5")

    assert (done.code, done.err.count("\n")) == (4, 1), done.err
    assert done.megabytes < 300
