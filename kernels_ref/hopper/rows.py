"""What a unit's scales and zero points are for the rows of a warpgroup."""

from __future__ import annotations

from typing import Any

from formats.products import ScaledProduct, Weight
from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas


def words(product: ScaledProduct, refs: dict[str, Any], warpgroup: Any, block: int) -> list[Any]:
    """What `expand.expand` makes a block's weights with: for each group, words of rows (64,); nothing for most."""
    if product.weight is Weight.MINUS_ZERO_POINT:
        return [_twice(_row(refs["zeros"], warpgroup, block).astype(jnp.int32)) | jnp.int32(0xC300C300 - (1 << 32))]
    if product.weight in (Weight.SCALED, Weight.REQUANTISED):
        count = CHUNK // (product.group or CHUNK)
        return [_operand(product, _row(refs["scales"], warpgroup, block * count + i)) for i in range(count)]
    return []


def _operand(product: ScaledProduct, row: Any) -> Any:
    """A scale twice: as it is for float16, as bfloat16 for the others."""
    if product.weight is Weight.REQUANTISED:
        return _twice(row.astype(jnp.int32))
    return _twice(lax.shift_right_logical(lax.bitcast_convert_type(float32(row), jnp.int32), jnp.int32(16)))


def scale(product: ScaledProduct, scales: Any, warpgroup: Any, chain: int) -> Any:
    """The float32 scale of a chain of the unit, for each row."""
    chains = (product.group or 1) // (product.chain or 1)
    return float32(_row(scales, warpgroup, chain // chains))


def of_tokens(scales: Any, chain: int) -> Any:
    """The float32 scales of the activations of a chain's group, for each token."""
    plgpu, _ = pallas()
    return plgpu.load(scales.at[chain], layout=plgpu.Layout.WGMMA.reduce(0), optimized=False)


def float32(row: Any) -> Any:
    """A scale's number: E8M0 comes as bytes, its smallest is subnormal; other formats are cast."""
    if row.dtype != jnp.uint8:
        return row.astype(jnp.float32)
    bits = jnp.maximum(row.astype(jnp.int32) << 23, jnp.int32(0x00400000))
    return lax.bitcast_convert_type(bits, jnp.float32)


def _row(ref: Any, warpgroup: Any, index: int) -> Any:
    plgpu, pl = pallas()
    where = ref.at[index, pl.ds(warpgroup * ROWS, ROWS)]
    return plgpu.load(where, layout=plgpu.Layout.WGMMA.reduce(1), optimized=False)


def _twice(x: Any) -> Any:
    return x | x << 16
