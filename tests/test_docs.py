"""What the documentation shows is what the program prints."""

import subprocess
import sys

from poolnorm_cli.layers import LAYERS, find
from tests.conftest import ROOT


def test_pages_and_reference_are_current() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_every_parameter_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    for name in LAYERS:
        section = reference.split(f"## poolnorm {name}\n")[1].split("\n## ")[0]
        for parameter in find(*name.split()).parameters():
            assert parameter.flag in section, f"{name} {parameter.flag}"


def test_the_page_of_results_is_that_of_their_file() -> None:
    import json

    from benchmarks.report import page

    docs = ROOT / "docs"

    assert (docs / "benchmark_results.md").read_text() == page(
        json.loads((docs / "benchmarks.json").read_text())
    )
