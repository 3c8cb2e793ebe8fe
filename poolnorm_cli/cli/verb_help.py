"""`help`: what the command says of itself, of a verb, of a flag, of a topic."""

from typing import Annotated

from poolnorm_cli.cli.command import Argument, Command
from poolnorm_cli.values import frozen


_TEXT = """Explain a verb, one of its flags, or a topic.

Example: poolnorm help pool max --padding
"""


@frozen(kw_only=True)
class WordFlags:
    """What is to be explained."""

    words: Annotated[
        list[str] | None,
        Argument(
            metavar="WORDS",
            help="A verb, a verb and a flag, a flag, or a topic; none for all verbs.",
            show_default=False,
        ),
    ] = None


@frozen(kw_only=True)
class HelpFlags:
    """What was typed after `help`."""

    words: WordFlags


def _run(flags: HelpFlags) -> int:
    from poolnorm_cli.cli.help_words import print_explanation
    from poolnorm_cli.cli.verbs import ROOT

    print_explanation(flags.words.words or (), ROOT)
    return 0


NODE = Command(groups=HelpFlags, text=_TEXT, action=_run)
