"""How `doctor` tells what it found."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from poolnorm_cli.report.reporter import Style
from poolnorm_cli.report.text import printable


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.backends.installed import Finding


def print_findings(findings: "Iterable[Finding]", style: Style) -> bool:
    """Print what was found: a table, lines with tabs, or JSON; quiet, only what is broken.

    Returns:
        Whether nothing is broken.
    """
    found = list(findings)
    sound = all(finding.state != "broken" for finding in found)
    if style.json:
        import json

        rows = [asdict(finding) for finding in found]
        print(json.dumps({"schema": 1, "command": "doctor", "ok": sound, "findings": rows}))
        return sound
    if style.quiet:
        found = [finding for finding in found if finding.state == "broken"]
    rows_of_text = [{key: printable(text) for key, text in asdict(f).items()} for f in found]
    if rows_of_text and not style.quiet and style.stream.isatty():
        _show(rows_of_text, style)
    else:
        for row in rows_of_text:
            print(*row.values(), sep="\t")
    return sound


def _show(rows: list[dict[str, str]], style: Style) -> None:
    """Print a table, and below it each command with what it mends, not broken over lines."""
    from poolnorm_cli.report.table import show

    mended: dict[str, list[str]] = {}
    for row in rows:
        command = row.pop("fix")
        if command:
            mended.setdefault(command, []).append(row["name"])
    show("", rows, style)
    for command, names in mended.items():
        print(f"for {', '.join(names)}:\n    {command}")
