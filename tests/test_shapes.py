"""The window arithmetic, against counting by hand."""

import pytest
from hypothesis import given, strategies as st

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import format_shape, parse_shape, per_axis, resolve_axes
from poolnorm_cli.windows import Padding, Placing, window


lengths = st.integers(1, 60)
sizes = st.integers(1, 12)
strides = st.integers(1, 9)
paddings = st.sampled_from(["valid", "same"])


@given(lengths, sizes, strides)
def test_valid_counts_the_whole_windows(length: int, size: int, stride: int) -> None:
    starts = [start for start in range(0, length, stride) if start + size <= length]

    assert window(length, size, stride, "valid").count == len(starts)


@given(lengths, sizes, strides)
def test_same_gives_the_ceiling_and_puts_the_odd_cell_last(
    length: int, size: int, stride: int
) -> None:
    found = window(length, size, stride, "same")

    assert found.count == -(-length // stride)
    assert 0 <= found.low <= found.high <= found.low + 1
    needed = (found.count - 1) * stride + size - length
    assert found.low + found.high == max(needed, 0)


@given(lengths, sizes, strides, paddings)
def test_every_window_has_a_real_cell(
    length: int, size: int, stride: int, padding: Padding
) -> None:
    found = window(length, size, stride, padding)
    cells = [
        sum(0 <= place * stride - found.low + offset < length for offset in range(size))
        for place in range(found.count)
    ]

    assert found.cells(length) == cells
    assert all(cells)


any_size = st.one_of(sizes, st.integers(1, 2**63 - 1))


@given(lengths, any_size, any_size, paddings)
def test_a_clipped_window_has_the_same_cells_and_is_no_larger_than_they_and_their_padding(
    length: int, size: int, stride: int, padding: Padding
) -> None:
    whole = window(length, size, stride, padding)
    clipped = whole.clipped(length)

    assert clipped.count == whole.count
    for place in {0, 1, 2, whole.count - 2, whole.count - 1} & set(range(whole.count)):
        start, moved = place * stride - whole.low, place * clipped.stride - clipped.low
        below = max(start, 0), min(start + size, length)
        assert (max(moved, 0), min(moved + clipped.size, length)) == below
    assert 1 <= clipped.stride <= length
    assert 1 <= clipped.size <= 2 * length
    assert clipped.low < clipped.size
    assert clipped.high < clipped.size
    if size <= length and stride <= length:
        assert clipped == whole


@given(lengths, sizes, strides, paddings)
def test_a_named_length_gives_an_expression_of_the_same_value(
    length: int, size: int, stride: int, padding: Padding
) -> None:
    if padding == "valid" and size > length:
        return
    expression = Placing(size, stride, padding).count_on("H")

    assert eval(str(expression), {"H": length}) == window(length, size, stride, padding).count  # noqa: S307 - our own text


def test_an_expression_goes_through_a_second_window() -> None:
    first = Placing(2, 2).count_on("H")

    assert first == "H//2"
    assert Placing(3, 2, "same").count_on(first) == "((H//2)+1)//2"


def test_unknown_stays_unknown() -> None:
    assert Placing(2, 2).count_on(None) is None


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("4,28,28,3", (4, 28, 28, 3)),
        ("None,28,28,3", (None, 28, 28, 3)),
        ("(N, H, W, 3)", ("N", "H", "W", 3)),
        ("?,2", (None, 2)),
        ("5,", (5,)),
    ],
)
def test_shapes_are_read_as_they_are_typed(text: str, shape: tuple[object, ...]) -> None:
    assert parse_shape(text) == shape


def test_a_shape_prints_as_it_is_read() -> None:
    assert format_shape(parse_shape("None,H,28,3")) == "None,H,28,3"


@pytest.mark.parametrize("text", ["", "4,-1", "4;28", "1.5,2", "4,,3x"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="has a part"):
        parse_shape(text)


def test_one_size_serves_every_axis() -> None:
    assert per_axis((2,), 3, "--strides") == (2, 2, 2)
    assert per_axis((2, 3), 2, "--strides") == (2, 3)
    with pytest.raises(UsageError, match="--strides 2,3 has 2 sizes, the input has 3"):
        per_axis((2, 3), 3, "--strides")


def test_axes_are_made_positive_and_then_sorted() -> None:
    assert resolve_axes((-1, 1), 4) == (1, 3)
    with pytest.raises(UsageError, match="names an axis twice"):
        resolve_axes((3, -1), 4)
    with pytest.raises(UsageError, match="--axis 4 is out of range for an input of rank 4"):
        resolve_axes((4,), 4)


def test_one_axis_is_told_in_the_singular() -> None:
    with pytest.raises(
        UsageError, match=r"has 2 sizes, the input has one spatial axis; give one size$"
    ):
        per_axis((3, 3), 1, "--pool-size")
