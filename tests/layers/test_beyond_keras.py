"""Parameters that no Keras has are told only where they are changed: config, journals."""

from typing import Any

import pytest

from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.beyond_keras import BeyondKeras
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.unit_norm import UnitNormalization


@pytest.mark.parametrize(
    ("layer", "changes"),
    [
        (MaxPooling, {"pads": "1,1", "ceil_mode": True, "dilation_rate": 2}),
        (AveragePooling, {"count_include_pad": True, "divisor_override": 3}),
        (BatchNormalization, {"unbiased": True}),
        (UnitNormalization, {"order": "1", "epsilon": 0.5}),
    ],
)
def test_what_keras_lacks_is_told_where_it_is_changed(
    layer: type[BeyondKeras], changes: dict[str, Any]
) -> None:
    plain, changed = layer(), layer(**changes)

    assert set(changes) <= set(layer.keras_lacks)
    assert not set(layer.keras_lacks) & set(plain.config())
    assert set(changes) <= set(changed.config())
    for name in layer.keras_lacks:
        assert f" {name}=" not in repr(plain)
        assert (f" {name}=" in repr(changed)) == (name in changes)
