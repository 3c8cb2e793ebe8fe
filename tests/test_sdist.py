"""The sdist has all that its tests need: whoever packages the program runs them from there."""

import ast
import subprocess
import tarfile
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build it, and return the names of the files in it."""
    sdist = pytest.importorskip("hatchling.builders.sdist")
    directory = tmp_path_factory.mktemp("sdist")
    (built,) = sdist.SdistBuilder(str(ROOT)).build(directory=str(directory))
    with tarfile.open(built) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def imported() -> set[str]:
    """Return the modules of the repository that tests import, as `benchmarks.device`."""
    names = set[str]()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return names


def test_what_the_tests_import_is_there(packed: set[str]) -> None:
    files = {
        f"{name.replace('.', '/')}{end}" for name in imported() for end in (".py", "/__init__.py")
    }
    needed = {name for name in files if (ROOT / name).exists()}

    assert "benchmarks/report.py" in needed
    assert needed <= packed


def tracked() -> set[str]:
    """Return the files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout of the repository")
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}


# Without a build, so that the ordinary tests find what a compiler has left behind, too.
def test_all_at_the_root_is_on_the_list() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    patterns = {name.removeprefix("/") for name in listed} | {"LICENSE", "pyproject.toml"}

    found = {name.partition("/")[0] for name in tracked()}

    assert {name for name in found if not any(fnmatch(name, each) for each in patterns)} == set()


def test_it_has_what_the_repository_has(packed: set[str]) -> None:
    assert tracked() - packed == set()
    assert not any(Path(name).suffix in {".so", ".pyc"} for name in packed)
    assert not any(name.startswith(".venv") for name in packed)


def test_files_that_are_compiled_otherwise_are_there(packed: set[str]) -> None:
    tree = ast.parse((ROOT / "hatch_build.py").read_text())
    (rolled,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROLLED"
    )

    assert rolled
    assert {f"native/{name}.c" for name in rolled} <= packed
