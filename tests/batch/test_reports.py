"""What a batch says while it runs, at its end, and before it begins."""

import json
import os
import pty
import sys
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.batch.batch import Counts
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.stages import InputResult
from poolnorm_cli.errors import InputError
from poolnorm_cli.report import progress
from tests.batch.places import make_tensors, tree
from tests.conftest import Command, process


def test_faults_are_grouped_by_reason() -> None:
    counts = Counts(10)
    for number in range(3):
        error = InputError.at(f"{number}.npy", "truncated", "copy it again")
        counts.add(InputResult(Input(f"{number}.npy"), error=error))
    counts.add(InputResult(Input("x.npy"), error=InputError.at("x.npy", "no such file")))
    counts.add(InputResult(Input("y.npy"), skipped=True))
    counts.add(InputResult(Input("z.npy")))

    assert progress.summary_of(counts) == [
        "1 done, 1 skipped, 4 failed, 4 not begun",
        "  3 x truncated",
        "  1 x no such file",
    ]


@pytest.mark.parametrize("name", ["b\nad.npy", "\udcff.npy", "a" * 230 + ".npy", "a: b.npy"])
def test_a_name_that_is_told_escaped_or_cut_is_no_part_of_a_reason(name: str) -> None:
    counts = Counts(2)
    counts.add(InputResult(Input(name), error=InputError.at(name, "truncated", "copy it again")))
    counts.add(InputResult(Input("x"), error=InputError.at("x", "truncated", "copy it again")))

    assert counts.failures == {"truncated": 2}


def test_only_the_most_frequent_reasons_are_told() -> None:
    counts = Counts(9)
    for number in range(9):
        counts.add(InputResult(Input("x"), error=InputError.at("x", f"fault {min(number, 7)}")))

    lines = progress.summary_of(counts)
    assert lines[1] == "  2 x fault 7"
    assert lines[-1] == "  3 x other faults"
    assert len(lines) == 7


def test_a_batch_that_went_well_says_nothing_more(poolnorm: Command) -> None:
    make_tensors("in", 3)
    assert poolnorm("pool max in -O out").err == ""


def test_lines_of_json_end_with_the_whole(poolnorm: Command) -> None:
    make_tensors("in", 3)
    Path("in/0001.npy").write_bytes(b"no tensor")
    err = poolnorm("pool max in -O out --progress json -q").err.splitlines()
    last = json.loads(next(line for line in reversed(err) if line.startswith("{")))

    assert last["schema"] == 1
    assert (last["total"], last["done"], last["failed"], last["skipped"]) == (3, 2, 1, 0)
    assert last["seconds_left"] == 0


def test_lines_of_json_come_as_time_goes_by(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines, counts = progress.Lines(summarizes=True), Counts(8)
    for _ in range(8):
        now[0] += 0.5
        counts.done += 1
        lines.update(counts)

    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["done"] for line in told] == [2, 4, 6, 8]
    assert told[0]["rate"] == 2.0
    assert told[0]["seconds_left"] == 3.0


def on_a_terminal(words: list[str], stdout: str = os.devnull) -> str:
    """Run the command with a terminal for standard error, and return what it shows there."""
    pid, terminal = pty.fork()
    if not pid:
        os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT, 0o666), 1)
        os.execv(sys.executable, [sys.executable, "-c", *words])  # noqa: S606
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    os.waitpid(pid, 0)
    return shown.decode()


