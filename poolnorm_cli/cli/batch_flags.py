"""Groups of flags about many inputs: which they are, who works on them, what is remembered."""

from typing import Annotated, Literal

from poolnorm_cli.cli.command import Argument, Option
from poolnorm_cli.cli.flag_groups import InputFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import whole_number
from poolnorm_cli.values import frozen


ProgressKind = Literal["auto", "json", "never"]

_PANEL = "Many inputs"


@frozen(kw_only=True)
class FileInputFlags(InputFlags):
    """Which tensors go in: by name, by directory, by a list."""

    inputs: Annotated[
        list[str] | None,
        Argument(
            metavar="INPUT...",
            help="A .npy or .npz file, file.npz::NAME, a directory of such files, or - for .npy "
            "arrays on standard input.",
            show_default=False,
        ),
    ] = None  # type: ignore[assignment]
    recursive: Annotated[
        bool,
        Option(
            "--recursive",
            "-r",
            help="Take the files of sub-directories too; -O DIR mirrors the tree.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    relative_to: Annotated[
        str | None,
        Option(
            metavar="DIR",
            help="Mirror the tree below this directory in -O DIR, for all inputs.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    files_from: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Read the names of more inputs from this file, one a line; - is standard input.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    null: Annotated[
        bool,
        Option(
            "--null",
            "-0",
            help="Names in --files-from end with NUL, as find -print0 writes them.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    shard: Annotated[
        str | None,
        Option(
            metavar="I/N",
            help="Run one part of the inputs, I from 1 to N, chosen by a checksum of their names.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other."""
        if self.null and self.files_from is None:
            raise UsageError("--null without --files-from", "give --files-from FILE too")
        if self.files_from == "-" and "-" in (self.inputs or ()):
            raise UsageError("standard input as a list and as a tensor", "give --files-from FILE")


@frozen(kw_only=True)
class BatchFlags:
    """Who works on many inputs, and what is remembered of it."""

    jobs: Annotated[
        str,
        Option(
            "--jobs",
            "-j",
            metavar="N|auto",
            help="Processes that work at once; auto starts as many as pay.",
            rich_help_panel=_PANEL,
        ),
    ] = "1"
    dask: Annotated[
        str | None,
        Option(
            metavar="ADDRESS",
            help="Work on the Dask cluster whose scheduler is at tcp://HOST:PORT or tls://..., "
            "or on a local one.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    journal: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Append a line of JSON for each input, with its state and the output's SHA-256.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    resume: Annotated[
        bool,
        Option(
            "--resume",
            help="Leave out what the journal says is done, of inputs that have not changed.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    retry_failed: Annotated[
        bool,
        Option(
            "--retry-failed",
            help="Resume, and try again what the journal says has failed.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    verify: Annotated[
        bool,
        Option(
            "--verify",
            help="Resume, and read outputs again: they are known by their SHA-256, not by size "
            "and time.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Read headers only, and say what would be done: shapes, bytes, memory.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    progress: Annotated[
        ProgressKind,
        Option(
            help="On standard error: a bar on a terminal, a line of JSON a second, or nothing.",
            rich_help_panel=_PANEL,
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other."""
        flags = {
            "--resume": self.resume,
            "--retry-failed": self.retry_failed,
            "--verify": self.verify,
        }
        for flag in [flag for flag, given in flags.items() if given and self.journal is None]:
            raise UsageError(f"{flag} without --journal", "give --journal FILE too")
        if self.jobs != "auto" and not whole_number(self.jobs):
            raise UsageError(f"--jobs {self.jobs!r} is no number of processes", "give 4, or auto")
        if self.dask is not None and self.jobs != "1":
            raise UsageError("both --jobs and --dask", "leave out --jobs: the cluster has workers")

    @property
    def resumes(self) -> bool:
        """Whether the journal is heeded."""
        return self.resume or self.retry_failed or self.verify
