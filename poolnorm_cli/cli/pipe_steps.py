"""The steps of a command line, `! pool max --pool-size 2 ! tee y.npy ! bn`: from words to values.

A step is a layer verb with its own flags, or `tee FILE`. What belongs to the run stands before the
first `!`; behind the last step it can mean nothing else, and is taken there as well.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.cli.command import (
    LAYER_VERBS,
    Command,
    Family,
    Node,
    Option,
    Spelling,
    layer_family,
    layer_node,
)
from poolnorm_cli.cli.fast_parser import find as find_command, understand
from poolnorm_cli.cli.layer_flags import MaskFlags, TrainingFlags, WeightFlags
from poolnorm_cli.errors import UsageError, error_context, shown
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.pipeline import Pipeline, make_pipeline, step_title
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.shapes import Shape


MARK = "!"
"""The word that begins a step."""
_MARKS = (MARK, "\\!")
"""It, and what bash makes of "\\!" in double quotes."""
TEE = "tee"
_HELP = {"-h", "--help"}
_OF_STEPS = ("--training", "--weights", "--save-weights", "--mask", "--config")
"""Flags that in a step are never those of the run."""


@frozen(kw_only=True)
class StepConfigFlags:
    """Where the parameters of a step come from, apart from flags."""

    config: Annotated[
        str | None,
        Option(metavar="FILE", help="Take the parameters from the JSON of Keras' get_config()."),
    ] = None


@frozen(kw_only=True)
class StepFlags:
    """What was typed after the layer of a step, apart from the layer's own parameters."""

    config: StepConfigFlags
    weights: WeightFlags = WeightFlags()
    training: TrainingFlags = TrainingFlags()
    mask: MaskFlags = MaskFlags()


@frozen
class LayerStep:
    """A step that is a layer, as it was typed.

    Attributes:
        number: Its place among all steps, from 1.
        kind: The class of the layer.
        parameters: Those that were typed, by name.
        flags: What else was typed.
        rank: Axes that its input must have, for which a model was built; None for any.
    """

    number: int
    kind: "type[Layer]"
    parameters: Mapping[str, Any]
    flags: StepFlags
    rank: int | None = None

    @property
    def title(self) -> str:
        """What messages call it."""
        return step_title(self.number, self.kind.words)


@frozen
class TeeStep:
    """A step that writes what passes to a file, too.

    Attributes:
        number: Its place among all steps, from 1.
        target: The file, a directory, or a template.
    """

    number: int
    target: str

    @property
    def title(self) -> str:
        """What messages call it."""
        return step_title(self.number, TEE)


TypedStep = LayerStep | TeeStep


def with_steps(words: Sequence[str], root: Family) -> tuple[Sequence[str], Family]:
    """Take the steps out of a command line, and give them to its command.

    Args:
        words: The command line, without the program.
        root: The commands that there are.

    Returns:
        The words that are not of a step, and the commands, of which the one that is meant has the
        steps. Both as they are where that command takes no steps, and where help is asked for.

    Raises:
        UsageError: A step is missing, unknown, or has something wrong with it.
    """
    if not _HELP.isdisjoint(words):
        return words, root
    first = next(place for place, word in enumerate(words) if word in _MARKS)
    command, left = find_command(words[:first], root)
    if command is None or not command.takes_steps:
        if command is not None and command.layer is not None and not os.path.lexists(MARK):
            what = f"{MARK} begins a step, and {command.layer.words} is alone"
            raise UsageError(what, "type poolnorm pipe INPUT... ! STEP ! STEP")
        return words, root
    path = words[: first - len(left)]
    flags = {name: each for name, each in command.spellings().items() if name not in _OF_STEPS}
    steps, of_run = parse_steps(words[first:], flags, words[:first])
    given = command.with_steps(steps)
    return [*words[:first], *of_run], _replaced(root, path, given)


def _replaced(root: Family, path: Sequence[str], command: Command) -> Family:
    """Return the commands with another one at a path."""
    below: Node = command
    if len(path) > 1:
        inner = root.members[path[0]]()
        assert isinstance(inner, Family)  # noqa: S101 - the path leads through it
        below = _replaced(inner, path[1:], command)
    return Family(root.text, {**root.members, path[0]: lambda: below})


