"""`--install-completion` and `--show-completion`: for the shell that is named."""

import os
from collections.abc import Sequence
from pathlib import Path

from poolnorm_cli.cli import PROGRAM
from poolnorm_cli.cli.completion import SHELLS
from poolnorm_cli.cli.completion_shells import SCRIPTS
from poolnorm_cli.errors import OutputError, UsageError, reason_of


_SHOW = "--show-completion"
FLAGS = ("--install-completion", _SHOW)
_ZSH_LINE = "fpath+=({directory}); autoload -Uz compinit; compinit"


def run(words: Sequence[str]) -> int:
    """Do what one of the two flags asks for.

    Args:
        words: The flag, and the shell; without it, that of the variable SHELL.

    Returns:
        The exit code.

    Raises:
        UsageError: There is no such shell.
        OutputError: A file cannot be written.
    """
    flag, mark, value = words[0].partition("=")
    given = [value, *words[1:]] if mark else list(words[1:])
    if len(given) > 1:
        raise UsageError(f"{flag} with {given[1]!r}", f"give {flag} and one shell")
    shell = _shell(flag, given)
    if flag == _SHOW:
        print(SCRIPTS[shell], end="")
        return 0
    try:
        for line in _install(shell):
            print(line)
    except OSError as error:
        raise OutputError.at(error.filename or "completion", reason_of(error)) from None
    return 0


def _shell(flag: str, given: Sequence[str]) -> str:
    name = given[0] if given else os.path.basename(os.environ.get("SHELL", ""))  # noqa: PTH119
    if name in SHELLS:
        return name
    what = f"no completion for {name!r}" if name else f"{flag} without a shell"
    raise UsageError(what, f"give {flag} {', '.join(SHELLS[:-1])} or {SHELLS[-1]}")


def _install(shell: str) -> list[str]:
    """Write the script of a shell and what loads it, and return what to tell."""
    script, start, line = _places(shell)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(SCRIPTS[shell])
    told = [f"wrote {script}"]
    if start is not None:
        told.append(f"{start} {'loads it' if _append(start, line) else 'loads it already'}")
    now = {"bash": f"source {script}", "zsh": "exec zsh", "fish": f"source {script}"}[shell]
    return [*told, f"new shells have it; in this one type: {now}"]


def _places(shell: str) -> tuple[Path, Path | None, str]:
    """Return the file of the script, the one that loads it, None for none, and its line for that.

    They are those that a shell looks at, so that a second time replaces the first.
    """
    home = Path.home()
    if shell == "bash":
        script = home / ".bash_completions" / f"{PROGRAM}.sh"
        return script, home / ".bashrc", f"source '{script}'"
    if shell == "zsh":
        start = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
        directory = home / ".zfunc"
        return directory / f"_{PROGRAM}", start, _ZSH_LINE.format(directory=f"'{directory}'")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return config / "fish" / "completions" / f"{PROGRAM}.fish", None, ""


def _append(file: Path, line: str) -> bool:
    """Add a line to a file that has it not, and return whether it was added."""
    old = file.read_bytes() if file.exists() else b""
    new = os.fsencode(line)
    if new in old.splitlines():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as end:
        end.write((b"\n" if old and not old.endswith(b"\n") else b"") + new + b"\n")
    return True
