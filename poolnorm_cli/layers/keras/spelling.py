"""How names and values are spelled in Keras."""

from typing import Any


def config_value(value: Any) -> Any:
    """Write a value as Keras stores it."""
    from poolnorm_cli.layers.keras.identifiers import Identifier

    if isinstance(value, Identifier):
        return value.config()
    return list(value) if isinstance(value, tuple) else value


def unwrap_single(value: Any) -> Any:
    """Write a tuple of one as Keras users write it: a number."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def snake(name: str) -> str:
    """Turn `RMSNormalization` into `rms_normalization`, by Keras' rule for automatic names."""
    import re

    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def flag_of(name: str) -> str:
    """Return the flag of a parameter: `pool_size` is `--pool-size`."""
    return "--" + name.replace("_", "-")
