"""FP6-LLM's cast from packed weights to binary16 by masks, four codes to a 32-bit register; NumPy and jax.numpy.

Xia et al., FP6-LLM, arXiv 2401.14112, section 4 and algorithm 1; github.com/usyd-fsalab/fp6_llm @ 9802c5a,
include/utils_parallel_dequant.cuh. The two differ in their masks and agree in every bit: both are here.
"""

from __future__ import annotations

from collections.abc import Mapping

from formats import FloatSpec
from reference.array.carrier import Array, Namespace

_TOP_OF_BYTES = {1: 0x80808080, 2: 0xC0C0C0C0, 4: 0xF0F0F0F0}


def registers(words: Mapping[int, Array], xp: Namespace) -> Array:
    """Registers of four codes, each from the top of a byte down, of the pieces of 1, 2 and 4 bits that a lane reads.

    ``words[p]``: uint32 of shape ``(n * p / 8, ...)``, the words of the p-bit piece in their order. The result has
    shape ``(n, ...)``; the bytes of a register, from the top, hold the codes 2, 4, 1 and 3 of the next four.
    """
    made: list[Array] = []
    for step in range(2 * len(words[4])):
        register, above = xp.zeros_like(words[4][0]), 0
        for bits in sorted(words):
            word = words[bits][step * bits // 8] << step * bits % 8
            register = register | (word & xp.uint32(_TOP_OF_BYTES[bits])) >> above
            above += bits
        made.append(register)
    return xp.stack(made)


def halves_by_code(register: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """The binary16 patterns (uint16) of the codes 1 to 4, on a new last axis, as the CUDA code masks them.

    Signs and the rest are picked out of two codes, the rest goes ``5 - exponent bits`` places down, below the sign;
    then the same for the register one byte up. The numbers are those of the codes times ``2^-k``, see `restored`.
    """
    fields = ((1 << spec.bits - 1) - 1) << 16 - spec.bits
    down = 5 - spec.exponent_bits
    two = (register, register << 8)
    return _in_order([(r & xp.uint32(0x80008000)) | (r & xp.uint32(fields * 0x10001)) >> down for r in two], xp)


def halves_by_paper(register: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """The same as algorithm 1 of the paper masks them: all four codes at once, byte by byte, and then the pairs.

    Raises ``ValueError`` for more than two mantissa bits, which do not fit the upper byte of a binary16.
    """
    mantissa_bits = spec.precision - 1
    if mantissa_bits > 2:
        raise ValueError(
            f"{spec.name} has {mantissa_bits} mantissa bits; algorithm 1 keeps a code in a byte: 2 at most"
        )
    fields = ((1 << spec.bits - 1) - 1) << 2 - mantissa_bits
    down = xp.uint32(fields * 0x01010101)
    shifted = (register & xp.uint32(0x80808080)) | (register >> 5 - spec.exponent_bits & down)
    pair = xp.uint32((0x80 | fields) * 0x01000100)
    return _in_order([shifted & pair, shifted << 8 & pair], xp)


def restored(halves: Array, spec: FloatSpec, xp: Namespace) -> Array:
    """The values (float16) of such patterns: times ``2^(16 - 2^(exponent bits - 1))``, exactly.

    Subnormal codes are subnormal patterns, so the product needs binary16 with subnormals: XLA may flush them.
    """
    return halves.view(xp.float16) * xp.float16(1 << 16 - (1 << spec.exponent_bits - 1))


def _in_order(pairs: list[Array], xp: Namespace) -> Array:
    """Low half, high half of each register."""
    return xp.stack([(pair >> up).astype(xp.uint16) for pair in pairs for up in (0, 16)], axis=-1)
