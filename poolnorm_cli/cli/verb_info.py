"""`info`: what tensors or layers there are, from headers alone."""

import sys
from typing import TYPE_CHECKING, Annotated

from poolnorm_cli.cli.command import Command, Option
from poolnorm_cli.cli.flag_groups import InputFlags, PrintingFlags
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.report.arrays import ArrayList

_TEXT = (
    "Print names, shapes, dtypes, order and bytes; of a checkpoint, the layers it has for "
    "--weights.\n\nExample: poolnorm info x.npy --stats"
)


@frozen(kw_only=True)
class StatsFlag:
    """What is read besides the headers."""

    stats: Annotated[
        bool,
        Option("--stats", help="Read the data too: NaN, infinities, range, mean, deviation."),
    ] = False


@frozen(kw_only=True)
class InfoFlags:
    """What was typed after `info`."""

    inputs: InputFlags
    stats: StatsFlag
    printing: PrintingFlags


def _run(flags: InfoFlags) -> int:
    from poolnorm_cli.report.arrays import ArrayList
    from poolnorm_cli.report.errors import line

    report = ArrayList(flags.printing.style(), stats=flags.stats.stats)
    words, failed = flags.inputs.inputs, False
    for word in words:
        try:
            _list(word, flags, report)
        except PoolnormError as error:
            if len(words) == 1:
                raise
            print(line(error), file=sys.stderr)
            failed = True
    report.close()
    return 1 if failed else 0


def _list(word: str, flags: InfoFlags, report: "ArrayList") -> None:
    """List the arrays of a file of tensors, or the layers of a checkpoint."""
    from poolnorm_cli.tensors.sources import open_input
    from poolnorm_cli.weights.formats import describe_no_layer, entries_of, is_checkpoint

    if not is_checkpoint(word):
        for tensor in open_input(word, flags.inputs.key, True):  # noqa: FBT003
            report.add(tensor)
        return
    if flags.inputs.key is not None or flags.stats.stats:
        flag = "--stats" if flags.stats.stats else "--key"
        raise UsageError.at(word, f"{flag} is for arrays", f"leave out {flag}")
    found = entries_of(word)
    for entry in found:
        report.add_layer(entry)
    if not found:
        report.add_nothing(word, describe_no_layer(word))


NODE = Command(groups=InfoFlags, text=_TEXT, action=_run)
