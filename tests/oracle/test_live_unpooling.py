"""Maxima put back where they were, beside torch's `max_unpool`, and as the program in torch."""

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.unpooling import MaxUnpooling
from tests.conftest import Command


torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("seed", range(100))
def test_random_windows_go_back_as_in_torch(seed: int) -> None:
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 4))
    size = tuple(int(n) for n in random.integers(2, 5, rank))
    pads = tuple(int(random.integers(0, n // 2 + 1)) for n in size)
    strides = tuple(int(n) for n in random.integers(1, 4, rank))
    x = torch.from_numpy(random.normal(size=(2, 3, *random.integers(6, 10, rank))))
    pool = getattr(torch.nn.functional, f"max_pool{rank}d")
    back = getattr(torch.nn.functional, f"max_unpool{rank}d")
    values, indices = pool(x, size, strides, pads, return_indices=True)
    expected = back(values, indices, size, strides, pads, output_size=x.shape[2:])
    layer = MaxUnpooling(
        pool_size=size,
        strides=strides,
        pads=Pads.of(",".join(map(str, pads))),
        output_size=tuple(x.shape[2:]),
        data_format="channels_first",
    )

    y = layer.apply(values.numpy(), {}, Call(mask=indices.numpy()))

    np.testing.assert_array_equal(y, expected.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8"])
@pytest.mark.parametrize(
    "words", ["--output-size 7,8", "--output-size 7,30", "--pads 0:1 --output-size 7,8"]
)
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_the_program_in_torch_gives_the_same(
    poolnorm: Command, words: str, dtype: str, layout: str
) -> None:
    shape = (2, 3, 4, 5) if layout == "channels_last" else (2, 5, 3, 4)
    np.save("x.npy", np.random.default_rng(0).integers(0, 99, shape).astype(dtype))
    np.save("i.npy", np.random.default_rng(1).integers(0, 56, shape))
    typed = f"unpool x.npy --indices i.npy --strides 2 --data-format {layout} {words}"
    assert poolnorm(f"{typed} -o y.npy -q").code == 0

    program = poolnorm(f"{typed} --torch")

    assert program.code == 0, program.err
    names: dict[str, Any] = {}
    exec(program.out, names)  # noqa: S102 - the program that was printed
    np.testing.assert_array_equal(names["y"].numpy(), np.load("y.npy"))
