"""The frameworks' own tests of pooling and normalization, run through the command."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.oracle.live import needs
from tests.oracle.onnx_cases import onnx_cases
from tests.oracle.torch_cases import torch_cases


if TYPE_CHECKING:
    from tests.conftest import Command
    from tests.oracle.framework_case import Case

pytestmark = pytest.mark.oracle
NOT_TYPED = {
    "fractional_max_pool",
    "an input without an axis",
    "a negative epsilon",  # which is refused: it would be the root of a negative number
    "an input of one axis",  # which has no channels
    "a power of negative numbers",  # NaN in torch; here the p-norm is of magnitudes, as in ONNX
}
"""What the program does not have."""


def check(poolnorm: Command, cases: list[Case], backend: str, least: int) -> None:
    """Run all cases; none may be wrong, and none may be missing."""
    for case in cases:
        has_nan = case.y is not None and np.isnan(case.y).any()
        if case.words.startswith("pool lp") and has_nan:
            case.none = "a power of negative numbers"
    typed = [case for case in cases if not case.missing]
    missing = Counter(case.missing for case in cases if case.missing)
    wrong = [text for case in typed if (text := case.wrong(poolnorm, backend))]
    told = f"{len(cases)} cases, {len(typed)} typed, {len(wrong)} wrong; not typed: {missing}"

    assert not wrong, told + "\n" + "\n".join(wrong[:40])
    sys.stdout.write(told)
    assert len(typed) >= least
    assert set(missing) <= NOT_TYPED


@needs("torch")
@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_samples_of_torch(poolnorm: Command, backend: str) -> None:
    check(poolnorm, list(torch_cases()), backend, 3000)


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_node_tests_of_onnx(poolnorm: Command, backend: str) -> None:
    check(poolnorm, list(onnx_cases()), backend, 80)
