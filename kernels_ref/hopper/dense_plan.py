"""What a dense kernel is made for: the product, its sizes, its layout; and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from formats import FLOAT32, get
from formats.products import Factor, ScaledProduct, Weight
from kernels_ref.hopper.decoder import decoder
from kernels_ref.hopper.dense_variant import DenseVariant, Walk
from kernels_ref.hopper.fragments import CHUNK, ROWS

OPERANDS: dict[str, Any] = {"int8": jnp.int8, "float8_e4m3fn": jnp.float8_e4m3fn}
_RESULTS: dict[str, Any] = {
    "int8": jnp.int8,
    "bfloat16": jnp.bfloat16,
    "float16": jnp.float16,
    FLOAT32.name: jnp.float32,
}
#: products of two int8 whose sum int32 may not hold
_MOST = 1 << 17
#: the requantiser that `dense_epilogue` computes
REQUANTISER = "hawq_v3_tvm"


def is_dense(product: ScaledProduct) -> bool:
    """Whether there is a dense kernel: 8-bit operands as they lie, or weights of fewer bits for INT8 activations.

    >>> from formats.products import scaled_product, scaled_products
    >>> [name for name in scaled_products() if is_dense(scaled_product(name))]  # doctest: +NORMALIZE_WHITESPACE
    ['w4a8_qqq_channel', 'w4a8_qqq_g128', 'w8a8_int8', 'w8a8_int8_dyadic', 'w8a8_fp8_tensor', 'w8a8_fp8_token',
     'w8a8_fp8_block128', 'ternary_int8']
    """
    if product.a not in OPERANDS or product.out not in _RESULTS or product.requantiser not in (None, REQUANTISER):
        return False
    if is_expanded(product):
        scaled = product.weight is Weight.REQUANTISED and product.group == CHUNK
        plain = product.weight is Weight.DECODED and product.group is None
        return product.a == "int8" and product.chain is None and (scaled or plain)
    return product.weight is Weight.DECODED and (product.group is None or is_promoted(product))


def is_expanded(product: ScaledProduct) -> bool:
    """Whether weights have another format than activations, and are expanded in registers."""
    return product.w != product.a


def is_promoted(product: ScaledProduct) -> bool:
    """Whether the sums of groups of K are scaled and added up in float32, on both operands' scales."""
    return product.a_grouped and product.group_scale == FLOAT32.name and product.chain == product.group


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One product of one size, and how the kernel is laid out.

    The matrix unit's left operand is the activations, its right one the weights. Weights of fewer bits are the left
    one, since only that one may come from registers; results are then turned on their way to memory.
    """

    product: ScaledProduct
    m: int
    n: int
    k: int
    variant: DenseVariant

    def __post_init__(self) -> None:
        product, variant = self.product, self.variant
        if self.is_promoted and (variant.depth != product.group or variant.columns != product.weight_rows):
            raise ValueError(
                f"{product.name} needs depth={product.group} and columns={product.weight_rows}: a stage has one scale"
                f" of the weights; not depth={variant.depth} and columns={variant.columns}"
            )
        if self.is_promoted and variant.own_rows * variant.columns > 64 * 128:
            raise ValueError(f"rows={variant.rows} leave no registers for the sums of {product.name}; use 128")
        if self.is_expanded and (variant.own_rows != ROWS or variant.depth != CHUNK):
            raise ValueError(
                f"{product.name} needs rows={ROWS * variant.warpgroups} and depth={CHUNK}; not rows={variant.rows} and"
                f" depth={variant.depth}"
            )
        if self.is_expanded and decoder(product).exponent and self.k >= _MOST:
            raise ValueError(f"K={self.k} must be below {_MOST}: expanded weights carry a power of two beyond int32")

    @property
    def is_expanded(self) -> bool:
        """Whether weights are expanded in registers."""
        return is_expanded(self.product)

    @property
    def is_promoted(self) -> bool:
        """Whether sums of groups are scaled and added up."""
        return is_promoted(self.product)

    @property
    def walk(self) -> Walk:
        """Over the results, or over them turned."""
        rows, columns = (self.n, self.m) if self.is_expanded else (self.m, self.n)
        return Walk.over(rows, columns, self.k, self.variant)

    @property
    def filled(self) -> dict[str, int]:
        """M and N up to whole tiles, which is how long vectors of scales are."""
        sizes = self.walk.filled_rows, self.walk.filled_columns
        return dict(zip("nm" if self.is_expanded else "mn", sizes, strict=True))

    @property
    def operand(self) -> Any:
        """Type of what the matrix unit takes."""
        return OPERANDS[self.product.a]

    @property
    def sums(self) -> Any:
        """Type of its sums."""
        return jnp.int32 if self.product.a == "int8" else jnp.float32

    @property
    def out(self) -> Any:
        """Type of the results."""
        return _RESULTS[self.product.out]

    @property
    def out_bits(self) -> int:
        """Bits of a result."""
        return 32 if self.product.out == FLOAT32.name else get(self.product.out).bits

    @property
    def streamed(self) -> str | None:
        """The scales of groups that come with the left operand, a row of them for each stage."""
        if self.is_promoted:
            return "a_scale"
        return "group_scale" if self.product.weight is Weight.REQUANTISED else None

    @property
    def streamed_type(self) -> Any:
        """Their type: float32 numbers, or codes of float16."""
        return jnp.float32 if self.is_promoted else jnp.uint16

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of what the kernel takes besides the operands."""
        scales = ("a_scale", "group_scale") if self.is_promoted else (self.streamed,) if self.streamed else ()
        ratios = ("multiplier", "move") if self.product.requantiser else ()
        return (*scales, *(factor.value for factor in self.product.epilogue), *ratios)

    def axis(self, term: str) -> int | None:
        """Along which axis of a tile a vector lies; None for one number."""
        if term == Factor.TENSOR_SCALE.value:
            return None
        return int((term != Factor.TOKEN_SCALE.value) != self.is_expanded)
