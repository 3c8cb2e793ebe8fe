"""Shapes against Keras' `compute_output_shape`: as it was written down, and live."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.keras.config import from_config
from tests.goldens.make_shapes import FILE, ask
from tests.goldens.shape_cases import ShapeCase, shape_cases
from tests.oracle.live import needs


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.shapes import Shape
    from tests.conftest import Command

Answer = list[int | None] | None


def shape_of(case: ShapeCase) -> Answer:
    """Return the shape as it is here, with an expression of a name in place of None; or None."""
    kind = find(*case.words.split())
    try:
        layer = kind(**from_config(kind, case.params, "the case"))
        return list(layer.output_shape(tuple(case.shape)))  # type: ignore[arg-type]
    except UsageError:
        return None


def apart(pairs: Iterable[tuple[ShapeCase, Answer]]) -> list[str]:
    return [
        f"{case}: {shape_of(case)}, Keras {answer}"
        for case, answer in pairs
        if shape_of(case) != answer
    ]


def stored() -> list[tuple[ShapeCase, Answer]]:
    return [(ShapeCase(*row), answer) for *row, answer in json.loads(FILE.read_text())]


def test_thousands_of_shapes_are_those_of_keras() -> None:
    pairs = stored()
    found = apart(pairs)

    assert len(pairs) > 2000
    assert sum(answer is None for _, answer in pairs) > 50
    assert not found, f"{len(found)} of {len(pairs)}:\n" + "\n".join(found[:10])


def test_names_become_what_keras_gives_for_their_values() -> None:
    letters = ("N", "D", "H", "W", "C")
    for case, answer in stored():
        if answer is None or None in case.shape:
            continue
        axes = case.params.get("axis", ())
        kept = (
            {a % len(case.shape) for a in (axes if isinstance(axes, list) else [axes])}
            if axes
            else set()
        )
        named: Shape = tuple(
            size if axis in kept else letters[axis] for axis, size in enumerate(case.shape)
        )
        kind = find(*case.words.split())
        after = kind(**from_config(kind, case.params, "the case")).output_shape(named)
        sizes = dict(zip(letters, case.shape, strict=False))
        assert [eval(str(size), dict(sizes)) for size in after] == answer, case  # noqa: S307 - our own text


@pytest.mark.parametrize("index", range(14))
def test_the_command_prints_them(poolnorm: Command, index: int) -> None:
    case, answer = next((c, a) for c, a in stored()[index::14] if a is not None)
    flags = [f"--{k.replace('_', '-')}" for k in case.params]
    values = [",".join(map(str, v)) if isinstance(v, list) else v for v in case.params.values()]
    typed = " ".join(
        (flag if value else f"--no-{flag[2:]}") if isinstance(value, bool) else f"{flag} {value}"
        for flag, value in zip(flags, values, strict=True)
    )
    shape = ",".join(map(str, case.shape))

    assert poolnorm(f"shape {case.words} {shape} {typed} -q").out == (
        ",".join(map(str, answer or [])) + "\n"
    )


@pytest.mark.oracle
@needs("keras", "tensorflow")
def test_thousands_of_other_shapes_are_those_of_keras_live() -> None:
    cases = list(shape_cases(8400, 20260205))
    found = apart(zip(cases, ask(cases), strict=True))

    assert not found, f"{len(found)} of {len(cases)}:\n" + "\n".join(found[:10])
