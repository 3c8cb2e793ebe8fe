"""Where maxima are, without NumPy: the bytes are those of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from poolnorm_cli.engine.index_pass import IndexJob
from poolnorm_cli.engine.job import Job
from poolnorm_cli.kernels import native
from poolnorm_cli.layers.adaptive_pooling import AdaptiveMaxPooling
from poolnorm_cli.layers.max_indices import indices_of
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors


if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

LAYERS = [
    MaxPooling(),
    MaxPooling(pool_size=(3,), strides=(1,), padding="same", data_format="channels_first"),
    AdaptiveMaxPooling(output_size=(4,)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize(
    "dtype", ["<f4", ">f4", "f8", "f2", "bfloat16", "?", "i1", "u2", ">i4", "u4", "i8"]
)
def test_the_bytes_are_those_of_arrays(layer: Any, dtype: str, tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(-90, 90, (3, 40, 33, 5)).astype("float64")
    if "f" in dtype:
        wide[0, ::7, ::5] = np.nan
    x = wide.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    np.save(tmp_path / "x.npy", x)
    indices = indices_of(layer)
    assert indices is not None
    found = []
    for job in (IndexJob(indices), Job(indices, dtype="int64")):
        tensors = list(open_tensors(str(tmp_path / "x.npy"), bfloat16=True))
        assert not isinstance(job, IndexJob) or job.serves(tensors)
        target = str(tmp_path / "y.npy")
        job.run_all(tensors, open_output(target, overwrite=True), target)
        found.append((tmp_path / "y.npy").read_bytes())

    assert found[0] == found[1]


def test_what_takes_numpy_is_not_served(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 4, 4, 1), np.uint64))
    indices = indices_of(LAYERS[0])

    assert indices is not None
    assert not IndexJob(indices).serves(open_tensors(str(tmp_path / "x.npy")))
