"""The driver is woken while packages are imported, and its absence is nobody's error here."""

import ctypes
from typing import Any

import pytest

from poolnorm_cli.backends import driver, open_backend


class Driver:
    """A driver that notes what it is asked, and may fail at one thing."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.calls = failing, list[str]()

    def __getattr__(self, name: str) -> Any:
        def called(*_: Any) -> int:
            self.calls.append(name)
            return int(name == self.failing)

        return called


@pytest.mark.parametrize(
    ("failing", "calls"),
    [("", 3), ("cuInit", 1), ("cuDeviceGet", 2), ("cuDevicePrimaryCtxRetain", 3)],
)
def test_the_context_is_made(failing: str, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Driver(failing)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: found)
    driver.wake().join()
    assert found.calls == ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain"][:calls]


def test_a_machine_without_a_driver_has_nothing_to_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    driver.wake().join()


@pytest.mark.parametrize(("provider", "expected"), [("cpu", 0), ("auto", 1)])
def test_it_is_woken_for_a_provider_that_wants_it(
    provider: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[None] = []
    monkeypatch.setattr(driver, "wake", lambda: woken.append(None))
    open_backend("onnx", provider)
    assert len(woken) == expected
