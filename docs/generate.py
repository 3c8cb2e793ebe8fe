"""Write what the documentation shows of the program: run `python docs/generate.py`.

Two things are generated, so that neither can rot: the reference of every `--help`, and the output
below each command in the console blocks of the pages. `--check` says whether they are current.
"""

import argparse
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "cli.md"
PAGES = ("README.md", "samples/README.md", "docs/guide.md", "docs/batch_normalization.md")
WIDTH = 104
_BLOCK = re.compile(r"(```console\n)(.*?)(```)", re.DOTALL)
_SECONDS = (
    (re.compile(r"│ \d\.\d{3}( +)│"), r"│ 0.001\1│"),
    (re.compile(r"\t\d+\.\d{6}\t"), "\t0.001000\t"),
    (re.compile(r'("seconds": ?)[\d.e-]+'), r"\g<1>0.001"),
)


def environment() -> dict[str, str]:
    """Return an environment in which `poolnorm` is this one, without colour, of a known width."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": str(WIDTH), "LINES": "60"}
    return {**os.environ, **own, "NO_COLOR": "1", "TERM": "xterm", "_TYPER_STANDARD_TRACEBACK": "1"}


def on_a_terminal(command: str, directory: Path) -> str:
    """Run a shell command on a terminal, and return what a person would see."""
    pid, terminal = pty.fork()
    if not pid:  # pragma: no cover - the child
        os.chdir(directory)
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
    lines = seen.decode().replace("\r\n", "\n").splitlines()
    text = "\n".join(line.rstrip() for line in lines)
    for pattern, steady in _SECONDS:
        text = pattern.sub(steady, text)
    return text


def page(text: str) -> str:
    """Run the commands of a page's console blocks, and put what they print below them."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        shutil.copytree(ROOT / "samples", directory / "samples")
        return _BLOCK.sub(lambda block: block[1] + _shown(block[2], directory) + block[3], text)


def _shown(block: str, directory: Path) -> str:
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            output = on_a_terminal(line[2:], directory)
            lines += [line, output] if output else [line]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return the reference of every command, from its help."""
    parts = ["# The commands of poolnorm", "", "Generated from `--help`: do not edit.", ""]
    for words in commands():
        told = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "poolnorm_cli", *words, "--help"],
            env=environment() | {"TERM": "dumb"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        shown = "\n".join(line.rstrip() for line in told.strip().splitlines())
        parts += [f"## poolnorm {' '.join(words)}".rstrip(), "", "```text", shown, "```", ""]
    return "\n".join(parts)


def commands() -> Iterator[list[str]]:
    """List the words of every command: the root, the verbs, and the layers below some."""
    from poolnorm_cli.cli.command import LAYER_VERBS
    from poolnorm_cli.cli.verbs import OTHER_VERBS
    from poolnorm_cli.layers import LAYERS

    yield []
    layers = [name.split() for name in LAYERS]
    for verb in LAYER_VERBS:
        yield from (words for words in layers if words[0] == verb)
    for verb in OTHER_VERBS:
        yield [verb]
    yield from (["shape", *words] for words in (["pool", "max"], ["pipe"], ["solve"]))


def main() -> int:
    """Write the pages, or with --check say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if outdated")
    check = parser.parse_args().check
    wanted = {REFERENCE: reference()}
    for name in PAGES:
        wanted[ROOT / name] = page((ROOT / name).read_text())
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is not current: run python docs/generate.py")  # noqa: T201
        else:
            path.write_text(wanted[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
