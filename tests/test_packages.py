"""What to type for an extra is right for how the program was installed: index, clone, file, git."""

import importlib.metadata
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poolnorm_cli import packages
from tests.conftest import ROOT


SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have pip's record of where this was installed from say something."""
    monkeypatch.undo()

    def record(told: str | None) -> None:
        class Told:
            def read_text(self, name: str) -> str | None:
                assert name == "direct_url.json"
                return told

        monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Told())
        packages.origin.cache_clear()

    yield record
    packages.origin.cache_clear()


def url(path: Path, **more: Any) -> str:
    return json.dumps({"url": path.absolute().as_uri(), **more})


@pytest.mark.parametrize("told", [None, "", "{", "[]", '{"url": "file:///nowhere/at/all"}'])
def test_from_an_index_or_from_what_is_gone(installed: Any, told: str | None) -> None:
    installed(told)

    assert packages.pip_install("cpu") == "pip install 'poolnorm-cli[cpu]'"
    assert packages.pip_reinstall() == "pip install --force-reinstall --no-deps poolnorm-cli"


def test_from_a_clone(installed: Any, tmp_path: Path) -> None:
    installed(url(tmp_path, dir_info={"editable": True}))
    assert shlex.split(packages.pip_install("cpu"))[2:] == ["-e", f"{tmp_path}[cpu]"]
    place = tmp_path / "my clone"
    place.mkdir()
    installed(url(place, dir_info={}))
    assert shlex.split(packages.pip_install("cpu")) == ["pip", "install", f"{place}[cpu]"]
    assert packages.pip_reinstall().endswith(f"--no-deps '{place}'")


def test_from_a_wheel_or_a_repository(installed: Any, tmp_path: Path) -> None:
    wheel = tmp_path / "poolnorm_cli-1-py3-none-any.whl"
    wheel.touch()
    installed(url(wheel, archive_info={}))
    assert shlex.split(packages.pip_install("dask"))[2] == f"{wheel}[dask]"
    facts = {"vcs": "git", "commit_id": SHA, "requested_revision": "main"}
    installed(json.dumps({"url": "https://host/x.git", "vcs_info": facts}))
    expected = f"poolnorm-cli[dask] @ git+https://host/x.git@{SHA}"
    assert shlex.split(packages.pip_install("dask"))[2:] == [expected]


def test_not_installed_at_all(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(None)

    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)

    assert shlex.split(packages.pip_install("cpu"))[2:] == ["-e", f"{ROOT}[cpu]"]


def test_every_extra_that_is_named_is_there() -> None:
    import tomllib

    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    )
    named = {
        word
        for path in (ROOT / "poolnorm_cli").rglob("*.py")
        for line in path.read_text().splitlines()
        if "pip_install(" in line or "install_anew(" in line or "optional_module(" in line
        for word in extras
        if f'"{word}"' in line or f"'{word}'" in line
    }

    assert named >= {"cloud", "cpu", "cuda", "dask", "image", "keras", "picture", "zstd"}


def test_nothing_but_one_module_says_pip_install_with_an_extra() -> None:
    found = [
        path.name
        for path in (ROOT / "poolnorm_cli").rglob("*.py")
        if "poolnorm-cli[" in path.read_text() and path.name != "packages.py"
    ]

    assert not found


def test_the_command_knows_how_it_is_installed_here() -> None:
    code = "from poolnorm_cli.packages import pip_install; print(pip_install('cpu'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("pip install ")
    assert "[cpu]" in done.stdout
