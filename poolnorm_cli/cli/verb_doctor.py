"""`doctor`: what is installed, what really loads, and how to fix it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.cli.command import Command, PrintingFlags
from poolnorm_cli.errors import printable
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.backends.installed import Finding


_TEXT = """Print what is installed, which execution providers load, and what to type to fix them.

A provider is the part of ONNX Runtime that runs graphs on one kind of device.

Exit code 3 if something that is installed does not work.

Example: poolnorm doctor
"""


@frozen(kw_only=True)
class DoctorFlags:
    """What was typed after `doctor`."""

    printing: PrintingFlags


def _run(flags: DoctorFlags) -> int:
    from poolnorm_cli.backends.diagnosis import diagnose

    found = list(diagnose())
    sound = not any(finding.state == "broken" for finding in found)
    head = {"schema": 1, "command": "doctor", "ok": sound}
    rows = map(_FindingRow, found)
    emit(rows, lambda entries: head | entries, flags.printing.style(), below=_commands(found))
    return 0 if sound else 3


class _FindingRow(Row):
    """One thing that was looked at."""

    section = "findings"

    def __init__(self, finding: "Finding") -> None:
        """Hold what was found."""
        self._finding = finding

    def cells(self) -> Mapping[str, str]:
        """Return what was found; what to type is below the table, not broken over lines."""
        return {key: printable(text) for key, text in self.entry().items() if key != "fix"}

    def fields(self) -> Sequence[str]:
        """Return what was found, and what to type."""
        return [printable(text) for text in self.entry().values()]

    def essential(self) -> str | None:
        """Return the same of what is broken."""
        return "\t".join(self.fields()) if self._finding.state == "broken" else None

    def entry(self) -> Mapping[str, str]:
        """Return the object in `findings`."""
        from dataclasses import asdict

        return asdict(self._finding)


def _commands(found: "Iterable[Finding]") -> list[str]:
    """Return each command with the names of what it mends."""
    mended: dict[str, list[str]] = {}
    for finding in found:
        if finding.fix:
            mended.setdefault(printable(finding.fix), []).append(printable(finding.name))
    return [f"for {', '.join(names)}:\n    {command}" for command, names in mended.items()]


NODE = Command(groups=DoctorFlags, text=_TEXT, action=_run)
