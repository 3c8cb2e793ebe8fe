"""How far a run is, on standard error: a bar for a person, lines of JSON for a scheduler."""

import sys
import time
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import printable


if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress, TaskID

    from poolnorm_cli.batch.batch import Counts


_FIRST = 1.0
"""Seconds that a run may take before anything is shown."""
_REASONS = 5


class Progress:
    """Says nothing until the end."""

    interval = float("inf")

    def __init__(self, *, summarizes: bool) -> None:
        """Begin to count; `summarizes` says whether the end of a run may be worth a line."""
        self._summarizes = summarizes
        self.began = time.monotonic()
        self._next = self.began + min(_FIRST, self.interval)

    def update(self, counts: "Counts") -> None:
        """Show how far the run is, now and then."""
        now = time.monotonic()
        if now >= self._next and self.interval != float("inf"):
            self._next = now + self.interval
            self.show(counts)

    def show(self, counts: "Counts") -> None:
        """Show how far the run is."""

    def close(self, counts: "Counts", *, summary: bool) -> None:
        """End, and print a summary of the run.

        Args:
            counts: How far it is.
            summary: That is worth lines, unless it is to be quiet.
        """
        if summary and self._summarizes:
            print(*summary_of(counts), sep="\n", file=sys.stderr)


class Lines(Progress):
    """A line of JSON a second."""

    interval = 1.0

    def show(self, counts: "Counts") -> None:
        """Print a line."""
        seconds = time.monotonic() - self.began
        rate = counts.ended / seconds if seconds else 0.0
        left = counts.total - counts.ended
        facts: dict[str, Any] = {
            "schema": 1,
            "total": counts.total,
            "done": counts.done,
            "skipped": counts.skipped,
            "failed": counts.failed,
            "seconds": round(seconds, 3),
            "rate": round(rate, 3),
            "seconds_left": round(left / rate, 3) if rate else None,
        }
        import json

        print(json.dumps(facts), file=sys.stderr, flush=True)

    def close(self, counts: "Counts", *, summary: bool) -> None:
        """Print the last line.

        Args:
            counts: How far it is.
            summary: A summary is worth lines.
        """
        self.show(counts)
        super().close(counts, summary=summary)


class Bar(Progress):
    """A bar with rate and time left."""

    interval = 0.1

    def __init__(self, *, summarizes: bool, redirects_stdout: bool) -> None:
        """Begin without a bar: most runs are over before one is wanted.

        Args:
            summarizes: The end of a run may be worth lines.
            redirects_stdout: What is printed on standard output goes above the bar.
        """
        super().__init__(summarizes=summarizes)
        self._redirects_stdout = redirects_stdout
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._next = self.began + _FIRST

    def show(self, counts: "Counts") -> None:
        """Draw the bar."""
        if self._bar is None or self._task is None:
            self._bar = _bar(redirects_stdout=self._redirects_stdout)
            self._task = self._bar.add_task("", total=counts.total, failed="", rate="")
            self._bar.start()
        failed = f"{counts.failed} failed" if counts.failed else ""
        rate = f"{counts.ended / (time.monotonic() - self.began):.0f}/s"
        self._bar.update(self._task, completed=counts.ended, failed=failed, rate=rate)
        self._bar.refresh()

    def close(self, counts: "Counts", *, summary: bool) -> None:
        """Remove the bar.

        Args:
            counts: How far it is.
            summary: A summary is worth lines.
        """
        if self._bar is not None:
            self._bar.stop()
        super().close(counts, summary=summary)


def _bar(*, redirects_stdout: bool) -> "RichProgress":
    """Make a bar that is drawn on request: no thread, because workers are forked."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=Console(stderr=True),
        redirect_stdout=redirects_stdout,
        auto_refresh=False,
        transient=True,
    )


def summary_of(counts: "Counts") -> list[str]:
    """Return the summary of a run, in lines: how many of each, and the most frequent faults."""
    left = counts.total - counts.ended
    words = [f"{counts.done} done", f"{counts.skipped} skipped", f"{counts.failed} failed"]
    lines = [", ".join([*words, f"{left} not begun"] if left else words)]
    ranked = sorted(counts.failures.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"  {count} x {printable(reason)}" for reason, count in ranked[:_REASONS]]
    if len(ranked) > _REASONS:
        lines.append(f"  {sum(count for _, count in ranked[_REASONS:])} x other faults")
    return lines
