"""Public functions with two or more parameters say what they take, give and raise."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_floors import PACKAGE


Function = ast.FunctionDef | ast.AsyncFunctionDef
FILES = sorted(PACKAGE.rglob("*.py"))


def public_functions(
    body: list[ast.stmt], *, in_class: bool = False
) -> Iterator[tuple[Function, int]]:
    """Yield public functions and methods, with how many parameters a caller gives."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, in_class=True)
        if isinstance(node, Function) and (
            node.name == "__init__" or not node.name.startswith("_")
        ):
            marks = {ast.unparse(mark) for mark in node.decorator_list}
            if not marks & {"overload", "property"}:
                given = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                own = in_class and given and given[0].arg in ("self", "cls")
                yield node, len(given) - bool(own)


def lacking(node: Function) -> list[str]:
    """Name the sections that a docstring lacks."""
    doc = ast.get_docstring(node) or ""
    nothing = node.returns is None or ast.unparse(node.returns) == "None"
    raises = any(isinstance(part, ast.Raise) and part.exc is not None for part in ast.walk(node))
    return [
        *(["Args"] if "Args:" not in doc else []),
        *(["Returns"] if not nothing and "Returns:" not in doc and "Yields:" not in doc else []),
        *(["Raises"] if raises and "Raises:" not in doc else []),
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_functions_say_what_they_take_and_give(path: Path) -> None:
    found = {
        node.name: lacking(node)
        for node, count in public_functions(ast.parse(path.read_text()).body)
        if count > 1
    }

    assert {name: lacks for name, lacks in found.items() if lacks} == {}


def test_a_docstring_that_says_too_little_is_found() -> None:
    (node, count), *_ = public_functions(
        ast.parse("def f(a, b) -> int:\n    'Add.'\n    return 1").body
    )

    assert count == 2
    assert lacking(node) == ["Args", "Returns"]
