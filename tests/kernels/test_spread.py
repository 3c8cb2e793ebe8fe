"""How many threads a call takes, and how many of them are woken for it."""

from collections.abc import Iterator

import pytest

from poolnorm_cli.kernels import native


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")
MOST = 16


@pytest.fixture(autouse=True)
def _sixteen() -> Iterator[None]:
    before = native.loops().allow_threads(MOST)
    yield
    native.loops().allow_threads(before)


@pytest.mark.parametrize("item", [1, 4, 768, 37_632, 100_000])
def test_each_thread_has_enough_to_do(item: int) -> None:
    for total in (0, 1 << 17, 1 << 18, 1 << 20, 3 << 20, 10 << 20, 1 << 30):
        threads, _ = native.loops().threads_for(total // item, item, 0.0)

        assert threads <= MOST
        assert threads * (128 << 10) <= total
        assert threads == min(total // item // ((128 << 10) // item + 1), MOST)


def test_a_few_large_items_are_a_thread_each_at_most() -> None:
    assert [native.loops().threads_for(n, 1 << 30, 0.0)[0] for n in (0, 1, 3, 99)] == [
        0,
        1,
        3,
        MOST,
    ]


def test_no_more_are_woken_than_come_in_time() -> None:
    items = 10 << 20
    woken = [
        native.loops().threads_for(items, 1, us * 1e3)[1] for us in (0, 199, 200, 400, 750, 9e9)
    ]

    assert woken == [0, 0, 4, 8, 15, 15]
    native.loops().allow_threads(4)
    few = [native.loops().threads_for(items, 1, us * 1e3)[1] for us in (0, 199, 200, 400, 750, 9e9)]
    assert few == [0, 0, 3, 3, 3, 3]


def test_a_call_that_may_have_one_thread_wakes_none() -> None:
    native.loops().allow_threads(1)

    assert native.loops().threads_for(1 << 30, 1, 1e9) == (1, 0)
