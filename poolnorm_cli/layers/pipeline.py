"""Several layers, one after another: a pipeline as a value, from which shapes follow."""

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from poolnorm_cli.errors import UsageError, error_context, shown
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from poolnorm_cli.layers.base import Layer, Parameter
    from poolnorm_cli.shapes import Shape


@frozen
class Step:
    """One layer of a pipeline.

    Attributes:
        layer: The layer.
        name: What it is called in the pipeline, and in a file of its weights; no other step is.
        number: Its place among all steps as they were typed, from 1.
    """

    layer: "Layer"
    name: str
    number: int

    @property
    def title(self) -> str:
        """What messages call it: `step 2 (bn)`."""
        return step_title(self.number, self.layer.words)


@frozen
class Pipeline:
    """Layers of which each takes what the one before it gives.

    Attributes:
        steps: The layers, in order; one at least.
    """

    steps: tuple[Step, ...]

    words: ClassVar[str] = "pipe"
    """The words of the command line."""

    def __post_init__(self) -> None:
        """Refuse a pipeline without a layer."""
        if not self.steps:
            raise UsageError("a pipeline without a layer", "add one, as ! pool max")

    @property
    def layers(self) -> "tuple[Layer, ...]":
        """The layers alone."""
        return tuple(step.layer for step in self.steps)

    def shapes(self, shape: "Shape") -> "list[Shape]":
        """Return the shape after each step, for an input of `shape`, whose dims may be symbolic.

        Raises:
            UsageError: A step cannot take what comes to it; its title is in front.
        """
        found = []
        for step in self.steps:
            with error_context(step.title):
                shape = step.layer.output_shape(shape)
            found.append(shape)
        return found

    def output_shape(self, shape: "Shape") -> "Shape":
        """Return the shape of the output of the last step.

        Raises:
            UsageError: A step cannot take what comes to it; its title is in front.
        """
        return self.shapes(shape)[-1]

    def dtypes(self, dtype: str, last: str | None = None) -> list[str]:
        """Return the name of the dtype after each step.

        Args:
            dtype: That of the input.
            last: That which is asked for of the output; None for what the last layer gives.

        Returns:
            The names, in order.
        """
        found = []
        for step in self.steps:
            dtype = step.layer.result_dtype(dtype)
            found.append(dtype)
        return found if last is None else [*found[:-1], last]

    def parameters(self) -> "Iterator[Parameter]":
        """List the parameters: a pipeline has none, its layers have."""
        return iter(())

    def document(self) -> dict[str, Any]:
        """Return what a document says of the pipeline."""
        return {
            "steps": [
                {
                    "step": step.number,
                    "name": step.name,
                    "command": step.layer.words,
                    "layer": step.layer.config(),
                }
                for step in self.steps
            ]
        }

    def call_text(self, shape: "Shape") -> str:
        """Write the pipeline as one would type it in Keras, for an input of `shape`."""
        return f"Sequential([{', '.join(self.call_texts(shape))}])"

    def call_texts(self, shape: "Shape") -> list[str]:
        """Write each step as one would type it in Keras, for an input of `shape`."""
        before = [shape, *self.shapes(shape)]
        return [step.layer.call_text(each) for step, each in zip(self.steps, before, strict=False)]


def step_title(number: int, words: str) -> str:
    """Return what messages call a step.

    Args:
        number: Its place among all steps, from 1.
        words: Its layer, as `pool max`, or `tee`.

    Returns:
        Such as `step 2 (bn)`.
    """
    return f"step {number} ({words})"


class Named(Protocol):
    """What may have a name, and is called by its words without one."""

    @property
    def words(self) -> str:
        """The words of the command line."""

    @property
    def name(self) -> str | None:
        """The name that it was given."""


def unique_names(layers: "Iterable[tuple[int, Named]]") -> list[str]:
    """Return what the steps of a pipeline are called.

    A step is called by its `name`, or by its words as `pool_max`; the second of these is
    `pool_max_2`.

    Args:
        layers: The number of each step, and its layer.

    Returns:
        The names, in order.

    Raises:
        UsageError: Two have been given one name.
    """
    pairs = list(layers)
    taken: dict[str, int] = {}
    for number, layer in pairs:
        if layer.name is not None:
            if layer.name in taken:
                what = f"--name {shown(layer.name)} is that of step {taken[layer.name]} already"
                raise UsageError.at(step_title(number, layer.words), what, "give another name")
            taken[layer.name] = number
    names = []
    for _, layer in pairs:
        name = layer.name
        if name is None:
            name = _free(layer.words.replace(" ", "_"), taken)
            taken[name] = 0
        names.append(name)
    return names


def make_pipeline(layers: "Sequence[tuple[int, Layer]]") -> Pipeline:
    """Make a pipeline of layers.

    Args:
        layers: The number of each step as it was typed, and its layer.

    Returns:
        The pipeline, each step with a name of its own.

    Raises:
        UsageError: Two have been given one name, or there is none.
    """
    names = unique_names(layers)
    pairs = zip(layers, names, strict=True)
    return Pipeline(tuple(Step(layer, name, number) for (number, layer), name in pairs))


def _free(name: str, taken: dict[str, int]) -> str:
    """Return a name that nothing has: itself, or with a number from 2 on."""
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    return found
