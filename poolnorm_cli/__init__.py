"""Keras' pooling and normalization layers on arrays and files: a command, and functions.

The layers are imported when one is asked for, so that the command starts without them.
"""

TYPE_CHECKING = False  # `typing` takes as long to import as much of a short run
if TYPE_CHECKING:
    from poolnorm_cli.api.arguments import ArgumentError, DataError
    from poolnorm_cli.api.checkpoints import layer_from
    from poolnorm_cli.api.functions import LayerFunction
    from poolnorm_cli.api.layers import (
        AdaptiveAveragePooling,
        AdaptiveMaxPooling,
        AveragePooling,
        BatchNormalization,
        GlobalAveragePooling,
        GlobalLpPooling,
        GlobalMaxPooling,
        GlobalMinPooling,
        GroupNormalization,
        InstanceNormalization,
        LayerNormalization,
        LocalResponseNormalization,
        LpPooling,
        MaxPooling,
        MinPooling,
        RMSNormalization,
        UnitNormalization,
    )
    from poolnorm_cli.api.pipelines import Pipeline
    from poolnorm_cli.errors import PoolnormError

__version__ = "0.1.0"
__all__ = [
    "AdaptiveAveragePooling",
    "AdaptiveMaxPooling",
    "ArgumentError",
    "AveragePooling",
    "BatchNormalization",
    "DataError",
    "GlobalAveragePooling",
    "GlobalLpPooling",
    "GlobalMaxPooling",
    "GlobalMinPooling",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerFunction",
    "LayerNormalization",
    "LocalResponseNormalization",
    "LpPooling",
    "MaxPooling",
    "MinPooling",
    "Pipeline",
    "PoolnormError",
    "RMSNormalization",
    "UnitNormalization",
    "layer_from",
]

_HOMES = {
    "ArgumentError": "api.arguments",
    "DataError": "api.arguments",
    "LayerFunction": "api.functions",
    "Pipeline": "api.pipelines",
    "PoolnormError": "errors",
    "layer_from": "api.checkpoints",
}


def __getattr__(name: str) -> object:
    """Return a public name from the module that defines it, imported at first use."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    home = import_module(f"{__name__}.{_HOMES.get(name, 'api.layers')}")
    return getattr(home, name)


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return [*__all__, "__version__"]
