"""Quotients by a number of the whole tensor, whose reciprocal is known before a kernel begins: fused operations.

The product of ``a`` and ``1 / b``, rounded to nearest, is ``a / b`` but for a unit or two. Its remainder over ``b``
makes that less than a unit, after which the next remainder is a float32 number, and ``q + r / b``, rounded once, is the
quotient of IEEE 754.

Source: P. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor" (1990);
J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., 4.7.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels_ref.hopper import element_words
from kernels_ref.hopper.element_lanes import Lanes, MlirPairs
from kernels_ref.hopper.element_pairs import float_word
from kernels_ref.hopper.traced import jnp
from kernels_ref.pallas import pallas

#: the pattern of what is infinite, or no number, is above that of any quotient that is told from the next one
_MOST = 2.0**127
_SIGN = 1 << 31


def quotient(lanes: Lanes, a: Any, b: Any, inverse: Any) -> Any:
    """The word of ``a / b`` for words of float32 numbers, ``a >= 0``, ``b`` and ``inverse`` from 2^-60 to 2^60.

    What is less than 2^-60 or more than 2^127 may be off.
    """
    minus_b = lanes.differ(b, lanes.word(_SIGN))
    near = lanes.fma(a, inverse, lanes.word(0))
    near = lanes.least(_nearer(lanes, near, a, minus_b, inverse), float_word(lanes, _MOST))
    return _nearer(lanes, near, a, minus_b, inverse)


def _nearer(lanes: Lanes, near: Any, a: Any, minus_b: Any, inverse: Any) -> Any:
    return lanes.fma(lanes.fma(near, minus_b, a), inverse, near)


def divide(a: Any, b: Any, inverse: Any, *, layout: Any) -> Any:
    """`quotient` of float32 arrays of one axis in a kernel, whose threads have what ``layout`` says."""
    plgpu, _ = pallas()
    operands = [plgpu.layout_cast(x, layout).view(jnp.int32) for x in (a, b, inverse)]
    result = plgpu.ShapeDtypeStruct(a.shape, jnp.int32, layout=layout)
    return plgpu.inline_mgpu(arg_types=(layout,) * 3, return_type=result)(_emit)(*operands).view(jnp.float32)


def _emit(_: Any, *arrays: Any) -> Any:
    lanes, out = MlirPairs(), np.empty(arrays[0].registers.shape, object)
    for i, registers in enumerate(zip(*(array.registers.flat for array in arrays), strict=True)):
        terms = zip(*map(element_words.unpacked, registers), strict=True)
        out.flat[i] = element_words.packed([quotient(lanes, *words) for words in terms])
    return element_words.array(out, arrays[0].layout)
