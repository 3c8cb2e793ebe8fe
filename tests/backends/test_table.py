"""The table of backends: everything that the program says of one follows from its row."""

import inspect
import sys
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from poolnorm_cli.backends import BACKENDS, BackendRow, full_names, open_backend, resolve
from poolnorm_cli.errors import UnavailableError, UsageError
from poolnorm_cli.sizes import PROCESS_BYTES
from tests.cli.test_doctor import findings
from tests.conftest import Command


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> BackendRow:
    """Add a row, whose file asks for a package that is not there."""
    row = replace(
        BACKENDS["numpy"],
        module="toy_backend",
        title="toys",
        providers=("cpu", "gpu"),
        packages=("toys",),
        install="pip install toys",
    )
    module: Any = ModuleType("poolnorm_cli.backends.toy_backend")

    def absent(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'toys'", name="toys")

    module.open_backend = absent
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(BACKENDS, "toy", row)
    monkeypatch.setitem(BACKENDS, "other", replace(row, providers=("tpu",)))
    return row


@pytest.mark.parametrize("name", BACKENDS)
def test_each_row_is_a_file_that_opens_a_backend_of_that_name(name: str) -> None:
    row = BACKENDS[name]
    module = import_module(f"poolnorm_cli.backends.{row.module}")
    taken = list(inspect.signature(module.open_backend).parameters)
    assert taken == ["provider", "threads", "notify", "detail"]
    assert open_backend(name).name == name
    assert row.process_bytes >= PROCESS_BYTES
    assert row.computing_bytes(8, 1) >= 8


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ((None, None), ("numpy", "cpu")),
        (("numpy", "cpu"), ("numpy", "cpu")),
        (("onnx", None), ("onnx", "cpu")),
        ((None, "cpu"), ("onnx", "cpu")),
        ((None, "auto"), ("onnx", "auto")),
        ((None, "gpu"), ("toy", "gpu")),
        ((None, "tpu"), ("other", "tpu")),
    ],
)
@pytest.mark.usefixtures("toy")
def test_a_provider_means_a_backend_that_has_a_choice_of_them(
    given: tuple[str | None, str | None], meant: tuple[str, str]
) -> None:
    assert resolve(*given) == meant


@pytest.mark.usefixtures("toy")
def test_a_provider_of_another_backend_is_refused_with_the_backend_that_has_it() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("onnx", "gpu")
    assert str(caught.value) == "--backend onnx with --provider gpu; give --backend toy"
    assert full_names() == [
        "numpy",
        "onnx:cpu",
        "onnx:cuda",
        "onnx:auto",
        "toy:cpu",
        "toy:gpu",
        "other",
    ]


@pytest.mark.usefixtures("toy")
def test_a_package_that_a_backend_lacks_is_named_with_the_command_that_installs_it(
    poolnorm: Command,
) -> None:
    with pytest.raises(UnavailableError) as caught:
        open_backend("toy")
    assert str(caught.value) == "toys is not installed; pip install toys"
    found = findings(poolnorm("doctor --json"))["toys"]
    assert (found["state"], found["fix"]) == ("missing", "pip install toys")
