"""--backend, --provider, --threads and --export, as a person types them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.conftest import Command, process


X = NDArray[np.float32]
AVERAGE = "pool average x.npy --pool-size 3 --strides 2 --padding same"


def test_both_the_result_and_the_graph_are_written(poolnorm: Command, x: X) -> None:
    done = poolnorm(f"{AVERAGE} --backend onnx -o y.npy --export avg.onnx")
    assert (done.code, done.err) == (0, "")
    poolnorm(f"{AVERAGE} -o z.npy")
    np.testing.assert_allclose(np.load("y.npy"), np.load("z.npy"), rtol=0, atol=1e-6)
    session = onnxruntime.InferenceSession("avg.onnx")
    assert session.get_inputs()[0].name == "average_pooling2d_input"
    (y,) = session.run(["average_pooling2d"], {"average_pooling2d_input": x})
    np.testing.assert_allclose(y, np.load("z.npy"), rtol=0, atol=1e-6)


def test_a_graph_alone_reads_no_data(poolnorm: Command, x: X) -> None:
    done = poolnorm("gpool max x.npy --export g.onnx")
    assert (done.code, done.err) == (0, "")
    fields = done.out.rstrip("\n").split("\t")
    assert fields[:3] == ["x.npy", "(4, 28, 28, 3)", "(4, 3)"]
    assert fields[-1] == "g.onnx"
    assert len(done.out.splitlines()) == 1


def test_the_command_in_the_file_makes_the_layer_again(poolnorm: Command, x: X) -> None:
    words = "bn x.npy --axis 1 --momentum 0.5 --no-center --export bn.onnx --training --name"
    assert poolnorm(words, "two words").code == 0
    told = {item.key: item.value for item in onnx.load("bn.onnx").metadata_props}
    assert told["command"] == (
        "poolnorm bn --axis 1 --no-center --momentum 0.5 --name 'two words' --training"
    )


def test_the_weights_of_the_graph_are_those_before_the_run(poolnorm: Command, x: X) -> None:
    flags = "--training --save-weights new.npz --export bn.onnx --momentum 0.9"
    assert poolnorm(f"bn x.npy -o y.npy {flags}").code == 0
    session = onnxruntime.InferenceSession("bn.onnx")
    y, mean, variance = session.run(None, {"batch_normalization_input": x})
    saved = np.load("new.npz")
    np.testing.assert_allclose(mean, saved["moving_mean"], rtol=1e-6)
    np.testing.assert_allclose(variance, saved["moving_variance"], rtol=1e-6)
    np.testing.assert_allclose(y, np.load("y.npy"), rtol=1e-5, atol=1e-6)


def test_training_on_onnx_saves_what_numpy_saves(poolnorm: Command, x: X) -> None:
    np.save("x2.npy", x * 3 + 1)
    for backend in ("numpy", "onnx"):
        flags = f"--training --backend {backend} -O {backend} --save-weights {backend}.npz"
        assert poolnorm(f"bn x.npy x2.npy {flags}").code == 0
    one, other = (np.load(f"{backend}.npz") for backend in ("numpy", "onnx"))
    for name in one.files:
        np.testing.assert_array_equal(one[name], other[name])
    for file in ("x.npy", "x2.npy"):
        y, z = (np.load(f"{backend}/{file}") for backend in ("numpy", "onnx"))
        np.testing.assert_allclose(y, z, rtol=1e-5, atol=1e-6)


def test_bfloat16_goes_through(poolnorm: Command, x: X) -> None:
    for backend in ("numpy", "onnx"):
        flags = f"--dtype bfloat16 --backend {backend} -o {backend}.npy"
        assert poolnorm(f"pool max x.npy --pool-size 3 {flags}").code == 0
    assert Path("numpy.npy").read_bytes() == Path("onnx.npy").read_bytes()


def test_verbose_says_what_the_graph_does_otherwise(poolnorm: Command, x: X) -> None:
    done = poolnorm(f"{AVERAGE} --backend onnx -o y.npy -v")
    assert done.err == ("pool average: float32: sums of slices in float64, as exact as NumPy's\n")


def test_auto_says_which_provider_it_took(poolnorm: Command, x: X) -> None:
    done = poolnorm(f"{AVERAGE} --provider auto -q")
    assert done.code == 0
    assert done.err.startswith("provider: c")


def test_threads_are_taken(poolnorm: Command, x: X) -> None:
    assert poolnorm(f"{AVERAGE} --backend onnx --threads 1 -q").code == 0


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        ("--backend numpy --provider cuda", 2, "--backend numpy with --provider cuda; give --back"),
        ("--export a.npy", 2, "--export 'a.npy' is not an .onnx file; name it layer.onnx"),
        ("--export x.onnx", 2, "x.onnx: exists; --overwrite replaces it"),
        ("--export no/x.onnx", 3, "no/x.onnx: no such directory"),
        (
            "--export new.onnx --opset 8",
            2,
            "--opset 8 lacks some of the operators that these graphs are made of; give 9 to ",
        ),
        ("--export new.onnx --opset 99", 2, "--opset 99 is newer than onnx "),
        ("--threads 0", 2, "'--threads': 0 is not in the range x>=1"),
    ],
)
def test_faults_are_told_in_one_line(
    poolnorm: Command, x: X, flags: str, code: int, told: str
) -> None:
    Path("x.onnx").write_bytes(b"mine")
    done = poolnorm(f"{AVERAGE} -o y.npy {flags}")
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert done.err.count("\n") == 1
    assert Path("x.onnx").read_bytes() == b"mine"
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["x.npy", "x.onnx"]


def test_a_graph_for_standard_input_is_refused(poolnorm: Command, x: X) -> None:
    done = poolnorm("gpool max - --export g.onnx", stdin=Path("x.npy").read_bytes())
    assert done.code == 2
    assert "--export for standard input; name a file of that shape as the input" in done.err


def test_a_run_that_fails_leaves_no_graph(poolnorm: Command, x: X) -> None:
    np.save("nan.npy", np.full((2, 3), np.nan))
    done = poolnorm("bn nan.npy --training -o y.npy --export bn.onnx")
    assert done.code == 4
    assert not Path("bn.onnx").exists()
    assert not Path("y.npy").exists()


def test_an_old_graph_is_replaced_where_it_may_be(poolnorm: Command, x: X) -> None:
    Path("x.onnx").write_bytes(b"mine")
    assert poolnorm("gpool max x.npy --export x.onnx --overwrite").code == 0
    onnx.checker.check_model("x.onnx", full_check=True)


def test_json_reports_the_graph(poolnorm: Command, x: X) -> None:
    done = poolnorm("ln x.npy --export ln.onnx --json")
    (result,) = json.loads(done.out)["results"]
    assert result["output"] == "ln.onnx"
    assert result["output_shape"] == [4, 28, 28, 3]


@pytest.mark.parametrize(
    ("flags", "loaded"),
    [("", []), ("--backend onnx", ["onnxruntime"])],
    ids=["numpy", "onnx"],
)
def test_a_run_imports_only_the_runtime_it_uses(x: X, flags: str, loaded: list[str]) -> None:
    code = (
        "import sys; from poolnorm_cli.cli.main import run;"
        f"code = run('gpool max x.npy -q {flags}'.split());"
        "print(code, *sorted({'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["0", *loaded]


def test_nothing_but_the_result_goes_to_a_pipe(x: X) -> None:
    done = process("gpool", "max", "x.npy", "--backend", "onnx", "-o", "-", "-q")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"\x93NUMPY")


def test_processes_open_their_own_sessions(poolnorm: Command, x: X) -> None:
    np.save("x2.npy", x + 1)
    done = poolnorm("pool max x.npy x2.npy --pool-size 3 --backend onnx --jobs 2 -O out -q")
    assert (done.code, done.err) == (0, "")
    poolnorm("pool max x2.npy --pool-size 3 -o y.npy")
    np.testing.assert_array_equal(np.load("out/x2.npy"), np.load("y.npy"))