def parse_steps(
    words: Sequence[str], of_run: Mapping[str, Spelling], head: Sequence[str]
) -> tuple[tuple[TypedStep, ...], list[str]]:
    """Read steps.

    Args:
        words: The words from the first `!` on.
        of_run: The flags of the run, by each way to write them.
        head: The words before, for messages.

    Returns:
        The steps, and the words behind the last one that belong to the run.

    Raises:
        UsageError: A step is missing, unknown, or has something wrong with it.
    """
    groups = _split(words)
    steps: list[TypedStep] = []
    left: list[str] = []
    for number, group in enumerate(groups, 1):
        own, left = _apart(group, of_run)
        if left and number < len(groups):
            raise _misplaced(number, groups, left, head, own)
        steps.append(_step(number, own))
    return tuple(steps), left


def _split(words: Sequence[str]) -> list[list[str]]:
    """Cut words at every `!`.

    Raises:
        UsageError: Nothing stands between two of them, or behind the last.
    """
    groups: list[list[str]] = []
    for word in words:
        if word in _MARKS:
            groups.append([])
        else:
            groups[-1].append(word)
    for number, group in enumerate(groups, 1):
        if not group:
            last = number == len(groups)
            what = f"step {number}: nothing after the {'last ' if last else ''}!"
            raise UsageError(what, "leave the ! out, or give a step, as ! pool max --pool-size 2")
    return groups


def _apart(words: Sequence[str], of_run: Mapping[str, Spelling]) -> tuple[list[str], list[str]]:
    """Tell the words of a step from flags, with their values, that only the run has."""
    kind = _words_of(words)
    node = None if kind is None else step_command(kind)
    mine = _HELP | (set(node.spellings()) if node is not None else set())
    own: list[str] = []
    run: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if not word.startswith("--") and len(word) > 2 and word[:2] in of_run:
            name, equals = word[:2], word[2:]  # -oFILE, or short flags together
        if name not in of_run or name in mine:
            own.append(word)
            continue
        run.append(word)
        if of_run[name].value is None and not equals:
            run += islice(rest, 1)
    return own, run


def _words_of(words: Sequence[str]) -> str | None:
    """Return the layer that words begin with; None where they begin with none."""
    for count in (2, 1):
        if " ".join(words[:count]) in LAYERS:
            return " ".join(words[:count])
    return None


def _misplaced(
    number: int,
    groups: Sequence[Sequence[str]],
    left: Sequence[str],
    head: Sequence[str],
    own: Sequence[str],
) -> UsageError:
    """Return the error for a flag of the run in a step, with the line as it should be."""
    import shlex

    steps = [own if place == number else group for place, group in enumerate(groups, 1)]
    line = shlex.join(["poolnorm", *head, *left])
    line += "".join(f" {MARK} {shlex.join(group)}" for group in steps)
    title = step_title(number, _words_of(own) or (own[0] if own else ""))
    what = f"{left[0]} is not of a step but of the run"
    return UsageError.at(title, what, f"type {line}")


def _step(number: int, words: Sequence[str]) -> TypedStep:
    if not words:
        raise UsageError(f"step {number}: no layer", f"give one of: {', '.join((*LAYERS, TEE))}")
    verb = words[0]
    if verb == TEE:
        if len(words) != 2 or words[1].startswith("-"):
            what = f"{len(words) - 1} files" if len(words) != 2 else f"{words[1]!r}"
            raise UsageError.at(
                step_title(number, TEE), f"tee with {what}", "give one FILE, as ! tee y.npy"
            )
        return TeeStep(number, words[1])
    if verb not in LAYER_VERBS:
        raise _unknown(number, verb)
    kinds = [name for name in LAYERS if name.startswith(f"{verb} ")]
    if kinds and " ".join(words[:2]) not in kinds:
        what = f"which {verb}" if len(words) == 1 else f"no {verb} {shown(words[1])!r}"
        meant = None if len(words) == 1 else _meant(words[1], layer_family("", step_command), verb)
        fix = f"did you mean {meant}?" if meant else f"give one of: {', '.join(kinds)}"
        raise UsageError(f"step {number}: {what}", fix)
    with error_context(step_title(number, _words_of(words) or verb)):
        if words[1:2] == ["max"] and any(w.startswith("--indices") for w in words):
            fix = f"write what comes to it by {MARK} {TEE} FILE, and run it by itself on that"
            raise UsageError("--indices is not of a step", fix)
        return _layer_step(number, words)


