"""A canvas keeps to its width, whatever is drawn on it."""

from hypothesis import given, strategies as st

from poolnorm_cli.pictures.canvas import Canvas, Cell, beside, flowed, stacked, text_width


RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_text_goes_where_it_is_put() -> None:
    canvas = Canvas(6)

    assert canvas.put(1, 2, "abc", "window") == 5
    assert list(canvas.lines()) == ["", "  abc"]
    assert canvas.rows[1][2] == Cell("a", "window")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 9), st.text(max_size=9)), max_size=6))
def test_what_is_beyond_the_width_is_cut(puts: list[tuple[int, int, str]]) -> None:
    canvas = Canvas(5)
    for row, column, text in puts:
        canvas.put(row, column, text)

    assert all(len(cells) == 5 for cells in canvas.rows)


def test_a_wide_character_takes_two_columns_and_an_accent_none() -> None:
    canvas = Canvas(5)
    canvas.put(0, 0, "日e\u0301x")

    assert text_width("日e\u0301x") == 4
    assert [cell.glyph for cell in canvas.rows[0]] == ["日", "", "e\u0301", "x", " "]


def test_a_wide_character_that_does_not_fit_is_left_out() -> None:
    canvas = Canvas(3)
    canvas.put(0, 2, "日")

    assert list(canvas.lines()) == [""]


def test_lines_of_text_are_wrapped() -> None:
    canvas = Canvas(8)
    canvas.write("one two three")
    canvas.write()
    canvas.write("four")

    assert list(canvas.lines()) == ["one two", "three", "", "four"]


def test_a_cell_says_itself_without_colour() -> None:
    canvas = Canvas(4)
    for row in range(2):
        canvas.put(row, 1, "  ", "window", "#")

    assert list(canvas.lines()) == [" ##", " ##"]


def test_pictures_are_joined_in_both_directions() -> None:
    one, two = Canvas(2, 1, title="one"), Canvas(3, 2)
    one.put(0, 0, "aa")
    two.put(1, 0, "bbb")

    assert list(beside(one, two, gap=1).lines()) == ["aa", "   bbb"]
    assert list(stacked(one, two).lines()) == ["aa", "", "", "bbb"]
    assert beside(one, two).title == stacked(one, two).title == "one"


@given(st.lists(st.integers(1, 12), min_size=1, max_size=9), st.integers(12, 40))
def test_pictures_flow_within_a_width(widths: list[int], width: int) -> None:
    flow = flowed([Canvas(each, 1) for each in widths], width)

    assert flow.width <= width
