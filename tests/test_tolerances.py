"""compare names the tolerance that would pass, and with it the comparison passes."""

import json
import shlex
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from tests.conftest import Command


def told(poolnorm: Command, words: str = "") -> list[str]:
    done = poolnorm(f"compare a.npy b.npy --json {words}")
    assert done.code == 1
    found: list[str] = json.loads(done.out)["would_pass"]
    note = f"note: {' or '.join(found)} would pass\n"
    assert done.err == (note if found else "")
    return found


def save(a: Any, b: Any) -> None:
    np.save("a.npy", a)
    np.save("b.npy", b)


def steps(x: Any, count: int) -> Any:
    return (x.view(f"i{x.itemsize}") + count).view(x.dtype)


X = np.linspace(1, 2, 50, dtype=np.float32)[:-1]


def test_rounding_is_named_in_three_ways(poolnorm: Command) -> None:
    save(steps(X, 3), X)

    assert told(poolnorm) == ["--max-ulp 3", "--rtol 3.6e-07", "--atol 3.6e-07"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("words", ["", "--rtol 1e-8", "--atol 1e-9", "--max-ulp 1"])
def test_each_that_is_named_passes(poolnorm: Command, dtype: str, words: str) -> None:
    x = np.random.default_rng(1).standard_normal(400).astype(dtype)
    save(steps(x, 2), x)
    if poolnorm(f"compare a.npy b.npy {words}").code == 0:
        return

    named = told(poolnorm, words)
    assert named
    for flags in named:
        assert poolnorm("compare a.npy b.npy", *shlex.split(flags)).code == 0


FLOATS = arrays.arrays(
    np.float32, 6, elements=st.floats(-1e3, 1e3, width=32) | st.just(float("nan"))
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(b=FLOATS, noise=arrays.arrays(np.int32, 6, elements=st.integers(-600, 600)))
def test_what_is_named_passes_and_the_next_smaller_does_not(
    poolnorm: Command, b: Any, noise: Any
) -> None:
    bits = b.view(np.int32) & 0x7FFFFFFF
    a = np.where(bits > 1000, steps(b, noise), b)
    save(a, b)
    done = poolnorm("compare a.npy b.npy --json")
    for flags in json.loads(done.out)["would_pass"]:
        words = shlex.split(flags)
        assert poolnorm("compare a.npy b.npy", *words).code == 0, flags
        if words[0] == "--max-ulp" and int(words[1]):
            words[1] = str(int(words[1]) - 1)
            assert poolnorm("compare a.npy b.npy", *words).code == 1


def test_nan_and_dtype_have_their_flags(poolnorm: Command) -> None:
    nan = X.copy()
    nan[3] = np.nan
    save(nan, nan)
    assert told(poolnorm) == ["--equal-nan"]

    save(X, X.astype(np.float64))
    assert told(poolnorm) == ["--ignore-dtype"]

    save(steps(nan, 1), nan.astype(np.float64))
    named = told(poolnorm)
    assert named[0].endswith(" --equal-nan --ignore-dtype")
    assert poolnorm("compare a.npy b.npy", *named[0].split()).code == 0


@pytest.mark.parametrize(
    "other",
    [X * 2, X[:-1], np.where(X > 1.5, np.nan, X), np.where(X > 1.5, np.inf, X), X + 0.01],
    ids=["twice", "shape", "nan", "inf", "far"],
)
def test_more_than_rounding_has_none(poolnorm: Command, other: Any) -> None:
    save(X, other.astype(np.float32))

    assert told(poolnorm) == []


def test_a_zero_leaves_the_absolute_tolerance(poolnorm: Command) -> None:
    b = X.copy()
    b[0] = 0
    a = b.copy()
    a[0] = 1e-8
    save(a, b)

    assert told(poolnorm) == ["--atol 1e-08"]


def test_integers_may_be_one_apart(poolnorm: Command) -> None:
    b = np.arange(9, dtype=np.uint8)
    a = b.copy()
    a[2] += 1
    save(a, b)
    for flags in (named := told(poolnorm)):
        assert poolnorm("compare a.npy b.npy", *flags.split()).code == 0
    assert "--max-ulp 1" in named

    a[2] += 1
    save(a, b)
    assert told(poolnorm) == []


def test_quietly_nothing_is_named(poolnorm: Command) -> None:
    save(steps(X, 3), X)

    assert poolnorm("compare a.npy b.npy -q").err == ""
