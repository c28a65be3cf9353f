"""Blocks for tests: values as the judge takes them, tensors by the judge alone, and drawn inputs."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

import reference
from formats.block_formats.named import blocks
from formats.block_formats.rules import block_rule, block_rules
from reference.array.block_request import block_request
from reference.blocks import quantize_blocks
from reference.exact.block import quantize_block, second_number
from reference.exact.block_value import dequantize_code


def exact(x):
    """A float as the judge takes it: a Fraction unless it is NaN, infinite or -0."""
    x = float(x)
    return Fraction(x) if math.isfinite(x) and not (x == 0 and math.copysign(1, x) < 0) else x


def cells(shape, block):
    """The index of each block of a tensor, in the order of its grid; blocks are cut along the last axes."""
    outer = shape[: len(shape) - len(block)]
    starts = [range(0, length, extent) for length, extent in zip(shape[len(outer) :], block, strict=True)]
    for place in np.ndindex(*outer, *(len(s) for s in starts)):
        corner = [s[i] for s, i in zip(starts, place[len(outer) :], strict=True)]
        yield place, (*place[: len(outer)], *(slice(c, c + e) for c, e in zip(corner, block, strict=True)))


def judged(x, spec, rule, second=None):
    """Codes, scales, second-level number and shifts of a tensor by the judge; one number for the tensor at most.

    ``second``: that number where it is known before, a float.
    """
    if second is not None:
        second = exact(second)
    elif spec.scale.second is not None:
        numbers = np.abs(x[~np.isnan(x)])
        second = second_number(exact(numbers.max(initial=0)), spec, rule)
    codes, scales, shifts = np.empty(x.shape, np.int64), {}, {}
    for place, cell in cells(x.shape, spec.block):
        part = x[cell]
        made = quantize_block([exact(v) for v in part.reshape(-1)], spec, rule, second=second)
        codes[cell] = np.array(made.codes).reshape(part.shape)
        scales[place], shifts[place] = made.scale, made.shift
    return codes, scales, second, shifts


def assert_judged(tensor, x, rule, second=None):
    """A tensor has the codes and numbers that the judge gives."""
    codes, scales, second, shifts = judged(x, tensor.spec, rule, second)
    np.testing.assert_array_equal(tensor.codes, codes)
    for place, code in scales.items():
        assert int(tensor.scales[place]) == code
        if tensor.shifts is not None:
            assert int(tensor.shifts[place]) == shifts[place]
    assert second is None or exact(tensor.second) == second


def judged_values(tensor):
    """The exact values of a tensor by the judge, in its order."""
    spec = tensor.spec
    found = np.empty(tensor.codes.shape, object)
    second = None if tensor.second is None else exact(tensor.second)
    for place, cell in cells(tensor.codes.shape, spec.block):
        shift = None if tensor.shifts is None else int(tensor.shifts[place])
        for index in np.ndindex(found[cell].shape):
            code, scale = int(tensor.codes[cell][index]), int(tensor.scales[place])
            found[cell][index] = dequantize_code(code, spec, scale=scale, second=second, shift=shift)
    return found


#: the block of the worked examples
X = np.float32([7.1, -3.3, 0.9, 0.26, -0.04, 1.75, -5, 0, *[0] * 24])


def quantized(x, fmt, rule, **options):
    """A tensor that NumPy and the judge agree on."""
    tensor = quantize_blocks(x, fmt, rule=rule, **options)
    assert_judged(tensor, np.asarray(x).astype(np.float32), block_rule(rule))
    return tensor


def element_values(tensor, count=8):
    return reference.decode(tensor.codes.reshape(-1)[:count], tensor.spec.element).tolist()


def _goes_together(fmt, rule):
    try:
        block_request(fmt, rule)
    except ValueError:
        return False
    return True


#: every named block format with every named rule that arrays take for it
PAIRS = [(fmt, rule) for fmt in blocks() for rule in block_rules() if _goes_together(fmt, rule)]
