"""Flags that were typed and do nothing in this run: said in one line, and no fault."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.cli.layer_flags import LayerFlags

    Condition = Callable[[Any, LayerFlags], bool]  # of a layer, or None for a pipe


@frozen
class _Rule:
    """When flags do nothing.

    Attributes:
        names: The flags, as parameters or fields are called.
        why: What is missing, or in the way.
        idle: Whether it is so.
    """

    names: tuple[str, ...]
    why: str
    idle: "Condition"


def _trains(layer: Layer, flags: "LayerFlags") -> bool:
    del layer
    return flags.training.training


def _writes(layer: Layer, flags: "LayerFlags") -> bool:
    del layer
    outputs, weights, definition = flags.outputs, flags.weights, flags.definition
    files = (outputs.output, outputs.output_dir, weights.save_weights, definition.save_config)
    return any(file not in (None, "-") for file in (*files, flags.export.export))


def _runs_nothing(layer: Layer | None, flags: "LayerFlags") -> bool:
    del layer
    if flags.wants_program or flags.folding.fold:
        return True
    from poolnorm_cli.cli.exporting import only_a_graph

    return flags.export.export is not None and only_a_graph(flags)


def _has_directory(flags: "LayerFlags") -> bool:
    words = flags.inputs.inputs or []
    return flags.inputs.files_from is not None or any(
        "://" in word or os.path.isdir(word)  # noqa: PTH112 - a text
        for word in words
    )


_NOTE = "no effect in this run"
_BATCHES = (
    *("momentum", "momentum_convention", "renorm_clipping", "renorm_momentum"),
    *("virtual_batch_size", "adjustment", "synchronized", "fused", "unbiased"),
)


def _without(switch: str) -> "Condition":
    """Return the condition that a layer lacks a weight: `scale` is False."""
    return lambda layer, _: not getattr(layer, switch, True)


_MOVING = ("moving_mean", "moving_variance")

PARAMETERS = (
    _Rule(_BATCHES, "without --training", lambda layer, flags: not _trains(layer, flags)),
    _Rule(
        ("renorm",),
        "without --training",
        lambda layer, flags: not _trains(layer, flags) and flags.weights == type(flags.weights)(),
    ),
    _Rule(
        _BATCHES,
        "with --no-trainable",
        lambda layer, flags: _trains(layer, flags) and not getattr(layer, "trainable", True),
    ),
    _Rule(
        ("momentum", "momentum_convention", "unbiased"),
        "without --save-weights",
        lambda layer, flags: (
            flags.weights.save_weights is None
            and not (flags.values.explain or getattr(layer, "renorm", False))
        ),
    ),
    _Rule(
        ("trainable",),
        "without --training",
        lambda layer, flags: isinstance(layer, Trainable) and not _trains(layer, flags),
    ),
    _Rule(
        ("trainable",),
        "only an optimizer heeds it",
        lambda layer, _: not isinstance(layer, Trainable),
    ),
    *(
        _Rule(
            tuple(f"{weight}_{kind}" for kind in ("initializer", "regularizer", "constraint")),
            f"with --no-{switch}",
            _without(switch),
        )
        for weight, switch in (("gamma", "scale"), ("beta", "center"))
    ),
    _Rule(
        tuple(f"{weight}_initializer" for weight in ("gamma", "beta", *_MOVING)),
        "with --weights",
        lambda _, flags: flags.weights.weights is not None,
    ),
    _Rule(
        ("gamma_constraint", "beta_constraint"),
        "without --save-weights",
        lambda _, flags: flags.weights.save_weights is None,
    ),
)
"""For the parameters of layers, in the order in which a reason is looked for."""

_DRAWN = ("show", "own_scale", "sample", "channel", "save_svg", "save_png")
_PICTURES = (
    _Rule(_DRAWN, "with --dry-run", lambda _, flags: flags.batch.dry_run),
    _Rule(_DRAWN, "no layer is run", _runs_nothing),
)
OTHERS = (
    _Rule(
        ("overwrite", "sync"),
        "nothing is written",
        lambda layer, flags: (
            not (_writes(layer, flags) or flags.pictures.is_kept or flags.indices.indices)
        ),
    ),
    _Rule(
        ("skip_existing",),
        "without -o or -O",
        lambda _, flags: flags.outputs.output is flags.outputs.output_dir is None,
    ),
    _Rule(("opset",), "without --export", lambda _, flags: flags.export.export is None),
    _Rule(("recursive",), "no input is a directory", lambda _, flags: not _has_directory(flags)),
    _Rule(
        ("relative_to",), "without --output-dir", lambda _, flags: flags.outputs.output_dir is None
    ),
    _Rule(
        ("fail_fast",),
        "there is one input",
        lambda _, flags: len(flags.inputs.inputs or ()) == 1 and not _has_directory(flags),
    ),
    _Rule(
        ("values", "precision", "explain", "profile"),
        "with --dry-run",
        lambda _, flags: flags.batch.dry_run,
    ),
    *_PICTURES,
    _Rule(
        ("precision",),
        "no values are printed",
        lambda _, flags: (
            not flags.values.values
            and (flags.values.values is False or _writes(_, flags) or flags.pictures.show)
        ),
    ),
)
"""For flags of the run."""


def idle_note(layer: Layer, typed: Mapping[str, Any], flags: "LayerFlags") -> str | None:
    """Say which of the flags that were typed do nothing in this run.

    Args:
        layer: The layer.
        typed: Its parameters that were typed, by name.
        flags: What else was typed.

    Returns:
        One line; None where all do something.
    """
    found = dict[str, str]()
    elsewhere = (flags.definition.save_config, flags.export.export)
    if not (flags.wants_program or any(elsewhere)):
        found |= _found(PARAMETERS, typed, layer, flags)
    found |= _found(OTHERS, dict(_typed_fields(flags)), layer, flags)
    return f"{_NOTE}: {_text(found)}" if found else None


def idle_steps_note(
    steps: "Iterable[tuple[str, Layer, Mapping[str, Any], LayerFlags]]", flags: "LayerFlags"
) -> str | None:
    """Say the same of the parameters of the steps of a pipe, and of its pictures.

    Args:
        steps: The title of each, its layer, its parameters that were typed, and its other flags.
        flags: What was typed before the first step.

    Returns:
        One line; None where all do something.
    """
    found = [(title, _found(PARAMETERS, typed, layer, own)) for title, layer, typed, own in steps]
    texts = [f"{title}: {_text(names)}" for title, names in found if names]
    pictures = {name: value for name, value in _typed_fields(flags) if name in _DRAWN}
    if idle := _found(_PICTURES, pictures, None, flags):
        texts.insert(0, _text(idle))
    return f"{_NOTE}: {'; '.join(texts)}" if texts else None


def _text(found: Mapping[str, str]) -> str:
    """Write flags with their reasons, those of one reason together."""
    by_reason = dict[str, list[str]]()
    for name, why in found.items():
        by_reason.setdefault(why, []).append(name)
    return ", ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())


def _found(
    rules: tuple[_Rule, ...], typed: Mapping[str, Any], layer: Layer | None, flags: "LayerFlags"
) -> dict[str, str]:
    """Return the reason for each flag that does nothing, by the flag as it was typed."""
    found = dict[str, str]()
    for name, value in typed.items():
        rule = next((r for r in rules if name in r.names and r.idle(layer, flags)), None)
        if rule is not None:
            found[flag_of(f"no_{name}" if value is False else name)] = rule.why
    return found


def _typed_fields(flags: "LayerFlags") -> Iterator[tuple[str, Any]]:
    """Yield the fields of the groups of flags that are not as by default."""
    names = {name for rule in OTHERS for name in rule.names}
    groups = (
        flags.inputs,
        flags.outputs,
        flags.values,
        flags.pictures,
        flags.backend,
        flags.export,
    )
    for group in groups:
        default = type(group)()
        for name in sorted(names & vars(group).keys()):
            if (value := getattr(group, name)) != getattr(default, name):
                yield name, value
