"""torch's batch and instance normalization in training: outputs and running statistics."""

import numpy as np
import pytest

from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from tests.conftest import Command


torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("kind", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize("momentum", [None, 0.1, 0.35])
@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_three_batches_move_the_statistics_as_torch_does(
    poolnorm: Command, kind: str, momentum: float | None, rank: int, backend: str
) -> None:
    random = np.random.default_rng(rank)
    module = getattr(torch.nn, f"{kind}{rank - 2}d")(
        3, eps=1e-3, momentum=momentum, affine=True, track_running_stats=True
    )
    if kind == "InstanceNorm" and momentum is None:
        pytest.skip("torch counts no batches for it")
    words = "none" if momentum is None else f"{momentum} --momentum-convention torch"
    ghosts = "--virtual-batch-size 1 " if kind == "InstanceNorm" else ""
    lengths = [4, 5, 3][: rank - 2]
    for i in range(3):
        x = random.normal(i, 1 + i, (4, *lengths, 3)).astype("float32")
        np.save(f"{i}.npy", x)
        y = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy()))

    result = poolnorm(
        f"bn 0.npy 1.npy 2.npy --training --unbiased {ghosts}--momentum {words} --backend {backend}"
        " --save-weights w.npz -O out -q"
    )

    assert result.code == 0, result.err
    np.testing.assert_allclose(
        np.load("out/2.npy"), np.moveaxis(y.detach().numpy(), 1, -1), atol=2e-5
    )
    with np.load("w.npz") as state:
        assert set(state.files) <= set(BatchNormalization.weight_names)
        for ours, theirs in (("moving_mean", "running_mean"), ("moving_variance", "running_var")):
            np.testing.assert_allclose(state[ours], getattr(module, theirs), rtol=2e-5, atol=1e-6)
