"""What has been done, one JSON object a line, so that a run can be taken up where it ended.

A line is appended with one write, after the output has its name. One that is torn, because its
writer was killed, is skipped: the output that it would be about is then verified by its bytes.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from poolnorm_cli.batch.fingerprints import fingerprint_at, input_version, output_version
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.journal_file import JournalEntry, JournalFile, JournalHead
from poolnorm_cli.batch.stages import InputResult
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.tensors.files import ABSENT, Version
from poolnorm_cli.urls import redact_url


if TYPE_CHECKING:
    from types import TracebackType


class Journal:
    """A journal that is open for a run, and closed to others meanwhile."""

    def __init__(
        self,
        path: str,
        params: str,
        *,
        resume: bool,
        retry_failed: bool = False,
        verify: bool = False,
        sync: bool = False,
    ) -> None:
        """Open a journal, and with `resume` read what it says.

        Args:
            path: The file; it is made where there is none.
            params: What `parameters` says of the run.
            resume: Skip what an earlier run has done.
            retry_failed: Do again what failed in one.
            verify: Outputs are known by their checksums, not by size and time.
            sync: What is written is to be on the disk, after the outputs that it tells of.

        Raises:
            OutputError: It cannot be written.
            UsageError: Another run writes to it, or it is something else.
        """
        self._params, self._retry, self._verify = params, retry_failed, verify
        self._lines: dict[tuple[str, str | None], JournalEntry] = {}
        self._recorded: dict[str, JournalEntry] = {}
        self._intact: dict[str, bool] = {}
        self._versions = dict[int, Version | None]()
        self.has_begun = False
        """Whether a run with the same parameters began in this journal."""
        self._file = JournalFile(path, sync=sync)
        try:
            for entry in self._file.lines():
                if resume:
                    self._read(entry)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        try:
            if kind is None:
                self._file.flush()
        finally:
            self._file.close()

    def start(self, inputs: int) -> None:
        """Write that a run begins.

        Args:
            inputs: How many inputs it has.

        Raises:
            OutputError: There is no room.
        """
        self._file.start(JournalHead(self._params, inputs))

    def owns(self, item: Input) -> bool:
        """Whether the output that is there is known to have been written by an earlier run.

        That run had the same parameters, and made it of the same input; its size and time are
        those that were written down, or its checksum is, where checksums are compared.
        """
        target = item.target or ""
        entry = self._recorded.get(item.shown_target or "")
        if entry is None or (entry.input, entry.key) != _key_of(item):
            return False
        if entry.params != self._params or not self._has_tees(item, entry, or_none=True):
            return False
        same = output_version(target) == entry.output_version
        return same or (self._verify and self._is_intact(target, entry))

    def known_result(self, item: Input) -> InputResult | None:
        """Return the result of an input in an earlier run; None where it is to be done."""
        entry = self._lines.get(_key_of(item))
        if entry is None or (entry.params, entry.output) != (self._params, item.shown_target):
            return None
        if entry.version != input_version(item):
            return None
        if (error := entry.error) is not None:
            return None if self._retry else InputResult(item, error=error, resumed=True)
        if item.target is not None and not self._is_there(item.target, entry):
            return None
        if not self._has_tees(item, entry):
            return None
        return InputResult(item, skipped=True, resumed=True)

    def owns_tees(self, item: Input) -> bool:
        """Whether the files of tees that are there are those that an earlier run wrote down."""
        entry = self._lines.get(_key_of(item))
        if entry is None or entry.params != self._params:
            return False
        return self._has_tees(item, entry, or_none=True)

    @staticmethod
    def _has_tees(item: Input, entry: JournalEntry, *, or_none: bool = False) -> bool:
        """Whether the files of tees are those of a line; with `or_none` they may be missing."""
        if not item.tees:
            return True
        there = [output_version(tee) for tee in item.tees]
        if len(entry.tees) != len(there):
            return False
        pairs = zip(there, entry.tees, strict=True)
        return all(
            (found == known != ABSENT) or (or_none and found == ABSENT) for found, known in pairs
        )

    def begin(self, item: Input) -> bool:
        """Remember an input as it is before it is read; say whether its output may be replaced."""
        self._versions[id(item)] = input_version(item)
        return self.owns(item)

    def write(self, result: InputResult) -> JournalEntry:
        """Write down the result of an input.

        Raises:
            OutputError: There is no room.
        """
        item, error, fingerprint = result.input, result.error, result.fingerprint
        entry = JournalEntry(
            input=_key_of(item)[0],
            key=item.key,
            version=self._versions.pop(id(item), None) or input_version(item) or ABSENT,
            params=self._params,
            output=item.shown_target,
            status="failed" if error else "skipped" if result.skipped else "done",
            seconds=result.seconds,
            output_version=None if fingerprint is None else fingerprint.version,
            sha256="" if fingerprint is None else fingerprint.sha256,
            error=error,
            tees=() if error else tuple(map(output_version, item.tees)),
        )
        self._file.write(entry.encoded())
        return entry

    def adopt(self, result: InputResult) -> None:
        """Write down that an output without a line is that of its input.

        Raises:
            OutputError: There is no room.
        """
        self._read(self.write(result))

    def sync_if_due(self) -> None:
        """Have on the disk what was written, unless that was done a moment ago.

        Raises:
            OutputError: The disk fails.
        """
        self._file.sync_if_due()

    def _is_there(self, target: str, entry: JournalEntry) -> bool:
        if self._verify:
            return self._is_intact(target, entry)
        return output_version(target) == entry.output_version

    def _is_intact(self, target: str, entry: JournalEntry) -> bool:
        """Whether an output has the checksum that it had; each is read once."""
        key = redact_url(target)
        if key not in self._intact:
            self._intact[key] = False
            size = output_version(target)[0]
            if entry.output_version is not None and size == entry.output_version[0]:
                with suppress(OSError):
                    self._intact[key] = fingerprint_at(target).sha256 == entry.sha256
        return self._intact[key]

    def _read(self, entry: JournalHead | JournalEntry) -> None:
        if isinstance(entry, JournalHead):
            self.has_begun |= entry.params == self._params
            return
        if entry.status == "done" and entry.output is not None:
            self._recorded[entry.output] = entry
            self._intact.pop(entry.output, None)
        if entry.error is not None and entry.error.code == UnavailableError.code:
            self._lines.pop((entry.input, entry.key), None)  # nothing is wrong with the input
        elif entry.status != "skipped":
            self._lines[entry.input, entry.key] = entry


def _key_of(item: Input) -> tuple[str, str | None]:
    """Return what an input is known by: of a URL, neither password nor query, which may change."""
    return redact_url(item.word), item.key
