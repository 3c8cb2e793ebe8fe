"""Large samples, seen as smaller ones or cut into strips of rows, give what they give whole."""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers import find
from poolnorm_cli.shapes import adaptive_bounds
from poolnorm_cli.strips import bounds_strips, tile_strips, window_strips
from poolnorm_cli.tensors import npy
from poolnorm_cli.windows import window
from tests.tensors.corpus import saved


if TYPE_CHECKING:
    from tests.conftest import Command

LARGE = (3, 67, 80, 60)
LAYERS: list[tuple[str, dict[str, Any], bool]] = [
    *(
        (f"pool {kind}", {"pool_size": size, "strides": step, "padding": pad, **layout}, False)
        for kind in ("max", "average", "min", "lp")
        for size, step, pad in ((2, 2, "valid"), (3, 1, "same"), (2, 5, "valid"), (31, 3, "same"))
        for layout in ({}, {"data_format": "channels_first"})
    ),
    ("gpool max", {}, False),
    ("gpool max", {"data_format": "channels_first", "keepdims": True}, False),
    ("gpool average", {"data_format": "channels_first"}, False),
    *(
        (f"pool {kind}", {"pool_size": 3, "strides": 2, "dilation_rate": 4, **more}, False)
        for kind in ("max", "average", "min", "lp")
        for more in ({"pads": "8:3,1"}, {"pads": "2", "ceil_mode": True}, {"padding": "same_lower"})
    ),
    ("gpool min", {}, False),
    *(("pool max", {"pool_size": 58, "padding": pad}, False) for pad in ("valid", "same")),
    *(
        (f"apool {kind}", {"output_size": size, "data_format": layout}, False)
        for kind in ("max", "average")
        for size in (20, (67, 10), (33, 7))
        for layout in ("channels_last", "channels_first")
    ),
    ("apool max", {"output_size": (1, 7)}, False),
    ("ln", {}, False),
    ("ln", {"axis": (2, 3)}, False),
    ("rms", {"axis": 2}, False),
    ("unit", {"axis": -1}, False),
    ("bn", {}, False),
    ("bn", {"axis": 1}, False),
    ("bn", {"axis": 2}, False),
    ("bn", {"axis": (1, 2)}, False),
    ("bn", {"axis": (1, 3)}, False),
]


def tensor(dtype: str) -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).standard_normal(LARGE, np.float32).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize(("words", "parameters", "training"), LAYERS)
def test_the_bytes_are_those_of_whole_samples(
    words: str, parameters: dict[str, Any], training: bool, dtype: str, whole_samples: Any
) -> None:
    layer, x = find(*words.split())(**parameters), tensor(dtype)
    cut, _ = run_array(layer, x, training=training)
    whole, _ = whole_samples(layer, x, training=training)

    assert cut.shape == layer.output_shape(x.shape)
    assert cut.tobytes() == whole.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ("gpool average", {}),
        ("gpool average", {"keepdims": True}),
        ("apool average", {"output_size": 1}),
        ("pool average", {"pool_size": (67, 80)}),
    ],
)
def test_a_mean_over_strips_is_as_exact_as_one_over_all(
    words: str, parameters: dict[str, Any], dtype: str, whole_samples: Any
) -> None:
    layer, x = find(*words.split())(**parameters), tensor(dtype)
    x[0, 40, 3, 7], x[1, :, :, 8] = np.nan, np.finfo(dtype).max
    cut, _ = run_array(layer, x)
    whole, _ = whole_samples(layer, x)

    # For float32, 4 epsilons of mean(|cells|), which is 0.8 here.
    bound = 3.2 * 2.0**-23 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(cut, whole, rtol=bound, atol=bound)
    assert np.isnan(cut).sum() == 1
    assert np.isfinite(cut).sum() == cut.size - 1


@pytest.mark.parametrize("parameters", [{}, {"renorm": True}, {"fused": True}, {"axis": 1}])
def test_training_on_large_samples_moves_the_same_statistics(
    parameters: dict[str, Any], whole_samples: Any
) -> None:
    layer, x = find("bn")(**parameters), tensor("float32") + np.float32(1e4)
    cut, cut_weights = run_array(layer, x, training=True)
    whole, whole_weights = whole_samples(layer, x, training=True)

    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)
    for name, weight in whole_weights.items():
        np.testing.assert_allclose(cut_weights[name], weight, rtol=1e-6)


@pytest.mark.parametrize(("length", "size"), [(40, 3), (40, 7), (40, 11), (11, 11)])
def test_strips_are_read_from_a_file_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, size: int
) -> None:
    monkeypatch.setattr(npy, "SMALL_FILE_BYTES", 0)  # a small file is not read in strips
    x = np.arange(2.0 * length).reshape(length, 2)
    np.save(tmp_path / "x.npy", x)
    strips = window_strips(length, window(length, size, 5, "same"), 1)
    if size == length:
        assert strips[0].start == strips[1].start

    (tensor,) = npy.open_file(tmp_path / "x.npy", "x.npy")
    blocks = tensor.slices([(strip.start, strip.stop) for strip in strips], x.shape)

    for strip, block in zip(strips, blocks, strict=True):
        np.testing.assert_array_equal(block, x[strip.start : strip.stop])


