"""What is put beside the calculator: this package with what it imports, and a known Pyodide."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.site.conftest import script


_ASK = """
import sys
sys.path.insert(0, "poolnorm.zip")
import ask
ask.layers()
for words in sys.argv[1:]:
    print(ask.ask(words))
assert "numpy" not in sys.modules
"""


def test_the_archive_answers_by_itself(poolnorm: Command) -> None:
    Path("poolnorm.zip").write_bytes(script("build").archive())
    asked = [
        "shape pool max N,28,28,3 --pool-size 3 --explain --conventions --json",
        "shape solve 9,9 4,4 --json",
        "shape pool max 1,2,2,1 --pool-size 3 --json",
        "shape pool max 1,2,2,1 --pool-size abc",
        "shape pool max 1,2,2,1 --pool-siz 2",
    ]
    # Without site-packages: nothing is there but the standard library, as in a browser.
    command = [sys.executable, "-I", "-S", "-c", _ASK, *(json.dumps(w.split()) for w in asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    for line, words in zip(done.stdout.splitlines(), asked, strict=True):
        found, told = json.loads(line), poolnorm(words)
        assert found == {"code": told.code, "out": told.out, "err": told.err}, words


def test_the_archive_is_the_same_every_time_and_holds_python_alone() -> None:
    archive = script("build").archive()

    assert archive == script("build").archive()
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert {name.rpartition(".")[2] for name in names} == {"py"}
    assert {"ask.py", "poolnorm_cli/shapes.py"} <= set(names)


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_another_pyodide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")  # a site is not wanted
    build = script("build")
    monkeypatch.setattr(build, "INTEGRITY", "of another file")

    with pytest.raises(SystemExit, match=r"has SHA-512 .*, not of another file"):
        build.unpack_pyodide(Path("pyodide"))
    assert not list(Path("pyodide").iterdir())


def test_what_npm_cannot_fetch_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    build = script("build")
    Path("npm").write_text("#!/bin/sh\necho 'network is unreachable' >&2; exit 1\n")
    Path("npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(Path.cwd()), prepend=os.pathsep)

    with pytest.raises(SystemExit, match=r"^error: npm cannot fetch pyodide@.*unreachable"):
        build.unpack_pyodide(Path("pyodide"))
