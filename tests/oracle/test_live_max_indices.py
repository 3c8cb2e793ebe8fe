"""Where max pooling finds its values, beside torch's `return_indices`."""

import numpy as np
import pytest

from poolnorm_cli.layers.adaptive_pooling import AdaptiveMaxPooling
from poolnorm_cli.layers.max_indices import indices_of
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import MaxPooling


torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("seed", range(300))
def test_random_windows_find_what_torch_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 4))
    size = tuple(int(n) for n in random.integers(1, 5, rank))
    pads = tuple(int(random.integers(0, n // 2 + 1)) for n in size)
    strides = tuple(int(n) for n in random.integers(1, 4, rank))
    dilation = tuple(int(n) for n in random.integers(1, 4, rank))
    ceil = bool(random.integers(0, 2))
    x = random.integers(0, 5, (2, 3, *random.integers(10, 14, rank))).astype("float32")
    x[random.random(x.shape) < 0.05] = np.nan
    x[random.random(x.shape) < 0.4] = -np.inf
    kind = getattr(torch.nn.functional, f"max_pool{rank}d")
    dtype = (torch.float32, torch.float64, torch.float16, torch.bfloat16)[seed % 4]
    given = torch.from_numpy(x).to(dtype)
    _, expected = kind(given, size, strides, pads, dilation, ceil, return_indices=True)
    word = Pads.of(",".join(map(str, pads)))
    layer = MaxPooling(
        pool_size=size,
        strides=strides,
        pads=word,
        dilation_rate=dilation,
        ceil_mode=ceil,
        data_format="channels_first",
    )

    finder = indices_of(layer)

    assert finder is not None
    found = finder.apply(x, {})

    np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.parametrize("seed", range(100))
def test_adaptive_windows_find_what_torch_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    rank = int(random.integers(1, 4))
    counts = tuple(int(n) for n in random.integers(1, 8, rank))
    x = random.integers(0, 5, (2, 3, *random.integers(1, 14, rank))).astype("float32")
    x[random.random(x.shape) < 0.05] = np.nan
    x[random.random(x.shape) < 0.4] = -np.inf
    kind = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
    _, expected = kind(torch.from_numpy(x), counts, return_indices=True)
    finder = indices_of(AdaptiveMaxPooling(output_size=counts, data_format="channels_first"))

    assert finder is not None
    np.testing.assert_array_equal(finder.apply(x, {}), expected.numpy())
