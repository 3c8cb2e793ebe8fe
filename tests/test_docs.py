"""What the documentation shows is what the program prints, in words that a newcomer knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import poolnorm_cli
from poolnorm_cli.layers import LAYERS, find
from tests.conftest import ROOT


def test_pages_and_reference_are_current() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_every_parameter_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    shared = reference.split("\n## Flags of all layer verbs\n")[1].split("\n## ")[0]
    for name in LAYERS:
        section = reference.split(f"\n### poolnorm {name}\n")[1].split("\n##")[0]
        for parameter in find(*name.split()).parameters():
            assert f"| `{parameter.flag}" in section + shared, f"{name} {parameter.flag}"


def test_the_reference_can_be_read() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    links = re.findall(r"\]\(#([\w-]+)\)", reference)
    headings = re.findall(r"^#+ (.*)$", reference, flags=re.MULTILINE)

    assert len(reference) < 60_000
    assert not re.search("[╭│╰─]", reference)
    assert {heading.lower().replace(" ", "-") for heading in headings} >= set(links)
    assert reference.count("| `--backend numpy") == 1


def test_the_page_of_results_is_that_of_their_file() -> None:
    import json

    from benchmarks.report import page

    docs = ROOT / "docs"

    assert (docs / "benchmark_results.md").read_text() == page(
        json.loads((docs / "benchmarks.json").read_text())
    )


TERMS = {
    "README.md": {
        "journal": "a file that records what",
        "shard": "parts, each run as a job of its own",
    },
    "docs/guide.md": {
        "fold it": "(to write\nit as one scale and one shift)",
        "journal": "see [below](#many-files)",
        "shards": "the files a large checkpoint is split into",
        "provider": "the part of ONNX Runtime that runs graphs on one\nkind of device",
        "ULP": "a unit in the last place",
    },
    "docs/batch_normalization.md": {
        "ghost batches": "parts of a batch, each normalized by its own statistics",
        "fold ": "is to write it as one scale and one shift",
    },
}
STILTED = (
    r"\bis no (number|address|operator set|weight|identifier|string)\b",
    r"\b1 (cells|places|windows|channels|groups|inputs|files|arrays|weights|samples)\b",
    r"\bbelow the window\b",
    r"\bthere or nowhere\b",
    r"\bmend\b",
)


@pytest.mark.parametrize("name", TERMS)
def test_terms_are_explained_where_they_first_stand(name: str) -> None:
    text = (ROOT / name).read_text()
    for term, words in TERMS[name].items():
        first = text.index(term)
        assert words in text[first - 200 : first + 350], term


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs", "samples"])
def test_documents_are_in_plain_english(name: str) -> None:
    pages = (ROOT / name).glob("*.md") if (ROOT / name).is_dir() else [ROOT / name]
    for page in pages:
        for pattern in STILTED:
            assert not re.search(pattern, page.read_text()), (page.name, pattern)


def test_messages_are_in_plain_english() -> None:
    package = Path(poolnorm_cli.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for pattern in STILTED:
                    assert not re.search(pattern, node.value), (path.name, node.lineno, pattern)
