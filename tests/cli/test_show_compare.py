"""`compare --show`: two tensors, and where they differ."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.engine.compare import compare_files
from poolnorm_cli.engine.difference_picture import DifferencePicture, difference_pictures
from poolnorm_cli.engine.thumbnail import NAN, WORST
from poolnorm_cli.engine.view import Room, Wanted
from poolnorm_cli.kernels.differences import Tolerance
from tests.conftest import Command


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def picture(a: NDArray[Any], b: NDArray[Any]) -> DifferencePicture:
    np.save("a.npy", a)
    np.save("b.npy", b)
    made: list[DifferencePicture] = []

    def draw(found: Any, pairs: Any) -> None:
        made.extend(difference_pictures(found, pairs(), [Wanted(Room(30, 20))]))

    more: Any = {"ignore_dtype": False, "on_note": print, "on_pair": draw}
    list(compare_files("a.npy", "b.npy", None, Tolerance(), **more))
    return made[0]


def test_the_sample_and_channel_of_the_largest_difference_are_shown() -> None:
    a = normal(3, 60, 50, 4)
    b = a.copy()
    b[2, 17, 29, 3] += 5
    b[0, 1, 1, 1] += 1
    made = picture(a, b)

    assert made.place == (2, 17, 29, 3)
    assert made.values == (float(a[2, 17, 29, 3]), float(b[2, 17, 29, 3]))
    assert (made.first.view.sample, made.second.view.channel) == (2, 3)
    down, across = made.difference.view.factors
    assert np.argwhere(made.difference.marks).tolist() == [[0, 17 // down, 29 // across]]
    assert made.difference.marks.max() == WORST
    np.testing.assert_allclose(made.difference.cells.max(), 5, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7,), (40, 30), (2, 90, 3), (2, 4, 5, 6, 2), (1, 1, 1, 1)])
def test_a_difference_of_any_rank_is_marked(shape: tuple[int, ...]) -> None:
    a = normal(*shape)
    b = a.copy()
    b.reshape(-1)[-1] += 3
    made = picture(a, b)

    assert made.place == tuple(size - 1 for size in shape)
    assert np.count_nonzero(made.difference.marks == WORST) == 1


def test_a_nan_on_one_side_is_marked_as_such() -> None:
    a = normal(1, 6, 6, 1)
    b = a.copy()
    b[0, 2, 3, 0] = np.nan
    made = picture(a, b)

    assert made.place == (0, 2, 3, 0)
    assert made.difference.marks[0, 2, 3] == NAN


def test_both_and_the_difference_are_drawn(poolnorm: Command) -> None:
    a = normal(1, 8, 8, 1)
    b = a.copy()
    b[0, 3, 4, 0] = 9
    np.save("a.npy", a)
    np.save("b.npy", b)
    shown = poolnorm("compare a.npy b.npy --show --save-svg d.svg")

    assert shown.code == 1
    assert "The largest difference is at 0,3,4,0: " in shown.out
    assert "9 in b" in shown.out
    assert "|a - b| (1, 8, 8, 1)" in shown.out
    assert shown.out.splitlines()[-1].startswith("a.npy\tb.npy\tdiffer")
    assert Path("d.svg").read_text().startswith("<svg")
    assert poolnorm("compare a.npy b.npy --show -q").out == ""


def test_equal_tensors_and_others_of_another_shape_are_told(poolnorm: Command) -> None:
    np.save("a.npy", normal(1, 8, 8, 1))
    np.save("b.npy", normal(1, 8, 9, 1))

    assert "The values are the same." in poolnorm("compare a.npy a.npy --show").out
    shown = poolnorm("compare a.npy b.npy --show")
    assert (shown.code, shown.err) == (1, "note: not drawn: the shapes differ\n")
    assert len(shown.out.splitlines()) == 1
    assert poolnorm("compare a.npy b.npy --show -q").err == ""


def test_pairs_that_are_not_drawn_are_counted(poolnorm: Command) -> None:
    first: Any = {f"k{place}": normal(1, 4, 4, 1) for place in range(6)}
    np.savez("a.npz", **first)
    np.savez("b.npz", **(first | {"k5": normal(1, 4, 5, 1)}))
    shown = poolnorm("compare a.npz b.npz --save-svg p.svg")

    assert shown.err.splitlines() == [
        "note: the pictures are of the first 4 of 5 pairs",
        "note: not drawn: 1 of 6 pairs, whose shapes differ",
    ]


def test_a_document_costs_no_picture(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolnorm_cli.engine.difference_picture.difference_pictures", None)
    np.save("a.npy", normal(1, 8, 8, 1))
    plain = poolnorm("compare a.npy a.npy --json")

    assert poolnorm("compare a.npy a.npy --json --show") == plain
    assert plain.code == 0
    assert poolnorm("compare a.npy a.npy -q --show").code == 0


def test_backends_are_drawn(poolnorm: Command) -> None:
    pytest.importorskip("onnxruntime")
    np.save("x.npy", normal(2, 8, 8, 3))
    shown = poolnorm("compare --show --backends numpy,onnx:cpu -- pool average x.npy")

    assert shown.code == 0
    assert "onnx:cpu (2, 4, 4, 3)" in shown.out


def test_a_stream_is_compared_and_drawn(poolnorm: Command) -> None:
    np.save("a.npy", normal(2, 8, 8, 3))
    np.save("b.npy", normal(2, 8, 8, 3) + 1)
    shown = poolnorm("compare - b.npy --show", stdin=Path("a.npy").read_bytes())

    assert shown.code == 1
    assert "- (2, 8, 8, 3) float32" in shown.out
