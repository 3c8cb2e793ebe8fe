"""A layer as a checkpoint holds it: what is known of it, and how its weights are read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UsageError, shown
from poolnorm_cli.shapes import Ints, counted, format_shape, resolve_axes
from poolnorm_cli.values import field, frozen, replace
from poolnorm_cli.weights.fit import fit, require_shapes, without_unit_axes
from poolnorm_cli.weights.naming import (
    IGNORED,
    OPTIONAL,
    are_normalization_weights,
    framework_of,
    keras_names,
    layer_and_weight,
    unversioned_class,
)


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.fit import Weights


_FLAX_COLLECTIONS = ("params", "batch_stats")


def group_by_layer(arrays: Mapping[str, "StoredArray"]) -> dict[str, dict[str, "StoredArray"]]:
    """Find the layers among named arrays: those that have the weights of a normalization.

    Returns:
        For each layer, in the order of the file, its weights by their names there.
    """
    layers: dict[str, dict[str, StoredArray]] = {}
    for key, array in arrays.items():
        layer, weight = layer_and_weight(key)
        members = layers.setdefault(layer, {})
        members[weight] = _refused_twice(array, weight) if weight in members else array
    found = {
        layer: _normalization_weights(members)
        for layer, members in _join_flax_collections(layers).items()
    }
    return {layer: members for layer, members in found.items() if members}


def _refused_twice(array: "StoredArray", weight: str) -> "StoredArray":
    """Return an array that two keys name, as `a.bn/gamma` and `a/bn.gamma:0`: neither is read.

    Raises:
        InputError: When it is read.
    """

    def refuse() -> Any:
        raise InputError(f"two arrays are its {weight}", "leave one of them out of the file")

    return replace(array, read=refuse)


def _join_flax_collections(
    layers: "dict[str, dict[str, StoredArray]]",
) -> "dict[str, dict[str, StoredArray]]":
    """Put the weights of Flax' layers together: its moving statistics are in a tree of their own.

    `params/bn/scale` and `batch_stats/bn/mean` are of `bn`.
    """
    result = dict(layers)
    for stats in layers:
        for sign in "/.":
            tree, mark, name = stats.partition(sign)
            params = f"{_FLAX_COLLECTIONS[0]}{mark}{name}"
            if tree == _FLAX_COLLECTIONS[1] and name not in layers:
                mine, others = layers.get(params, {}), layers[stats]
                if not mine.keys() & others.keys():
                    result.pop(params, None)
                    result[name] = {**mine, **result.pop(stats)}
                break
    return result


def _normalization_weights(members: "dict[str, StoredArray]") -> "dict[str, StoredArray]":
    """Return the weights of a normalization, or nothing if this is another layer."""
    kept = {name: array for name, array in members.items() if name not in IGNORED}
    return kept if kept and are_normalization_weights(kept) and have_one_shape(kept) else {}


def have_one_shape(weights: "Mapping[str, StoredArray]") -> bool:
    """Return whether weights have one shape, and a single one is not that of another layer."""
    shapes = {without_unit_axes(array.shape) for array in weights.values()}
    # A single `weight` of several axes is that of a convolution or an embedding.
    other_layer = set(weights) == {"weight"} and len(weights["weight"].shape) != 1
    statistic = set(weights) in ({"mean"}, {"var"})
    return len(shapes) == 1 and not other_layer and not statistic


@frozen
class StoredArray:
    """One array of a checkpoint: its shape, and how its values are read.

    Attributes:
        shape: Its shape.
        read: Reads its values.
        tensor: The array in the file, where that is a file of tensors.
    """

    shape: Ints
    read: "Callable[[], NDArray[Any]]"
    tensor: "Tensor | None" = None


@frozen(kw_only=True)
class Entry:
    """One layer of a checkpoint.

    Attributes:
        file: The file.
        name: What the layer is called.
        path: Where it is in the file; no other layer is there.
        kind: Its Keras class; None where the file does not say.
        arrays: Its weights by their names in the file; where these are numbers, in Keras' order.
        config: Parameters that the file states, by their Keras names, as JSON has them.
        layout: Parameters that follow from the format, which flags may change.
        rank: Axes of the input for which the layer was built, where the file says.
        note: What a person should know before inference; mostly empty.
        file_notes: What a person should know about the file.
        reason: Why the layer cannot be run, as `beta comes out of Softmax`; empty where it can.
        unsure: Why the file, which states parameters, does not say which are this layer's; empty
            where it does, and where it states none.
        class_name: What the file calls its class, where that is not `kind`.
    """

    file: str
    name: str
    path: str
    kind: str | None
    arrays: Mapping[str, StoredArray]
    config: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    rank: int | None = None
    note: str = ""
    file_notes: tuple[str, ...] = ()
    reason: str = ""
    unsure: str = ""
    class_name: str = ""

    @property
    def place(self) -> str:
        """What messages call the layer: `model.keras::bn_1`."""
        return f"{self.file}::{shown(self.name)}" if self.name else self.file

    @property
    def of_subclass(self) -> bool:
        """Whether its class in the file is none of Keras', but a subclass of `kind`."""
        return bool(self.class_name) and unversioned_class(self.class_name) != self.kind

    @property
    def framework(self) -> str:
        """Whose names the weights have: `keras`, `torch`, `gluon` or `flax`."""
        return "keras" if self.kind or self.numbered else framework_of(self.arrays)

    @property
    def numbered(self) -> bool:
        """Whether the weights are named by their place in Keras' order: `0`, `1`, ..."""
        return all(name.isdigit() for name in self.arrays)

    @property
    def needed_rank(self) -> int | None:
        """Number of axes that an input must have; None where any will do."""
        return None

    def serves(self, layer: type["Layer"]) -> bool:
        """Whether the layer may be one of this class."""
        if self.kind is not None:
            return self.kind == layer.keras_name
        if self.reason:
            return True  # which weights it has is not known
        if self.numbered:
            return len(self.arrays) <= len(layer.weight_names)
        names = set(keras_names(self.arrays, layer.weight_names).values())
        needed = {name for name in layer.weight_names if name.startswith("moving_m")}
        return needed <= names <= set(layer.weight_names)

    def read_weights(
        self, layer: "Layer", expected: Mapping[str, Ints], *, training: bool
    ) -> "Weights":
        """Read the weights, their shapes checked before any value is read.

        Args:
            layer: The layer that they are for.
            expected: Its weights in Keras' order, with their shapes.
            training: It updates its moving statistics, and does not divide by them.

        Returns:
            The weights by their Keras names, float32 or float64, in the expected shapes.

        Raises:
            UsageError: A weight is missing, is not one of the layer's, or has another shape.
            InputError: It cannot be read, is not finite, or no variance.
        """
        with self.error_context():
            names, kept = self._names_and_shapes(layer, expected)
            values = {name: native_float(self.arrays[own].read()) for name, own in names.items()}
            shaped = {name: v.reshape(kept[name]) for name, v in values.items()}
            return fit(shaped, expected, layer, training=training)

    def arrays_of(self, layer: "Layer", expected: Mapping[str, Ints]) -> dict[str, StoredArray]:
        """Return the arrays that are the weights, their shapes checked; no value is read.

        Args:
            layer: The layer that they are for.
            expected: Its weights in Keras' order, with their shapes.

        Returns:
            The arrays by their Keras names.

        Raises:
            UsageError: A weight is missing, is not one of the layer's, or has another shape.
            InputError: It cannot be run at all.
        """
        with self.error_context():
            names, _ = self._names_and_shapes(layer, expected)
            return {name: self.arrays[own] for name, own in names.items()}

    def _names_and_shapes(
        self, layer: "Layer", expected: Mapping[str, Ints]
    ) -> tuple[dict[str, str], dict[str, Ints]]:
        """Return for each weight its name in the file, and the shape in which it is used."""
        axes: Ints = getattr(layer, "axis", ())  # as they were given, where the file is silent
        names = self._names_in_file(expected)
        shapes = {name: self.arrays[own].shape for name, own in names.items()}
        kept = {
            name: self._keras_shape(s, expected.get(name, s), axes) for name, s in shapes.items()
        }
        require_shapes(kept, expected)
        return names, kept

    @contextmanager
    def error_context(self) -> Iterator[None]:
        """Add the layer to the places of errors meanwhile.

        Raises:
            InputError: It cannot be run at all.
        """
        if self.reason:
            raise InputError.at(self.place, self.reason, "save it with weights of its own")
        try:
            yield
        except (InputError, UsageError) as error:
            raise error if error.is_at(self.file) else error.within(self.place) from None

    def for_rank(self, rank: int | None) -> "Entry":
        """Return the layer as it is for an input of that rank.

        Args:
            rank: Number of axes of the input; None where that is not known.

        Raises:
            UsageError: It takes no such input.
        """
        del rank
        return self

    def input_shape(self, layer: "Layer") -> Ints:
        """Return the shape of an input for which a layer has weights such as these.

        Raises:
            UsageError: The layer's axes are not those of the weights.
            InputError: It cannot be run at all.
        """
        with self.error_context():
            return self._input_shape(layer)

    def _input_shape(self, layer: "Layer") -> Ints:
        axis: Ints = getattr(layer, "axis", ())
        rank = 1 + max((place + 1 if place >= 0 else -place for place in axis), default=0)
        axes = resolve_axes(axis, rank)
        sizes = self.sizes(len(axes))
        if len(sizes) != len(axes):
            what = f"weights of shape ({format_shape(sizes)})"
            raise UsageError(what, "give the --axis along which they run")
        return tuple(dict(zip(axes, sizes, strict=True)).get(place, 1) for place in range(rank))

    def sizes(self, count: int) -> Ints:
        """Return the sizes of the `count` axes along which the weights run."""
        shape = next(iter(self.arrays.values())).shape
        return shape if len(shape) == count else without_unit_axes(shape) or (1,) * count

    def _keras_shape(self, shape: Ints, expected: Ints, given: Ints) -> Ints:
        """Return the shape in which a weight is used, whose axes Keras may have stored in disorder.

        Of axes such as 2,1 Keras 2 makes a weight in that order, and Keras 3 one in the order of
        their numbers, -1 before 1; both then read its values in the order of the input's axes.
        """
        axes: Any = self.config.get("axis", list(given))
        if not isinstance(axes, list) or len(axes) != len(expected):
            return shape
        rank = self.rank or 2 * max(map(abs, axes)) + 1  # any that has the last axes last
        sizes = dict(zip(sorted(axis % rank for axis in axes), expected, strict=False))
        orders = (axes, sorted(axes))
        stored = [tuple(sizes.get(axis % rank, 0) for axis in order) for order in orders]
        return expected if shape in stored else shape

    def _names_in_file(self, expected: Mapping[str, Ints]) -> dict[str, str]:
        """Say which array is which weight: Keras' name -> name in the file."""
        if not self.numbered:
            translated = keras_names(self.arrays, expected)
            if len(set(translated.values())) != len(translated):
                raise InputError(f"two of its weights are the same one: {', '.join(translated)}")
            unused = set(OPTIONAL).difference(expected)
            return {keras: own for own, keras in translated.items() if keras not in unused}
        expected = {name: shape for name, shape in expected.items() if name not in OPTIONAL}
        if len(self.arrays) != len(expected):
            names = ", ".join(expected) or "none"
            raise UsageError(
                f"it has {counted(len(self.arrays), 'weight')}, "
                f"the layer {len(expected)} ({names})",
                "give --no-center, --no-scale or --renorm as the model has them",
            )
        return dict(zip(expected, sorted(self.arrays, key=int), strict=True))


def native_float(values: "NDArray[Any]") -> "NDArray[Any]":
    """Return weights as float32 or float64, contiguous, in the machine's byte order."""
    import numpy as np

    wide = np.float64 if values.dtype.itemsize == 8 else np.float32
    return np.ascontiguousarray(values, dtype=wide)
