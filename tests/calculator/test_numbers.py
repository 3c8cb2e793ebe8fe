"""`--field`: one number of a shape, by name."""

from pathlib import Path

import pytest

from tests.conftest import Command


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("pool max 8,29,31,3 --pool-size 3 --strides 2 --padding same --field out.h", "15"),
        ("pool max 8,29,31,3 --pool-size 3 --strides 2 --padding same --field pad.w.low", "1"),
        ("pool max 8,28,31,3 --pool-size 3 --strides 2 --padding same --field pad.h.high", "1"),
        ("pool max 8,28,31,3 --pool-size 3 --strides 2 --padding same --field start.h", "1.5"),
        ("pool max 8,28,31,3 --strides 3 --field never_read.h", "10"),
        ("pool max 8,28,31,3 --dilation-rate 3,1 --field window.h", "2"),
        ("pool max 8,28,31,3 --dilation-rate 3,1 --field dilation.h", "3"),
        ("pool max 8,28,31,3 --dilation-rate 3,1 --field receptive_field.h", "4"),
        ("pool max 8,28,31,3 --pads 1:0 --field start.h", "0"),
        ("pool max 8,29,31,3 --strides 3 --ceil-mode --field never_read.h", "9"),
        ("pool max N,28,W,3 --field out.1", "14"),
        ("pool max 8,3,28,31 --data-format channels_first --field out.c", "3"),
        ("pool max 8,3,28,31 --data-format channels_first --field out.w", "15"),
        ("pool max 8,10,3 --field out.w", "5"),
        ("pool max 8,2,4,6,3 --field out.d", "1"),
        ("gpool max 8,28,31,3 --field out.c", "3"),
        ("gpool max 8,28,31,3 --field out.1", "3"),
        ("gpool max 8,28,31,3 --keepdims --field out.h", "1"),
        ("bn 8,3,28,31 --axis 1 --field in.h", "28"),
        ("bn 8,3,28,31 --axis 1 --field parameters", "12"),
        ("gn 8,28,31,6 --groups 3 --field statistics.count", "24"),
        ("gn 8,28,31,6 --groups 3 --field statistics.cells", "1736"),
        ("ln 2,3,4,5,6,7 --field out.-1", None),
        ("ln 2,3,4,5,6,7 --field out.5", "7"),
        ("pipe 1,28,28,3 ! pool max ! pool max --field out.h", "7"),
        ("pipe 1,28,28,3 ! pool max ! pool max --field 1.out.h", "14"),
        ("pipe 1,28,28,3 ! pool max ! pool max --field in.h", "28"),
        ("pipe 1,28,28,3 ! pool max ! pool max --field receptive_field.h", "4"),
        ("pipe 1,28,28,3 ! pool max ! pool max --field jump.w", "4"),
    ],
)
def test_a_field_is_one_number(poolnorm: Command, words: str, number: str | None) -> None:
    result = poolnorm(f"shape {words}")

    if number is None:
        assert (result.code, result.out) == (2, "")
    else:
        assert (result.code, result.out, result.err) == (0, f"{number}\n", "")


def test_an_unknown_field_lists_those_there_are(poolnorm: Command) -> None:
    result = poolnorm("shape pool max N,28,28,3 --field out.x")

    assert result.code == 2
    assert result.err.startswith("error: no field 'out.x'; there are: in.h, in.w, in.c, ")
    assert "pad.h.low" in result.err
    assert "out.n" not in result.err


@pytest.mark.parametrize(("name", "value"), [("out.n", "N"), ("out.h", "H//2"), ("out.w", "None")])
def test_what_is_no_number_is_refused_for_a_shell_takes_names_for_zero(
    poolnorm: Command, name: str, value: str
) -> None:
    result = poolnorm(f"shape pool max N,H,None,3 --field {name}")

    assert (result.code, result.out) == (2, "")
    assert f"field {name} of (N,H,None,3) is {value}, not a number" in result.err


@pytest.mark.parametrize("flag", ["--explain", "--conventions", "--draw", "--save-svg a.svg"])
def test_what_a_number_leaves_no_place_for_is_refused(poolnorm: Command, flag: str) -> None:
    told = poolnorm(f"shape pool max 8,28,31,3 --field out.h {flag}")

    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"error: --field with {flag.split(maxsplit=1)[0]}; ")
    assert not Path("a.svg").exists()
