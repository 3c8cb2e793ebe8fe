"""What a reader of weights refuses: in one line, without a trace of what the file wanted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tests.conftest import ROOT, Command
from tests.weights.make_fixtures import FIXTURES


pytest.importorskip("h5py")
hostile = pytest.importorskip("tests.weights.hostile")
CORPUS = {
    ".h5": hostile.HDF5,
    ".keras": hostile.KERAS,
    ".safetensors": hostile.SAFETENSORS,
}
CASES = [(suffix, name) for suffix, files in CORPUS.items() for name in files]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    np.save("x.npy", np.arange(24, dtype=np.float32).reshape(2, 4, 3))
    (tmp_path / "secret.bin").write_bytes(hostile.SECRET)
    return tmp_path


@pytest.mark.parametrize(("suffix", "name"), CASES, ids=[f"{s} {n}" for s, n in CASES])
def test_a_hostile_file_is_refused(poolnorm: Command, inputs: Path, suffix: str, name: str) -> None:
    path = inputs / f"bad{suffix}"
    CORPUS[suffix][name](path)

    result = poolnorm(f"bn x.npy --weights bad{suffix}::bn -q -o y.npy")

    assert result.code in {2, 4}, result
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert "this is a bug" not in result.err
    assert "SECRET" not in result.out + result.err
    assert not Path("y.npy").exists()


def test_an_honest_file_is_read(poolnorm: Command, inputs: Path) -> None:
    hostile.honest(inputs / "good.h5")
    hostile.keras(hostile.model())(inputs / "good.keras")
    hostile.safetensors(hostile._told(), hostile._DATA)(inputs / "good.safetensors")

    for suffix in CORPUS:
        result = poolnorm(f"bn x.npy --weights good{suffix}::bn -o y.npy -q --overwrite")
        assert (result.code, result.err) == (0, ""), suffix


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("soft link", "a link to elsewhere"),
        ("external link of a group", "a link to elsewhere"),
        ("external storage", "external storage"),
        ("virtual dataset", "virtual dataset"),
        ("lzf filter", "filter 32000, not gzip, shuffle, fletcher32"),
        ("one array twice", "there by two paths"),
        ("deep groups", "nested more than 64 deep"),
        ("NaN", "weight 'beta' has a NaN or an infinity"),
        ("negative variance", "weight 'moving_variance' has a negative value"),
        ("4 TiB declared", "weight 'beta' has shape (1099511627776)"),
        ("vast chunks", "too many for a weight"),
    ],
)
def test_the_reason_is_told(poolnorm: Command, inputs: Path, change: str, reason: str) -> None:
    hostile.HDF5[change](inputs / "bad.h5")

    assert reason in poolnorm("bn x.npy --weights bad.h5::bn").err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("NaN epsilon", "NaN in it"),
        ("infinite epsilon", "1e999 in it"),
        ("negative epsilon", "--epsilon must not be negative"),
        ("epsilon of text", "epsilon is 'import os'"),
        ("vast number", "a number of 5000 digits"),
        ("deep JSON", "nested more than 100 deep"),
        ("rather deep JSON", "nested more than 100 deep"),
        ("a key twice", "a key twice"),
        ("long JSON", "at most 8388608 are read"),
        ("no JSON", "its JSON is not readable (damaged)"),
        ("zip bomb", "at most 268435456 are read"),
        ("two configs", "there twice"),
        ("a member outside", "a path for a name"),
        ("no weights", "no model.weights.h5 in it"),
        ("another CRC", "the checksum (CRC-32) is wrong"),
    ],
)
def test_the_reason_is_told_of_an_archive(
    poolnorm: Command, inputs: Path, change: str, reason: str
) -> None:
    hostile.KERAS[change](inputs / "bad.keras")

    assert reason in poolnorm("bn x.npy --weights bad.keras::bn").err


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no account of memory")
def test_a_library_is_not_given_the_memory_that_a_file_asks_for(inputs: Path) -> None:
    hostile.HDF5["a name of 4 GiB"](inputs / "bad.h5")
    code = (
        "import resource, sys\n"
        "from poolnorm_cli.cli.main import run\n"
        "code = run(['bn', 'x.npy', '--weights', 'bad.h5::bn'])\n"
        "free = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY\n"
        # What getrusage tells begins with the peak of the process that this one came from.
        "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]\n"
        "print(code, free, int(peak) >> 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    refused, free, megabytes = done.stdout.split()

    assert (refused, free) == ("4", "True")
    assert int(megabytes) < 512


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".safetensors", ".onnx", ".npz"])
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=strategies.data())
def test_a_damaged_file_never_ends_in_a_traceback(
    poolnorm: Command, inputs: Path, suffix: str, data: strategies.DataObject
) -> None:
    source = {".npz": "torch.npz"}.get(suffix) or {
        ".keras": "keras.keras",
        ".h5": "tf_keras_blocks.h5",
        ".safetensors": "torch.safetensors",
        ".onnx": "onnx.onnx",
    }[suffix]
    content = bytearray((FIXTURES / source).read_bytes())
    if data.draw(strategies.booleans()):
        del content[data.draw(strategies.integers(0, len(content))) :]
    for _ in range(data.draw(strategies.integers(0, 8))):
        if content:
            place = data.draw(strategies.integers(0, len(content) - 1))
            content[place] = data.draw(strategies.integers(0, 255))
    (inputs / f"bad{suffix}").write_bytes(bytes(content))

    for words in ("info", "bn x.npy --no-values --weights"):
        result = poolnorm(f"{words} bad{suffix}")
        assert result.code in {0, 2, 4}, result
        assert "this is a bug" not in result.err


_AUDITED = """
import json, sys
from pathlib import Path
from typing import Any
from poolnorm_cli.cli.main import run
seen, on = [], []
def hook(event, args):
    if on:
        seen.append((event, str(args[0]) if args else ""))
