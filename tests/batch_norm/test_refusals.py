# ruff: noqa: E501 - a message is easier to compare with what is printed on one line
"""Parameters of batch normalization that do not go together, or not with the input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from tests.conftest import Command


CASES = [
    ("--renorm --renorm-clipping rmin=0.5,rmox=2", "--renorm-clipping has no 'rmox'; write rmin=0.5,rmax=2,dmax=1, or only some of them"),
    ("--renorm --renorm-clipping rmin=2,rmax=1", "--renorm-clipping rmax=1.0 is below rmin=2.0; give rmax no less than rmin"),
    ("--renorm --renorm-clipping dmax=-1", "--renorm-clipping dmax=-1.0 is negative; give dmax=0 or more"),
    ("--renorm --renorm-clipping rmin", "--renorm-clipping 'rmin' is not name=number; write"),
    ("--renorm --renorm-clipping rmin=x", "--renorm-clipping rmin='x' is not a number; write"),
    ("--renorm --renorm-clipping rmin=nan", "--renorm-clipping rmin is nan; write"),
    ("--renorm --renorm-clipping rmin=1,rmin=1", "--renorm-clipping 'rmin=1,rmin=1' names a limit twice; write"),
    ("--renorm-clipping rmin=1", "--renorm-clipping without --renorm; give --renorm too"),
    ("--renorm --renorm-momentum inf", "--renorm-momentum is inf; give a number, such as 0.99"),
    ("--fused --renorm", "--fused with --renorm; leave out --fused or --renorm"),
    ("--fused --virtual-batch-size 2", "--fused with --virtual-batch-size; leave out"),
    ("--fused --adjustment a.npz", "--fused with --adjustment; leave out"),
    ("--fused --synchronized", "--fused with --synchronized; leave out"),
    ("--adjustment a.npz --virtual-batch-size 2", "--adjustment with --virtual-batch-size; leave out"),
    ("--synchronized --virtual-batch-size 2", "--synchronized with --virtual-batch-size; leave out"),
    ("--fused --axis 2", "x.npy: --fused with --axis 2 and an input of rank 4; give --axis 1 or 3, or --no-fused"),
    ("--fused --axis 1,3", "x.npy: --fused with --axis 1,3 and an input of rank 4; give --axis 1 or 3, or --no-fused"),
    ("--virtual-batch-size 0", "--virtual-batch-size must be positive, not 0; give a size that divides the batch"),
    ("--virtual-batch-size 3 --training", "x.npy: --virtual-batch-size 3 does not divide the batch of 4; give a size that does, or another batch"),
    ("--virtual-batch-size 2 --axis 0", "x.npy: --virtual-batch-size with channels along axis 0; axis 0 is the batch; give another --axis"),
    ("--synchronized --training --axis 0", "x.npy: --synchronized with channels along axis 0"),
    ("--mask mask.npy --virtual-batch-size 2 --training", "x.npy: --mask with --virtual-batch-size; leave one of them out"),
    ("--mask x.npy --training", "x.npy: --mask has shape"),
    ("--mask short.npy --training", "x.npy: --mask has shape (4,28); an input of (4,28,28,3) needs (4,28,28)"),
    ("--momentum-convention torch", "--momentum-convention torch with --momentum 0.99, Keras' default; give torch's momentum, such as --momentum 0.1"),
    ("--momentum-convention caffe", "'--momentum-convention': 'caffe' is not one of 'keras', 'torch'"),
    ("--adjustment what", "--adjustment 'what' is not known; give FILE.npz with scale and bias, or"),
    ("--adjustment none.npz --training", "none.npz: no such file"),
    ("--adjustment odd.npz --training", "odd.npz has gamma, not scale and bias; give FILE.npz"),
    ("--adjustment wide.npz --training", "x.npy: --adjustment scale of shape (5) does not fit the input; give a shape that broadcasts against the input's"),
    ("--fold", "--fold without --weights; give the weights to fold"),
    ("--fold --weights w.npz --training", "--fold with --training; leave one out: what is folded is inference"),
    ("--fold --weights w.npz --save-weights v.npz", "--fold with --save-weights; leave one out"),
    ("--fold --weights w.npz -O out", "--fold with --output-dir; give -o FILE.npz for scale and shift"),
    ("--fold --weights w.npz -o fold.npy", "--fold with -o fold.npy; give -o FILE.npz"),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "message"), CASES)
def test_a_refusal_is_one_line_and_writes_nothing(
    poolnorm: Command, x: Any, flags: str, message: str
) -> None:
    del x
    np.save("mask.npy", np.ones((4, 28, 28), bool))
    np.save("short.npy", np.ones((4, 28), bool))
    np.savez("a.npz", scale=np.ones(3), bias=np.zeros(3))
    np.savez("odd.npz", gamma=np.ones(3))
    np.savez("wide.npz", scale=np.ones(5))
    weights: dict[str, Any] = {"gamma": np.ones(3), "beta": np.zeros(3)}
    moving: dict[str, Any] = {"moving_mean": np.zeros(3), "moving_variance": np.ones(3)}
    np.savez("w.npz", **weights, **moving)
    before = sorted(Path().iterdir())
    output = "" if "-o" in flags.split() or "-O" in flags.split() else " -o y.npy"
    result = poolnorm(f"bn x.npy {flags}{output}")

    assert f"error: {message}" in result.err or f": {message}" in result.err
    assert result.err.count("\n") == 1
    assert len(result.err) < 240
    assert result.code == (4 if "no such file" in message or "a mask of" in message else 2)
    assert sorted(Path().iterdir()) == before


def test_fused_takes_no_float64_and_no_rank_below_4(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((2, 3, 3, 2)))
    np.save("rows.npy", np.zeros((2, 3), np.float32))

    assert poolnorm("bn x.npy --fused -o y.npy").err == (
        "error: x.npy: --fused with a float64 input; give --no-fused, or float32\n"
    )
    assert poolnorm("bn rows.npy --fused").err == (
        "error: rows.npy: --fused with an input of rank 2, shape (2,3); "
        "it takes rank 4 or 5; give --no-fused\n"
    )


def test_a_convention_that_is_not_known_is_refused_in_python_too() -> None:
    with pytest.raises(UsageError, match="--momentum-convention 'caffe' is not known"):
        BatchNormalization(momentum_convention="caffe")  # type: ignore[arg-type]
