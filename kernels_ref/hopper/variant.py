"""How a kernel is laid out: choices that change its speed and no bit of its result."""

from __future__ import annotations

import math
from dataclasses import dataclass

from formats.products import ScaledProduct
from formats.products.record import value_format
from kernels_ref.hopper.work import Work

#: bytes of shared memory for operands and sums; barriers take the rest
SHARED = 227 * 1024 - 512
#: bytes of a unit that is large
_LARGE = 48 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Choices of the kernel that streams weights.

    >>> Variant(stages=6).join
    'kernel'
    """

    #: units whose operands are in shared memory at once; None: as many as was fastest on an H200
    stages: int | None = None
    #: who adds the parts of a tile: ``planes``, XLA in a second kernel; ``kernel``, the thread block that began it
    join: str = "kernel"
    #: 64 x 128 blocks whose products are in flight at once
    flight: int = 1
    #: chains that are under way while an older one is folded; 0: they are waited for, and folded, together; None: as
    #: many as was fastest on an H200
    ahead: int | None = None
    #: registers of a thread for sums of chains that are under way at once
    sums: int = 96
    #: the most rows of activations in one pass over the weights; None: as many as registers hold
    tokens: int | None = None
    #: registers that a thread of the loading warpgroup keeps; None: 40, or 24 beside four warpgroups that multiply
    memory_registers: int | None = None

    def __post_init__(self) -> None:
        if self.join not in ("planes", "kernel"):
            raise ValueError(f"join={self.join!r}; choose planes or kernel")
        if min(1 if self.stages is None else self.stages, self.flight, self.sums) < 1:
            raise ValueError(f"stages={self.stages}, flight={self.flight} and sums={self.sums} must be at least 1")
        if self.tokens is not None and (self.tokens % 8 or not 8 <= self.tokens <= 256):
            raise ValueError(f"tokens={self.tokens} must be a multiple of 8 in 8..256")

    def passes(self, product: ScaledProduct, m: int, work: Work) -> tuple[int, int]:
        """Rows of a pass and passes for M rows: products whose chains are folded keep two sums for each result.

        Three warpgroups that multiply have two thirds of the registers each, four have half (`most_of_four`). Two units
        must fit in shared memory. wgmma takes multiples of 8, with integers above 32 of 16 (PTX ISA, wgmma.mma_async);
        two thread blocks share the loads of 8 tokens, or of multiples of 16.

        >>> from formats.products import StreamK, scaled_product
        >>> work = Work(split=StreamK(depth=256), n=4096, k=4096)
        >>> Variant().passes(scaled_product("w4a8_qqq_channel"), 300, work)
        (160, 2)
        """
        rows, depth = work.rows, work.split.depth
        light = product.a == "bfloat16" and product.chain == 128 and value_format(product.w).bits < 8
        held = 256 if product.chain is None else 96 if light else 64
        most = self.tokens or (held if rows <= 128 else min(held, 96 if product.chain is None else 64))
        most = min(most, most_of_four(product, depth)) if rows > 192 else most
        bits = value_format(product.a).bits
        room = (SHARED // 2 - rows * depth * value_format(product.w).bits // 8) * 8 // (depth * bits)
        most = min(most, max(8, room // 32 * 32))
        count = math.ceil(m / most)
        each = math.ceil(m / count)
        unit = 16 if (product.a == "int8" and each > 32) or (work.cluster > 1 and each > 8) else 8
        return math.ceil(each / unit) * unit, count

    def at_once(self, unit: int) -> int:
        """Units of so many bytes in shared memory at once, if they fit.

        All thread blocks ask for all of theirs first, so that the more there are, the later comes the first.
        """
        return self.stages or (3 if unit > _LARGE else 4)

    def folded_late(self, tokens: int, rows: int) -> int:
        """Chains under way while an older one is folded: with more tokens or rows registers hold the sums of fewer."""
        if self.ahead is not None:
            return self.ahead
        return 1 if tokens <= (64 if rows <= 128 else 32 if rows <= 192 else 8) else 0

    def of_loads(self, rows: int) -> int:
        """Registers of a thread of the loading warpgroup, in a thread block with so many rows."""
        return self.memory_registers or (40 if rows <= 192 else 24)


def most_of_four(product: ScaledProduct, depth: int) -> int:
    """The most tokens for which four warpgroups of a thread block have registers enough, in units of a ``depth``."""
    alone = value_format(product.a).bits == 8 and product.chain is None
    return (64 if depth <= 256 else 32) if alone else 16
