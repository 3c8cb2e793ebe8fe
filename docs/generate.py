"""Write what the documentation shows of the program: run `python docs/generate.py`.

Three things are generated, so that none can rot: the reference of every command, the output below
each command in the console blocks of the pages, and the drawings. `--check` says whether they are
current.
"""

import argparse
import io
import os
import pty
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "cli.md"
PAGES = ("README.md", "samples/README.md", "docs/guide.md", "docs/batch_normalization.md")
PICTURES = {
    "windows": "shape pool average 1,5,5,1 --pool-size 3 --strides 2 --padding same",
    "pool-max": "shape pool max 1,4,6,1 --pool-size 2",
    "pool-average": "shape pool average 1,5,5,1 --pool-size 2 --padding same",
    "pool-valid": "shape pool max 1,7,1 --pool-size 3 --strides 2",
    "pool-same": "shape pool max 1,8,1 --pool-size 3 --strides 2 --padding same",
    "pool-gaps": "shape pool max 1,9,1 --pool-size 2 --strides 3",
    "pool-1d": "shape pool max 1,12,1 --pool-size 3 --padding same",
    "pool-3d": "shape pool max 1,4,6,8,1 --pool-size 2",
    "pool-same-even": "shape pool average 1,6,6,1 --pool-size 3 --strides 2 --padding same",
    "gpool": "shape gpool average 1,4,6,1",
    "apool": "shape apool average 1,10,1 --output-size 4",
    "apool-2d": "shape apool max 1,5,7,1 --output-size 2,3",
    "bn": "shape bn 2,2,3,4",
    "bn-first": "shape bn 2,4,2,3 --axis 1",
    "ln": "shape ln 2,3,4",
    "gn": "shape gn 2,2,3,6 --groups 3",
    "in": "shape in 2,2,3,4",
    "rms": "shape rms 2,3,6",
    "unit": "shape unit 4,6",
    "pipe": "shape pipe 1,24,24,3 ! pool max --pool-size 3 --strides 2 --padding same "
    "! bn ! pool average --pool-size 3 --strides 2",
}
"""Pictures that the pages show: name in docs/pictures -> the words after `poolnorm`."""
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


def pictures() -> Iterator[tuple[Path, str]]:
    """Draw every picture: yield its file, and what is to be in it."""
    from poolnorm_cli.cli.main import run

    with tempfile.TemporaryDirectory() as place, chdir(ROOT):
        for name, words in PICTURES.items():
            file = Path(place) / f"{name}.svg"
            with redirect_stdout(io.StringIO()):
                own, mark, steps = words.partition(" ! ")
                code = run([*own.split(), "--save-svg", str(file), *f"{mark}{steps}".split()])
            if code:
                raise SystemExit(code)
            yield ROOT / "docs" / "pictures" / file.name, file.read_text(encoding="utf-8")


def main() -> int:
    """Write the pages, or with --check say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if outdated")
    check = parser.parse_args().check
    from reference import reference

    wanted = {REFERENCE: reference()}
    for name in PAGES:
        wanted[ROOT / name] = page((ROOT / name).read_text())
    wanted |= dict(pictures())
    left = set((ROOT / "docs" / "pictures").glob("*")) - set(wanted)
    for path in left:
        if check:
            print(f"{path.relative_to(ROOT)} is not among the pictures")  # noqa: T201
        else:
            path.unlink()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is not current: run python docs/generate.py")  # noqa: T201
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if check and (stale or left) else 0


if __name__ == "__main__":
    sys.exit(main())
