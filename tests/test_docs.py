"""What the documentation shows is what the program prints, in words that a newcomer knows."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import poolnorm_cli
from poolnorm_cli.cli import fast_parser
from poolnorm_cli.cli.verbs import ROOT as ROOT_COMMAND
from poolnorm_cli.kernels import native
from poolnorm_cli.layers import LAYERS, find
from tests.conftest import ROOT


@pytest.mark.skipif(not native.compiled(), reason="pages show the digits of compiled loops")
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
            listed = re.search(rf"^\| (`|<code>){parameter.flag}\b", section + shared, re.MULTILINE)
            assert listed, f"{name} {parameter.flag}"


def test_the_reference_can_be_read() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    links = re.findall(r"\]\(#([\w-]+)\)", reference)
    headings = re.findall(r"^#+ (.*)$", reference, flags=re.MULTILINE)

    assert len(reference) < 60_000
    assert not re.search("[╭│╰─]", reference)
    assert {heading.lower().replace(" ", "-") for heading in headings} >= set(links)
    assert reference.count("| <code>--backend numpy&#124;") == 1


def test_the_page_of_results_and_its_pictures_are_those_of_their_file(tmp_path: Path) -> None:
    import json

    from benchmarks.picture import draw
    from benchmarks.report import write

    docs = ROOT / "docs"
    found = json.loads((docs / "benchmarks.json").read_text())

    draw(found["times"], tmp_path / "benchmarks.svg", found["machine"]["processors"])
    write(docs / "benchmarks.json", tmp_path / "benchmark_results.md")

    for path in tmp_path.iterdir():
        assert (docs / path.name).read_text() == path.read_text(), path.name
    assert len(list(tmp_path.iterdir())) == 3


def test_the_table_of_the_sweep_is_that_of_its_file() -> None:
    import json

    from benchmarks.rows import rows
    from benchmarks.sweep import is_over, page

    docs = ROOT / "docs"
    found = json.loads((docs / "sweep.json").read_text())
    text = (docs / "sweep.md").read_text()

    assert text == page(found)
    assert {row.name for row in rows()} <= set(found["times"])
    over = [name for name, times in found["times"].items() if "torch" in times and is_over(times)]
    first = text.partition("## All")[0]
    assert all(f"| {name} |" in first for name in over)


def test_the_tables_of_threads_are_those_of_their_file() -> None:
    import json

    from benchmarks.threads import page

    docs = ROOT / "docs"
    found = json.loads((docs / "benchmarks_16.json").read_text())

    assert (docs / "threads.md").read_text() == page(found, "benchmarks_16.json")
    few = {
        "threads 2 4x4 ln": {"poolnorm": [0.5], "torch": [1.0], "floor": [0.25]},
        "threads 1 4x4 ln": {"poolnorm": [1.0]},
        "whole 4x4 gpool max": {"poolnorm": [1.0, 2.0], "floor": [4.0, 4.0]},
        "files 9 pool max": {"poolnorm": [1.0], "one": [4.0], "floor": [2.0]},
    }
    text = page(
        {
            "times": few,
            "machine": {"processors": 2},
            "input": {"shape": "4x4", "megabytes": 1},
        },
        "x.json",
    )
    assert "| ln | 1000 | 500, 1000 | 250 | 0.50 |" in text
    assert "| gpool max | 1500 | 4000 | 0.38 | 0.35 |" in text
    assert "| 9 | 4000 | 1000 | 2600 | 2000 |" in text


def test_pictures_of_results_can_be_read_on_a_phone() -> None:
    for path in (ROOT / "docs").glob("benchmarks*.svg"):
        picture = path.read_text()
        assert 'viewBox="0 0 400 ' in picture
        assert min(int(size) for size in re.findall(r"font(?:-size)?:(\d+)px", picture)) >= 12
        assert "prefers-color-scheme:dark" in picture
        places = [float(x) for x in re.findall(r'<text x="([\d.]+)"', picture)]
        assert max(places) <= 392


def test_every_layer_has_a_page_with_its_parameters() -> None:
    pages = {path.stem: path.read_text() for path in (ROOT / "docs" / "layers").glob("*.md")}
    for name in LAYERS:
        page = pages[name.split()[0]]
        for parameter in find(*name.split()).parameters():
            assert f"| `{parameter.flag}` |" in page, f"{name} {parameter.flag}"
        for heading in ("formula", "Parameters", "Keras", "PyTorch", "ONNX", "Common mistakes"):
            assert re.search(f"^## .*{heading}", page, re.MULTILINE), f"{name} {heading}"
        assert "](../pictures/" in page, name


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    for path in (ROOT / "docs").rglob("*.md"):
        assert f": {path.relative_to(ROOT / 'docs')}\n" in menu, path.name


_PAGES = ["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
_PAGES.remove("docs/cli.md")  # its examples are those of the help, which have tests of their own
_SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", _PAGES)
def test_commands_that_no_example_runs_can_be_read(name: str) -> None:
    """A cluster, a GPU and a bucket are not there: their commands are read, and not run."""
    for block in _SHELL.findall((ROOT / name).read_text()):
        for line in re.findall(r"(?:^|[ '/])poolnorm ([^#|\n]+)", block.replace("\\\n", "")):
            words = shlex.split(re.split(" && | ! ", line)[0].rstrip().removesuffix("'"))
            command, left = fast_parser.find(words, ROOT_COMMAND)
            assert command is not None, line
            assert fast_parser.read(command, left) is not None, line


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
    pages = (ROOT / name).rglob("*.md") if (ROOT / name).is_dir() else [ROOT / name]
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
