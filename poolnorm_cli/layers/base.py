"""What a layer is: a frozen value of parameters, from which everything else is derived."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, final, get_type_hints

from poolnorm_cli.errors import UnavailableError, UsageError
from poolnorm_cli.layers.call import INFERENCE, ByLoops, Call
from poolnorm_cli.layers.keras.spelling import config_value, flag_of, snake, unwrap_single
from poolnorm_cli.layers.on_device import OnDevice
from poolnorm_cli.shapes import Ints, Shape, within_64_bits
from poolnorm_cli.values import MISSING, fields, frozen


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.layers.axis_rules import AxisRule, Statistics
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Strip

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_hints = lru_cache(maxsize=64)(get_type_hints)


@frozen
class Parameter:
    """One parameter of a layer: its Keras name, type, default, and the sentence that explains it.

    `default` is `values.MISSING` for a parameter that must be given.
    """

    name: str
    type: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The flag of the command line: `pool_size` is `--pool-size`."""
        return flag_of(self.name)


@frozen(kw_only=True)
class Layer(OnDevice, ByLoops, ABC):
    """A Keras layer as a value.

    A subclass states its parameters as annotated fields, its `output_shape`, and its arithmetic
    twice, for NumPy (`apply`) and as ONNX operators (`build`); a layer with weights adds
    `weight_names` and `weight_shapes`. Everything else below has a value that suits most layers.
    """

    name: Annotated[str | None, "Name of the layer, as in Keras."] = None

    words: ClassVar[str]
    """The words of the command line."""
    keras_name: ClassVar[str]
    """The Keras class; a pooling class has its spatial rank appended."""
    example: ClassVar[str] = ""
    """Flags for the example that the help shows."""
    formula: ClassVar[str] = ""
    """What it computes, in one line."""
    always_shown: ClassVar[tuple[str, ...]] = ()
    """Parameters that are shown even where they have their default."""
    fixed: ClassVar[dict[str, Any]] = {}
    """Parameters of the Keras class that this layer leaves no choice of."""
    keeps_integers: ClassVar[bool] = False
    """Integers stay integers; otherwise they give float32."""
    weight_names: ClassVar[tuple[str, ...]] = ()
    """All weights that a layer of this class may have, in Keras' order."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of `shape`, whose dims may be symbolic.

        Raises:
            UsageError: The layer cannot take such an input.
        """

    @abstractmethod
    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute one block, samples along axis 0.

        Args:
            x: Native, C-contiguous, of the dtype that `compute_dtype` names; not modified.
            weights: What `weight_shapes` names, in the shapes given there.
            call: Training or inference, and statistics over all blocks where they are asked for.

        Returns:
            The output, of `block_shape`, in the dtype of `x`.
        """

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add to `graph` the operators that compute what `apply` does, and return the output.

        Args:
            graph: The graph.
            x: The input, of the shape and in the dtype that `call` gives.
            weights: What `weight_shapes` names, each of its own dtype; cast it before use.
            call: Shape, dtype, training, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of the input.

        Raises:
            UnavailableError: The layer has no graph.
        """
        del graph, x, weights, call
        raise UnavailableError(
            f"{type(self).__name__} has no ONNX graph", "leave out --backend onnx"
        )

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return the magnitude of values up to which a graph that is not `exact` may be run.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            0 where such a graph never gives what `apply` gives, infinity where it always does.
        """
        del shape, dtype
        return 0.0

    def output_limit(self, limit: float, shape: Shape, weights: "Weights") -> float:
        """Return a magnitude that no value of the output exceeds.

        Args:
            limit: One that no value of the input exceeds, all of which are finite.
            shape: Shape of the input.
            weights: The weights.

        Returns:
            The magnitude, rounding left aside; infinity where a value may be none.
        """
        del limit, shape, weights
        return math.inf

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Return the weights in Keras' order, each with its shape for an input of `shape`."""
        del shape
        return {}

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Return the values with which Keras starts a weight; equal ones may share memory.

        Args:
            weight: Its name, one of `weight_shapes`.
            shape: Its shape.

        Returns:
            The values, in float64.

        Raises:
            UsageError: The layer has no such weight, or cannot start one of such a shape.
        """
        del shape
        raise UsageError(f"{self.keras_name} has no weight {weight!r}")

    def initial_constant(self, weight: str) -> float | None:
        """Return the number that a weight is everywhere when Keras starts it; None for others.

        Args:
            weight: Its name, one of `weight_shapes`.

        Returns:
            What all values of `initial_weight` are; None where that has to be asked.
        """
        del weight
        return None

    def statistics_axes(self, rank: int, *, training: bool, in_strips: bool = False) -> Ints:
        """Return the axes over which statistics are gathered before `apply`; () for none.

        A layer that names any is run in two passes over the blocks.

        Args:
            rank: Axes of the input.
            training: The call is a training call.
            in_strips: Samples are worked on in strips, which need the statistics of the sample.

        Returns:
            The axes, sorted.
        """
        del rank, training, in_strips
        return ()

    def compute_dtype(self, dtype: str) -> str:
        """Return the name of the dtype in which blocks of `dtype` are handed to `apply`.

        Raises:
            UsageError: The layer takes no input of `dtype`.
        """
        if dtype in _FLOATS:
            return "float64" if dtype == "float64" else "float32"
        return dtype if self.keeps_integers else "float64"

    def collapse_leading_axes(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Return a layer and a shape that give the same for the same bytes, in smaller samples.

        The first axes of `shape` are merged, so that its trailing ones are a sample. Weights stay
        as they are, and so do statistics, apart from their axes of size 1.
        """
        return self, shape

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut a sample of an input into strips.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.

        Returns:
            The strips, in order; [] where samples are worked on whole.
        """
        del shape, items
        return []

    def block_shape(self, shape: Ints, strip: "Strip | None") -> Ints:
        """Return the shape of what `apply` returns for a block.

        Args:
            shape: Shape of the block.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            The shape, batch first.
        """
        del strip
        return tuple(int(size or 0) for size in self.output_shape(shape))

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Combine the parts of one row of the output that several strips gave, in order."""
        raise NotImplementedError

    def explain(self, facts: "Facts") -> list[str]:
        """Describe in words, with the numbers of a run, how the output came about; a line each."""
        del facts
        return []

    def axis_rules(self, shape: Shape) -> "list[AxisRule]":
        """Return how the layer goes along each axis along which it pools; [] where it does not.

        Raises:
            UsageError: The layer cannot take an input of `shape`.
        """
        del shape
        return []

    def statistics(self, shape: Shape) -> "Statistics | None":
        """Return over which cells of an input of `shape` it takes the statistics it normalizes by.

        None where it takes none.
        """
        del shape
        return None

    @final
    def explain_shape(self, shape: Shape) -> list[str]:
        """Describe in words what the layer does with any input of `shape`; a line each.

        Args:
            shape: Shape of the input, whose dims may be symbolic.

        Returns:
            The rule of each axis with its numbers, the formula, and the weights.

        Raises:
            UsageError: The layer cannot take such an input.
        """
        from poolnorm_cli.formulas import weights_text

        lines = [line for rule in self.axis_rules(shape) for line in rule.lines()]
        return [*lines, *self.formula_lines(shape), *weights_text(self.weight_shapes(shape))]

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe how values become others, apart from where windows are; a line each."""
        del shape
        return []

    def keras_class(self, shape: Shape) -> str:
        """Return the name of the Keras class for an input of `shape`."""
        del shape
        return self.keras_name

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Return what Keras' `get_config()` would return, less what Keras adds for itself.

        With a shape, sizes are given per spatial axis of such an input.
        """
        del shape
        return self.fixed | {p.name: config_value(getattr(self, p.name)) for p in self.parameters()}

    @final
    @classmethod
    def parameters(cls) -> Iterator[Parameter]:
        """List the parameters in the order in which Keras documents them, `name` last."""
        hints = _hints(cls, include_extras=True)
        for f in sorted(fields(cls), key=lambda f: f.name == "name"):
            yield Parameter(f.name, (h := hints[f.name]).__origin__, f.default, h.__metadata__[0])

    @final
    def result_dtype(self, dtype: str) -> str:
        """Return the name of the dtype of the output for an input of `dtype`."""
        return dtype if self.keeps_integers or dtype in _FLOATS else "float32"

    @final
    def shown_parameters(self) -> dict[str, Any]:
        """Return the parameters worth showing: `fixed`, `always_shown`, and all changed ones."""
        return self.fixed | {
            p.name: getattr(self, p.name)
            for p in self.parameters()
            if p.name in self.always_shown
            or p.default is MISSING
            or getattr(self, p.name) != p.default
        }

    @final
    def call_text(self, shape: Shape) -> str:
        """Write the layer as one would type it in Keras, most defaults left out."""
        shown = (
            f"{key}={unwrap_single(value)!r}" for key, value in self.shown_parameters().items()
        )
        return f"{self.keras_class(shape)}({', '.join(shown)})"

    @final
    def document(self) -> dict[str, Any]:
        """Return what a document says of the layer."""
        return {"layer": self.config()}

    @final
    def instance_name(self, shape: Shape) -> str:
        """Return the name of the layer, or the one that Keras gives to the first of its class."""
        return self.name or snake(self.keras_class(shape))


def ints(value: int | Sequence[int]) -> Ints:
    """Turn an int or a sequence of ints into a tuple of ints."""
    return (value,) if isinstance(value, int) else tuple(value)


def positive_ints(value: int | Sequence[int], flag: str) -> Ints:
    """Turn an int or a sequence of ints into a tuple of positive ints.

    Args:
        value: What was given, or read from a file.
        flag: The flag of the parameter, for the error.

    Returns:
        The ints.

    Raises:
        UsageError: One is zero, negative or beyond 64 bits, or there is none.
    """
    sizes = ints(value)
    if not sizes or any(size < 1 for size in sizes):
        given = ",".join(map(str, sizes))
        raise UsageError(
            f"{flag} must be positive, not {given!r}", f"give 1 or more, such as {flag} 2"
        )
    return within_64_bits(sizes, flag)


def require_one_of(value: str, allowed: tuple[str, ...], flag: str) -> None:
    """Check a parameter that takes one of a few words.

    Args:
        value: What was given.
        allowed: The words.
        flag: The flag of the parameter, for the error.

    Raises:
        UsageError: It is another word.
    """
    if value not in allowed:
        raise UsageError(f"{flag} {value!r} is not known", f"give {' or '.join(allowed)}")
