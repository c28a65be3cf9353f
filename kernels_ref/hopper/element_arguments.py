"""What kernels of elements take: checked requests, random bits, and elements filled up to whole thread blocks."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import NanRule
from kernels_ref.codec import as_jax
from kernels_ref.hopper.element import PER_CTA
from reference.array.conversion import Conversion, needs_nan_rule
from reference.codec import check_random_bits

#: input dtypes that the kernels take
DTYPES = ("float32", "bfloat16", "float16")


def checked(request: Conversion) -> Conversion:
    """The request, if a kernel can answer it: codes of at most 8 bits, and a rule for NaN."""
    if request.spec.bits > 8:
        raise ValueError(f"{request.spec.name} has {request.spec.bits} bits; the kernel writes codes of at most 8")
    if needs_nan_rule(request):
        rules = ", ".join(rule.value for rule in NanRule)
        raise TypeError(f"{request.spec.name} has no NaN: state nan= as one of: {rules}")
    return request


def drawn(random_bits: ArrayLike | None, request: Conversion, shape: tuple[int, ...]) -> Array | None:
    """The random bits of a request as JAX has them, None where it takes none; checked where they can be seen."""
    if not request.rounding.is_stochastic:
        if random_bits is not None:
            raise ValueError(f"random_bits mean nothing for rounding={request.rounding.value!r}")
        return None
    if isinstance(random_bits, Array) and isinstance(random_bits, Tracer):
        return jnp.broadcast_to(random_bits.astype(jnp.uint32), shape)
    host = None if random_bits is None else np.asarray(random_bits)
    return as_jax(check_random_bits(host, request.random_bit_count, shape))


def whole_blocks(x: Array, size: int, per_block: int = PER_CTA) -> Array:
    """The elements in a row, with as many zeros behind them as fill the last thread block."""
    return lax.pad(x.reshape(size), x.dtype.type(0), [(0, -size % per_block, 0)])
