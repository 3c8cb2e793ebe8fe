"""A file imports only from lower floors, never sideways between rooms, and never in a circle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolnorm_cli


PACKAGE = Path(poolnorm_cli.__file__).parent
ROOMS: dict[str, float] = {
    "urls": -1,
    "errors": 0,
    "values": 0,
    "machine": 0,
    "packages": 0,
    "sizes": -1,
    "shapes": 1,
    "windows": 1.5,
    "formulas": 2,
    "strips": 2,
    "kernels": 3,
    "operators": 3,
    "layers": 5,
    "calculator": 6,
    "tensors": 4,
    "weights": 7,
    "backends": 8,
    "engine": 9,
    "api": 10,
    "batch": 10,
    "pictures": 11,
    "report": 12,
    "cli": 13,
}
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in ROOMS
)
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
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


UNITS = {10, 20, 30, 40}  # powers of two: KiB, MiB, GiB, TiB
COUNTS = ("ITEMS", "VALUES", "STATISTICS")  # of something else than bytes


def bytes_defined(path: Path) -> list[int]:
    """List lines with a constant of bytes: N << 20, or a number whose name or doc says bytes."""
    tree = ast.parse(path.read_text())
    counted = {
        child
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(COUNTS)
        for child in ast.walk(node)
    }
    found = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.LShift)
        and isinstance(node.left, ast.Constant)
        and isinstance(node.right, ast.Constant)
        and node.right.value in UNITS
        and node not in counted
    ]
    for node, doc in zip(tree.body, [*tree.body[1:], None], strict=True):
        number = isinstance(node, ast.Assign) and re.fullmatch(
            r"[\d_ *+<()-]+", ast.unparse(node.value)
        )
        if number and isinstance(node, ast.Assign):
            text = doc.value if isinstance(doc, ast.Expr) else None
            told = isinstance(text, ast.Constant) and str(text.value).startswith("Bytes ")
            if told or "BYTES" in ast.unparse(node.targets[0]):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_thresholds_in_bytes_are_in_one_file(path: Path) -> None:
    if path.name == "sizes.py":
        assert len(bytes_defined(path)) > 30
    else:
        assert bytes_defined(path) == []


def test_every_threshold_has_its_reason() -> None:
    body = ast.parse((PACKAGE / "sizes.py").read_text()).body[1:]
    for node, doc in zip(body[::2], body[1::2], strict=True):
        assert isinstance(node, ast.Assign)
        assert isinstance(doc, ast.Expr), ast.unparse(node)


def imported(module: str, path: Path) -> Iterator[str]:
    """Yield what a module imports: at its top, for types and inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                found = name if name in MODULES else node.module
                if found in MODULES and found != module:
                    yield found
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def circles(graph: dict[str, set[str]]) -> set[str]:
    """Return the modules of circles: what remains where leaves and roots are taken off."""
    left = dict(graph)
    while True:
        wanted = set().union(*left.values()) if left else set()
        gone = {m for m, uses in left.items() if not uses & left.keys() or m not in wanted}
        if not gone:
            return set(left)
        left = {m: uses - gone for m, uses in left.items() if m not in gone}


def test_no_two_modules_import_each_other() -> None:
    # The package names what it has and imports it when that is asked for, as somebody from outside.
    own = {module: path for module, path in MODULES.items() if module != "poolnorm_cli"}
    graph = {module: set(imported(module, path)) for module, path in own.items()}

    assert circles(graph) == set()


def test_a_circle_would_be_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}

    assert circles(graph) == {"b", "c"}