BAR = """
import sys
from poolnorm_cli.report import progress
progress._FIRST = float(sys.argv.pop(1))
from poolnorm_cli.cli.main import run
code = run(sys.argv[1:])
print("rich" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize(("first", "is_shown"), [("0", True), ("60", False)])
def test_a_bar_is_drawn_only_for_what_takes_time(first: str, is_shown: bool) -> None:
    make_tensors("in", 30)
    shown = on_a_terminal([BAR, first, "pool", "max", "in", "-O", "out"])

    assert ("/30" in shown) is is_shown
    assert shown.rstrip().endswith(str(is_shown))
    assert len(tree("out")) == 30


def test_the_bar_leaves_standard_output_to_its_file() -> None:
    names = make_tensors("in", 30)
    shown = on_a_terminal([BAR, "0", "pool", "max", "in", "-O", "out"], "list")

    assert "/30" in shown
    assert "float32" not in shown
    assert [line.split("\t")[0] for line in Path("list").read_text().splitlines()] == names


def test_the_table_of_a_terminal_has_an_end() -> None:
    make_tensors("in", 30)
    code = BAR.replace(
        "import sys",
        "import sys; from poolnorm_cli.report import table; "
        "table._MOST = 5; __import__('os').dup2(2, 1)",
    )
    shown = on_a_terminal([code, "60", "pool", "max", "in", "-O", "out"])

    assert "and 25 more; `| cat` or --json lists all of them" in shown
    assert "in/0004.npy" in shown
    assert "in/0005.npy" not in shown


def test_no_bar_is_drawn_on_request() -> None:
    make_tensors("in", 30)
    words = [BAR, "0", "pool", "max", "in", "-O", "out", "--progress", "never"]

    assert on_a_terminal(words).split() == ["False"]


@pytest.fixture
def mixed() -> None:
    make_tensors("in", 2)
    np.save("in/vector.npy", np.ones(3, np.float32))
    Path("in/bad.npy").write_bytes(b"no tensor")


@pytest.mark.usefixtures("mixed")
def test_a_dry_run_says_what_a_run_would_do_and_does_nothing(poolnorm: Command) -> None:
    dry = poolnorm("pool max in -O out --dry-run")
    assert not Path("out").exists()
    wet = poolnorm("pool max in -O out")

    assert dry.code == wet.code == 1
    lines = [line.split("\t") for line in dry.out.splitlines()]
    real = [line.split("\t") for line in wet.out.splitlines()]
    assert [line[:4] for line in lines] == [line[:4] for line in real]
    assert [line[6] for line in lines] == [line[6] for line in real]
    assert int(lines[0][4]) == np.load("out/0000.npy").nbytes
    assert int(lines[0][5]) > 0
    assert dry.err.splitlines() == wet.err.splitlines()[:2]


@pytest.mark.usefixtures("mixed")
def test_a_dry_run_as_a_document(poolnorm: Command) -> None:
    document = json.loads(poolnorm("pool max in -O out --dry-run --json").out)

    assert document["dry_run"] is True
    by_input = {result["input"]: result for result in document["results"]}
    assert by_input["in/0000.npy"]["output_shape"] == [4, 4, 4, 3]
    assert by_input["in/0000.npy"]["nbytes"] == 4 * 4 * 4 * 3 * 4
    assert by_input["in/vector.npy"]["code"] == 2
    assert by_input["in/bad.npy"]["code"] == 4


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("pool max in/0000.npy --pool-size 99", 2),
        ("pool max nothing.npy", 4),
        ("pool max in/0000.npy -o there.npy", 2),
        ("bn in/0000.npy --weights short.npz", 2),
        ("pool max in/0000.npy", 0),
    ],
)
@pytest.mark.usefixtures("mixed")
def test_a_dry_run_ends_as_the_run_would(poolnorm: Command, words: str, code: int) -> None:
    np.save("there.npy", np.ones(3))
    np.savez("short.npz", gamma=np.ones(2), beta=np.ones(2))
    dry, wet = poolnorm(f"{words} --dry-run"), poolnorm(words)

    assert dry.code == wet.code == code
    assert dry.err == wet.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_a_dry_run_is_not_far_from_the_truth() -> None:
    np.save("x.npy", np.zeros((64, 256, 256, 8), np.float32))
    told = process("pool", "max", "x.npy", "-o", "y.npy", "--dry-run").stdout
    code = (
        "import sys; from poolnorm_cli.cli.main import run; run(sys.argv[1:]);"
        "print(*[x.split()[1] for x in open('/proc/self/status') if x.startswith('VmHWM')])"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code, *["pool", "max", "x.npy", "-q", "-o", "y.npy"]],
        capture_output=True,
        check=True,
    )
    peak, estimate = int(done.stdout) << 10, int(told.split(b"\t")[5])

    assert peak / 2 < estimate < peak * 2
