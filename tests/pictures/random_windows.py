"""Windows that Keras does not have, drawn at random."""

from typing import Any

from hypothesis import strategies as st

from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.pooling import AveragePooling


def _made(size: int, stride: int, dilation: int, ends: Any, *, ceil: bool) -> AveragePooling:
    given: dict[str, Any] = {"pool_size": size, "strides": stride, "dilation_rate": dilation}
    if isinstance(ends, str):
        return AveragePooling(padding=ends, **given)  # type: ignore[arg-type] # 'same' or so
    most = (size - 1) * dilation  # no more, for a window must reach the input
    return AveragePooling(pads=Pads((tuple(min(n, most) for n in ends),)), ceil_mode=ceil, **given)


BEYOND_KERAS = st.builds(
    _made,
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 4),
    st.one_of(
        st.sampled_from(["same", "same_lower"]), st.tuples(st.integers(0, 6), st.integers(0, 6))
    ),
    ceil=st.booleans(),
)
"""Averages with pads, dilation and ceil mode; not all of them fit an input."""
