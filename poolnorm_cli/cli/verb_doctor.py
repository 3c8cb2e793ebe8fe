"""`doctor`: what is installed, what really loads, and what to type to mend it."""

from poolnorm_cli.cli.command import Command
from poolnorm_cli.cli.flag_groups import PrintingFlags
from poolnorm_cli.values import frozen


_TEXT = """Print what is installed, which execution providers load, and what to type to mend them.

Exit code 3 if something that is installed does not work.

Example: poolnorm doctor
"""


@frozen(kw_only=True)
class DoctorFlags:
    """What was typed after `doctor`."""

    printing: PrintingFlags


def _run(flags: DoctorFlags) -> int:
    from poolnorm_cli.backends.diagnosis import diagnose
    from poolnorm_cli.report.doctor import print_findings

    sound = print_findings(diagnose(), flags.printing.style())
    return 0 if sound else 3


NODE = Command(groups=DoctorFlags, text=_TEXT, action=_run)
