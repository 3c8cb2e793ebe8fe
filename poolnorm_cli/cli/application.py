"""The application: which verbs there are, and the module that each is made in."""

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from poolnorm_cli.cli.program import PROGRAM, VERSION


COMPLETE = "_POOLNORM_COMPLETE"
LAYER_VERBS = ("pool", "gpool", "apool", "bn", "ln", "gn", "in", "rms", "unit")
OTHER_VERBS = ("shape", "info", "generate", "compare", "doctor")


def _version(value: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag's value
    if value:
        print(VERSION)
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Apply Keras' pooling and normalization layers to .npy and .npz tensors."""


def build(args: Sequence[str]) -> typer.Typer:
    """Make the application with the one verb that `args` name, or with all of them.

    A verb's module is imported only when its verb is asked for, which is what keeps the start
    short; help and completion need them all.
    """
    app = typer.Typer(
        name=PROGRAM,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    verbs = [*LAYER_VERBS, *OTHER_VERBS]
    asked = [] if COMPLETE in os.environ else [arg for arg in args[:1] if arg in verbs]
    words = list(args[1:3]) if asked else []
    for verb in asked or verbs:
        module = "layer" if verb in LAYER_VERBS else verb
        import_module(f"poolnorm_cli.cli.verb_{module}").add(app, verb, words)
    return app
