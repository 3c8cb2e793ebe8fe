"""Command lines whose programs are held against what they put out."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from tests.oracle.program_files import SHAPES


if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUTS = ("channels_last", "channels_first")
FIXTURES = Path(__file__).parent.parent / "weights" / "fixtures"

WINDOWS = (
    "",
    "--pool-size 3 --strides 1",
    "--pool-size 3 --strides 2 --padding same",
    "--padding same",
    "--pool-size 4 --strides 3 --padding same",
    "--strides 3",
    "--pool-size 1 --strides 2",
    "--pool-size 4 --strides 4 --padding same",
)
LARGE = (
    "--pool-size 1000000",
    "--pool-size 9223372036854775807",
    "--strides 1000000",
    "--strides 9223372036854775807",
    "--pool-size 1000 --strides 1",
    "--pool-size 9 --strides 2",
)
KINDS = ("wide", "half", "big", "turned", "int8", "uint8", "int32", "int64", "uint16", "bool")
ANY_KIND = (
    "pool max {} --padding same --pool-size 3",
    "pool average {} --pool-size 3 --padding same",
    "gpool max {}",
    "gpool average {}",
    "apool max {} --output-size 2",
    "apool average {} --output-size 3",
    "bn {} --training",
    "bn {}",
    "ln {}",
    "gn {} --groups 2",
    "rms {}",
    "unit {}",
)
SOME = """
gpool average x3.npy --mask mask3.npy
gpool average x3.npy --mask row.npy
gpool average x3.npy --mask column.npy
gpool average x3.npy --mask step.npy
gpool average x3.npy --mask row.npy --keepdims
pool max x.npz --key first --pool-size 3
pool average x.npz::scope/second:0 --name my_pool
pool max huge.npy
pool max huge.npy --padding same --strides 1
gpool max huge.npy
gpool max huge.npy --keepdims
apool max huge.npy --output-size 2
ln x1.npy
rms x1.npy
unit x1.npy
rms x3.npy --axis 0
rms x3.npy --axis 0,2
ln x3.npy --axis 0,2
ln x3.npy --axis 1,2 --gamma-initializer random_normal(1,0.5,seed=3)
ln x5.npy --axis 1,2,4 --beta-initializer glorot_uniform(seed=3) --dtype float64
ln x3.npy --weights ln_four.npz
ln x3.npy --weights ln_both.npz --axis 1,2
ln x3.npy --weights ln_both.npz --axis -1,1
ln x3.npy --weights ln_seven.npz --axis 1
ln x4.npy --gamma-regularizer l2(0.1) --beta-constraint max_norm(2) --name my_norm --trainable
rms x3.npy --weights rms_four.npz
rms x3.npy --weights rms_both.npz --axis 1,2
rms x3.npy --weights rms_seven.npz --axis 1
rms x4.npy --weights rms_seven.npz --axis 1 --epsilon 0.1
gn x4.npy --weights ln_four.npz --groups 2
gn x5.npy --groups 5 --axis 1 --gamma-initializer random_normal(1,0.5,seed=3)
gn x5.npy --groups 2 --axis 2 --gamma-initializer random_normal(1,0.5,seed=3)
gn x5.npy --groups 2 --axis -2 --gamma-initializer random_normal(1,0.5,seed=3)
gn lone.npy --groups 4 --beta-initializer ones
gn x4.npy --groups 2 --mask cells4.npy --weights ln_four.npz
gn x4.npy --groups 7 --axis 1 --mask cells4.npy --no-center
in x4.npy --weights ln_seven.npz --axis 1
in x3.npy --mask cells3.npy
bn x3.npy --axis 0
bn x3.npy --axis 0 --training
bn x3.npy --axis 0,1 --training
bn x4.npy --axis 0,2
bn x4.npy --training --mask mask4.npy --weights bn_four.npz
bn x4.npy --mask mask4.npy --weights bn_four.npz
bn x3.npy --training --mask row.npy
bn x3.npy --training --mask mask3.npy --axis 1 --weights bn_seven.npz
bn x.npz --key scope/second:0 --training --mask masks.npz
bn x3.npy --training --mask mask3.npy --renorm --weights renorm_four.npz
bn lone.npy --training --weights bn_four.npz
bn alone.npy --training --mask row.npy
bn int324.npy --training --renorm --axis 1,2
bn alone.npy --training --mask row.npy --axis 2
in x2.npy
gn x2.npy --groups 4
pool average wide5.npy --padding same --pool-size 3
pool average int325.npy --strides 1
apool average wide5.npy --output-size 2
bn x4.npy --training --virtual-batch-size 1 --weights bn_four.npz
bn x4.npy --training --adjustment adjustment.npz --weights bn_four.npz
bn x4.npy --training --adjustment scale.npz
bn x4.npy --adjustment scale.npz
bn wide4.npy --training --adjustment adjustment.npz
bn x4.npy --training --adjustment scale=random_uniform(0.5,2,seed=1);bias=ones
bn x4.npy --training --adjustment bias=random_normal(seed=2) --renorm --axis 1
bn x2.npy --training --virtual-batch-size 2 --weights bn_four.npz
bn x2.npy --training --virtual-batch-size 3 --renorm --weights renorm_four.npz
bn x3.npy --training --virtual-batch-size 3 --axis 1 --weights bn_seven.npz
bn x2.npy --virtual-batch-size 3 --weights bn_four.npz
bn last.npy --weights FIXTURES/keras.keras::bn_1
bn last.npy --weights FIXTURES/keras.keras::bn_renorm --training
ln last.npy --weights FIXTURES/keras.keras::ln_two
rms last.npy --weights FIXTURES/keras.keras::rms_1
bn last.npy --weights FIXTURES/tf_keras.h5::bn_1 --training
bn last.npy --weights FIXTURES/tf_keras.h5::bn_two
bn last.npy --weights FIXTURES/torch.safetensors::stem.bn --epsilon 1e-5
bn first.npy --weights FIXTURES/onnx.onnx::/bn/BatchNormalization
ln first.npy --weights FIXTURES/onnx.onnx::/ln/LayerNormalization
gn first.npy --weights FIXTURES/onnx.onnx::/gn/GroupNormalization
in first.npy --weights FIXTURES/onnx.onnx::/in/InstanceNormalization
"""
TRAINED_OR_NOT = """
bn x4.npy --weights bn_four.npz
bn x4.npy --weights laid.npz
bn x4.npy --weights wide.npz
bn x4.npy --weights named.npz::block/bn
bn x4.npy --weights torch.npz::bn --epsilon 1e-5
bn wide4.npy --weights bn_four.npz
bn x3.npy --weights bn_seven.npz --axis 1
bn x3.npy --weights bn_both.npz --axis 1,2
bn x4.npy --weights bn_two.npz --axis 3,2
bn x4.npy --moving-mean-initializer constant(0.5) --moving-variance-initializer constant(3)
bn x4.npy --gamma-initializer random_uniform(0.5,2,seed=1) --no-trainable
bn x4.npy --renorm --renorm-clipping rmin=0.5,rmax=2,dmax=1
bn x4.npy --weights renorm_four.npz --renorm
bn x4.npy --weights renorm_four.npz --renorm --renorm-clipping rmin=0.9,rmax=1.1,dmax=0.1
bn x4.npy --fused --weights bn_four.npz
bn x4.npy --no-fused --momentum 0.5
bn x4.npy --synchronized
"""


def lines() -> Iterator[str]:
    """List the command lines, without the flag of the framework."""
    yield from SOME.replace("FIXTURES", str(FIXTURES)).strip().splitlines()
    for line, training in product(TRAINED_OR_NOT.strip().splitlines(), ("", " --training")):
        yield line + training
    yield from _pools()
    yield from _norms()
    yield from _kinds()


def _pools() -> Iterator[str]:
    for rank, layout, kind in product((3, 4, 5), LAYOUTS, ("max", "average")):
        common = f"{kind} x{rank}.npy --data-format {layout}"
        yield from (f"pool {common} {flags}" for flags in WINDOWS)
        yield from (f"gpool {common} {flags}" for flags in ("", "--keepdims"))
        sizes = ("1", "2", "9", ",".join("321"[: rank - 2]))
        yield from (f"apool {common} --output-size {size}" for size in sizes)
        if rank == 4:
            yield f"pool {common} --pool-size 2,3 --strides 1,2 --padding same"
            yield from (f"pool {common} --padding same {flags}" for flags in LARGE)


def _norms() -> Iterator[str]:
    for rank in SHAPES:
        axes = ["-1", "1", *(["1,2", "-1,1", "2,1"] if rank > 2 else [])]
        yield from (
            f"{verb} x{rank}.npy --axis {a}" for verb in ("ln", "unit", "rms") for a in axes
        )
        grouped = ("gn --groups 2", "gn --groups 1", "gn --groups -1", "in")
        for verb, axis in product(grouped, ("-1", str(rank - 1))):
            yield f"{verb} x{rank}.npy --axis {axis} --epsilon 0.01"
        for axis, training in product(axes, ("", "--training")):
            yield f"bn x{rank}.npy --axis {axis} {training} --epsilon 0.01"
    starts = "--beta-initializer constant(0.5) --gamma-initializer constant([1,2,3,4])"
    for flags in ("", "--no-center", "--no-scale", "--no-center --no-scale"):
        for words in ("ln {}", "gn {} --groups 2", "in {}", "bn {}", "bn {} --training"):
            yield f"{words.format('x4.npy')} {flags} {starts}"


def _kinds() -> Iterator[str]:
    for line in ANY_KIND:
        yield from (line.format(f"{kind}4.npy") for kind in KINDS)
        yield f"{line.format('brain4.npy')} --dtype bfloat16"
        yield f"{line.format('x3.npy')} --dtype float64"
        yield f"{line.format('x3.npy')} --dtype float16"
    for kind, rank in product(("int32", "bool", "uint8", "int64", "wide", "half"), (3, 5)):
        x = f"{kind}{rank}.npy"
        yield f"pool max {x} --data-format channels_first --padding same"
        yield f"pool max {x} --pool-size 3 --strides 2"
        yield f"gpool max {x}"
        yield f"gpool max {x} --keepdims --data-format channels_first"
        yield f"apool max {x} --output-size 2"
        yield f"apool average {x} --output-size 1"
