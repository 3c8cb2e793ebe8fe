"""What Keras gave once, on machines without Keras."""

from __future__ import annotations

from itertools import product

import pytest

from tests.goldens.grid import KINDS, LAYOUTS, Axis
from tests.goldens.store import read
from tests.oracle.bounds import compute, difference


GOLDENS = read("keras")

BATCH_NORM = read("batch_norm")


@pytest.mark.parametrize("number", range(len(GOLDENS)))
def test_a_layer_gives_what_keras_gave(number: int) -> None:
    golden = GOLDENS[number]
    assert difference(golden.job, compute(golden.job), golden.outcome) is None


@pytest.mark.parametrize("number", range(len(BATCH_NORM)))
def test_batch_normalization_gives_what_keras_gave(number: int) -> None:
    golden = BATCH_NORM[number]
    assert difference(golden.job, compute(golden.job), golden.outcome) is None


def test_the_goldens_cover_the_parameters_of_batch_normalization_with_each_other() -> None:
    seen = [golden.job for golden in BATCH_NORM]
    for rank in (2, 3, 4, 5):
        here = [job for job in seen if job.inputs[0].ndim == rank]
        for center, scale in product((False, True), (False, True)):
            affine = {"center": center, "scale": scale}
            jobs = [job for job in here if affine.items() <= job.params.items()]
            assert {job.params["momentum"] for job in jobs} == {0.9, 0.5}
            assert {job.params["epsilon"] for job in jobs} == {1e-3, 1e-2}
            fused = {job.params.get("fused") for job in jobs}
            assert fused == ({None, False, True} if rank > 3 else {None, False})
            assert any(job.mask is not None for job in jobs)
            assert any(job.adjustment is not None for job in jobs)
            for name in ("renorm", "renorm_clipping", "virtual_batch_size"):
                assert any(job.params.get(name) for job in jobs)
                assert any(not job.params.get(name) for job in jobs)


def test_the_goldens_cover_every_way_to_slide_a_window() -> None:
    found = set()
    for golden in GOLDENS:
        job = golden.job
        if job.words[0] != "pool":
            continue
        x, params = job.inputs[0], job.params
        sizes = x.shape[2:] if params["data_format"] == "channels_first" else x.shape[1:-1]
        ways = (job.words[1], x.ndim - 2, params["data_format"], params["padding"])
        for values in zip(sizes, params["pool_size"], params["strides"], strict=True):
            axis = Axis(*values)
            total = axis.total if params["padding"] == "same" else 0
            found.add((*ways, axis.step, total, str(x.dtype)))
    steps = [*product(("below",), (1, 2, 3)), *product(("at", "above"), (0, 1, 2, 3))]
    for kind, layout, rank in product(KINDS, LAYOUTS, (1, 2, 3)):
        for dtype in ("float32", "float64") if rank < 3 else ("float32",):
            for step in ("below", "at", "above"):
                assert (kind, rank, layout, "valid", step, 0, dtype) in found
            for step, total in steps:
                assert (kind, rank, layout, "same", step, total, dtype) in found


def test_the_goldens_cover_every_normalization() -> None:
    found = {
        (golden.framework, golden.job.words, golden.job.inputs[0].ndim, golden.job.training)
        for golden in GOLDENS
    }
    for rank in (2, 3, 4, 5):
        assert ("keras", ("ln",), rank, False) in found
        for framework, training in product(("keras", "tf_keras"), (False, True)):
            assert (framework, ("bn",), rank, training) in found
