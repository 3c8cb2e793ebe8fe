"""How names and values are spelled in Keras."""

from typing import Any


def stored(value: Any) -> Any:
    """Write a value as Keras stores it."""
    from poolnorm_cli.layers.identifiers import Identifier

    if isinstance(value, Identifier):
        return value.config()
    return list(value) if isinstance(value, tuple) else value


def plain(value: Any) -> Any:
    """Write a tuple of one as Keras users write it: a number."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def snake(name: str) -> str:
    """Turn `MaxPooling2D` into `max_pooling2d`, by Keras' rule for automatic names."""
    parts = [
        "_" + c.lower() if c.isupper() and i and not name[i - 1].isdigit() else c.lower()
        for i, c in enumerate(name)
    ]
    return "".join(parts)


def flag_of(name: str) -> str:
    """Return the flag of a parameter: `pool_size` is `--pool-size`."""
    return "--" + name.replace("_", "-")
