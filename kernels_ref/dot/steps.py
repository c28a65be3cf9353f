"""Fused steps (`formats.FusedSteps`) of whole matrices, for vector units.

One step is one element-wise expression over (M, N): ``products`` outer products and ``c``, aligned to their largest
exponent, cut and summed. The cut is a conversion float32 -> int32, which goes toward zero. Every binary32 operation
here is exact, or its result is below 1 and cut to 0: two significands of at most 24 bits together multiply without
rounding, and powers of two only move exponents. So neither flushed subnormals nor contraction nor another order of
the multiplications can change a bit. Sums are integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from formats import FloatSpec
from formats.summation import FusedSteps
from kernels_ref.dot.flow import choose
from kernels_ref.dot.parts import NOTHING, Parts, unpack
from kernels_ref.dot.rounding import Magnitude, normalise, round_magnitude
from kernels_ref.dot.specials import Specials, any_special, no_specials, specials

_BIAS, _FRACTION_BITS = 127, 23
_INT32 = (1 << 31) - 1


def chain(c: Array, a: Array, b: Array, step: FusedSteps, a_spec: FloatSpec, b_spec: FloatSpec) -> Array:
    """Codes of ``c + a @ b`` by a chain of steps: (..., M, N), (..., M, K), (..., K, N) -> (..., M, N), uint32."""
    unit = _Unit(step, a_spec, b_spec)
    left, right = unpack(a, a_spec), unpack(b, b_spec)
    factors = unit.factors(left, a_spec, -1), unit.factors(right, b_spec, -2)
    some, plain = any_special(left, right), no_specials(c.shape)

    def body(c: Array, x: tuple[tuple[Factor, Factor], Array, Array]) -> tuple[Array, None]:
        def found() -> Specials:
            return specials(unpack(x[1], a_spec), unpack(x[2], b_spec))

        return unit.step(c, *x[0], choose(some, found, lambda: plain)), None

    codes = split(a, -1, step.products), split(b, -2, step.products)
    return lax.scan(body, c, (factors, *codes))[0]


def split(x: Array, axis: int, size: int, fill: float = 0) -> Array:
    """K on ``axis`` (-1 or -2) cut into runs of ``size``, the last one filled up: (K / size, size, ..., M or N)."""
    x = jnp.moveaxis(x, axis, 0)
    short = -x.shape[0] % size
    if short:
        x = jnp.concatenate([x, lax.full((short, *x.shape[1:]), fill, x.dtype)])
    return x.reshape(-1, size, *x.shape[1:])


class Factor(NamedTuple):
    """An operand for products: first axis the step, second K within it, last M or N."""

    #: float32: the value where `_Unit.narrow`, else the significand below 2, signed
    number: Array
    #: int32; NOTHING for zero
    exponent: Array


@dataclass(frozen=True)
class _Unit:
    """A step with the formats that it multiplies."""

    record: FusedSteps
    a: FloatSpec
    b: FloatSpec

    def __post_init__(self) -> None:
        p, largest = self.a.precision + self.b.precision, self._largest_term()
        if p > _FRACTION_BITS + 1 or largest > _INT32:
            raise ValueError(
                f"fused steps of {self.a.name} and {self.b.name} with fraction_bits={self.record.fraction_bits}: JAX"
                f" takes products of at most 24 bits (these have {p}) and terms of at most 31"
                f" ({largest.bit_length()}); reference.matmul takes all"
            )

    @property
    def least(self) -> int:
        """The least exponent of a product."""
        return self.a.emin + self.b.emin

    @property
    def narrow(self) -> bool:
        """Whether binary32 holds operands, products and the scale of their cut as normal numbers."""
        small = (s.emin - s.fraction_bits for s in (self.a, self.b))
        large = max(s.emax for s in (self.a, self.b))
        return (
            self.least - self.a.fraction_bits - self.b.fraction_bits > -_BIAS
            and min(small) > -_BIAS
            and max(large, self.a.emax + self.b.emax + 1) <= _BIAS
            and self.record.fraction_bits - self.least <= _BIAS
        )

    def factors(self, p: Parts, spec: FloatSpec, axis: int) -> Factor:
        magnitude = p.significand.astype(jnp.int32).astype(jnp.float32)
        number = jnp.where(p.negative, -magnitude, magnitude)
        number = number * (_power(p.exponent) if self.narrow else jnp.float32(2.0**-spec.fraction_bits))
        exponent = jnp.where(p.significand == 0, NOTHING, p.exponent + spec.fraction_bits)
        return Factor(split(number, axis, self.record.products), split(exponent, axis, self.record.products, NOTHING))

    def step(self, c: Array, a: Factor, b: Factor, flags: Specials) -> Array:
        """Codes of one step: ``c`` (..., M, N), factors (n, ..., M) and (n, ..., N)."""
        old = unpack(c, self.record.output)
        c_exponent = jnp.where(old.significand == 0, NOTHING, old.exponent + self.record.output.fraction_bits)
        top = self._alignment(c_exponent, a.exponent, b.exponent)
        groups = self._sums(self._old_term(old, top - c_exponent), a, b, top)
        negative, magnitude = _total(groups, top - self.record.fraction_bits)
        return self._result(negative, magnitude, old, flags)

    def _alignment(self, c_exponent: Array, a: Array, b: Array) -> Array:
        top = jnp.maximum(c_exponent, self.record.floor)
        for k in range(self.record.products):
            top = jnp.maximum(top, a[k][..., :, None] + b[k][..., None, :])
        return top

    def _old_term(self, old: Parts, distance: Array) -> Array:
        """``c`` cut to the alignment, int32."""
        spare = self.record.fraction_bits - self.record.output.fraction_bits
        term = (old.significand << max(spare, 0)) >> (distance + max(-spare, 0)).astype(jnp.uint32)
        return jnp.where(old.negative, -term.astype(jnp.int32), term.astype(jnp.int32))

    def _sums(self, first: Array, a: Factor, b: Factor, top: Array) -> list[Array]:
        """Sums of terms that fit int32; one, or several that together are wider."""
        size = (_INT32 - self._largest_old_term()) // self._largest_term()
        f, sums = self.record.fraction_bits, [first]
        cut = _power(f - jnp.maximum(top, self.least)) if self.narrow else top - f
        for k in range(self.record.products):
            if k and k % size == 0:
                sums.append(first & 0)
            sums[-1] = sums[-1] + self._term(a, b, k, cut)
        return sums

    def _term(self, a: Factor, b: Factor, k: int, cut: Array) -> Array:
        """A product in units of the cut: its power of two where products are narrow, its negated exponent else."""
        product = a.number[k][..., :, None] * b.number[k][..., None, :]
        if self.narrow:
            return (product * cut).astype(jnp.int32)
        exponent = a.exponent[k][..., :, None] + b.exponent[k][..., None, :]
        return (product * _power(exponent - cut)).astype(jnp.int32)

    def _result(self, negative: Array, magnitude: Magnitude, old: Parts, flags: Specials) -> Array:
        spec, record = self.record.output, self.record
        code = round_magnitude(magnitude, negative, spec, record.rounding, kept_bits=record.kept_bits)
        code = jnp.minimum(code, spec.max_code + 1)
        nan, infinite = old.nan, old.infinite
        plus, minus = flags.positive | (infinite & ~old.negative), flags.negative | (infinite & old.negative)
        nan, infinite = nan | flags.nan | (plus & minus), plus | minus
        negative = jnp.where(infinite, minus, negative)
        code = jnp.where(infinite, spec.max_code + 1, code)
        code = code | jnp.where(negative & (code != 0), jnp.uint32(spec.sign_code), jnp.uint32(0))
        return jnp.where(nan, jnp.uint32(record.nan_code), code)

    def _largest_term(self) -> int:
        a, b = ((1 << s.precision) - 1 for s in (self.a, self.b))
        return (a * b << self.record.fraction_bits) >> (self.a.fraction_bits + self.b.fraction_bits)

    def _largest_old_term(self) -> int:
        spec = self.record.output
        return (((1 << spec.precision) - 1) << self.record.fraction_bits) >> spec.fraction_bits


def _power(exponent: Array) -> Array:
    """``2^exponent`` as float32; 0 for those below the normal range."""
    return lax.bitcast_convert_type(jnp.maximum(exponent + _BIAS, 0) << _FRACTION_BITS, jnp.float32)


def _total(sums: list[Array], exponent: Array) -> tuple[Array, Magnitude]:
    """Sign and magnitude of the sum of ``sums``, in units of ``2^exponent``."""
    if len(sums) == 1:
        magnitude = Magnitude(jnp.abs(sums[0]).astype(jnp.uint32), None, exponent + 31)
        return sums[0] < 0, normalise(magnitude)
    low = sum((s & 0xFF for s in sums[1:]), sums[0] & 0xFF)
    high = sum((s >> 8 for s in sums[1:]), sums[0] >> 8) + (low >> 8)
    negative, low = high < 0, low & 0xFF
    high = jnp.where(negative, -high - (low != 0), high)
    low = jnp.where(negative, -low & 0xFF, low)
    return negative, normalise(Magnitude(high.astype(jnp.uint32), low.astype(jnp.uint32) << 24, exponent + 39))
