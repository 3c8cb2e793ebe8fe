"""A file imports only from lower floors, and never sideways between two rooms of one floor."""

import ast
from pathlib import Path

import pytest

import poolnorm_cli


PACKAGE = Path(poolnorm_cli.__file__).parent
ROOMS = {
    "urls": -1,
    "errors": 0,
    "values": 0,
    "machine": 0,
    "sizes": 0,
    "shapes": 1,
    "strips": 2,
    "kernels": 3,
    "operators": 3,
    "layers": 4,
    "tensors": 3,
    "weights": 6,
    "backends": 7,
    "engine": 8,
    "batch": 9,
    "report": 10,
    "cli": 11,
}
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in ROOMS
)
HEAVY = ("onnx", "onnxruntime", "h5py", "safetensors", "dask", "distributed", "fsspec")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_come_from_the_same_room_or_from_below(path: Path) -> None:
    own = room_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "poolnorm_cli" or len(parts) < 2 or parts[1] not in ROOMS:
            continue
        below = ROOMS[parts[1]] < ROOMS[own]
        assert parts[1] == own or below, f"{own} imports {name}"


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}

    assert rooms <= set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_runtimes_are_imported_only_where_they_are_used(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imports(path)} & set(HEAVY)
    rooms = {"onnx": {"backends", "weights"}, "onnxruntime": {"backends"}}

    for name in heavy:
        assert room_of(path) in rooms.get(name, {"weights", "batch", "tensors"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
