"""A recipe: a pipeline as a TOML file that people read, keep and compare.

    schema = 1

    [[step]]
    layer = "pool max"
    pool_size = 2

    [[step]]
    layer = "bn"
    weights = "bn.npz"

Each step has its layer, that layer's parameters by their Keras names, and where its weights are:
nothing of a run, of an input or of a machine. Names of files are relative to the recipe.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import NoneType, UnionType
from typing import Any, get_args

from poolnorm_cli.errors import InputError, UsageError, shown
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer, Parameter
from poolnorm_cli.layers.keras.identifiers import Identifier
from poolnorm_cli.layers.keras.spelling import unwrap_single
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.formats import NPZ, format_of
from poolnorm_cli.values import frozen, replace


SCHEMA = 1
_EXAMPLE = 'write [[step]], and below it layer = "pool max"'
_KEYS = ("schema", "step")
_FILES = {"adjustment"}
"""Parameters that may name a file."""


@frozen(kw_only=True)
class RecipeStep:
    """A step of a recipe.

    Attributes:
        kind: The class of the layer.
        parameters: Those that are stated, by name.
        weights: `FILE` or `FILE::LAYER`, the file relative to the recipe; None without.
    """

    kind: type[Layer]
    parameters: Mapping[str, Any]
    weights: str | None = None


def parse(text: str, place: str) -> list[RecipeStep]:
    """Read a recipe.

    Args:
        text: What the file holds.
        place: What messages call the file.

    Returns:
        The steps, in order; one at least.

    Raises:
        InputError: It is not TOML.
        UsageError: It has a key that no recipe has, lacks one, or has a value of another type or
            one that its layer refuses; the place in the file is in front.
    """
    document, lines = _document(text, place), _Lines(text)
    unknown = next((key for key in document if key not in _KEYS), None)
    if unknown is not None:
        where = lines.within(place, unknown, 0)
        what = f"no key {shown(unknown)!r} in a recipe"
        raise UsageError.at(where, what, f"it has {' and '.join(_KEYS)}")
    schema = document.get("schema")
    if schema is None:
        raise UsageError.at(place, "no schema", f"begin it with schema = {SCHEMA}")
    if type(schema) is not int or schema != SCHEMA:
        where = lines.within(place, "schema", 0)
        fix = f"this version reads schema = {SCHEMA}"
        raise UsageError.at(where, f"schema is {_shown(schema)}", fix)
    steps = document.get("step")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        what = "no step" if steps is None else f"step is {_shown(steps)}, not a table"
        raise UsageError.at(place, what, _EXAMPLE)
    if not steps:
        raise UsageError.at(place, "no step", _EXAMPLE)
    return [_step(step, number, place, lines) for number, step in enumerate(steps, 1)]


def _document(text: str, place: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InputError.at(place, f"not TOML: {shown(what, 100)}", _EXAMPLE) from None


class _Lines:
    """Where the keys of the steps stand, as far as they are written one a line."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[int, str], int] = {}
        step = 0
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"\s*\[\[\s*[\"']?step[\"']?\s*\]\]", line):
                step += 1
                self._found[step, ""] = number
            elif key := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
                self._found.setdefault((step, key[1]), number)

    def of(self, key: str, step: int) -> int | None:
        """Return the line of a key of a step, or of a step; None where it is not known."""
        return self._found.get((step, key), self._found.get((step, "")))

    def within(self, place: str, key: str, step: int) -> str:
        """Return what messages call a key of a step."""
        line = self.of(key, step)
        return place if line is None else f"{place}, line {line}"


def _step(table: Mapping[str, Any], number: int, place: str, lines: _Lines) -> RecipeStep:
    kind = _kind(table.get("layer"), f"step {number}", lines.within(place, "layer", number))
    title = f"step {number} ({kind.words})"
    parameters = {p.name: p for p in kind.parameters()}
    known = ["layer", *parameters, *(["weights"] if kind.weight_names else [])]
    values: dict[str, Any] = {}
    for key, value in table.items():
        with _located(title, lines.within(place, key, number)):
            if key not in known:
                what = f"{kind.words} has no {shown(key)!r}"
                raise UsageError(what, f"it has {', '.join(known[1:])}")
            if key in parameters:
                values[key] = _value(value, parameters[key])
            elif key == "weights" and not (isinstance(value, str) and value):
                raise UsageError(f"weights is {_shown(value)}", 'give a file, as "bn.npz"')
    weights = table.get("weights")
    if weights is None:  # else the file may have what is missing
        with _located(title, lines.within(place, "", number)):
            make_layer(kind, values, {}, "")
    return RecipeStep(kind=kind, parameters=values, weights=weights)