good, bad = json.loads(sys.stdin.read())
for file in good:
    run(["bn", "x.npy", "-q", "--weights", file])
sys.addaudithook(hook)
told = {}
for file in bad:
    seen.clear()
    on.append(1)
    run(["bn", "x.npy", "-q", "--weights", file])
    on.clear()
    told[file] = list(seen)
names = ("keras", "tensorflow", "torch", "tf_keras", "cloudpickle", "dill", "joblib")
print(json.dumps([told, [name for name in names if name in sys.modules]]))
"""
# NumPy itself imports pickle, so that it is there says nothing; `pickle.find_class` is what an
# unpickling raises, and it is among these.
_FORBIDDEN = ("pickle", "exec", "compile", "os.system", "subprocess", "socket", "import", "ctypes")


def test_nothing_but_the_file_is_touched(inputs: Path) -> None:
    good, bad = [], []
    for suffix, files in CORPUS.items():
        for number, make in enumerate(files.values()):
            make(inputs / f"bad{number}{suffix}")
            bad.append(f"bad{number}{suffix}::bn")
    hostile.honest(inputs / "good.h5")
    hostile.keras(hostile.model())(inputs / "good.keras")
    hostile.safetensors(hostile._told(), hostile._DATA)(inputs / "good.safetensors")
    np.savez_compressed(inputs / "packed.npz", gamma=np.ones(3))
    good = [*(f"good{suffix}::bn" for suffix in CORPUS), bad[0], "nothing.npz", "packed.npz"]

    words = [sys.executable, "-W", "error", "-c", _AUDITED]
    done = subprocess.run(
        words,
        input=json.dumps([good, bad]),
        capture_output=True,
        text=True,
        check=True,
        cwd=inputs,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    told, frameworks = json.loads(done.stdout.splitlines()[-1])

    assert len(told) == len(bad) > 50
    for file, events in told.items():
        for event, argument in events:
            assert not event.startswith(_FORBIDDEN), (file, event, argument)
            if event == "open" and not argument.isdigit():  # an open descriptor has no name
                assert argument in (file.partition("::")[0], "x.npy"), file
    assert frameworks == []


def onnx_model(**changes: Any) -> Any:
    """Make a graph of one batch normalization, and change its second tensor."""
    onnx = pytest.importorskip("onnx")
    names = ("s", "b", "m", "v")
    tensors = [onnx.numpy_helper.from_array(hostile.VECTOR, name) for name in names]
    for name, value in changes.items():
        if name == "dims":
            del tensors[1].dims[:]
            tensors[1].dims.extend(value)
        elif name == "external_data":
            for key, each in value.items():
                tensors[1].external_data.add(key=key, value=each)
        else:
            setattr(tensors[1], name, value)
    node = onnx.helper.make_node("BatchNormalization", ["x", *names], ["y"], name="bn")
    ends = [onnx.helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    return onnx.helper.make_model(onnx.helper.make_graph([node], "g", ends[:1], ends[1:], tensors))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"external_data": {"location": "secret.bin"}}, "values are in another file"),
        ({"data_location": 1}, "values are in another file"),
        ({"dims": [-3]}, "beta has shape (-3,), which cannot be"),
        ({"dims": [1 << 40]}, "is not that of a weight"),
        ({"raw_data": b"12345"}, "5 bytes where its shape (3,) makes 12"),
        ({"data_type": 8}, "bn: beta has data type text, which is not read"),
    ],
)
def test_a_hostile_graph_is_refused(
    poolnorm: Command, inputs: Path, changes: dict[str, Any], reason: str
) -> None:
    (inputs / "bad.onnx").write_bytes(onnx_model(**changes).SerializeToString())

    result = poolnorm("bn x.npy --axis -1 --weights bad.onnx::bn")

    assert result.code == 4
    assert reason in result.err
    assert "SECRET" not in result.out + result.err


@pytest.mark.parametrize(("name", "value"), [("epsilon", 3), ("epsilon", "x"), ("momentum", [1.0])])
def test_an_attribute_that_is_no_number_is_refused(
    poolnorm: Command, inputs: Path, name: str, value: object
) -> None:
    model = onnx_model()
    helper = pytest.importorskip("onnx").helper
    model.graph.node[0].attribute.append(helper.make_attribute(name, value))
    (inputs / "bad.onnx").write_bytes(model.SerializeToString())

    result = poolnorm("bn x.npy --weights bad.onnx")

    assert (result.code, f"its {name} is not a number" in result.err) == (4, True)


def test_a_name_that_is_not_utf_8_is_shown(poolnorm: Command, inputs: Path) -> None:
    data = onnx_model().SerializeToString()
    node = onnx_model().graph.node[0]
    assert node.name == "bn"
    (inputs / "odd.onnx").write_bytes(data.replace(b"\x1a\x02bn", b"\x1a\x02\x80n"))

    result = poolnorm("info odd.onnx")
    assert (result.code, result.err) == (0, "")
    assert "odd.onnx::\ufffdn\tBatchNormalization" in result.out


def test_an_honest_graph_is_read(poolnorm: Command, inputs: Path) -> None:
    (inputs / "good.onnx").write_bytes(onnx_model().SerializeToString())

    assert poolnorm("bn x.npy --axis -1 -q --weights good.onnx").code == 0
