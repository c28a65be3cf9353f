"""What XLA is not trusted with, done on bit patterns: the executor of `reference.array.block` for JAX."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from formats import FLOAT32, FloatSpec, Rounding, Saturation
from formats.block_formats.spec import Shift
from formats.operations import Operation
from kernels_ref import block_binary32 as binary32
from kernels_ref import rounding as lanes
from reference.array import arithmetic_rounding, codec, decode
from reference.array.block_request import NARROW, BlockRequest, significant_bits, threshold_bits
from reference.array.conversion import Conversion


class JaxExecutor:
    """The operations on floats that quantisation into blocks asks for."""

    xp: Any = jnp

    def step(self, operation: Operation, left: Array, right: Array, result: FloatSpec) -> Array:
        """The result of an operation, rounded once to nearest even into ``result``, subnormals kept."""
        a, b = jnp.broadcast_arrays(binary32.bits_of(left), binary32.bits_of(right))
        if result == FLOAT32:
            return binary32.number_of(binary32.apart(binary32.calculate(operation, a, b)))
        made = arithmetic_rounding.request(
            operation, FLOAT32, result, rounding=Rounding.NEAREST_TIES_TO_EVEN, saturation=Saturation.SAT_NONE
        )
        codes, _ = arithmetic_rounding.calculate(made, (a.astype(jnp.uint32), b.astype(jnp.uint32)), jnp, None)
        return decode.decode(codes, result, jnp)

    def quotient(self, x: Array, scale: Array, shift: Array | None, made: BlockRequest) -> Array:
        """``(x - o) / S``, rounded to odd at 24 bits twice: decisions by products ``t * S`` of 22 bits are told apart.

        Raises ``ValueError`` where a decision needs more.
        """
        s, a = binary32.bits_of(scale), binary32.bits_of(x)
        bits = threshold_bits(made) + (0 if shift is None else significant_bits(made.spec.scale.format))
        if bits > NARROW:
            raise ValueError(
                f"{made.spec.name}: exact quotients for rule {made.rule.name!r} need {bits} bits; in JAX at most"
                f" {NARROW}, in reference more"
            )
        if shift is not None:
            a = binary32.difference_to_odd(a, binary32.bits_of(_offset(scale, shift, made.spec.shift_kind)))
        return binary32.number_of(binary32.quotient_to_odd(a, s))

    def encode(self, x: Array, conversion: Conversion, random_bits: Array | None) -> Array:
        """Codes of floats, as `reference.array.codec.encode`."""
        return codec.encode(x, conversion, jnp, random_bits, rounder=lanes.round_magnitude)


class PlainExecutor(JaxExecutor):
    """The same by the processor's own products and quotients, with notes on where those are IEEE 754's."""

    def __init__(self) -> None:
        #: for each product and quotient, where neither operands nor result are subnormal, infinite or NaN
        self.usual: list[Array] = []

    def step(self, operation: Operation, left: Array, right: Array, result: FloatSpec) -> Array:
        """`JaxExecutor.step`, where `usual` says so."""
        if operation not in (Operation.MUL, Operation.DIV) or result != FLOAT32:
            return super().step(operation, left, right, result)
        a, b = jnp.broadcast_arrays(binary32.bits_of(left), binary32.bits_of(right))
        self.usual.append((_is_moderate(a & binary32.MAGNITUDE) | (a & binary32.MAGNITUDE == 0)) & _is_moderate(b))
        x, y = binary32.number_of(a), binary32.number_of(binary32.not_broadcast(b, a))
        return x * y if operation is Operation.MUL else binary32.divided(x, y)


def _is_moderate(bits: Array) -> Array:
    """Positive numbers whose products and quotients are normal: from 2^-62 to 2^63."""
    bias, places = binary32.BIAS, binary32.FRACTION_BITS
    return (bits >= (bias - 62) << places) & (bits < (bias + 63) << places)


def _offset(scale: Array, shift: Array, kind: Shift | None) -> Array:
    """The ``o`` of ``S * n + o``; a zero point ``z`` is the offset ``-S * z``, which binary32 holds."""
    bits = binary32.bits_of(shift)
    if kind is Shift.ZERO_POINT:
        bits = binary32.calculate(Operation.MUL, binary32.bits_of(scale), bits)
    return binary32.number_of(bits if kind is Shift.OFFSET else bits ^ binary32.SIGN)
