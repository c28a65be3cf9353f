"""Rounding with a gradient: straight-through estimators around the exact forward pass."""

from __future__ import annotations

import enum
import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from formats import FloatSpec, Format, NanRule, Rounding, Saturation, get, parse_enum
from kernels_ref.codec import as_jax, decode, encode


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
    within the format's finite range and 0 elsewhere (CLIPPED). Arguments and errors are those of `encode`.

    >>> f = lambda x: round_to(x, "float4_e2m1fn", rounding="nearest_ties_to_even", saturation="sat_finite",
    ...                        gradient="clipped", nan="zero").sum()
    >>> jax.grad(f)(jnp.array([0.3, 100.0]))
    Array([1., 0.], dtype=float32)
    """
    spec = get(fmt)
    kind = parse_enum(Gradient, gradient, "gradient")
    values = as_jax(x)

    def forward(v: Array) -> Array:
        codes = encode(
            v,
            spec,
            rounding=rounding,
            saturation=saturation,
            nan=nan,
            random_bits=random_bits,
            random_bit_count=random_bit_count,
        )
        return decode(codes, spec)

    passes = functools.partial(_inside, spec) if kind is Gradient.CLIPPED else None
    return _with_gradient(forward, passes)(values)


def _with_gradient(forward: jax.custom_jvp | object, passes: object) -> jax.custom_jvp[Array]:
    function = jax.custom_jvp(forward)  # pyright: ignore

    @function.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), (dx,) = primals, tangents
        y = function(x)
        tangent = dx if passes is None else jnp.where(passes(x), dx, jnp.zeros_like(dx))  # pyright: ignore
        return y, tangent.astype(y.dtype)

    return function


def _inside(spec: Format, x: Array) -> Array:
    """Where ``x`` lies within the finite range; compared in the dtype of the decoded limits."""
    high = spec.sign_code | spec.max_code if isinstance(spec, FloatSpec) else spec.minimum % (1 << spec.bits)
    maximum = spec.max_code if isinstance(spec, FloatSpec) else spec.maximum
    low, top = decode(jnp.asarray([high if spec.signed else 0, maximum], jnp.uint32), spec)
    return (x >= low) & (x <= top)