def _kind(words: Any, title: str, where: str) -> type[Layer]:
    if isinstance(words, str) and words in LAYERS:
        return find(*words.split())
    what = "no layer" if words is None else f"layer is {_shown(words)}"
    raise UsageError.at(title, what, f"give one of: {', '.join(LAYERS)}").within(where)


@contextmanager
def _located(title: str, where: str) -> Iterator[None]:
    """Add a step and its place in the file to errors meanwhile."""
    try:
        yield
    except UsageError as error:
        raise error.within(title).within(where) from None


def _value(value: Any, parameter: Parameter) -> Any:  # noqa: PLR0911 - one a type
    """Turn a value of TOML into that of a parameter.

    Raises:
        UsageError: It is of another type.
    """
    union = isinstance(parameter.type, UnionType)
    kinds = get_args(parameter.type) if union else (parameter.type,)
    is_int = type(value) is int
    if Ints in kinds:
        if is_int or (isinstance(value, list) and value and all(type(n) is int for n in value)):
            return (value,) if is_int else tuple(value)
        raise _wrong(parameter, value, "a whole number, or several as [2, 3]")
    if bool in kinds:
        return _of_type(value, isinstance(value, bool), parameter, "true or false")
    if float in kinds:
        if value == "none" and NoneType in kinds:
            return None
        number = _of_type(value, is_int or isinstance(value, float), parameter, "a number")
        return float(number)
    if int in kinds:
        return _of_type(value, is_int, parameter, "a whole number")
    if any(hasattr(each, "of") for each in kinds):
        return _of_type(value, isinstance(value, str | dict), parameter, "a text, as Keras has it")
    return _of_type(value, isinstance(value, str), parameter, "a text")


def _of_type(value: Any, fits: bool, parameter: Parameter, wanted: str) -> Any:  # noqa: FBT001
    if not fits:
        raise _wrong(parameter, value, wanted)
    return value


def _wrong(parameter: Parameter, value: Any, wanted: str) -> UsageError:
    return UsageError(f"{parameter.name} is {_shown(value)}", f"give {wanted}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(shown(value)) if isinstance(value, str) else shown(str(value))


def text_of(steps: Sequence[RecipeStep]) -> str:
    """Write a recipe.

    Args:
        steps: The steps, with all parameters that are to stand there.

    Returns:
        TOML; for the same steps always the same.

    Raises:
        UsageError: A name has bytes that no text has, or a parameter is made of arrays.
    """
    return "\n".join([f"schema = {SCHEMA}", *(_table(step) for step in steps), ""])


def step_of(layer: Layer, weights: str | None) -> RecipeStep:
    """Return the step of a recipe that makes a layer.

    Args:
        layer: The layer.
        weights: `FILE` or `FILE::LAYER`, the file relative to the recipe; None without.

    Returns:
        The step, with the parameters that are worth stating.
    """
    defaults = {parameter.name: parameter.default for parameter in layer.parameters()}
    values = {
        name: "none" if value is None else value
        for name, value in layer.shown_parameters().items()
        if name not in layer.fixed and not (value is defaults[name] is None)
    }
    return RecipeStep(kind=type(layer), parameters=values, weights=weights)


def _table(step: RecipeStep) -> str:
    words = [("layer", step.kind.words)]
    name = step.parameters.get("name")
    pairs = [*words, *([("name", name)] if name else [])]
    pairs += [(key, value) for key, value in step.parameters.items() if key != "name"]
    pairs += [("weights", step.weights)] if step.weights is not None else []
    lines = (f"{key} = {_written(value, f'{step.kind.words}: {key}')}" for key, value in pairs)
    return "\n".join(["", "[[step]]", *lines])


def _written(value: Any, place: str) -> str:
    """Write a value as TOML.

    Raises:
        UsageError: It cannot be written.
    """
    value = unwrap_single(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)  # `inf` and `nan` too are TOML's words
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, str | Identifier) or hasattr(value, "word"):
        return _text(str(getattr(value, "word", value)), place)
    limits = ", ".join(f"{key} = {_written(v, place)}" for key, v in value.config().items())
    return f"{{ {limits} }}"


def _text(value: str, place: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        what = f"{shown(value)!r} has bytes that are not UTF-8"
        raise UsageError.at(place, what, "give the file another name") from None
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def with_files(step: RecipeStep, renamed: Callable[[str], str]) -> RecipeStep:
    """Return a step of which the names of files are others.

    Args:
        step: The step.
        renamed: Returns the new name of a file.

    Returns:
        The step.
    """
    parameters = dict(step.parameters)
    for name in _FILES & parameters.keys():
        word = getattr(parameters[name], "word", parameters[name])
        if isinstance(word, str) and format_of(word) is NPZ:
            parameters[name] = renamed(word)
    weights = None if step.weights is None else renamed(step.weights)
    return replace(step, parameters=parameters, weights=weights)
