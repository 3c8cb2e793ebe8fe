"""The layers by the names that Keras gives them, without a number of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.api.arguments import ArgumentError, python_errors
from poolnorm_cli.api.functions import LayerFunction
from poolnorm_cli.layers import find
from poolnorm_cli.layers.make_layer import make_layer


if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    Sizes = int | Sequence[int]


class MaxPooling(LayerFunction):
    """The maximum under each place of a window, in 1 to 3 dimensions."""

    words: ClassVar[str] = "pool max"

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str = "channels_last",
        **more: Any,
    ) -> None:
        """Make the layer.

        Args:
            pool_size: The window: one size, or one for each spatial axis.
            strides: The steps of the window; its size where None.
            padding: `valid`, `same` or another word of the command's `--padding`.
            data_format: `channels_last` or `channels_first`.
            more: What else `poolnorm pool` has flags for, such as `name`.

        Raises:
            ArgumentError: One has a value that it cannot have.
        """
        super().__init__(
            pool_size=pool_size, strides=strides, padding=padding, data_format=data_format, **more
        )


class AveragePooling(MaxPooling):
    """The mean under each place of a window, in 1 to 3 dimensions."""

    words: ClassVar[str] = "pool average"


class GlobalMaxPooling(LayerFunction):
    """The maximum of each channel of a sample."""

    words: ClassVar[str] = "gpool max"

    def __init__(
        self, data_format: str = "channels_last", *, keepdims: bool = False, **more: Any
    ) -> None:
        """Make the layer.

        Args:
            data_format: `channels_last` or `channels_first`.
            keepdims: Keep the spatial axes, at size 1.
            more: What else `poolnorm gpool` has flags for, such as `name`.

        Raises:
            ArgumentError: One has a value that it cannot have.
        """
        super().__init__(data_format=data_format, keepdims=keepdims, **more)


class GlobalAveragePooling(GlobalMaxPooling):
    """The mean of each channel of a sample."""

    words: ClassVar[str] = "gpool average"


class AdaptiveMaxPooling(LayerFunction):
    """The maximum under as many windows as are asked for."""

    words: ClassVar[str] = "apool max"

    def __init__(self, output_size: Sizes, data_format: str = "channels_last", **more: Any) -> None:
        """Make the layer.

        Args:
            output_size: Cells of the output: one size, or one for each spatial axis.
            data_format: `channels_last` or `channels_first`.
            more: What else `poolnorm apool` has flags for, such as `name`.

        Raises:
            ArgumentError: One has a value that it cannot have.
        """
        super().__init__(output_size=output_size, data_format=data_format, **more)


class AdaptiveAveragePooling(AdaptiveMaxPooling):
    """The mean under as many windows as are asked for."""

    words: ClassVar[str] = "apool average"


class _Normalization(LayerFunction):
    def __init__(self, axis: Sizes = -1, **parameters: Any) -> None:
        """Make the layer.

        Args:
            axis: The axis of the channels, or the axes that are normalized, as in Keras.
            parameters: What else the layer has in Keras, such as `epsilon`, `center` and `scale`.

        Raises:
            ArgumentError: One has a value that it cannot have.
        """
        super().__init__(axis=axis, **parameters)


class BatchNormalization(_Normalization):
    """Each channel less its mean, divided by its standard deviation, over the batch."""

    words: ClassVar[str] = "bn"


class LayerNormalization(_Normalization):
    """Each sample less its mean, divided by its standard deviation, along some axes."""

    words: ClassVar[str] = "ln"


class GroupNormalization(LayerFunction):
    """Groups of channels of a sample less their mean, divided by their standard deviation."""

    words: ClassVar[str] = "gn"

    def __init__(self, groups: int = 32, axis: Sizes = -1, **parameters: Any) -> None:
        """Make the layer.

        Args:
            groups: How many groups there are.
            axis: The axis of the channels.
            parameters: What else the layer has in Keras, such as `epsilon`.

        Raises:
            ArgumentError: One has a value that it cannot have.
        """
        super().__init__(groups=groups, axis=axis, **parameters)


class InstanceNormalization(_Normalization):
    """Each channel of a sample less its mean, divided by its standard deviation."""

    words: ClassVar[str] = "in"


class RMSNormalization(_Normalization):
    """Each sample divided by the root of its mean square, along some axes."""

    words: ClassVar[str] = "rms"


class UnitNormalization(_Normalization):
    """Each sample divided by its length, along some axes."""

    words: ClassVar[str] = "unit"


class LocalResponseNormalization(LayerFunction):
    """Each cell divided by a power of the squares of the channels around its own."""

    words: ClassVar[str] = "lrn"


_NORMALIZATIONS: tuple[type[LayerFunction], ...] = (
    BatchNormalization,
    LayerNormalization,
    GroupNormalization,
    InstanceNormalization,
    RMSNormalization,
)


def layer_from(
    reference: str | os.PathLike[str],
    kind: type[LayerFunction] | None = None,
    **parameters: Any,
) -> LayerFunction:
    """Return a normalization layer of a checkpoint, with its weights.

    Args:
        reference: `FILE::LAYER`, or `FILE` where it holds one layer: of Keras, torch, ONNX and
            other files that `poolnorm inspect` lists.
        kind: Its class, where the file does not say.
        parameters: What the file does not say, such as `epsilon` and `axis`.

    Returns:
        The layer; its weights are read when it is called.

    Raises:
        ArgumentError: There is no such layer, or several, or of another class.
        DataError: The file cannot be read.
    """
    from poolnorm_cli.layers.keras.config import computing_config
    from poolnorm_cli.weights.formats import entries_of, entry_for, entry_named, split_layer

    with python_errors():
        word = str(reference)
        file, name = split_layer(word)
        kinds = _NORMALIZATIONS if kind is None else (kind,)
        if name is None and kind is None:
            found = list(entries_of(file))
            if len(found) != 1:
                names = ", ".join(repr(entry.name) for entry in found[:5])
                raise ArgumentError.at(word, f"{len(found)} layers", f"name one, as of {names}")
            entry = found[0]
        elif kind is None:
            entry = entry_named(entries_of(file), str(name), file)
        else:
            entry = entry_for(word, find(*kind.words.split()))
        fitting = [each for each in kinds if entry.serves(find(*each.words.split()))]
        if not fitting:
            raise ArgumentError.at(entry.place, "no normalization layer", "name another one")
        if len(fitting) > 1 and entry.kind is None:
            names = " or ".join(each.__name__ for each in fitting)
            what = "the file does not say of which class it is"
            raise ArgumentError.at(entry.place, what, f"give kind={names}")
        chosen = find(*fitting[0].words.split())
        config = computing_config(chosen, entry.config, entry.place)
        layout = computing_config(chosen, entry.layout, entry.place)
        given = fitting[0](**parameters).layer if parameters else None
        flags = {name: getattr(given, name) for name in parameters}
        layer = make_layer(chosen, flags, config, entry.place, layout, entry.rank)
        return fitting[0].of(layer, entry)
