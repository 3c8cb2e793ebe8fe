"""Steps of a pipeline that a backend computes at once, so that nothing comes back in between."""

from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.engine.layer_pass import LayerPass
from poolnorm_cli.engine.training_step import TrainingStep
from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.chain import Chain, ChainLayer, Link
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import Weights
    from poolnorm_cli.tensors.tensor import Tensor


class FusedSteps(NamedTuple):
    """Steps of which the last one's output is computed of the first one's input, at once.

    Attributes:
        of: The input of the first.
        links: The layers.
        weights: Those of each.
        calls: How each is called on the first block.
    """

    of: "Tensor"
    links: tuple[Link, ...]
    weights: "tuple[Weights, ...]"
    calls: tuple[Call, ...]

    def plan(self, last: LayerPass) -> "LayerPass":
        """Return the plan for all of them.

        Args:
            last: The plan of the last one alone.
        """
        layer = ChainLayer(chain=Chain(self.links), weights=self.weights, calls=self.calls)
        shape, dtype = self.of.shape, self.of.dtype.name
        return replace(last, layer=layer, shape=shape, dtype=dtype, training=False, step=0)


def fusable(plan: LayerPass) -> bool:
    """Whether a backend can compute a step at once with others: its samples are worked on whole."""
    return hasattr(plan.backend, "apply_chain") and plan.is_whole and 0 not in plan.shape


def link_of(plan: LayerPass, name: str) -> Link:
    """Return a step as a part of a chain.

    Args:
        plan: The step.
        name: What it is called in the pipeline.

    Returns:
        The layer, and what passes through it.
    """
    return Link(plan.layer, name, plan.shape, plan.compute_dtype.name, plan.result)


def fused(
    before: FusedSteps | None, of: "Tensor", plan: LayerPass, step: TrainingStep, name: str
) -> FusedSteps | None:
    """Put a step to those before it.

    Args:
        before: Those before it, where it can be put to them.
        of: The input of the step, as it comes from them.
        plan: The step.
        step: Its weights and statistics.
        name: What it is called in the pipeline.

    Returns:
        All of them; the step alone where nothing comes before it, or they do not go together. None
        where it cannot be computed with others.
    """
    if not fusable(plan):
        return None
    link = link_of(plan, name)
    call = Call(plan.training, step.moments, 0, plan.step)
    if before is not None:
        together = FusedSteps(
            before.of,
            (*before.links, link),
            (*before.weights, step.weights),
            (*before.calls, call),
        )
        if together.plan(plan).compute_dtype.name == before.links[0].compute:
            return together
    return FusedSteps(of, (link,), (step.weights,), (call,))


def as_one(
    steps: FusedSteps | None, plan: LayerPass, step: TrainingStep
) -> "tuple[Tensor | None, LayerPass, TrainingStep]":
    """Return what is run in place of the last of some steps.

    Args:
        steps: The steps; None where the last one is alone.
        plan: The last one.
        step: Its weights and statistics.

    Returns:
        The tensor that is read, None for the one that comes to the step; the plan, and what it is
        computed with.
    """
    if steps is None or len(steps.links) == 1:
        return None, plan, step
    return steps.of, steps.plan(plan), TrainingStep({})
