"""Expressions in declared steps: the judge and NumPy on landmarks, and what may be stated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from block_cases import exact

import formats
from formats.block_formats.steps import Given, Step, div, maximum, minimum, mul, sub
from formats.operations import Operation
from reference.array import odd
from reference.block_executor import NumpyExecutor
from reference.exact.declared_steps import evaluate

PATTERNS = [0, 1, 2, 0x7FFFFF, 0x800000, 0x800001, 0x3F800000, 0x3F800001, 0x3EAAAAAB, 0x40C00000, 0x4B800001]
PATTERNS += [0x7F7FFFFF, 0x7F000000, 0x7F800000, 0x7FC00000]
LANDMARKS = np.array([p | sign for p in PATTERNS for sign in (0, 0x80000000)], np.uint32).view(np.float32)
OPERATIONS = (Operation.MUL, Operation.DIV, Operation.SUB, Operation.MINIMUM, Operation.MAXIMUM)


@pytest.mark.parametrize("result", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_judge_and_numpy_agree(operation, result):
    spec = formats.FLOAT32 if result == "float32" else formats.get(result)
    left, right = (np.array(side, np.float32) for side in zip(*itertools.product(LANDMARKS, LANDMARKS), strict=True))
    step = Step(operation=operation, left=Given.X, right=Given.SCALE, result=spec)
    found = NumpyExecutor().step(operation, left, right, spec)
    for a, b, value in zip(left, right, found, strict=True):
        assert str(exact(value)) == str(exact(evaluate(step, {Given.X: exact(a), Given.SCALE: exact(b)}))), (a, b)


def test_every_step_rounds_once():
    """A third of three is not 1 in every order: three roundings differ from two."""
    given = {Given.X: exact(np.float32(0.1)), Given.SCALE: exact(np.float32(0.3))}
    there, back = evaluate(mul(Given.X, div(1, Given.SCALE)), given), evaluate(div(Given.X, Given.SCALE), given)
    assert (float(there), float(back)) == (np.float32(0.1) * (np.float32(1) / np.float32(0.3)), 0.3333333134651184)


def test_what_is_given_is_not_rounded():
    assert evaluate(Given.ABSMAX, {Given.ABSMAX: exact(2.0**128)}) == 2**128
    assert evaluate(minimum(maximum(3, Given.X), 5), {Given.X: exact(4.0)}) == 4


def test_constants_are_binary32_numbers():
    with pytest.raises(ValueError, match=r"constant 0\.1 is no binary32 number; state the one that is meant"):
        div(Given.X, 0.1)
    with pytest.raises(ValueError, match="constant 16777217 is no binary32 number"):
        sub(16777217, Given.X)
    assert repr(mul(2.0**-149, 448)).endswith("result='float32')")


class TestOdd:
    """Rounded to odd: the last bit says whether anything was lost."""

    X = np.array([1.0, 1 + 2.0**-30, 1 + 2.0**-23 + 2.0**-50, 3e-46, -1e300, np.inf, np.nan, -0.0, 2.0**-149])

    def test_float32(self):
        due = [0x3F800000, 0x3F800001, 0x3F800001, 1, 0xFF7FFFFF, 0x7F800000, 0x7FC00000, 0x80000000, 1]
        assert odd.to_float32(self.X).view(np.uint32).tolist() == due

    def test_difference(self):
        rng = np.random.default_rng(0)
        a = rng.standard_normal(2000) * 2.0 ** rng.integers(-60, 60, 2000)
        b = rng.standard_normal(2000) * 2.0 ** rng.integers(-60, 60, 2000)
        for x, y, found in zip(a, b, odd.difference(a, b), strict=True):
            due = exact(x) - exact(y)
            if exact(found) != due:
                assert int(np.float64(found).view(np.int64)) & 1
                low, high = sorted(exact(np.nextafter(found, way)) for way in (-np.inf, np.inf))
                assert low < due < high

    def test_special_differences(self):
        found = odd.difference(np.array([np.inf, np.inf, 1.0, 0.0]), np.array([1.0, np.inf, np.nan, 0.0]))
        assert str(found.tolist()) == "[inf, nan, nan, 0.0]"
