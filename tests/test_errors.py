"""An error says where it was, what was wrong and what to type; nothing takes its text apart."""

import ast
import pickle
from pathlib import Path

import pytest

from poolnorm_cli.errors import (
    LINE,
    DirectoryGoneError,
    InputError,
    OutputError,
    PoolnormError,
    StatisticRangeError,
    UnavailableError,
    UsageError,
    error_context,
)
from tests.test_floors import PACKAGE


FILES = sorted(PACKAGE.rglob("*.py"))
PRINTING = {"errors.py", "report/errors.py", "api/arguments.py"}  # the last in the words of Python
KINDS = (
    PoolnormError,
    UsageError,
    UnavailableError,
    OutputError,
    InputError,
    DirectoryGoneError,
    StatisticRangeError,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_wrong_is_read_only_where_it_is_printed(path: Path) -> None:
    tree = ast.parse(path.read_text())
    read = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "what"]

    assert not read or str(path.relative_to(PACKAGE)) in PRINTING


def searches(text: str) -> list[int]:
    """List the lines with `startswith`, `removeprefix`, `in` and the like on an error's text."""
    tree = ast.parse(text)
    errors = {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    texts = {
        form.format(name)
        for name in errors | {"error", "fault"}
        for form in ("{}.what", "{}.message", "{}.fix", "str({})")
    }
    methods = {"startswith", "endswith", "removeprefix", "removesuffix", "replace", "partition"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in methods:
            searched = node.value
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            searched = node.comparators[0]
        else:
            continue
        if ast.unparse(searched) in texts:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_text_of_an_error_is_not_searched(path: Path) -> None:
    assert searches(path.read_text()) == []


@pytest.mark.parametrize(
    "text", ["'no' in str(oops)", "oops.what.startswith('no')", "'no' not in oops.message"]
)
def test_a_search_is_found(text: str) -> None:
    assert searches(f"try:\n    f()\nexcept E as oops:\n    print({text})") == [4]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_the_same_in_another_process(kind: type[PoolnormError]) -> None:
    error = kind.at("x.npz::a", "truncated", "copy it again").within("all")
    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(there), str(there)) == (kind, "all: x.npz::a: truncated; copy it again")
    assert (there.places, there.what, there.fix) == (error.places, error.what, error.fix)


def test_a_place_is_added_once() -> None:
    error = InputError.at("x.npz::a", "truncated")

    assert error.within("x.npz::a") is error
    assert error.within("x.npz") is error
    assert str(error.within("x.np")) == "x.np: x.npz::a: truncated"
    with pytest.raises(InputError, match=r"^x.npz::a: truncated$"), error_context("x.npz::a"):
        raise error
    with pytest.raises(InputError, match=r"^y: x.npz::a: truncated$"), error_context("y"):
        raise error


def test_a_cut_or_escaped_name_is_still_the_same_place() -> None:
    name = f"{'long/' * 60}\n.npy"
    error = InputError.at(name, "truncated", "copy it again")

    assert error.within(name) is error
    assert len(str(error)) == LINE
    assert error.reason(name) == "truncated"


def test_what_several_have_in_common_keeps_the_other_places() -> None:
    error = InputError.at("mask.npy", "no such file").within("x.npy")

    assert error.reason("x.npy") == "mask.npy: no such file"
    assert error.message == "x.npy: mask.npy: no such file"


def test_an_error_from_afar_has_the_names_that_a_person_gave() -> None:
    error = InputError.at("/far/x.npz::a", "truncated").within("/far")

    assert error.renamed({"/far/x.npz": "x.npz"}).places == ("/far", "x.npz::a")


def test_an_error_in_other_words_keeps_what_it_carries() -> None:
    error = StatisticRangeError("a is too large", "scale it")
    error.unfit = ("moving_variance",)
    told = error.within("x.npy").saying("b is too large")

    assert isinstance(told, StatisticRangeError)
    assert told.harmless
    assert str(told) == "x.npy: b is too large; scale it"


def test_no_place_has_a_secret() -> None:
    error = InputError.at("https://me:secret@host/x.npy?key=1", "no such file")

    assert error.places == ("https://host/x.npy?...",)
    assert error.is_at("https://me:secret@host/x.npy?key=1")


def test_other_words_have_no_secret_either() -> None:
    words = "https://me:secret@host/x.npy?key=1"

    assert str(InputError("a").saying(words, words)).count("https://host/x.npy?...") == 2
    assert InputError("is bad").prefixed(words).what == "https://host/x.npy?... is bad"
