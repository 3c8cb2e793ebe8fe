"""Write what the documentation shows of the program: run `python docs/generate.py`.

Three things are generated, so that none can rot: the reference of every command, the output below
each command in the console blocks of the pages, and the drawings. `--check` says whether they are
current.
"""

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from pathlib import Path

import console


ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "cli.md"
_GENERATED = {REFERENCE.name, "benchmark_results.md"}
PAGES = [
    *(ROOT / name for name in ("README.md", "samples/README.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in _GENERATED),
]
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
    "lrn": "shape pool average 1,7,1 --pool-size 5 --strides 1 --padding same",
    "pipe": "shape pipe 1,24,24,3 ! pool max --pool-size 3 --strides 2 --padding same "
    "! bn ! pool average --pool-size 3 --strides 2",
}
"""Pictures that the pages show: name in docs/pictures -> the words after `poolnorm`."""
_TABLE = re.compile(r"(<!-- parameters: ([a-z ]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def parameters(name: str) -> str:
    """Write the parameters of a layer as a table, from the layer itself."""
    from poolnorm_cli.layers import find
    from poolnorm_cli.layers.keras.spelling import unwrap_single
    from poolnorm_cli.values import MISSING

    lines = ["| flag | default | |", "|---|---|---|"]
    for parameter in find(*name.split()).parameters():
        default = unwrap_single(parameter.default)
        shown = "required" if default is MISSING else "" if default is None else f"`{default}`"
        lines.append(f"| `{parameter.flag}` | {shown} | {parameter.help.replace('|', '&#124;')} |")
    return "\n".join(lines)


def written(text: str) -> str:
    """Write what is generated of a page: the tables of parameters, and what commands print."""
    text = _TABLE.sub(lambda found: f"{found[1]}\n{parameters(found[2])}\n{found[3]}", text)
    return console.page(text)


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
    for path in PAGES:
        wanted[path] = written(path.read_text(encoding="utf-8"))
    wanted |= dict(pictures())
    # The program prints the same wherever it is, unless it complains of how it is installed.
    here = [path.relative_to(ROOT) for path, text in wanted.items() if str(ROOT) in text]
    if here:
        print(f"error: {here[0]} would name {ROOT}: a command of it fails here", file=sys.stderr)  # noqa: T201
        return 1
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
