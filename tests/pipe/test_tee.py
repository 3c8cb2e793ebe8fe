"""`tee FILE`: what passes is written, by one more file of which a command knows."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.batch.places import tree
from tests.conftest import Command


STEPS = "! pool max --pool-size 2 ! tee {} ! bn --training ! gpool average"


@pytest.fixture(autouse=True)
def tensors() -> None:
    Path("in").mkdir()
    for number in range(3):
        x = np.random.default_rng(number).standard_normal((4, 8, 8, 3))
        np.save(f"in/{number}.npy", x.astype("f4"))


def test_a_tee_writes_what_the_step_before_it_gives(poolnorm: Command) -> None:
    steps = (
        "! tee t0.npy ! pool max ! tee t1.npy ! bn --training ! tee t2.npy ! gpool max ! tee t3.npy"
    )

    assert poolnorm(f"pipe in/0.npy -o y.npy -q {steps}").code == 0

    assert Path("t0.npy").read_bytes() == Path("in/0.npy").read_bytes()
    poolnorm("pool max in/0.npy -o a.npy -q")
    poolnorm("bn a.npy -o b.npy -q --training")
    assert Path("t1.npy").read_bytes() == Path("a.npy").read_bytes()
    assert Path("t2.npy").read_bytes() == Path("b.npy").read_bytes()
    assert Path("t3.npy").read_bytes() == Path("y.npy").read_bytes()


def test_the_arrays_of_an_npz_keep_their_names(poolnorm: Command) -> None:
    np.savez("x.npz", a=np.ones((2, 4, 3), "f4"), b=np.ones((1, 6, 2), "f4"))

    assert poolnorm("pipe x.npz -q ! pool max ! tee t.npz ! gpool max").code == 0

    with np.load("t.npz") as found:
        assert {key: found[key].shape for key in found} == {"a": (2, 2, 3), "b": (1, 3, 2)}


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("t/", ["t/0.npy", "t/1.npy", "t/2.npy"]),
        ("t/{stem}_p{ext}", ["t/0_p.npy", "t/1_p.npy", "t/2_p.npy"]),
        ("{stem}_{index}.npy", ["0_0.npy", "1_1.npy", "2_2.npy"]),
        ("a/{stem}/{name}", ["a/0/0.npy", "a/1/1.npy", "a/2/2.npy"]),
    ],
)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_inputs_have_a_file_each(
    poolnorm: Command, target: str, names: list[str], jobs: str
) -> None:
    steps = STEPS.replace(" --training", "").format(target)

    assert poolnorm(f"pipe in -O out -q -j {jobs} {steps}").code == 0

    assert all(Path(name).exists() for name in names)
    poolnorm("pool max in -O pooled -q")
    assert [Path(name).read_bytes() for name in names] == [
        Path(f"pooled/{number}.npy").read_bytes() for number in range(3)
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("in -O out ! tee t.npy ! bn", "tee t.npy with 3 inputs; give a directory"),
        ("in/0.npy -o y.npy ! tee y.npy ! bn", "y.npy: the output is the file of tee"),
        ("in/0.npy ! tee in/0.npy ! bn", "in/0.npy: tee is the input in/0.npy"),
        ("in/0.npy ! tee t.npy ! bn ! tee ./t.npy", "t.npy: tee is the file of tee"),
        ("in/0.npy ! tee t.txt ! bn", "t.txt"),
        ("in/0.npy ! tee no/t.npy ! bn", "no/t.npy: no such directory"),
        ("in -O out ! tee t/{nope} ! bn", "{nope}: no field {nope} in names of outputs; there are"),
        ("in/0.npy ! bn --save-weights w.npz ! tee w.npz", "--save-weights in step 1 (bn)"),
    ],
)
def test_a_tee_that_cannot_be_is_refused(poolnorm: Command, words: str, message: str) -> None:
    before = tree(".")

    result = poolnorm(f"pipe {words}")

    assert result.code in (2, 3)
    assert message in result.err
    assert tree(".") == before


def test_a_file_that_is_there_is_left_unless_it_is_to_be_replaced(poolnorm: Command) -> None:
    Path("t.npy").write_text("mine")
    words = "pipe in/0.npy -q -o y.npy ! tee t.npy ! bn"

    refused = poolnorm(words)

    assert (refused.code, Path("t.npy").read_text()) == (2, "mine")
    assert "t.npy: exists" in refused.err
    assert not Path("y.npy").exists()
    assert poolnorm(f"{words} --overwrite").code == 0
    assert np.load("t.npy").shape == (4, 8, 8, 3)


def test_the_files_that_were_written_are_told(poolnorm: Command) -> None:
    one = poolnorm("pipe in/0.npy -o y.npy --json ! tee mid/ ! pool max ! tee {stem}_p{ext}")
    many = poolnorm("pipe in -O out --json ! tee {stem}_t{ext} ! bn")

    files = [
        [step["file"] for step in result["steps"] if step["command"] == "tee"]
        for done in (one, many)
        for result in json.loads(done.out)["results"]
    ]
    assert files[0] == ["mid/0.npy", "0_p.npy"]
    assert files[1:] == [[f"{n}_t.npy"] for n in range(3)]
    assert all(Path(file).is_file() for names in files for file in names)


def test_a_run_that_fails_leaves_no_tee(poolnorm: Command) -> None:
    Path("in/0.npy").write_bytes(Path("in/0.npy").read_bytes()[:-100])

    assert poolnorm("pipe in/0.npy -o y.npy ! tee t.npy ! bn").code == 4
    assert not Path("t.npy").exists()
    assert not Path("y.npy").exists()


RESUMED = "pipe in -O out --journal j --resume -q ! pool max ! tee mid/ ! gpool average"


def test_an_input_is_done_when_its_tee_is_there(poolnorm: Command) -> None:
    assert poolnorm(RESUMED).code == 0
    whole = tree("mid"), tree("out")
    times = {path: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    Path("mid/1.npy").unlink()

    assert poolnorm(RESUMED).code == 0

    assert (tree("mid"), tree("out")) == whole
    again = [path.name for path in times if path.stat().st_mtime_ns != times[path]]
    assert again == ["1.npy"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tee_of_a_run_that_was_killed_is_known_by_its_bytes(poolnorm: Command, jobs: str) -> None:
    assert poolnorm(RESUMED).code == 0
    whole = tree("mid"), tree("out")
    lines = Path("j").read_text().splitlines()
    Path("j").write_text("\n".join(lines[:1]) + "\n")  # nothing was written down
    Path("out/1.npy").unlink()  # and this one had no name yet

    assert poolnorm(f"{RESUMED} -j {jobs}").code == 0
    assert (tree("mid"), tree("out")) == whole


def test_a_tee_of_somebody_else_is_not_replaced(poolnorm: Command) -> None:
    assert poolnorm(RESUMED).code == 0
    Path("mid/1.npy").write_text("mine")

    result = poolnorm(RESUMED)

    assert result.code == 2
    assert result.err.startswith("error: mid/1.npy: exists, and neither the journal nor its")
    assert Path("mid/1.npy").read_text() == "mine"
    Path("out/1.npy").unlink()
    assert poolnorm(RESUMED).code == 1
    assert Path("mid/1.npy").read_text() == "mine"
