"""`compare`: equal, different or an error, with the exit codes of cmp."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Command


X = NDArray[np.float32]


def test_equal_files_are_equal(poolnorm: Command, x: X) -> None:
    np.save("y.npy", x)
    done = poolnorm("compare x.npy y.npy")
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\t")[:6] == [
        "x.npy", "y.npy", "equal", "(4, 28, 28, 3)", "float32", "0 of 9408",
    ]  # fmt: skip
    assert done.out.split("\t")[6:] == ["0", "0", "0\n"]


def test_the_worst_places_are_named(poolnorm: Command, x: X) -> None:
    y = x.copy()
    y[3, 27, 27, 2] += 1.0
    y[0, 0, 0, 0] = np.nextafter(y[0, 0, 0, 0], np.float32(9))
    np.save("y.npy", y)
    done = poolnorm("compare x.npy y.npy --json")
    assert done.code == 1
    document = json.loads(done.out)
    assert (document["schema"], document["command"], document["equal"]) == (1, "compare", False)
    (found,) = document["comparisons"]
    assert (found["unequal"], found["total"]) == (2, 9408)
    assert found["max_abs"]["index"] == [3, 27, 27, 2]
    assert found["max_abs"]["value"] == pytest.approx(1.0, abs=1e-6)
    assert found["max_ulp"]["index"] == [3, 27, 27, 2]


@pytest.mark.parametrize(
    ("flags", "code"), [("", 1), ("--atol 0.1", 0), ("--rtol 1e-9", 1), ("--max-ulp 1", 1)]
)
def test_tolerances_decide(poolnorm: Command, x: X, flags: str, code: int) -> None:
    np.save("y.npy", x + np.float32(0.05))
    assert poolnorm(f"compare x.npy y.npy -q {flags}").code == code


def test_one_unit_is_within_one_unit(poolnorm: Command, x: X) -> None:
    np.save("y.npy", np.nextafter(x, np.float32(np.inf)))
    assert poolnorm("compare x.npy y.npy --max-ulp 1").code == 0


def test_nan_is_equal_to_nan_where_it_is_asked_for(poolnorm: Command) -> None:
    np.save("n.npy", np.array([[np.nan, 1.0]]))
    assert poolnorm("compare n.npy n.npy").code == 1
    assert poolnorm("compare n.npy n.npy --equal-nan").code == 0


def test_a_nan_in_one_alone_is_found(poolnorm: Command) -> None:
    np.save("n.npy", np.array([[1.0, 2.0, np.nan]]))
    np.save("m.npy", np.array([[1.0, 2.0, 3.0]]))
    done = poolnorm("compare n.npy m.npy --equal-nan")
    assert done.code == 1
    assert "\t1 of 3, first @ 0,2\t" in done.out
    (found,) = json.loads(poolnorm("compare n.npy m.npy --json").out)["comparisons"]
    assert (found["unequal"], found["first"]) == (1, [0, 2])


def test_another_shape_is_a_difference(poolnorm: Command, x: X) -> None:
    np.save("y.npy", x[:2])
    done = poolnorm("compare x.npy y.npy")
    assert done.code == 1
    assert "(4, 28, 28, 3) != (2, 28, 28, 3)\tfloat32\t0 of 0\t-\t-\t-" in done.out


def test_another_dtype_is_a_difference_unless_it_is_not_to_be(poolnorm: Command, x: X) -> None:
    np.save("y.npy", x.astype(np.float64))
    done = poolnorm("compare x.npy y.npy")
    assert done.code == 1
    assert "float32 != float64\t0 of 9408\t0\t0\t-" in done.out
    assert poolnorm("compare x.npy y.npy --ignore-dtype").code == 0


def test_arrays_of_archives_are_compared_by_key(poolnorm: Command, x: X) -> None:
    np.savez("a.npz", one=x, two=x)
    np.savez("b.npz", two=x, three=x)
    done = poolnorm("compare a.npz b.npz --json")
    assert done.code == 1
    found = [(c["a"], c["b"], c["equal"]) for c in json.loads(done.out)["comparisons"]]
    assert found == [
        ("a.npz::one", "-", False),
        ("a.npz::two", "b.npz::two", True),
        ("-", "b.npz::three", False),
    ]
    assert poolnorm("compare a.npz b.npz --key two").code == 0
    assert poolnorm("compare a.npz::one x.npy").code == 0


def test_saved_weights_are_compared_without_their_checksum(poolnorm: Command, x: X) -> None:
    np.save("y.npy", x * np.float32(1 + 1e-6))
    for name in "xy":
        poolnorm(f"bn {name}.npy --training --save-weights {name}.npz -q")
    done = poolnorm("compare x.npz y.npz --rtol 1e-5 --atol 1e-6")
    assert done.code == 0
    names = ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [f"x.npz::{n}" for n in names]


def test_a_stream_is_compared_with_a_file(poolnorm: Command, x: X) -> None:
    assert poolnorm("compare - x.npy", stdin=Path("x.npy").read_bytes()).code == 0
    done = poolnorm("compare x.npy -", stdin=2 * Path("x.npy").read_bytes())
    assert (done.code, done.err) == (2, "error: standard input has several arrays; give one\n")


def test_large_files_are_compared_in_blocks(
    poolnorm: Command, x: X, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolnorm_cli.engine.compare.BLOCK_BYTES", 1)
    y = np.asfortranarray(x)
    y[2, 1, 0, 1] += 5
    np.save("y.npy", y)
    (found,) = json.loads(poolnorm("compare x.npy y.npy --json").out)["comparisons"]
    assert found["max_abs"]["index"] == [2, 1, 0, 1]


def test_infinities_are_told_in_json(poolnorm: Command) -> None:
    np.save("a.npy", np.array([[1.0, np.inf]]))
    np.save("b.npy", np.array([[0.0, 1.0]]))
    (found,) = json.loads(poolnorm("compare a.npy b.npy --json").out)["comparisons"]
    assert found["max_abs"] == {"value": "Infinity", "index": [0, 1]}
    assert found["max_rel"] == {"value": "Infinity", "index": [0, 0]}


def test_empty_tensors_are_equal(poolnorm: Command) -> None:
    np.save("a.npy", np.empty((0, 3)))
    assert poolnorm("compare a.npy a.npy").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("x.npy", "compare takes two files, not 1; give A B, or --backends LIST -- and a layer"),
        ("x.npy nope.npy", "nope.npy: no such file"),
        ("- -", "both inputs are standard input; name a file"),
        ("x.npy two.npz", "one array to compare with 2: a, b; --key names one of them"),
        ("x.npy x.npy --rtol -1", "--rtol is -1.0; give 0 or more, as --rtol 1e-6"),
        ("x.npy x.npy --atol nan", "--atol is nan; give 0 or more, as --atol 1e-6"),
        ("--backends numpy -- bn x.npy", "--backends numpy names fewer than two"),
        ("--backends numpy,torch -- bn x.npy", "--backends has 'torch'; give some of numpy, onnx,"),
        ("--backends numpy,onnx -- conv x.npy", "no layer 'conv'; give one of: pool max,"),
        ("--backends numpy,onnx -- bn x.npy --nope 1", "no such flag --nope"),
        ("--backends numpy,onnx -- bn nope.npy", "nope.npy: no such file"),
    ],
)
def test_trouble_is_told_in_one_line(poolnorm: Command, x: X, words: str, told: str) -> None:
    np.savez("two.npz", a=x, b=x)
    done = poolnorm(f"compare {words}")
    assert done.code == 2
    assert done.err.startswith(f"error: {told}")
    assert done.err.count("\n") == 1


def test_no_memory_is_trouble_and_no_difference(
    poolnorm: Command, x: X, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("poolnorm_cli.engine.compare.compare_files", exhausted)
    done = poolnorm("compare x.npy x.npy")
    assert (done.code, done.err) == (
        2,
        "error: out of memory; give a smaller input, or free some memory\n",
    )


@pytest.mark.parametrize(
    "words",
    [
        "pool max x.npy --pool-size 3",
        "pool average x.npy --pool-size 3 --padding same",
        "gpool average x.npy --dtype bfloat16",
        "bn x.npy --training",
        "ln x.npy --axis 0,2",
    ],
)
def test_a_layer_agrees_with_itself_on_every_backend(poolnorm: Command, x: X, words: str) -> None:
    flags = ["--backends", "numpy,onnx:cpu,onnx", "--atol", "5e-7", "--", *words.split()]
    done = poolnorm("compare --json", *flags)
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)["comparisons"]
    assert [(c["a"], c["b"]) for c in found] == [("numpy", "onnx:cpu"), ("numpy", "onnx")]


@pytest.mark.parametrize(
    ("flags", "code"), [("", 0), ("--atol 0", 1), ("--max-ulp 0", 1), ("--max-ulp 99999", 0)]
)
def test_backends_may_round_apart_unless_a_tolerance_is_given(
    poolnorm: Command, x: X, flags: str, code: int
) -> None:
    x[0, 0, 0, 0] = np.nan
    np.save("x.npy", x)
    words = "-- pool average x.npy --pool-size 3"
    assert poolnorm(f"compare --backends numpy,onnx {flags} {words}").code == code


def test_backends_that_like_other_blocks_are_given_the_same(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolnorm_cli.backends.onnx_backend.BLOCK_BYTES", 1 << 25)
    np.save("big.npy", np.random.default_rng(1).random((40, 64, 64, 8), np.float32))
    done = poolnorm("compare --backends numpy,onnx -- pool max big.npy")
    assert (done.code, done.err) == (0, "")
    assert f"0 of {40 * 32 * 32 * 8}" in done.out


def test_a_backend_that_is_wrong_is_found_out(
    poolnorm: Command, x: X, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(_: object, layer: Any, block: Any, weights: Any, call: Any) -> Any:
        return layer.apply(block, weights, call) + 1

    monkeypatch.setattr("poolnorm_cli.backends.onnx_backend.OnnxBackend.apply", wrong)
    done = poolnorm("compare --backends numpy,onnx -- pool max x.npy")
    assert done.code == 1
    assert "\t2352 of 2352, first @ 0,0,0,0\t1 @ " in done.out


def test_the_weights_of_the_layer_are_used(poolnorm: Command, x: X) -> None:
    gamma, mean = np.full(3, 2, np.float32), np.full(3, 0.5, np.float32)
    np.savez("bn.npz", gamma=gamma, beta=gamma, moving_mean=mean, moving_variance=gamma)
    words = "--backends numpy,onnx --max-ulp 0 -- bn x.npy --weights bn.npz"
    assert poolnorm(f"compare {words}").code == 0


def test_the_mask_of_the_layer_is_used(poolnorm: Command) -> None:
    np.save("s.npy", np.arange(24, dtype=np.float32).reshape(2, 4, 3))
    np.save("m.npy", np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool))
    words = "--backends numpy,onnx --max-ulp 1 -- gpool average s.npy --mask m.npy"
    done = poolnorm(f"compare {words}")
    assert (done.code, done.err) == (0, "")
    assert "0 of 6" in done.out


@pytest.mark.parametrize(("shape", "index"), [((2, 3), [0, 0]), ((4,), [0]), ((0, 3), None)])
def test_equal_arrays_are_0_apart_in_the_document(
    poolnorm: Command, shape: tuple[int, ...], index: list[int] | None
) -> None:
    np.save("a.npy", np.ones(shape, np.float32))
    np.save("b.npy", np.ones(shape, np.float32))
    result = poolnorm("compare a.npy b.npy --json")

    (found,) = json.loads(result.out)["comparisons"]
    assert result.code == 0
    for name in ("max_abs", "max_rel", "max_ulp"):
        assert found[name] == {"value": 0, "index": index}


def test_what_cannot_be_compared_has_no_numbers_in_the_document(poolnorm: Command) -> None:
    np.save("a.npy", np.ones(3, np.float32))
    np.save("b.npy", np.ones(4, np.float32))
    np.save("c.npy", np.ones(3, np.float64))
    (other,) = json.loads(poolnorm("compare a.npy b.npy --json").out)["comparisons"]
    (wide,) = json.loads(poolnorm("compare a.npy c.npy --json").out)["comparisons"]

    assert (other["max_abs"], other["max_ulp"]) == (None, None)
    assert (wide["max_abs"], wide["max_ulp"]) == ({"value": 0, "index": [0]}, None)
