"""How an operand of the matrix unit lies in shared memory."""

from __future__ import annotations

from typing import Any

from kernels_ref.hopper.traced import jnp
from kernels_ref.pallas import pallas


def swizzled(columns: int, dtype: Any) -> tuple[Any, ...]:
    """The tiles of an operand whose rows are read ``columns`` at a time."""
    plgpu, _ = pallas()
    bits = 8 * jnp.dtype(dtype).itemsize
    swizzle = plgpu.find_swizzle(columns * bits)
    return plgpu.TilingTransform((8, swizzle * 8 // bits)), plgpu.SwizzleTransform(swizzle)
