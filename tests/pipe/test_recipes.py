"""A pipe is kept in a file, and runs from it to the same bytes; a Keras Sequential is one, too."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command
from tests.pipe.chains import pipe_words, random_chain
from tests.weights.make_sequential import FIXTURES, inputs


@pytest.fixture(autouse=True)
def x(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).standard_normal((4, 9, 8, 6)).astype(np.float32)
    np.save("x.npy", values)
    return tmp_path / "x.npy"


def test_random_pipes_run_from_their_recipes_to_the_same_bytes(poolnorm: Command) -> None:
    chance, done = random.Random(5), 0  # noqa: S311
    for _ in range(12):
        steps = random_chain(chance)
        if poolnorm(f"pipe x.npy -o a.npy --overwrite -q {pipe_words(steps)}").code:
            continue
        done += 1
        saved = poolnorm(f"pipe --save-recipe r.toml --overwrite {pipe_words(steps)}")
        assert (saved.code, saved.out, saved.err) == (0, "", "")
        again = poolnorm("pipe x.npy -o b.npy --overwrite -q --recipe r.toml --save-recipe s.toml")
        assert (again.code, again.err) == (0, "")
        assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes(), steps
        assert Path("r.toml").read_text() == Path("s.toml").read_text()
        Path("s.toml").unlink()
    assert done > 6


def test_files_of_a_recipe_lie_beside_it(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "run").mkdir()
    poolnorm("bn x.npy --training -q --save-weights kept/bn.npz")
    poolnorm("ln x.npy -q --save-weights run/ln.npz")
    steps = "! bn --weights kept/bn.npz ! ln --weights run/ln.npz"
    done = poolnorm(f"pipe x.npy -q -o a.npy --save-recipe kept/r.toml {steps}")
    assert (done.code, done.err) == (0, "")
    text = Path("kept/r.toml").read_text()
    assert 'weights = "bn.npz"' in text
    assert 'weights = "../run/ln.npz"' in text
    assert str(tmp_path) not in text
    monkeypatch.chdir(tmp_path / "run")
    done = poolnorm("pipe ../x.npy -q -o b.npy --recipe ../kept/r.toml")
    assert (done.code, done.err) == (0, "")
    assert Path("b.npy").read_bytes() == Path("../a.npy").read_bytes()


def test_steps_that_are_typed_come_after_those_of_the_recipe(poolnorm: Command) -> None:
    poolnorm("pipe --save-recipe r.toml ! pool max ! bn")
    done = poolnorm("pipe x.npy -o a.npy --recipe r.toml ! tee t.npy ! gpool average")
    assert done.code == 0
    rows = [line.split("\t")[:2] for line in done.out.splitlines()[1:]]
    assert rows == [
        ["step 1", "pool max"],
        ["step 2", "bn"],
        ["step 3", "tee"],
        ["step 4", "gpool average"],
    ]
    wrong = poolnorm("pipe x.npy --recipe r.toml ! bn --name bn ! gpool max ! pool max")
    assert wrong.code == 2
    assert "error: step 5 (pool max): " in wrong.err


def test_a_tee_is_no_step_of_a_recipe(poolnorm: Command) -> None:
    done = poolnorm("pipe x.npy -q -o a.npy --save-recipe r.toml ! bn ! tee t.npy ! ln")
    assert done.code == 0
    done = poolnorm("pipe x.npy -o b.npy --save-recipe s.toml ! bn ! tee u.npy ! ln")
    assert done.err == "note: s.toml: tee is of this run, and no step of a recipe\n"
    assert Path("s.toml").read_text().count("[[step]]") == 2
    assert "tee" not in Path("s.toml").read_text()


def test_weights_of_all_steps_are_named_in_the_recipe(poolnorm: Command) -> None:
    done = poolnorm("pipe x.npy -q --training --save-weights all.npz ! bn ! pool max ! bn")
    assert (done.code, done.err) == (0, "")
    done = poolnorm(
        "pipe x.npy -q -o a.npy --weights all.npz --save-recipe r.toml ! bn ! pool max ! bn"
    )
    assert (done.code, done.err) == (0, "")
    text = Path("r.toml").read_text()
    assert 'weights = "all.npz::bn"' in text
    assert 'weights = "all.npz::bn_2"' in text
    assert poolnorm("pipe x.npy -q -o b.npy --recipe r.toml").code == 0
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()


@pytest.mark.parametrize("framework", ["keras", "tf_keras"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_a_sequential_gives_what_keras_predicts(
    poolnorm: Command, framework: str, suffix: str, backend: str
) -> None:
    pytest.importorskip("h5py")
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    np.save("image.npy", inputs()["image"])
    model = FIXTURES / f"{framework}_image{suffix}"
    done = poolnorm(f"pipe image.npy -o y.npy --recipe {model} --backend {backend}")
    assert done.code == 0
    assert done.err.endswith("left out, as they do nothing at inference: drop, nothing\n")
    with np.load(FIXTURES / f"{framework}.predicted.npz") as predicted:
        np.testing.assert_allclose(np.load("y.npy"), predicted["image"], rtol=0, atol=2e-6)
    # It may be kept as a recipe of its own, beside the model.
    done = poolnorm(f"pipe image.npy -q -o z.npy --recipe {model} --save-recipe r.toml")
    assert done.code == 0
    assert poolnorm("pipe image.npy -q -o again.npy --recipe r.toml").code == 0
    np.testing.assert_array_equal(np.load("again.npy"), np.load("z.npy"))


def test_a_sequential_takes_the_rank_it_was_made_for(poolnorm: Command) -> None:
    done = poolnorm(f"pipe x.npy --recipe {FIXTURES / 'keras_series.json'}")
    assert done.code == 2
    assert done.err == (
        "error: step 1 (pool max): the input has rank 4, shape (4,9,8,6); the model of the recipe "
        "takes rank 3\n"
    )
    # A rank that is seen only once the file is open is refused as well.
    values = np.zeros((2, 3, 4, 5), np.float32)
    np.save("other.npy", values)
    np.save("x.npy", inputs()["series"])
    done = poolnorm(f"pipe x.npy other.npy -O out -q --recipe {FIXTURES / 'keras_series.json'}")
    assert done.code == 1
    assert "other.npy" in done.err
    assert "rank 4" in done.err


def test_a_model_without_weights_says_so(poolnorm: Command) -> None:
    np.save("image.npy", inputs()["image"])
    done = poolnorm(f"pipe image.npy -o y.npy --recipe {FIXTURES / 'keras_image.json'}")
    assert done.code == 0
    assert "keras_image.json: it has no weights: they are the initial ones" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    {
        "pipe x.npy --recipe r.yaml": "--recipe 'r.yaml' is not a recipe by its name; give .toml",
        "pipe x.npy --recipe gone.toml": "gone.toml: no such file; check the name",
        "pipe x.npy --recipe bad.toml": "bad.toml, line 3: step 1 (bn): epsilon is 'x'; give a num",
        "pipe x.npy --recipe latin.toml": "latin.toml: not UTF-8 from byte 2 on; save it as UTF-8",
        "pipe x.npy --recipe long.toml": "long.toml: 1048577 bytes, at most 1048576 of a recipe",
        "pipe --save-recipe r.txt ! bn": "--save-recipe 'r.txt' is not a .toml file; name it pipe",
        "pipe --save-recipe ok.toml ! bn": "ok.toml: exists; --overwrite replaces it",
        "pipe x.npy --recipe ok.toml --save-recipe ok.toml": "ok.toml",
        "pipe x.npy -o ok.toml --recipe ok.toml": "ok.toml",
        "pipe --save-recipe new.toml ! gpool average --mask m.npy": "step 1 (gpool average): ",
        "pipe x.npy": "pipe without a layer",
        "pipe --recipe ok.toml": "",
    }.items(),
)
def test_what_is_wrong_with_a_recipe_is_said(poolnorm: Command, words: str, message: str) -> None:
    Path("ok.toml").write_text('schema = 1\n[[step]]\nlayer = "bn"\n')
    Path("bad.toml").write_text("schema = 1\n[[step]]\nepsilon = 'x'\nlayer = 'bn'\n")
    Path("latin.toml").write_bytes(b"# \xe4\nschema = 1\n")
    Path("long.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    np.save("m.npy", np.ones((4, 9)))
    done = poolnorm(words)
    assert done.code in (2, 4)
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert message in done.err
    assert Path("ok.toml").read_text() == 'schema = 1\n[[step]]\nlayer = "bn"\n'
    assert not Path("new.toml").exists()


def test_a_recipe_of_a_run_that_is_refused_is_not_written(poolnorm: Command) -> None:
    np.save("y.npy", np.zeros(3))
    done = poolnorm("pipe x.npy -o y.npy --save-recipe r.toml ! bn")
    assert done.code == 2
    assert not Path("r.toml").exists()


def test_shapes_follow_a_recipe_and_steps_behind_it(poolnorm: Command) -> None:
    Path("r.toml").write_text(
        'schema = 1\n[[step]]\nlayer = "pool max"\n[[step]]\nlayer = "bn"\nweights = "gone.npz"\n'
    )
    done = poolnorm("shape pipe N,12,10,6 --recipe r.toml ! gpool average")
    assert (done.code, done.err) == (0, "")
    assert [line.split("\t")[2] for line in done.out.splitlines()] == [
        "(N, 6, 5, 6)",
        "(N, 6, 5, 6)",
        "(N, 6)",
    ]
    model = FIXTURES / "keras_series.json"
    assert poolnorm(f"shape pipe 2,9,4 -q --recipe {model}").out == "2,1,1\n"
    done = poolnorm(f"shape pipe 2,9,4,3 --recipe {model}")
    assert done.code == 2
    assert "the input has rank 4, shape (2,9,4,3)" in done.err


def test_shapes_of_a_recipe_need_no_numpy(poolnorm: Command, tmp_path: Path) -> None:
    poolnorm("pipe --save-recipe r.toml ! pool max ! ln ! gpool average")
    code = (
        "import sys\nfrom poolnorm_cli.cli.main import run\n"
        "code = run(['shape', 'pipe', 'N,12,10,6', '-q', '--recipe', 'r.toml'])\n"
        "sys.exit(code or 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"N,6\n")


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_programs_graph_and_recipe_are_made_of_a_shape(poolnorm: Command, backend: str) -> None:
    steps = "! pool max ! bn ! gpool average"
    done = poolnorm(f"pipe N,12,10,6 --keras --torch --backend {backend} {steps}")
    assert done.code == 0
    assert "x = np.random.default_rng(0).standard_normal((1, 12, 10, 6))" in done.out
    assert "model = keras.Sequential(" in done.out
    assert "model = torch.nn.Sequential(" in done.out
    done = poolnorm("pipe N,12,10,6 --keras --torch ! bn ! rms --axis 1 ! ln --axis 0")
    assert done.out.count("# step 2 (rms)") == 2  # no model has these layers so
    assert "Sequential(" not in done.out
    if backend == "onnx":
        pytest.importorskip("onnxruntime")
        done = poolnorm(f"pipe N,12,10,6 --export g.onnx {steps}")
        assert (done.code, done.err) == (0, "")
        assert "(N, 12, 10, 6)\t(N, 6)" in done.out
        done = poolnorm(f"pipe N,H,10,6 --export h.onnx {steps}")
        assert done.err == (
            "error: --export of a pipe for (N,H,10,6); give numbers in place of the names, but for "
            "the batch\n"
        )