def _unknown(number: int, verb: str) -> UsageError:
    """Return the error for a word that begins no step."""
    if verb == "unpool":
        fix = f"write what comes to it by {MARK} {TEE} FILE, and run it by itself on that"
        return UsageError(f"step {number}: unpool takes a second file, of indices", fix)
    meant = _meant(verb.lstrip("!\\").strip(), layer_family("", step_command))
    fix = f"did you mean {meant}?" if meant else f"give one of: {', '.join((*LAYERS, TEE))}"
    return UsageError(f"step {number}: no layer {shown(verb)!r}", whole_step_fix(verb) or fix)


def whole_step_fix(word: str) -> str | None:
    """Say what to type for a word that is a step, or its beginning, with what is around it.

    Args:
        word: The word, as `!bn` or `! pool max`.

    Returns:
        The words apart; None where it is something else.
    """
    bare = word.lstrip("!\\").strip()
    if bare == word and " " not in word:
        return None
    if bare.partition(" ")[0] not in (*LAYER_VERBS, TEE):
        return None
    return f"put a space behind the !, and quote no more than it: {MARK} {bare}"


def _meant(word: str, layers: Family, *path: str) -> str | None:
    """Return the layer that was probably meant by a word behind those of a path."""
    from poolnorm_cli.cli.mistakes import meant_word

    for each in path:
        below = layers.members[each]()
        layers = below if isinstance(below, Family) else layers
    return meant_word(word, layers, path)


def _layer_step(number: int, words: Sequence[str]) -> LayerStep:
    """Read a step that is a layer; what is wrong with it is for Typer to say."""
    found: list[LayerStep] = []

    def take(kind: "type[Layer]", parameters: dict[str, Any], flags: StepFlags) -> int:
        found.append(LayerStep(number, kind, parameters, flags))
        return 0

    make = partial(step_command, action=take)
    family = Family("", {words[0]: partial(layer_node, words[0], make)})
    command, left = find_command(words, family)
    if command is not None:
        values, mended = understand(command, left)
        if values is not None:
            command.run(values, values.keys())
            return found[0]
        path = words[: len(words) - len(left)]
        for word in mended:
            fix = whole_step_fix(word) if word.startswith(MARK) else None
            if fix is not None:
                raise UsageError(f"no flag {shown(word)!r}", fix)
        words = [*path, *mended]
        from poolnorm_cli.cli.mistakes import refuse_unknown

        refuse_unknown(mended, command, path)
    from poolnorm_cli.cli.typer_app import run

    code = run(words, family)
    if not found:  # the help was printed
        raise SystemExit(code)
    return found[0]


def step_command(name: str, action: Any = None) -> Command:
    """Make the command that reads a step.

    Args:
        name: The layer, as `pool max`.
        action: What is done with what was read.

    Returns:
        The command.
    """
    from poolnorm_cli.layers.maskable import Maskable
    from poolnorm_cli.layers.trainable import Trainable

    layer = find(*name.split())
    has = {
        "weights": bool(layer.weight_names),
        "training": issubclass(layer, Trainable),
        "mask": issubclass(layer, Maskable),
    }
    without = [group for group, there in has.items() if not there]
    text = f"A step of pipe: {layer.__doc__}"
    return Command(groups=StepFlags, text=text, action=action, layer=layer, without=without)


def require_rank(rank: int | None, shape: "Shape | None") -> None:
    """Refuse an input of another rank than a model takes.

    Args:
        rank: The axes that it takes; None for any.
        shape: Shape of the input; None where it is not known yet.

    Raises:
        UsageError: It has others.
    """
    if rank is not None and shape is not None and len(shape) != rank:
        what = f"the input has rank {len(shape)}, shape ({format_shape(shape)})"
        raise UsageError(what, f"the model of the recipe takes rank {rank}")


def pipeline_of(steps: Sequence[TypedStep]) -> Pipeline:
    """Make the pipeline of steps by their parameters alone: weights are not looked at.

    Args:
        steps: The steps; those that are no layer are left out.

    Returns:
        The pipeline.

    Raises:
        UsageError: A parameter cannot be, or there is no layer.
    """
    from poolnorm_cli.layers.make_layer import make_layer

    layers = []
    for step in steps:
        if isinstance(step, LayerStep):
            with error_context(step.title):
                layers.append((step.number, make_layer(step.kind, step.parameters, {}, "")))
    return make_pipeline(layers)
