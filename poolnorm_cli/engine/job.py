"""A layer over tensors in files and streams, one after another."""

import time
from dataclasses import field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.backends import Backend, row_of
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.layer_pass import Masks, Pass, Weights, initial_weights, result_dtype
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.preview import FirstSample, Preview
from poolnorm_cli.engine.profile import UNCLOCKED, Clock, Unclocked
from poolnorm_cli.engine.threads import ONE_LANE, default_threads, lanes_for
from poolnorm_cli.engine.training import Gathered, Turn
from poolnorm_cli.errors import PoolnormError, StatisticRangeError, UsageError
from poolnorm_cli.kernels.moments import Moments, joined
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.explain import Facts
from poolnorm_cli.layers.keras.penalties import constrained, penalties
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.space import require_room
from poolnorm_cli.values import record
from poolnorm_cli.weights.fit import Broadcasting, fit


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.engine.masks import MaskFile
    from poolnorm_cli.engine.memory_limiter import Room
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import Tensor


class told_of:  # noqa: N801 - it is used as a function, of which a generator would be the slow form
    """Put the name of the tensor in front of an error, unless it is there."""

    def __init__(self, tensor: "Tensor") -> None:
        """Remember the tensor."""
        self._name = tensor.name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        if isinstance(error, PoolnormError) and not error.what.startswith(f"{self._name}: "):
            raise error.within(self._name) from None


_LARGE_BLOCK = 48 << 20
"""Bytes of a block from which on one is held at a time: it is worth more than a second thread."""
_PASSES = 16
"""Ways through the layer that are kept: the tensors of a batch have few different shapes."""


@record
class Setup:
    """A layer and how it is to be run.

    Attributes:
        layer: The layer.
        weights: The weights; None until the first input, whose shape gives the initial ones.
        training: Use the statistics of each input and update the moving ones.
        dtype: Dtype of the outputs; None for what the layer gives.
        preview: Keep the edges of each output, to be shown.
        explain: Have the layer say how each output came about.
        keeps: The weights are saved after the run.
        mask: Which cells of the inputs count; None where all do.
        backend: Computes the blocks.
        threads: Threads that work on the blocks of a tensor.
        memory: Bytes that a process may take; None for any number.
        room: What several tasks share in one process, in place of `memory`.
        clock: Counts where the time goes.
        rank: Axes that an input must have, as its axes were counted for that; None for any number.
    """

    layer: Layer
    weights: Weights | None = None
    training: bool = False
    dtype: str | None = None
    preview: bool = False
    explain: bool = False
    mask: "MaskFile | None" = None
    backend: Backend = NUMPY
    threads: int = field(default_factory=default_threads)
    memory: int | None = None
    room: "Room | None" = None
    clock: Clock | Unclocked = UNCLOCKED
    rank: int | None = None
    keeps: bool = False
    _passes: dict[tuple[Ints, str], Pass] = field(default_factory=dict, init=False)

    @property
    def is_synchronized(self) -> bool:
        """Whether all inputs are one batch, whose statistics come before any output."""
        return self.layer.is_synchronized(training=self.training)

    @property
    def moves(self) -> bool:
        """Whether a tensor changes the weights for those after it, so that their order counts."""
        return self.training and self.layer.has_training

    def pass_over(self, tensor: "Tensor") -> Pass:
        """Return the way of a tensor through the layer."""
        run = self.pass_for(tensor.shape, tensor.dtype.name)
        if self.room is not None:
            return self.room.fit(run, tensor)
        if self.memory is not None:
            from poolnorm_cli.engine.memory_estimate import within

            return within(run, tensor, self.memory)
        if run.heavy:
            from poolnorm_cli.engine.memory_estimate import require_memory

            require_memory(run, tensor)
        return run

    def require_room(self, target: str, tensor: "Tensor") -> None:
        """Refuse an output of a tensor that cannot be, or has no room where it goes.

        Raises:
            OutputError: There is no room for it.
            UsageError: Nothing could hold it, or the layer does not take the tensor.
        """
        run = self.pass_for(tensor.shape, tensor.dtype.name)
        itemsize = DTYPES[run.result].itemsize
        require_room(target, run.output_shape, itemsize, compressed=tensor.compressed)

    def pass_for(self, shape: Ints, dtype: str) -> Pass:
        """Return the way of a tensor of such a shape and dtype through the layer."""
        run = self._passes.get((shape, dtype))
        if run is None:
            if len(self._passes) >= _PASSES:
                self._passes.clear()
            run = self._passes[shape, dtype] = self._pass(shape, dtype)
        return run

    def _pass(self, shape: Ints, dtype: str) -> Pass:
        if self.rank not in (None, len(shape)):
            told = f"the input has rank {len(shape)}, the layer in the file one of {self.rank}"
            raise UsageError(told, "run inputs of another rank apart")
        result, mode = result_dtype(self.layer, dtype, self.dtype), (self.training, self.backend)
        size = prod(shape) * DTYPES[dtype].itemsize
        lanes = lanes_for(self.threads if row_of(self.backend).uses_threads else 1, size)
        more: Any = {"lanes": lanes, "clock": self.clock}
        run = Pass(self.layer, shape, dtype, result, *mode, **more)
        block = run.inner.block_items * DTYPES[run.compute].itemsize
        return run if block <= _LARGE_BLOCK else replace(run, lanes=ONE_LANE)

    def under_mask(self, run: Pass, tensor: "Tensor") -> tuple[Pass, Masks]:
        """Return the pass under the mask of a tensor, and that mask in the blocks of the pass."""
        if self.mask is None:
            return run, None
        mask, factor = self.mask.of(tensor, self.layer)
        return run if factor == 1 else replace(run, factor=factor), run.masks_of(mask)


