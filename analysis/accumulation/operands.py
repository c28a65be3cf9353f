"""Two matrices of codes, and what their products are known to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import formats
import reference
from analysis.accumulation.ball import FAR, Ball, Floats, Integers, exponent, power, up
from formats import Accumulator, FloatSpec, Format

Codes = NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """The codes of ``a`` (M, K) and ``b`` (K, N), and their formats. Raises ``ValueError`` for NaN and infinity.

    >>> x = Operands.of([[1.0, -2.0]], [[3.0], [0.5]], "float8_e4m3fn", "float8_e4m3fn")
    >>> x.k, x.magnitude.round(9).tolist()
    (2, [[4.0]])
    """

    a: Codes
    b: Codes
    a_format: Format
    b_format: Format

    def __post_init__(self) -> None:
        if self.a.ndim != 2 or self.b.ndim != 2 or self.a.shape[1] != self.b.shape[0]:
            raise ValueError(f"operands of shapes {self.a.shape} and {self.b.shape}; accepted: (M, K) and (K, N)")
        for name, values in (("a", self.a_values), ("b", self.b_values)):
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds NaN or infinity: errors are defined for finite numbers only")

    @classmethod
    def of(cls, a: ArrayLike, b: ArrayLike, a_format: str | Format, b_format: str | Format) -> Operands:
        """Values, each rounded once to its format: to nearest even, clamped."""
        return cls(
            a=_encode(a, a_format), b=_encode(b, b_format), a_format=_format(a_format), b_format=_format(b_format)
        )

    @property
    def k(self) -> int:
        """Products in each sum."""
        return self.a.shape[1]

    @property
    def a_values(self) -> Floats:
        """``a``, exactly."""
        return reference.decode(self.a, self.a_format).astype(np.float64)

    @property
    def b_values(self) -> Floats:
        """``b``, exactly."""
        return reference.decode(self.b, self.b_format).astype(np.float64)

    @property
    def magnitude(self) -> Floats:
        """``sum over k of |a[k] b[k]|``, (M, N), rounded up."""
        return _up_sum(np.abs(self.a_values), np.abs(self.b_values))

    @property
    def weight(self) -> Floats:
        """The same with subnormal operands counted as the smallest normal: units do not normalise them."""
        return _up_sum(_raised(self.a_values, self.a_format), _raised(self.b_values, self.b_format))

    @property
    def flushed(self) -> Floats:
        """That part of `magnitude` that has a subnormal operand, rounded up: what a unit that flushes them loses."""
        a, b = np.abs(self.a_values), np.abs(self.b_values)
        a_small, b_small = _is_subnormal(self.a_values, self.a_format), _is_subnormal(self.b_values, self.b_format)
        return _up_sum(a * a_small, b) + _up_sum(a * ~a_small, b * b_small)

    def first(self, k: int) -> Operands:
        """Only the first ``k`` products of each sum."""
        if not 1 <= k <= self.k:
            raise ValueError(f"k={k} must lie in 1..{self.k}")
        return Operands(a=self.a[:, :k], b=self.b[:k], a_format=self.a_format, b_format=self.b_format)

    def check(self, accumulator: Accumulator) -> None:
        """``ValueError`` unless the accumulator takes these formats and this K."""
        for name, own, due in (("a", self.a_format, accumulator.a), ("b", self.b_format, accumulator.b)):
            if due is not None and due != own:
                raise ValueError(f"{accumulator.name} takes {name} in {due.name}, not in {own.name}")
        if self.k % accumulator.k:
            raise ValueError(f"K={self.k} must be a multiple of k={accumulator.k} of {accumulator.name}")


def chosen_format(own: Format | None, name: str | None, accumulator: Accumulator) -> Format:
    """The accumulator's ``own`` format for an operand, or the one named where it takes any."""
    if own is not None:
        return own
    if name is None:
        raise ValueError(f"{accumulator.name} takes operands of any format: name one")
    return formats.get(name)


