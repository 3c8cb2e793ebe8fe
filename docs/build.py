"""Build the site: run `python docs/build.py [DIRECTORY]`, then open it through a server.

The pages are Markdown and are made by mkdocs-material (the extra `docs`). The calculator is a page
that runs this package in the browser: what it needs is put beside it, so that the site asks no
other host for anything. That is Pyodide, from its npm package of a known version and checksum, and
an archive of this package with what it imports to report an error.
"""

import argparse
import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "site"
CALCULATOR = ROOT / "docs" / "calculator"
PYODIDE = "pyodide@314.0.7"
INTEGRITY = (
    "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
)
"""SHA-512 of the npm package, as the registry states it."""
PYODIDE_FILES = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "pyodide-lock.json",
    "python_stdlib.zip",
)
PACKAGES = ("typer", "shellingham", "rich", "annotated_doc", "markdown_it", "mdurl")
"""What is imported to say what is wrong with a command line; all of it is Python alone."""
_OLDEST = (1980, 1, 1, 0, 0, 0)


def build_calculator(directory: Path) -> None:
    """Write the calculator, with Pyodide and this package beside it.

    Args:
        directory: Where to; it is made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for path in CALCULATOR.iterdir():
        if path.suffix in {".html", ".css", ".js"}:
            shutil.copy(path, directory / path.name)
    (directory / "poolnorm.zip").write_bytes(archive())
    unpack_pyodide(directory / "pyodide")


def archive() -> bytes:
    """Return a zip of this package and of what it imports, equal bytes for equal files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in _modules():
            made.writestr(zipfile.ZipInfo(name, _OLDEST), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _modules() -> Iterator[tuple[str, Path]]:
    yield "ask.py", CALCULATOR / "ask.py"
    places = [ROOT / "poolnorm_cli"]
    for package in PACKAGES:
        found = find_spec(package)
        if found is None or found.origin is None:
            sys.exit(f"error: {package} is not installed; pip install -e .")
        places.append(Path(found.origin).parent)
    for place in places:
        for path in sorted(place.rglob("*.py")):
            yield path.relative_to(place.parent).as_posix(), path


def unpack_pyodide(directory: Path) -> None:
    """Fetch Pyodide with npm, check it, and unpack what a browser needs; once for a directory.

    Args:
        directory: Where to; it is made.
    """
    mark = directory / "version.txt"
    if mark.exists() and mark.read_text() == PYODIDE:
        return
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(_fetch())) as package:
        for name in PYODIDE_FILES:
            member = package.extractfile(f"package/{name}")
            if member is None:
                sys.exit(f"error: {PYODIDE} has no {name}")
            (directory / name).write_bytes(member.read())
    mark.write_text(PYODIDE)


def _fetch() -> bytes:
    if shutil.which("npm") is None:
        sys.exit("error: npm is needed to fetch Pyodide; apt-get install npm")
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", PYODIDE, "--prefer-offline", "--loglevel=error"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            sys.exit(f"error: npm cannot fetch {PYODIDE}: {done.stderr.strip()}")
        (packed,) = Path(place).iterdir()
        content = packed.read_bytes()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        sys.exit(f"error: {PYODIDE} has SHA-512 {found}, not {INTEGRITY}")
    return content


def build_pages(directory: Path) -> None:
    """Make the pages, and end where mkdocs finds a broken link or anything else to warn of.

    Args:
        directory: Where to; what is there is replaced.
    """
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(directory)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:  # noqa: S603
        sys.exit("error: the pages were not made; pip install -e '.[docs]' installs what is needed")


def main() -> None:
    """Build all of it, or the calculator alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=SITE, help="where to; site")
    parser.add_argument("--calculator", action="store_true", help="without the pages of Markdown")
    typed = parser.parse_args()
    directory = typed.directory.resolve()
    if not typed.calculator:
        build_pages(directory)
    build_calculator(directory / "calculator")
    print(f"{directory}: python3 -m http.server -d {directory}")  # noqa: T201


if __name__ == "__main__":
    main()