Notes = tuple[str, ...]


@record
class Job(Setup):
    """A layer on its way over tensors; its weights change as training goes on."""

    _fitted: dict[tuple[tuple[str, Ints], ...], Weights] = field(default_factory=dict)
    _joined: "Moments | None" = None
    _settled: Weights | None = None
    _notes: Notes = ()
    _step: int = 0

    def __post_init__(self) -> None:
        """Read the files that the layer's parameters name."""
        self.layer = self.layer.with_arrays(_arrays)

    @property
    def trained(self) -> Weights | None:
        """The weights as the run has left them."""
        if isinstance(self.weights, Broadcasting) and self._fitted:
            return next(iter(self._fitted.values()))  # as the first input has them laid out
        return self._settled or self.weights

    @property
    def projected(self) -> Weights:
        """The weights that have a constraint, as it has them saved."""
        return constrained(self.layer, self.trained or {})

    def run(
        self,
        tensor: "Tensor",
        output: "Output | None",
        target: str | None,
        turn: Turn | None = None,
    ) -> Outcome:
        """Run the layer on one tensor and add the result to `output`.

        Args:
            tensor: The input.
            output: Where the result goes; None to compute it only.
            target: Name of the output, for the report.
            turn: What `take` made of the tensor, where that was done elsewhere.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        began = time.perf_counter()
        with told_of(tensor):
            if output is not None:
                self.require_room(output.target, tensor)
            run = self.pass_over(tensor)
            shape = run.output_shape
            # Before anything is written: this may refuse the batch.
            turn = turn or self._turn(run, self._moments(run, tensor))
            preview = Preview(shape) if self.preview else None
            first = FirstSample() if self.explain else None
            if turn.step != run.step:
                run = replace(run, step=turn.step)
            self._stream(run, turn, tensor, output, preview, first)
            told: tuple[str, ...] = ()
            if first is not None:
                more = turn.updated, first.sample, self.mask is not None
                facts = Facts(run.shape, turn.weights, turn.moments, *more)
                told = tuple(run.layer.explain(facts))
        return Outcome(
            input=tensor.name,
            output=target,
            input_shape=tensor.shape,
            output_shape=shape,
            input_dtype=run.dtype,
            dtype=run.result,
            seconds=time.perf_counter() - began,
            edges=preview.edges(run.result) if preview else None,
            explanation=told,
            penalties=penalties(self.layer, turn.weights),
            notes=tensor.notes + turn.notes,
        )

    def gather(self, tensor: "Tensor") -> Gathered:
        """Gather what has to be known of a tensor before its outputs.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        with told_of(tensor):
            run = self.pass_over(tensor)
            run.layer.output_shape(run.shape)
            return Gathered(run.shape, run.dtype, self._moments(run, tensor))

    def join(self, gathered: Gathered) -> None:
        """Add a tensor to the one batch of all, in the order of the inputs.

        Raises:
            PoolnormError: The weights or the others do not go with it, or it is not finite.
        """
        weights = self.weights_for(self.pass_for(gathered.shape, gathered.dtype))
        if gathered.moments is not None:
            self._updated(self.layer, weights, gathered.moments)  # refuses what is not finite
            before = self._joined
            self._joined = gathered.moments if before is None else joined(before, gathered.moments)
            self._settled, self._notes = self._updated(self.layer, weights, self._joined)

    def take(self, gathered: Gathered) -> Turn:
        """Give a tensor its turn, in the order of the inputs: this moves the weights on.

        Raises:
            PoolnormError: The weights do not fit, or the statistics may not enter them.
        """
        return self._turn(self.pass_for(gathered.shape, gathered.dtype), gathered.moments)

    def expect(self, tensor: "Tensor") -> Pass:
        """Return the way of a tensor through the layer, checked as far as its header goes.

        Raises:
            PoolnormError: With the name of the tensor in front.
        """
        with told_of(tensor):
            run = self.pass_over(tensor)
            run.layer.output_shape(run.shape)
            self.weights_for(run)
            return run

    def settle(self, tensor: "Tensor") -> None:
        """Have the weights for such an input, the initial ones where none are given.

        Raises:
            PoolnormError: The layer does not take it.
        """
        known = isinstance(self.weights, dict) and not isinstance(self.weights, Broadcasting)
        if self.layer.has_weights and not known:
            self.expect(tensor)

    def _stream(
        self,
        run: Pass,
        turn: Turn,
        tensor: "Tensor",
        out: "Output | None",
        preview: Preview | None,
        first: FirstSample | None,
    ) -> None:
        """Push the blocks of a tensor through the layer."""
        dtype, writer = DTYPES[run.result], None
        if out:
            writer = out.add(tensor.key, run.output_shape, dtype, tensor.compressed)
            self.clock.count("written", run.output_bytes)
        self.clock.count("read", tensor.nbytes)
        (run, masks), blocks = self.under_mask(run, tensor), run.blocks(tensor)
        if first is not None:
            blocks = first.of(blocks, run.cuts_of(tensor)[0], run.shape[1:])
        outputs = run.outputs(blocks, turn.weights, turn.moments, masks)
        for block in self.clock.over("next", outputs):
            if writer:
                with self.clock.span("write"):
                    writer.write(block)
            if preview:
                preview.add(block)
        if writer:
            writer.close()

    def _moments(self, run: Pass, tensor: "Tensor") -> "Moments | None":
        if not run.gathers:
            return None
        tensor.spool()
        self.clock.count("read", tensor.nbytes)
        return run.moments(run.blocks(tensor), self.under_mask(run, tensor)[1])

    def _turn(self, run: Pass, moments: "Moments | None") -> Turn:
        weights, step = self.weights_for(run), self._step
        self._step += run.training
        if self.is_synchronized:
            return Turn(weights, self._joined, self._settled, step, self._notes)
        updated: Weights | None = None
        notes: Notes = ()
        if moments is not None and run.training:
            updated, notes = self._updated(run.layer, weights, moments)
            self.weights = updated
            self._fitted.clear()
        return Turn(weights, moments, updated, step, notes)

    def _updated(self, layer: Layer, weights: Weights, moments: "Moments") -> tuple[Weights, Notes]:
        """Return the weights as a batch leaves them, and what is to be said of that.

        Raises:
            InputError: A statistic may not enter them, or is to be saved and does not fit.
        """
        try:
            return layer.updated(weights, moments), ()
        except StatisticRangeError as error:
            if self.keeps or not error.harmless:
                raise
            return dict(error.kept), (f"{error.what}, and was left as it is",)

    def weights_for(self, run: Pass) -> Weights:
        """Return the weights for a tensor, checked once per shape of them."""
        expected = run.layer.weight_shapes(run.shape)
        key = tuple(expected.items())
        if key not in self._fitted:
            if self.weights is None:
                self.weights = initial_weights(run.layer, run.shape, run.dtype)
            fitted = fit(self.weights, expected, run.layer, training=run.training)
            constrained(run.layer, fitted)  # refuses weights that it could not project later
            self._fitted[key] = fitted
        return self._fitted[key]


def _arrays(file: str) -> Weights:
    from poolnorm_cli.weights.npz import load

    return load(file, ("scale", "bias"))
