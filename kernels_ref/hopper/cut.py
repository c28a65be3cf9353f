"""Where K is cut if nothing else is said: of the units tried on an H200, the fastest."""

from __future__ import annotations

import math

from formats.products import ScaledProduct, StreamK, Weight, scaled_product
from kernels_ref.hopper.decoder import decoder
from kernels_ref.hopper.variant import most_of_four
from kernels_ref.hopper.work import MULTIPROCESSORS

#: multiprocessors that are taken to read the memory as fast as all: measured with 112
_ENOUGH = 106
#: rows of tiles whose K is not cut: of four warpgroups
_WHOLE = 256
#: the most tokens that are few
_FEW = 16


def default_split(product: str | ScaledProduct, *, shape: tuple[int, int] | None = None, tokens: int = 64) -> StreamK:
    """How K is cut where nothing else is said, for weights of any ``shape`` (N, K), or for one, and for its batch.

    `pack_weights` asks for no shape, so that one cut holds for all matrices of a product. A shape can be faster:

    * Of few weights, less than four units for a thread block, units of 64 rows are.
    * Where tiles of 256 rows are nearly as many as multiprocessors, or a multiple of that, each thread block has whole
      ones, and K is not cut: no sums have to be sent and waited for. With up to 16 ``tokens``, with more where
      registers suffice, that makes up for the multiprocessors that have none.

    >>> default_split("w4a16_g128"), default_split("w8a8_int8")
    (StreamK(rows=192, depth=256, blocks=132), StreamK(rows=256, depth=512, blocks=66))
    >>> default_split("w4a16_g128", shape=(4096, 4096))
    StreamK(rows=64, depth=512, blocks=132)
    >>> split = default_split("w4a16_g128", shape=(28672, 8192), tokens=16)
    >>> split, set(split.cuts(28672, 8192))
    (StreamK(rows=256, depth=256, blocks=112), {(0, 8192)})
    """
    record = scaled_product(product)
    usual = _usual(record)
    if shape is None:
        return usual
    if math.prod(shape) < 4 * usual.rows * usual.depth * usual.blocks:
        return StreamK(rows=64, depth=512, blocks=MULTIPROCESSORS)
    tiles = math.ceil(shape[0] / _WHOLE)
    each = math.ceil(tiles / MULTIPROCESSORS)
    even = tiles % each == 0 and tiles // each >= _ENOUGH
    depth = usual.depth if tokens <= _FEW and _is_deep(record) else 256
    fits = tokens <= most_of_four(record, depth) and _is_light(record)
    return StreamK(rows=_WHOLE, depth=depth, blocks=tiles // each) if fits and even else usual


def _usual(record: ScaledProduct) -> StreamK:
    """The fastest for up to 64 tokens.

    Three warpgroups of a thread block take turns where few bits make many instructions: where weights are made two at a
    time, or sums are scaled; two do elsewhere. With activations of 8 bits, two thread blocks share their loads; those
    of 16 bits take more of shared memory, where two units and more must fit.
    """
    code, wide = decoder(record), record.a == "bfloat16"
    many = code.bits <= 2 or (code.bits < 8 and wide) or (code.bits <= 4 and (code.lane == 16 or record.scales_sums))
    folded = record.scales_sums and code.bits <= 4
    together = 1 if wide or folded or record.weight_rows > 1 else 2
    rows, depth = 192 if many else 128, 256 if wide or folded else 512
    return StreamK(rows=rows * together, depth=depth, blocks=MULTIPROCESSORS // together)


def _is_light(record: ScaledProduct) -> bool:
    """Whether memory bounds the product even with fewer multiprocessors to decode: found by trying all."""
    bits, wide = decoder(record).bits, record.a == "bfloat16"
    chains = record.chain in (None, 128) or (record.chain == 32 and not wide)
    return chains and bits < 8 and record.weight is not Weight.SCALED and not (wide and bits < 4)


def _is_deep(record: ScaledProduct) -> bool:
    """Whether units of more than 256 elements of K are faster for few tokens."""
    return decoder(record).bits != 4 or record.weight is Weight.REQUANTISED
