"""Run the commands of a page, and put what they print below them.

A command of this program alone runs in this process, which takes a hundredth of the time of a new
one; a line with anything of the shell in it runs in bash on a terminal. A person sees the same.
"""

import io
import os
import pty
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch


ROOT = Path(__file__).resolve().parent.parent
WIDTH = 104
_BLOCK = re.compile(r"(```console\n)(.*?)(```)", re.DOTALL)
_SHELL = re.compile(r"[|<>$;&*?]")
_STEADY = (
    (re.compile(r"│ \d\.\d{3}( +)│"), r"│ 0.001\1│"),
    (re.compile(r"\t\d+\.\d{6}\t"), "\t0.001000\t"),
    (re.compile(r'("seconds": ?)[\d.e-]+'), r"\g<1>0.001"),
)


def environment() -> dict[str, str]:
    """Return an environment in which `poolnorm` is this one, without colour, of a known width."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": str(WIDTH), "LINES": "60"}
    return {**os.environ, **own, "NO_COLOR": "1", "TERM": "xterm"}


def page(text: str) -> str:
    """Run the commands of a page's console blocks, and put what they print below them."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "samples", Path(place) / "samples")
        with chdir(place):
            return _BLOCK.sub(lambda block: block[1] + _block(block[2], shown) + block[3], text)


def _block(block: str, run: Callable[[str], str]) -> str:
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            output = run(line[2:])
            lines += [line, output] if output else [line]
    return "\n".join(lines) + "\n"


def shown(command: str) -> str:
    """Return what a person sees on a terminal who types a command in the current directory."""
    first, *words = shlex.split(command)
    if first == "poolnorm" and not _SHELL.search(command):
        text = in_process(words)
    else:
        text = on_a_terminal(command)
    for pattern, steady in _STEADY:
        text = pattern.sub(steady, text)
    return text


class _Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def in_process(words: Sequence[str]) -> str:
    """Run this program in this process, and return what it prints on a terminal."""
    from poolnorm_cli.cli.main import run

    kept = io.BytesIO()
    stream = _Screen(kept, encoding="utf-8", write_through=True)
    with patch.dict(os.environ, environment()), redirect_stdout(stream), redirect_stderr(stream):
        with suppress(SystemExit):
            run(words)
        stream.flush()
    return _tidy(kept.getvalue())


def on_a_terminal(command: str) -> str:
    """Run a shell command on a terminal, and return what a person would see."""
    pid, terminal = pty.fork()
    if not pid:  # pragma: no cover - the child
        os.execvpe("bash", ["bash", "-c", command], environment())  # noqa: S606, S607
    seen = bytearray()
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        seen += piece
    os.waitpid(pid, 0)
    os.close(terminal)
    return _tidy(bytes(seen))


def _tidy(printed: bytes) -> str:
    lines = printed.decode().replace("\r\n", "\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)
