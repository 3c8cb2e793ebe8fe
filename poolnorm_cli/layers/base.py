"""What a layer is: a frozen value of parameters, from which everything else is derived."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_type_hints

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.explain import Explained
from poolnorm_cli.layers.graphed import Graphed
from poolnorm_cli.layers.keras.spelling import flag_of, plain, snake, stored
from poolnorm_cli.layers.masked import Masked
from poolnorm_cli.layers.stateful import Stateful
from poolnorm_cli.layers.strips import Divisible
from poolnorm_cli.shapes import Ints, Shape, within_64_bits
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.strips import Strip

    Array = NDArray[Any]
    Weights = Mapping[str, NDArray[Any]]

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@frozen
class Parameter:
    """One parameter of a layer: its Keras name, type, default, and the sentence that explains it.

    `default` is `dataclasses.MISSING` for a parameter that must be given.
    """

    name: str
    type: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The flag of the command line: `pool_size` is `--pool-size`."""
        return flag_of(self.name)


@frozen
class Call:
    """How a layer is called on one block, besides the block and the weights.

    Attributes:
        training: Use the statistics of the batch, as Keras' `training=True`.
        moments: Statistics gathered over all blocks, for layers that ask for them; None otherwise.
        start: Index along axis 0 at which the block starts in its tensor.
        step: Training calls of this run that came before.
        mask: Which cells of the block count, as bool, of `Layer.mask_shape`; None where all do.
        strip: Which rows of one sample the block is; None where it is whole samples.
    """

    training: bool = False
    moments: "Moments | None" = None
    start: int = 0
    step: int = 0
    mask: "Array | None" = None
    strip: "Strip | None" = None

    def origin(self, rank: int) -> Ints:
        """Return the index at which a block of such a rank starts in its tensor."""
        inside = (0,) * rank if self.strip is None else self.strip.corner(rank)
        return (self.start, *inside[1:])


INFERENCE = Call()


@frozen(kw_only=True)
class Layer(Graphed, Stateful, Divisible, Explained, Masked, ABC):
    """A Keras layer as a value.

    A subclass states its parameters as annotated fields, its `output_shape`, and its arithmetic
    twice, for NumPy (`apply`) and as ONNX operators (`build`); a layer with weights adds
    `weight_shapes`.
    """

    name: Annotated[str | None, "Name of the layer, as in Keras."] = None

    words: ClassVar[str]
    """The words of the command line."""
    keras_name: ClassVar[str]
    """The Keras class; a pooling class has its spatial rank appended."""
    keeps_integers: ClassVar[bool] = False
    """Integers stay integers; otherwise they give float32."""
    always_shown: ClassVar[tuple[str, ...]] = ()
    """Parameters that are always said, also where they are as by default."""
    example: ClassVar[str] = ""
    """Flags for the example that the help shows."""
    has_weights: ClassVar[bool] = False
    """The layer has weights, which can be loaded and saved."""
    weight_names: ClassVar[tuple[str, ...]] = ()
    """All weights that a layer of this class may have, in Keras' order."""
    fixed: ClassVar[dict[str, Any]] = {}
    """Parameters of the Keras class that this layer leaves no choice of."""
    keras_2_only: ClassVar[tuple[str, ...]] = ()
    """Parameters that Keras 3 has not."""
    has_training: ClassVar[bool] = False
    """The layer does something else in training."""

    @classmethod
    def parameters(cls) -> Iterator[Parameter]:
        """List the parameters in the order in which Keras documents them, `name` last."""
        hints = get_type_hints(cls, include_extras=True)
        for f in sorted(fields(cls), key=lambda f: f.name == "name"):
            kind, sentence = hints[f.name].__origin__, hints[f.name].__metadata__[0]
            yield Parameter(f.name, kind, f.default, sentence)

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
            The output, in the dtype of `x`.
        """

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Name the weights in Keras' order, each with its shape for an input of `shape`."""
        del shape
        return {}

    def initial_value(self, weight: str) -> float:
        """Return the value with which Keras starts `weight`."""
        raise UsageError(f"{self.keras_name} has no weight {weight!r}")

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Return the values with which Keras starts `weight`; equal ones may be one in memory.

        Raises:
            UsageError: It cannot start one of such a shape.
        """
        from poolnorm_cli.kernels.memory import filled

        return filled(shape, self.initial_value(weight))

    def statistics_axes(self, rank: int, *, training: bool) -> Ints:
        """Name the axes over which moments must be gathered before `apply`; () for none.

        A layer that names any is run in two passes over the blocks.
        """
        del rank, training
        return ()

    def updated(self, weights: "Weights", moments: "Moments") -> dict[str, Any]:
        """Return the weights as a training call over a batch with these moments leaves them."""
        del moments
        return dict(weights)

    def compute_dtype(self, dtype: str) -> str:
        """Name the dtype in which blocks of `dtype` are handed to `apply`."""
        if dtype in _FLOATS:
            return "float64" if dtype == "float64" else "float32"
        return dtype if self.keeps_integers else "float64"

    def result_dtype(self, dtype: str) -> str:
        """Name the dtype of the output for an input of `dtype`."""
        return dtype if self.keeps_integers or dtype in _FLOATS else "float32"

    def keras_class(self, shape: Shape) -> str:
        """Name the Keras class for an input of `shape`."""
        del shape
        return self.keras_name

    def shown_parameters(self) -> dict[str, Any]:
        """Return the parameters worth saying: those of `always_shown`, and all changed ones."""
        return {
            p.name: getattr(self, p.name)
            for p in self.parameters()
            if p.default is MISSING
            or p.name in self.always_shown
            or getattr(self, p.name) != p.default
        }

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Return what Keras' `get_config()` would return, less what Keras adds for itself.

        With a shape, sizes are given per spatial axis of such an input.
        """
        del shape
        return {p.name: stored(getattr(self, p.name)) for p in self.parameters()}

    def call_text(self, shape: Shape) -> str:
        """Write the layer as one would type it in Keras, most defaults left out."""
        shown = ", ".join(
            f"{key}={plain(value)!r}" for key, value in self.shown_parameters().items()
        )
        return f"{self.keras_class(shape)}({shown})"

    def summary(self, shape: Shape) -> str:
        """Write the layer as the table of Keras' `model.summary()` does: name and class."""
        return f"{self.instance_name(shape)} ({self.keras_class(shape)})"

    def instance_name(self, shape: Shape) -> str:
        """Return the name of the layer, or the one that Keras gives to the first of its class."""
        return self.name or snake(self.keras_class(shape))


def ints(value: int | Sequence[int]) -> Ints:
    """Turn an int or a sequence of ints into a tuple of ints."""
    return (value,) if isinstance(value, int) else tuple(value)


def positive_ints(value: int | Sequence[int], flag: str) -> Ints:
    """Turn an int or a sequence of ints into a tuple of positive ints.

    Raises:
        UsageError: One is zero, negative or beyond 64 bits, or there is none.
    """
    sizes = ints(value)
    if not sizes or any(size < 1 for size in sizes):
        given = ",".join(map(str, sizes))
        raise UsageError(f"{flag} must be positive, not {given!r}", f"give 1 or more, as {flag} 2")
    return within_64_bits(sizes, flag)


def one_of(value: str, allowed: tuple[str, ...], flag: str) -> None:
    """Check a parameter that takes one of a few words.

    Raises:
        UsageError: It is another word.
    """
    if value not in allowed:
        raise UsageError(f"{flag} {value!r} is not known", f"give {' or '.join(allowed)}")