@dataclass(frozen=True, slots=True)
class Products:
    """Exact products (M, n, N): ``value`` is a multiple of ``2^quantum``, ``exponent`` what a unit aligns by.

    Zero products have the exponent -FAR and the quantum FAR.
    """

    value: Floats
    exponent: Integers
    quantum: Integers

    def every(self, step: int, start: int) -> Products:
        """Every ``step``-th of n from ``start`` on."""
        return Products(self.value[:, start::step], self.exponent[:, start::step], self.quantum[:, start::step])

    def summed(self, lost: Floats) -> Ball:
        """Their sum over n, if so much of each term may be lost. What float64 loses of its value joins the radius."""
        size, quantum = np.abs(self.value).sum(axis=1), self.quantum.min(axis=1, initial=FAR)
        slip = np.where(size < power(quantum + 52), 0.0, size * 2.0**-40)
        return Ball(self.value.sum(axis=1), up(lost.sum(axis=1) + slip), quantum)


class Factors:
    """Operands taken apart once, from which any products are formed.

    ``widened``: the format that the operands are converted to, exactly, before a unit aligns them.
    """

    def __init__(self, operands: Operands, widened: FloatSpec | None = None) -> None:
        self.shape = (operands.a.shape[0], operands.b.shape[1])
        self._a, self._b = operands.a_values, operands.b_values
        self._a_exponent = _exponents(self._a, widened or operands.a_format)
        self._b_exponent = _exponents(self._b, widened or operands.b_format)
        self._a_quantum = _quanta(self._a, operands.a_format)
        self._b_quantum = _quanta(self._b, operands.b_format)
        self._a_small = _is_subnormal(self._a, operands.a_format)
        self._b_small = _is_subnormal(self._b, operands.b_format)

    def products(self, ks: Integers) -> Products:
        """The products at these places of K."""
        value = self._a[:, ks, None] * self._b[None, ks]
        aligned = self._a_exponent[:, ks, None] + self._b_exponent[None, ks]
        quantum = self._a_quantum[:, ks, None] + self._b_quantum[None, ks]
        return Products(value, np.where(value == 0, -FAR, aligned), np.where(value == 0, FAR, quantum))

    def dot(self, ks: Integers) -> Ball:
        """The sum of these products, (M, N): exactly, where float64 holds it."""
        a, b = self._a[:, ks], self._b[ks]
        a_quantum = np.where(a == 0, FAR, self._a_quantum[:, ks]).min(axis=1)
        b_quantum = np.where(b == 0, FAR, self._b_quantum[ks]).min(axis=0)
        size, quantum = _up_sum(np.abs(a), np.abs(b)), np.minimum(a_quantum[:, None] + b_quantum[None], FAR)
        slip = np.where(size < power(quantum + 53), 0.0, size * len(ks) * 2.0**-52)
        return Ball(a @ b, slip, quantum)

    def product(self, k: int, *, flushed: bool = False) -> Ball:
        """The products at one place, (M, N); ``flushed``: computed as 0 if an operand is subnormal."""
        found = self.products(np.array([k]))
        small = self._a_small[:, k, None] | self._b_small[None, k]
        radius = np.abs(found.value[:, 0]) if flushed else np.zeros(self.shape)
        return Ball(found.value[:, 0], np.where(small, radius, 0.0), found.quantum[:, 0])


def _exponents(values: Floats, fmt: Format) -> Integers:
    """What a unit aligns by: subnormals are not normalised. Units of integers do not align."""
    if isinstance(fmt, FloatSpec):
        return np.maximum(exponent(np.abs(values)), fmt.emin)
    return np.zeros(values.shape, np.int64)


def _quanta(values: Floats, fmt: Format) -> Integers:
    """The exponent of each number's last bit."""
    return _exponents(values, fmt) - fmt.fraction_bits


def _is_subnormal(values: Floats, fmt: Format) -> NDArray[np.bool_]:
    least = 2.0**fmt.emin if isinstance(fmt, FloatSpec) else 0.0
    return (values != 0) & (np.abs(values) < least)


def _raised(values: Floats, fmt: Format) -> Floats:
    least = 2.0**fmt.emin if isinstance(fmt, FloatSpec) else 0.0
    return np.where(values == 0, 0.0, np.maximum(np.abs(values), least))


def _up_sum(a: Floats, b: Floats) -> Floats:
    return up((a @ b) * (1 + a.shape[1] * 2.0**-52))


def _encode(values: ArrayLike, fmt: str | Format) -> Codes:
    return reference.encode(values, fmt, rounding="nearest_ties_to_even", saturation="sat_finite")


def _format(fmt: str | Format) -> Format:
    return formats.get(fmt) if isinstance(fmt, str) else fmt
