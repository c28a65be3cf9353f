"""A block of dot products of one family: what is asked for, the codes that answer, and how codes are put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from formats import FloatSpec, IntSpec

Array = NDArray[Any]
Shape = tuple[int, int, int]
Spec = TypeVar("Spec", FloatSpec, IntSpec)


@dataclass
class Block(Generic[Spec]):
    """``items`` products ``a @ b + c``: a family's function sets ``a``, ``b`` and ``c``."""

    rng: np.random.Generator
    a_format: Spec
    b_format: Spec
    output: Spec
    items: int
    rows: int
    columns: int
    k: int
    a: Array = field(init=False)
    b: Array = field(init=False)
    c: Array = field(init=False)

    @property
    def a_shape(self) -> Shape:
        """Of the left operands."""
        return self.items, self.rows, self.k

    @property
    def b_shape(self) -> Shape:
        """Of the right operands."""
        return self.items, self.k, self.columns

    @property
    def c_shape(self) -> Shape:
        """Of ``c`` and the results."""
        return self.items, self.rows, self.columns

    def chance(self, probability: float | Array, shape: tuple[int, ...]) -> Array:
        """True as often as ``probability`` says."""
        return self.rng.random(shape) < probability


def codes(spec: FloatSpec | IntSpec, words: Array) -> Array:
    """Integers as codes of a format, in the unsigned type that the golden models use."""
    return words.astype(np.uint8 if spec.bits <= 8 else np.uint16 if spec.bits <= 16 else np.uint32)


def random_codes(rng: np.random.Generator, spec: FloatSpec | IntSpec, shape: tuple[int, ...]) -> Array:
    """Any codes, each alike often."""
    return codes(spec, rng.integers(0, 1 << spec.bits, shape, dtype=np.uint64))


def signs(rng: np.random.Generator, spec: FloatSpec, shape: tuple[int, ...]) -> Array:
    """The sign bit or 0, each alike often."""
    return rng.integers(0, 2, shape, dtype=np.uint32) * np.uint32(spec.sign_code)


def fractions(rng: np.random.Generator, spec: FloatSpec, shape: tuple[int, ...]) -> Array:
    """Any fraction field, each alike often."""
    return rng.integers(0, 1 << spec.fraction_bits, shape, dtype=np.uint32)


def compose(spec: FloatSpec, sign: Array, exponent: Array, fraction: Array) -> Array:
    """Codes of finite numbers; exponents beyond the range are clamped, those below the normal ones are subnormal."""
    smallest = spec.emin - 1
    field_ = (np.clip(exponent, smallest, spec.emax) - smallest).astype(np.uint32)
    magnitude = np.minimum(field_ << np.uint32(spec.fraction_bits) | fraction.astype(np.uint32), spec.max_code)
    return codes(spec, magnitude | sign)


def at(rng: np.random.Generator, spec: FloatSpec, exponent: Array, spread: int = 0) -> Array:
    """Numbers of any sign and fraction, whose exponents are at most ``spread`` off."""
    shift = rng.integers(-spread, spread + 1, exponent.shape)
    return compose(spec, signs(rng, spec, shift.shape), exponent + shift, fractions(rng, spec, shift.shape))


def powers(rng: np.random.Generator, spec: FloatSpec, exponent: Array) -> Array:
    """Powers of two of either sign, subnormal ones too; exponents beyond the range are clamped."""
    least = spec.emin - spec.fraction_bits
    exponent = np.clip(exponent, least, spec.emax)
    subnormal = 1 << np.maximum(exponent - least, 0)
    field_ = np.where(exponent < spec.emin, subnormal, (exponent + spec.bias) << spec.fraction_bits)
    return codes(spec, field_ | signs(rng, spec, exponent.shape))


def exponents(spec: FloatSpec, given: Array) -> Array:
    """Exponents of codes; zeros and subnormals have that of the smallest normal number."""
    field_ = (given.astype(np.int64) & (spec.sign_code - 1)) >> spec.fraction_bits
    return np.maximum(field_, 1) - spec.bias
