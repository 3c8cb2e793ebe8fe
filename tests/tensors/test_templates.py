"""Output names come from templates, stay inside their directory, and are never shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.templates import DEFAULT_TEMPLATE, output_path


OUT = Path("out")


def named(template: str, source: Path | None = Path("in/a.b.npy"), key: str | None = None) -> Path:
    return output_path(OUT, template, source, op="maxpool", index=3, key=key)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (DEFAULT_TEMPLATE, "a.b.npy"),
        ("{stem}_{op}{ext}", "a.b_maxpool.npy"),
        ("{parent}/{index}.npy", "in/3.npy"),
        ("{key}.npz", ".npz"),
        ("fixed.npy", "fixed.npy"),
    ],
)
def test_fields_are_filled_in(template: str, expected: str) -> None:
    assert named(template) == OUT / expected


def test_a_key_does_not_make_directories() -> None:
    assert named("{key}.npy", key="a/b") == OUT / "a_b.npy"


def test_standard_input_has_names_of_its_own() -> None:
    assert named(DEFAULT_TEMPLATE, None) == OUT / "stdin_3.npy"
    assert named("{parent}{stem}{ext}", None) == OUT / "stdin_3.npy"


def test_braces_in_an_input_name_are_plain() -> None:
    assert named("{name}", Path("{op}.npy")) == OUT / "{op}.npy"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{size}.npy", r"no field \{size\}"),
        ("{}.npy", r"no field \{\}"),
        ("{name!r}", r"no field \{name!r\}"),
        ("{stem.__class__}.npy", "no field"),
        ("{stem", "a brace without its partner"),
        ("stem}", "a brace without its partner"),
        ("{{stem}}", "a brace without its partner"),
        ("../{name}", "not a name inside"),
        ("a/../../{name}", "not a name inside"),
        ("/srv/{name}", "not a name inside"),
        ("a/", "not a name inside"),
        ("", "not a name inside"),
        (".", "not a name inside"),
    ],
)
def test_other_templates_are_refused(template: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        named(template)
    assert len(str(caught.value)) <= 200