@given(
    st.integers(1, 90), st.integers(1, 20), st.integers(1, 25), st.integers(1, 40), st.booleans()
)
@example(length=11, size=11, stride=5, rows=1, same=True)
@settings(max_examples=300)
def test_strips_cover_every_row_and_place(
    length: int, size: int, stride: int, rows: int, same: bool
) -> None:
    if not same and size > length:
        return
    whole = window(length, size, stride, "same" if same else "valid")
    strips = window_strips(length, whole, rows)

    assert strips[0].start == 0
    assert strips[-1].stop == length
    # Below padding, windows further on may begin with the same row.
    assert all(a.start <= b.start <= a.stop <= b.stop for a, b in pairwise(strips))
    if strips[0].place is not None:
        rows_of = [[b for b in strips if b.place == place] for place in range(whole.count)]
        spans = [(own[0].start + own[0].first, own[-1].start + own[-1].end) for own in rows_of]
        assert spans == whole.bounds(length)
        assert max(strip.end - strip.first for strip in strips) <= rows
        return
    counts = [strip.window.count for strip in strips if strip.window]
    assert sum(counts) == whole.count
    first = 0
    for strip in strips:
        assert strip.window is not None
        cells = strip.window.cells(strip.end - strip.first)
        assert cells == whole.cells(length)[first : first + strip.window.count]
        assert strip.window.low == max(whole.low - first * stride, 0)
        first += strip.window.count


@given(st.integers(1, 200), st.integers(1, 210), st.integers(1, 40))
@settings(max_examples=300)
def test_strips_cover_every_row_of_windows_that_differ(length: int, count: int, rows: int) -> None:
    bounds = adaptive_bounds(length, count)
    strips = bounds_strips(length, bounds, rows)

    assert (strips[0].start, strips[-1].stop) == (0, length)
    assert all(a.start <= b.start <= a.stop <= b.stop for a, b in pairwise(strips))
    found = [
        (strip.start + strip.first + low, strip.start + strip.first + high)
        for strip in strips
        for low, high in strip.bounds or [(0, strip.end - strip.first)]
    ]
    if strips[0].place is None:
        assert found == bounds
    else:
        places = [strip.place for strip in strips]
        assert [found[places.index(i)][0] for i in range(count)] == [low for low, _ in bounds]
        assert all(high - low <= rows for low, high in found)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 300))
def test_tiles_are_a_sample_in_order(sizes: list[int], items: int) -> None:
    shape = tuple(sizes)
    x = np.arange(int(np.prod(shape[1:]))).reshape(1, *shape[1:])
    found = []
    for strip in tile_strips(shape, items):
        corner, size = strip.corner(len(shape)), strip.shape(shape)
        part = x[tuple(slice(at, at + n) for at, n in zip(corner, size, strict=True))]
        assert part.shape == size
        assert part.size <= items
        found.append(part.ravel())

    np.testing.assert_array_equal(np.concatenate(found), x.ravel())


@pytest.mark.parametrize("saved_as", [">f4", "<f4", "<f2", "fortran", "npz", "stream"])
@pytest.mark.parametrize(
    "words",
    [
        "pool max --pool-size 3",
        "gpool max",
        "ln",
        "bn",
        "in",
        "apool max --output-size 9",
    ],
)
def test_files_of_any_kind_go_through_in_strips(
    saved_as: str, words: str, poolnorm: Command
) -> None:
    x = tensor(saved_as if "f" in saved_as[1:2] else "float32")
    np.save("plain.npy", np.ascontiguousarray(x.astype(x.dtype.newbyteorder("="))))
    assert poolnorm(f"{words} plain.npy -q -o expected.npy").code == 0
    if saved_as == "fortran":
        x = np.asfortranarray(x)
    np.savez_compressed("x.npz", x=x) if saved_as == "npz" else np.save("x.npy", x)
    given = {"npz": "x.npz::x", "stream": "-"}.get(saved_as, "x.npy")
    stdin = Path("x.npy").read_bytes() if given == "-" else None
    done = poolnorm(f"{words} {given} -q -o y.npy", stdin=stdin)

    assert done.code == 0, done.err
    assert Path("y.npy").read_bytes() == Path("expected.npy").read_bytes()


def test_a_file_cut_short_in_a_strip_is_an_error(poolnorm: Command) -> None:
    data = saved(tensor("float32"))[:-5000]
    done = poolnorm("pool max - -q -o y.npy", stdin=data)

    assert done.code == 4
    assert "truncated" in done.err
    assert not Path("y.npy").exists()


# The peak of this process alone: what getrusage tells begins with that of the one it came from.
_PEAK = """
import sys
from pathlib import Path
from poolnorm_cli.cli.main import run
code = run(sys.argv[1:])
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
@pytest.mark.parametrize(
    "words",
    [
        "pool max --pool-size 4",
        "gpool average",
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in (
                "pool average --pool-size 1000",
                "apool average --output-size 7",
                "bn",
                "bn --training --axis 1",
                "ln",
                "ln --axis 1,2,3",
                "gn --groups 2",
                "in --axis 1",
                "rms --axis 1,2,3",
                "unit --axis 1,3",
            )
        ),
    ],
)
def test_one_sample_of_half_a_gigabyte_needs_little_memory(words: str) -> None:
    import subprocess

    header = io.BytesIO()
    shape = (1, 8192, 4096, 4)
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    with Path("x.npy").open("wb") as file:
        file.write(header.getvalue())
        file.truncate(len(header.getvalue()) + 4 * int(np.prod(shape)))
    command = [sys.executable, "-c", _PEAK, *words.split(), "x.npy", "-q", "-o", "y.npy"]
    done = subprocess.run(command, capture_output=True, check=True)

    assert int(done.stdout) < 200 * 1024
    Path("y.npy").unlink()
