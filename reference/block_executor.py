"""The floats of the block golden model in NumPy: IEEE 754 operations, and quotients that are rounded once."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import FLOAT32, FloatSpec, Rounding, Saturation
from formats.block_formats.spec import Shift
from formats.operations import Operation
from reference.array import codec, decode, odd
from reference.array.arithmetic_rounding import Request, calculate, request
from reference.array.block_request import NARROW, BlockRequest, threshold_bits
from reference.array.conversion import Conversion
from reference.codec import encode_flat

_NATIVE = {Operation.MUL: np.multiply, Operation.DIV: np.divide, Operation.SUB: np.subtract}

Floats = NDArray[np.floating[Any]]


class NumpyExecutor:
    """`reference.array.block.Executor` in NumPy, whose float32 and float64 keep subnormals."""

    xp = np

    def step(self, operation: Operation, left: Any, right: Any, result: FloatSpec) -> Any:
        """The native operation where it rounds to binary32, else the golden model's arithmetic on codes."""
        if operation in _NATIVE and result == FLOAT32:
            with np.errstate(all="ignore"):
                return _NATIVE[operation](left, right)
        left, right = np.broadcast_arrays(left, right)
        codes, _ = calculate(
            _request(operation, result), (left.view(np.uint32).reshape(-1), right.view(np.uint32).reshape(-1)), np, None
        )
        return decode.decode(codes, result, np).reshape(left.shape)

    def quotient(self, x: Floats, scale: Floats, shift: Floats | None, made: BlockRequest) -> Floats:
        """Through float64, by the argument of `reference.quantize.affine`; narrow decisions get float32."""
        top, bottom = x.astype(np.float64), scale.astype(np.float64)
        if shift is not None:
            top = odd.difference(top, _offset(bottom, shift.astype(np.float64), made.spec.shift_kind))
        with np.errstate(all="ignore"):
            found = np.where((top == 0) & (bottom == 0), top, top / bottom)
        return odd.to_float32(found) if threshold_bits(made) <= NARROW else found

    def encode(self, x: Floats, conversion: Conversion, random_bits: NDArray[Any] | None) -> NDArray[Any]:
        """By table where that is faster."""
        flat = x.reshape(-1)
        if random_bits is not None:
            return codec.encode(flat, conversion, np, random_bits.reshape(-1)).reshape(x.shape)
        return encode_flat(flat, conversion).reshape(x.shape)


def _offset(scale: Floats, shift: Floats, kind: Shift | None) -> Floats:
    """The ``o`` of ``S * n + o``; a zero point ``z`` is the offset ``-S * z``, which binary64 holds."""
    if kind is Shift.OFFSET:
        return shift
    return -shift if kind is Shift.SUBTRACTED else -(scale * shift)


@functools.cache
def _request(operation: Operation, result: FloatSpec) -> Request:
    rounding, saturation = Rounding.NEAREST_TIES_TO_EVEN, Saturation.SAT_NONE
    return request(operation, FLOAT32, result, rounding=rounding, saturation=saturation)
