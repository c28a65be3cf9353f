"""Rounding with a gradient: straight-through estimators around the exact forward pass."""

from __future__ import annotations

import enum
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from formats import FloatSpec, Format, NanRule, Rounding, Saturation, get, parse_enum
from kernels_ref.codec import as_jax, decode, encode
from reference.array.carrier import FLOAT_DTYPES, Carrier, carry
from reference.exact import magnitude


class Gradient(enum.Enum):
    """How a gradient passes a rounding."""

    STRAIGHT_THROUGH = "straight_through"  #: as if the rounding were the identity (Bengio et al., arXiv 1308.3432)
    CLIPPED = "clipped"  #: the identity inside the finite range, zero where the value saturates


def round_to(
    x: ArrayLike,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    gradient: Gradient | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> Array:
    """The values that ``x`` becomes in the format, in the dtype of `kernels_ref.decode`, with a stated gradient.

    Forward: ``decode(encode(x))``, bit for bit. Backward: ``dy/dx = 1`` (STRAIGHT_THROUGH), or 1 where ``x`` lies
    within the format's finite range, ends included, and 0 elsewhere, NaN too (CLIPPED). ``jax.grad`` gives the
    gradient in the dtype of ``x``. Works under jit, vmap and grad; arguments and errors are those of `encode`, and
    integers, which have no gradient, are refused with ``TypeError``.

    >>> f = lambda x: round_to(x, "float4_e2m1fn", rounding="nearest_ties_to_even", saturation="sat_finite",
    ...                        gradient="clipped", nan="zero").sum()
    >>> jax.grad(f)(jnp.array([0.3, 100.0]))
    Array([1., 0.], dtype=float32)
    """
    spec = get(fmt)
    kind = parse_enum(Gradient, gradient, "gradient")
    values = as_jax(x)
    if values.dtype.name not in FLOAT_DTYPES:
        raise TypeError(f"x has dtype {values.dtype.name}, which has no gradient; accepted: {', '.join(FLOAT_DTYPES)}")
    primal = lax.stop_gradient(values)
    codes = encode(
        primal,
        spec,
        rounding=rounding,
        saturation=saturation,
        nan=nan,
        random_bits=random_bits,
        random_bit_count=random_bit_count,
    )
    passes = _in_range(primal, spec) if kind is Gradient.CLIPPED else lax.full(values.shape, True)
    return _straight_through(values, decode(codes, spec), passes)


@jax.custom_jvp
def _straight_through(x: Array, rounded: Array, passes: Array) -> Array:
    """``rounded``, but with the derivative of ``x`` where it ``passes`` and zero elsewhere."""
    del x, passes
    return rounded


@_straight_through.defjvp
def _straight_through_jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    (_, rounded, passes), (dx, _, _) = primals, tangents
    return rounded, jnp.where(passes, dx, 0).astype(rounded.dtype)


def _in_range(x: Array, spec: Format) -> Array:
    """Where ``x`` lies within the finite range; compared as bit patterns, since XLA may flush subnormals to zero."""
    carrier = carry(x, jnp, rounding=Rounding.TOWARD_ZERO)
    low, high = _range(spec)
    bound = jnp.where(carrier.negative, _bits(abs(min(low, Fraction(0))), carrier), _bits(high, carrier))
    inside = carrier.magnitude <= bound
    if low > 0:
        inside = inside & ~carrier.negative & (carrier.magnitude >= _bits(low, carrier))
    return inside


def _range(spec: Format) -> tuple[Fraction, Fraction]:
    """Lowest and highest finite value."""
    if isinstance(spec, FloatSpec):
        high = magnitude(spec.max_code, spec)
        return (-high if spec.signed else Fraction(0) if spec.has_zero else magnitude(0, spec)), high
    quantum = Fraction(1, 1 << spec.fraction_bits)
    return spec.minimum * quantum, spec.maximum * quantum


def _bits(limit: Fraction, carrier: Carrier) -> int:
    """The carrier's bit pattern of a limit, truncated: no value of the carrier lies between the two."""
    dtype = np.dtype(np.float64 if carrier.bias == 1023 else np.float32)
    value = dtype.type(float(limit))
    if Fraction(float(value)) > limit:
        value = np.nextafter(value, dtype.type(0))
    return int(value.view(f"i{dtype.itemsize}"))
