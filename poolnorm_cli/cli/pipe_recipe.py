"""`--recipe` and `--save-recipe`: the steps of a pipe in a file."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poolnorm_cli.cli.layer_flags import WeightFlags
from poolnorm_cli.cli.pipe_steps import LayerStep, StepConfigFlags, StepFlags, TypedStep
from poolnorm_cli.errors import InputError, UsageError, shown
from poolnorm_cli.report.emit import note
from poolnorm_cli.sizes import LARGEST_CONFIG_BYTES
from poolnorm_cli.tensors.formats import suffix_of
from poolnorm_cli.urls import is_url, redact_url
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.cli.pipe_flags import PipeFlags
    from poolnorm_cli.cli.pipe_setup import MadeStep
    from poolnorm_cli.layers.recipe import RecipeStep


_SUFFIX = ".toml"
_MODELS = (".json", ".keras", ".h5", ".hdf5")


def with_recipe(flags: "PipeFlags", typed: Sequence[TypedStep]) -> Sequence[TypedStep]:
    """Put the steps of the recipe before those that were typed.

    Args:
        flags: What was typed of the run.
        typed: The steps that were typed.

    Returns:
        All steps, numbered anew; those that were typed where there is no recipe.

    Raises:
        InputError: The recipe cannot be read.
        UsageError: It is none, or has something wrong with it.
        UnavailableError: A package that it needs is not installed.
    """
    file = flags.recipe.recipe
    if file is None:
        return typed
    own, notes = recipe_steps(file)
    style = flags.printing.style()
    for text in notes:
        note(text, style)
    starts = flags.weights.weights is None and any(step.kind.weight_names for step in own)
    if suffix_of(file) in _MODELS and starts and all(s.flags.weights.weights is None for s in own):
        text = "it has no weights: they are the initial ones (--weights FILE reads others)"
        note(f"{file}: {text}", style)
    return [*own, *(replace(step, number=step.number + len(own)) for step in typed)]


def recipe_steps(file: str) -> tuple[list[LayerStep], Sequence[str]]:
    """Read the steps of a recipe, or of a Keras Sequential.

    Args:
        file: Its name.

    Returns:
        The steps, numbered from 1; and what a person should know of what was left out.

    Raises:
        InputError: The recipe cannot be read.
        UsageError: It is none, or has something wrong with it.
        UnavailableError: A package that it needs is not installed.
    """
    suffix = suffix_of(file)
    rank: int | None = None
    notes: Sequence[str] = ()
    if suffix == _SUFFIX:
        steps = [_beside(step, file) for step in _read(file)]
    elif suffix in _MODELS:
        from poolnorm_cli.weights.sequential import read_sequential

        model = read_sequential(file)
        steps, rank, notes = list(model.steps), model.rank, model.notes
    else:
        what = f"--recipe {shown(file)!r} is not a recipe by its name"
        fix = f"give {_SUFFIX}, or a Keras Sequential as {', '.join(_MODELS)}"
        raise UsageError(what, fix)
    return [_typed(step, number, rank) for number, step in enumerate(steps, 1)], notes


def _typed(step: "RecipeStep", number: int, rank: int | None) -> LayerStep:
    """Return a step of a recipe as one that was typed."""
    flags = StepFlags(config=StepConfigFlags(), weights=WeightFlags(weights=step.weights))
    return LayerStep(number, step.kind, step.parameters, flags, rank if number == 1 else None)


def _read(file: str) -> "list[RecipeStep]":
    from poolnorm_cli.layers.recipe import parse
    from poolnorm_cli.tensors.untrusted import open_span

    with open_span(file) as span:
        if span.size > LARGEST_CONFIG_BYTES:
            what = f"{span.size} bytes, at most {LARGEST_CONFIG_BYTES} of a recipe are read"
            raise InputError.at(file, what, "give a file that --save-recipe wrote")
        data = span.read_exactly(0, span.size, file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 from byte {error.start} on"
        raise InputError.at(file, what, "save it as UTF-8") from None
    return parse(text, file)


def _beside(step: "RecipeStep", recipe: str) -> "RecipeStep":
    """Return a step whose files are named from here, and not from the recipe."""
    from poolnorm_cli.layers.recipe import with_files

    folder = os.path.dirname(recipe)  # noqa: PTH120 - text, not a path

    def renamed(word: str) -> str:
        return word if is_url(word) else os.path.join(folder, word)  # noqa: PTH118 - likewise

    return with_files(step, renamed)


@contextmanager
def saved_recipe(
    made: "Sequence[MadeStep]", steps: Sequence[TypedStep], flags: "PipeFlags"
) -> Iterator[Callable[[], None]]:
    """Write the recipe, where that is wanted: whole or not at all.

    Args:
        made: The steps that are layers.
        steps: All steps.
        flags: What was typed.

    Yields:
        What gives the file its name, to be called once nothing is refused any more.

    Raises:
        UsageError: The file is there, is no .toml, or a step cannot stand in it.
        OutputError: It cannot be written.
    """
    file = flags.recipe.save_recipe
    if file is None:
        yield lambda: None
        return
    from poolnorm_cli.layers.recipe import text_of
    from poolnorm_cli.tensors.atomic import AtomicFile

    if suffix_of(file) != _SUFFIX:
        raise UsageError(f"--save-recipe {shown(file)!r} is not a .toml file", "name it pipe.toml")
    text = text_of([_kept(each, file) for each in made])
    outputs = flags.outputs
    output = AtomicFile(file, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    try:
        output.write(text.encode())
        if len(steps) > len(made):
            note(f"{file}: tee is of this run, and no step of a recipe", flags.printing.style())
        yield output.commit
    finally:
        output.discard()


def _kept(made: "MadeStep", recipe: str) -> "RecipeStep":
    """Return a step as it stands in a recipe: files are named from there.

    Raises:
        UsageError: It has a mask, or the name of a file has a secret in it.
    """
    from poolnorm_cli.layers.recipe import step_of, with_files
    from poolnorm_cli.weights.formats import split_layer

    if made.flags.mask.mask is not None:
        what = "--save-recipe with --mask, which is for one input"
        raise UsageError.at(made.step.title, what, "leave one of them out")
    folder = os.path.dirname(os.path.abspath(recipe))  # noqa: PTH100, PTH120 - text

    def renamed(word: str) -> str:
        if not is_url(word):
            path, layer = split_layer(word)
            own = os.path.relpath(path, folder).replace(os.sep, "/")
            return own if layer is None else f"{own}::{layer}"
        if redact_url(word) != word:
            what = f"a recipe with the secret in {redact_url(word)}"
            raise UsageError.at(made.step.title, what, "copy the file, and give its name")
        return word

    return with_files(step_of(made.step.layer, made.flags.weights.weights), renamed)
