"""The whole table of cases on an NVIDIA device: needs the GPU build of ONNX Runtime."""

import numpy as np
import pytest

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.numpy_backend import NUMPY
from tests.backends.chains import ChainCase
from tests.backends.test_agreement import BY_NAME, compare
from tests.backends.test_chains import CHAINS, NAMES, through, tolerance
from tests.backends.test_session import layer
from tests.conftest import Command, opened


pytestmark = pytest.mark.cuda


@pytest.fixture
def device() -> Backend:
    found = opened("cuda")
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_cuda_gives_what_numpy_gives(name: str, device: Backend) -> None:
    compare(BY_NAME[name], device)


@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_a_chain_on_cuda_gives_what_numpy_gives(case: ChainCase, device: Backend) -> None:
    x, weights = case.x(), case.weights()
    expected = through(case, x, weights, NUMPY)
    np.testing.assert_allclose(
        through(case, x, weights, device), expected, rtol=tolerance(case), atol=tolerance(case)
    )


def test_the_command_runs_on_cuda(device: Backend, poolnorm: Command, x: object) -> None:
    done = poolnorm("pool average x.npy --pool-size 3 --strides 2 --padding same --provider cuda")
    assert (done.code, done.err) == (0, "")


def test_a_window_of_nan_stays_nan(device: Backend) -> None:
    from poolnorm_cli.layers.call import Call

    x = np.full((1, 4, 1), np.nan, np.float32)
    assert np.isnan(device.apply(layer("pool max"), x, {}, Call())).all()
