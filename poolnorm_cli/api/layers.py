"""The layers by the names that Keras gives them, without a number of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.api.functions import LayerFunction


if TYPE_CHECKING:
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


class MinPooling(MaxPooling):
    """The minimum under each place of a window, in 1 to 3 dimensions."""

    words: ClassVar[str] = "pool min"


class LpPooling(MaxPooling):
    """The p-norm under each place of a window, in 1 to 3 dimensions; `p` is 2 unless given."""

    words: ClassVar[str] = "pool lp"


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


class GlobalMinPooling(GlobalMaxPooling):
    """The minimum of each channel of a sample."""

    words: ClassVar[str] = "gpool min"


class GlobalLpPooling(GlobalMaxPooling):
    """The p-norm of each channel of a sample; `p` is 2 unless given."""

    words: ClassVar[str] = "gpool lp"


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

    def __init__(
        self,
        size: int = 5,
        alpha: float = 0.0001,
        beta: float = 0.75,
        bias: float = 1.0,
        **more: Any,
    ) -> None:
        """Make the layer.

        Args:
            size: Channels that are summed.
            alpha: Factor of the mean of the squares.
            beta: The power.
            bias: What is added before it is taken; torch calls it k.
            more: What else `poolnorm lrn` has flags for, such as `data_format`.

        Raises:
            ArgumentError: One has a value that it cannot have.
        """
        super().__init__(size=size, alpha=alpha, beta=beta, bias=bias, **more)
