"""The layer verbs, through the real entry point."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Command, process


Array = NDArray[Any]


def test_max_pooling_writes_what_it_says(poolnorm: Command, x: Array) -> None:
    result = poolnorm("pool max x.npy --pool-size 2,2 -o y.npy")

    expected = x.reshape(4, 14, 2, 14, 2, 3).max(axis=(2, 4))
    assert result.code == 0
    assert result.err == ""
    fields = result.out.rstrip("\n").split("\t")
    assert fields[:4] == ["x.npy", "(4, 28, 28, 3)", "(4, 14, 14, 3)", "float32"]
    assert fields[4] == "MaxPooling2D(pool_size=(2, 2))"
    assert fields[6] == "y.npy"
    np.testing.assert_array_equal(np.load("y.npy"), expected)


@pytest.mark.parametrize(
    ("flags", "shape"),
    [
        ("--strides 1", "(4, 27, 27, 3)"),
        ("--strides 1 --padding same", "(4, 28, 28, 3)"),
        ("--pool-size 3x2 --strides 2", "(4, 13, 14, 3)"),
        ("--data-format channels_first", "(4, 28, 14, 1)"),
    ],
)
def test_flags_are_the_keras_parameters(
    poolnorm: Command, x: Array, flags: str, shape: str
) -> None:
    result = poolnorm(f"pool max x.npy --no-values {flags}")

    assert result.out.split("\t")[2] == shape


def test_global_pooling_drops_the_spatial_axes(poolnorm: Command, x: Array) -> None:
    assert poolnorm("gpool max x.npy").out.split("\t")[2] == "(4, 3)"
    poolnorm("gpool average x.npy --keepdims -o y.npy")
    np.testing.assert_allclose(np.load("y.npy"), x.mean((1, 2), keepdims=True), rtol=1e-5)


def test_layer_normalization_of_rows(poolnorm: Command) -> None:
    np.save("rows.npy", (np.arange(10).reshape(5, 2) * 10).astype(np.float32))
    result = poolnorm("ln rows.npy --axis 1")

    values = result.out.splitlines()[1:]
    assert values == [
        "[[-0.99998  0.99998]",
        *[" [-0.99998  0.99998]"] * 3,
        " [-0.99998  0.99998]]",
    ]


def test_values_are_shown_only_where_nothing_is_written(poolnorm: Command, x: Array) -> None:
    assert len(poolnorm("gpool max x.npy").out.splitlines()) == 5
    assert len(poolnorm("gpool max x.npy -o y.npy").out.splitlines()) == 1
    assert len(poolnorm("gpool max x.npy -o z.npy --values").out.splitlines()) == 5
    assert len(poolnorm("gpool max x.npy --no-values").out.splitlines()) == 1
    assert "3.1" in poolnorm("gpool max x.npy --precision 1").out


def test_large_values_are_shortened_as_numpy_does(poolnorm: Command, x: Array) -> None:
    shown = poolnorm("pool max x.npy --pool-size 1").out.split("\n", 1)[1]

    assert shown.rstrip("\n") == np.array2string(x, max_line_width=10**9)


def test_quiet_says_nothing(poolnorm: Command, x: Array) -> None:
    result = poolnorm("pool max x.npy -q -o y.npy")

    assert (result.code, result.out, result.err) == (0, "", "")
    assert Path("y.npy").exists()


def test_json_is_one_document(poolnorm: Command, x: Array) -> None:
    document = json.loads(poolnorm("gpool max x.npy --json").out)

    assert document["schema"] == 1
    assert document["command"] == "gpool max"
    assert document["layer"]["data_format"] == "channels_last"
    [found] = document["results"]
    assert found["output_shape"] == [4, 3]
    np.testing.assert_array_equal(np.array(found["values"], np.float32), x.max((1, 2)))


def test_json_names_what_is_no_number(poolnorm: Command) -> None:
    np.save("x.npy", np.array([[[np.nan], [1], [np.inf]]], np.float32))
    document = json.loads(poolnorm("pool max x.npy --pool-size 1 --json").out)

    assert document["results"][0]["values"] == [[["NaN"], [1.0], ["Infinity"]]]


def test_a_json_error_is_a_document_too(poolnorm: Command) -> None:
    result = poolnorm("pool max nothing.npy --json")

    assert json.loads(result.out) == {
        "schema": 1,
        "error": "nothing.npy: no such file",
        "fix": "check the name",
        "code": 4,
    }
    assert result.err == "error: nothing.npy: no such file; check the name\n"


def test_batch_normalization_by_weights(poolnorm: Command, x: Array) -> None:
    weights: dict[str, Any] = {
        "gamma": np.array([1, 2, 3], np.float32),
        "beta": np.array([0, 1, -1], np.float32),
        "moving_mean": np.array([0.1, 0.2, 0.3], np.float32),
        "moving_variance": np.array([1, 2, 0.5], np.float32),
    }
    np.savez("w.npz", **weights)
    assert poolnorm("bn x.npy --weights w.npz -o y.npy --epsilon 0.01").code == 0

    deviation = np.sqrt(weights["moving_variance"].astype(np.float64) + 0.01)
    exact = (x - weights["moving_mean"]) / deviation * weights["gamma"] + weights["beta"]
    np.testing.assert_allclose(np.load("y.npy"), exact, rtol=1e-5, atol=1e-6)


def test_training_moves_the_statistics_file_after_file(poolnorm: Command, x: Array) -> None:
    np.save("a.npy", x[:1])
    np.save("b.npy", x[1:] + 3)
    result = poolnorm("bn a.npy b.npy --training --momentum 0.5 --save-weights w.npz --no-values")

    assert result.code == 0
    first = 0.5 * x[:1].astype(np.float64).mean((0, 1, 2))
    second = 0.5 * first + 0.5 * (x[1:].astype(np.float64) + 3).mean((0, 1, 2))
    np.testing.assert_allclose(np.load("w.npz")["moving_mean"], second, rtol=1e-5)
    again = poolnorm("bn b.npy a.npy --training --save-weights w.npz --weights w.npz --no-values")
    assert again.code == 0
    names = {"gamma", "beta", "moving_mean", "moving_variance"}
    assert set(np.load("w.npz")) == names


def test_a_bad_training_batch_stops_the_run_and_saves_nothing(poolnorm: Command, x: Array) -> None:
    np.save("bad.npy", np.where(x > 3, np.nan, x))
    result = poolnorm("bn x.npy bad.npy --training --save-weights w.npz -O out")

    assert result.code == 1
    assert "bad.npy: channel 0 of the batch has a NaN or an infinity" in result.err
    assert not Path("w.npz").exists()
    assert not Path("out/bad.npy").exists()


def test_many_inputs_go_into_a_directory(poolnorm: Command, x: Array) -> None:
    np.save("a.npy", x)
    np.savez("b.npz", one=x[:2], two=x[2:])
    assert poolnorm("pool max a.npy b.npz -O out").code == 0

    assert np.load("out/a.npy").shape == (4, 14, 14, 3)
    assert {k: v.shape for k, v in np.load("out/b.npz").items()} == {
        "one": (2, 14, 14, 3),
        "two": (2, 14, 14, 3),
    }


def test_names_by_template(poolnorm: Command, x: Array) -> None:
    np.savez("b.npz", one=x, two=x)
    assert poolnorm("pool max x.npy -O out --output-name {stem}_{op}{ext}").code == 0
    assert poolnorm("pool max b.npz -O out --output-name {stem}-{key}.npy").code == 0

    assert sorted(p.name for p in Path("out").iterdir()) == [
        "b-one.npy",
        "b-two.npy",
        "x_pool_max.npy",
    ]


def test_one_array_of_an_npz(poolnorm: Command, x: Array) -> None:
    np.savez("b.npz", one=x, two=x[:1])
    poolnorm("gpool max b.npz --key two -o y.npy")
    poolnorm("gpool max b.npz::two -o z.npz")

    assert np.load("y.npy").shape == (1, 3)
    np.testing.assert_array_equal(np.load("z.npz")["two"], np.load("y.npy"))


def test_one_bad_input_does_not_stop_the_others(poolnorm: Command, x: Array) -> None:
    Path("bad.npy").write_bytes(b"nothing")
    result = poolnorm("pool max bad.npy x.npy -O out")

    assert result.code == 1
    assert result.err.startswith("error: bad.npy: ")
    assert [p.name for p in Path("out").iterdir()] == ["x.npy"]
    assert poolnorm("pool max bad.npy x.npy -O more --fail-fast").code == 4
    assert not Path("more/x.npy").exists()


def test_a_json_batch_lists_what_failed(poolnorm: Command, x: Array) -> None:
    result = poolnorm("pool max nothing.npy x.npy --json --no-values")
    failed, done = json.loads(result.out)["results"]

    assert (failed["error"], failed["code"]) == ("nothing.npy: no such file", 4)
    assert done["output_shape"] == [4, 14, 14, 3]


def test_skip_existing_goes_on(poolnorm: Command, x: Array) -> None:
    Path("out").mkdir()
    Path("out/x.npy").write_text("mine")
    result = poolnorm("pool max x.npy -O out --skip-existing")

    assert result.code == 0
    assert result.err == "skipped: x.npy: out/x.npy exists\n"
    assert Path("out/x.npy").read_text() == "mine"


def test_streams_in_and_out(x: Array) -> None:
    data = Path("x.npy").read_bytes()
    first = process("pool", "max", "-", "-o", "-", input=data + data)
    assert first.returncode == 0
    second = process("gpool", "average", "-", "-o", "-", "-q", input=first.stdout)
    listed = process("info", "-", input=second.stdout)

    assert second.stderr == b""
    lines = listed.stdout.decode().splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["-", "(4, 3)", "float32"],
        ["-[1]", "(4, 3)", "float32"],
    ]
    assert b"MaxPooling2D" in first.stderr


def test_training_on_a_stream_reads_it_twice(x: Array) -> None:
    done = process("bn", "-", "--training", "-o", "y.npy", input=Path("x.npy").read_bytes())

    assert done.returncode == 0
    assert abs(float(np.load("y.npy").mean())) < 1e-6


def test_arrays_of_a_stream_get_files_of_their_own(poolnorm: Command, x: Array) -> None:
    data = Path("x.npy").read_bytes()
    result = poolnorm("gpool max - -O out", stdin=data * 2)

    assert result.code == 0
    assert sorted(p.name for p in Path("out").iterdir()) == ["stdin_0.npy", "stdin_1.npy"]


def test_bfloat16_in_and_out(poolnorm: Command, x: Array) -> None:
    narrow = x.astype(ml_dtypes.bfloat16)
    np.save("b.npy", narrow)
    refused = poolnorm("pool max b.npy -o y.npy")
    assert poolnorm("pool average b.npy --dtype bfloat16 -o y.npy").code == 0

    assert refused.code == 4
    assert "--dtype bfloat16" in refused.err
    found = np.load("y.npy").view(ml_dtypes.bfloat16)
    exact = narrow.astype(np.float64).reshape(4, 14, 2, 14, 2, 3).mean((2, 4))
    np.testing.assert_array_equal(found, exact.astype(np.float32).astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_another_dtype_on_request(poolnorm: Command, x: Array, dtype: str) -> None:
    poolnorm(f"gpool average x.npy --dtype {dtype} -o y.npy")
    found = np.load("y.npy")

    assert found.dtype == dtype
    np.testing.assert_allclose(found, x.astype(np.float64).mean((1, 2)), rtol=1e-3, atol=1e-4)


def test_big_endian_and_fortran_order_are_the_same_tensor(poolnorm: Command, x: Array) -> None:
    np.save("big.npy", x.astype(">f4"))
    np.save("turned.npy", np.asfortranarray(x))
    for name in ("x", "big", "turned"):
        assert poolnorm(f"ln {name}.npy -o ln-{name}.npy").code == 0

    assert len({Path(f"ln-{name}.npy").read_bytes() for name in ("x", "big", "turned")}) == 1


def test_an_empty_batch_gives_an_empty_result(poolnorm: Command) -> None:
    np.save("e.npy", np.empty((0, 8, 8, 3), np.float32))
    for words in ("pool max", "pool average", "gpool max", "gpool average", "bn", "ln"):
        assert poolnorm(f"{words} e.npy -o y.npy --overwrite").code == 0
        assert np.load("y.npy").shape[0] == 0


def test_markup_in_a_name_stays_literal(poolnorm: Command, x: Array) -> None:
    np.save("[red]x[b].npy", x)

    assert poolnorm("gpool max [red]x[b].npy").out.startswith("[red]x[b].npy\t")


def test_a_compressed_archive_stays_compressed(poolnorm: Command, x: Array) -> None:
    np.savez_compressed("c.npz", a=np.zeros_like(x))
    np.savez("s.npz", a=np.zeros_like(x))
    poolnorm("pool max c.npz s.npz -O out")

    assert Path("out/c.npz").stat().st_size < 1000 < Path("out/s.npz").stat().st_size
    np.testing.assert_array_equal(np.load("out/c.npz")["a"], np.load("out/s.npz")["a"])
