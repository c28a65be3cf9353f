"""Where published systems keep ternary codes: an order of elements, digits, and symbols in bytes, as data."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

#: no element: the digit is 0
ABSENT = -1


class Foreign(enum.Enum):
    """What becomes of bytes that no elements make: digit 3 of two bits, say, or 13 values of a TQ1_0 byte."""

    REFUSE = "refuse"  #: an error
    DECODE = "decode"  #: the digits that the definition gives, as the published decoders do


@dataclass(frozen=True, slots=True, kw_only=True)
class TernaryStorage:
    """Small integers of a tile in bytes.

    The elements of a tile, numbered row-major, are taken in ``order``; each becomes the digit ``element + offset``.
    Every ``digits`` of them are a symbol of ``radix``, every ``8 / symbol_bits`` symbols a byte; with ``first_high``
    the first is the most significant, in symbol and byte, else the least. Where ``by_multiplying``, a byte is
    ``ceil(256 q / radix^digits)`` instead of the symbol ``q``, and digit ``n``, counted from the most significant, is
    ``(radix * ((byte * radix^n) mod 256)) >> 8``: no division. Tiles follow each other row-major.

    >>> TQ1_0_TRITS.bytes_per_tile, I2_S_X86.bits_per_element, GPU_INT2.tile
    (52, 2.0, (16, 32))
    """

    name: str
    #: sizes of the last axes that are stored together
    tile: tuple[int, ...]
    #: for each digit, in the order of the bytes, the element that it holds, or `ABSENT`
    order: tuple[int, ...]
    radix: int
    #: digits of a symbol
    digits: int
    symbol_bits: int
    first_high: bool
    #: the least and the greatest element
    least: int = -1
    greatest: int = 1
    offset: int = 1
    by_multiplying: bool = False
    source: str

    def __post_init__(self) -> None:
        def need(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(f"TernaryStorage {self.name!r}: {what}")

        held = sorted(element for element in self.order if element != ABSENT)
        need(held == list(range(math.prod(self.tile))), f"order does not hold every element of {self.tile} once")
        need(self.symbol_bits in (1, 2, 4, 8), f"symbol_bits={self.symbol_bits} must be 1, 2, 4 or 8")
        need(self.radix**self.digits <= 1 << self.symbol_bits, f"{self.digits} digits of {self.radix} need more bits")
        need(len(self.order) % self.digits_per_byte == 0, f"{len(self.order)} digits do not fill bytes")
        need(self.least + self.offset >= 0, f"least={self.least} is below digit 0")
        need(self.greatest + self.offset < self.radix, f"greatest={self.greatest} is beyond digit {self.radix - 1}")
        need(not self.by_multiplying or (self.first_high and self.symbol_bits == 8), "multiplying takes whole bytes")

    @property
    def digits_per_byte(self) -> int:
        """Digits that a byte holds."""
        return self.digits * (8 // self.symbol_bits)

    @property
    def bytes_per_tile(self) -> int:
        """Bytes that a tile takes."""
        return len(self.order) // self.digits_per_byte

    @property
    def bits_per_element(self) -> float:
        """Storage of one element."""
        return 8 * self.bytes_per_tile / math.prod(self.tile)

    @property
    def places(self) -> tuple[int, ...]:
        """For each element of the tile, the digit that holds it: the inverse of ``order``."""
        where = {element: place for place, element in enumerate(self.order)}
        return tuple(where[element] for element in range(math.prod(self.tile)))


def _strided(first: int, count: int, digits: int, stride: int, absent: int = 0) -> tuple[int, ...]:
    """``count`` bytes, of which byte ``m`` holds the elements ``first + m + stride * n``, then ``absent`` digits."""
    tail = (ABSENT,) * absent
    return tuple(e for m in range(count) for e in (*(first + m + stride * n for n in range(digits)), *tail))


_LLAMA = "llama.cpp ggml-quants.c @ 01243c5, quantize_row_{}_ref"
TQ1_0_TRITS = TernaryStorage(
    name="tq1_0",
    tile=(256,),
    order=(*_strided(0, 32, 5, 32), *_strided(160, 16, 5, 16), *_strided(240, 4, 4, 4, absent=1)),
    radix=3,
    digits=5,
    symbol_bits=8,
    first_high=True,
    by_multiplying=True,
    source=_LLAMA.format("tq1_0"),
)
TQ2_0_TRITS = TernaryStorage(
    name="tq2_0",
    tile=(256,),
    order=(*_strided(0, 32, 4, 32), *_strided(128, 32, 4, 32)),
    radix=4,
    digits=1,
    symbol_bits=2,
    first_high=False,
    source=_LLAMA.format("tq2_0"),
)
TERNARY_BASE3_MULTIPLY = TernaryStorage(
    name="ternary_base3_multiply",
    tile=(5,),
    order=(0, 1, 2, 3, 4),
    radix=3,
    digits=5,
    symbol_bits=8,
    first_high=True,
    by_multiplying=True,
    source="a byte of TQ1_0 by itself, first trit most significant",
)
_BITNET = "microsoft/BitNet @ 16da220, {}"
I2_S_X86 = TernaryStorage(
    name="i2_s_x86",
    tile=(128,),
    order=_strided(0, 32, 4, 32),
    radix=4,
    digits=1,
    symbol_bits=2,
    first_high=True,
    source=_BITNET.format("src/ggml-bitnet-mad.cpp, quantize_i2_s with ACT_PARALLEL; not run"),
)
I2_S_ARM = TernaryStorage(
    name="i2_s_arm",
    tile=(64,),
    order=_strided(0, 16, 4, 16),
    radix=4,
    digits=1,
    symbol_bits=2,
    first_high=True,
    source=_BITNET.format("src/ggml-bitnet-mad.cpp, quantize_i2_s; not run"),
)


def _gpu_order() -> tuple[int, ...]:
    """Sixteen elements a word, one of each four bytes in turn; words in the order in which a warp loads them."""
    elements: list[int] = []
    for i in range(16):
        for j in range(32):
            thread = 2 * i + j // 16
            row, column = thread // 16 * 8 + thread % 8, j % 16 + 16 * (thread % 16 // 8)
            elements.append(32 * row + column)
    return tuple(elements[16 * word + byte + 4 * n] for word in range(32) for byte in range(4) for n in range(4))


GPU_INT2 = TernaryStorage(
    name="bitnet_gpu_int2",
    tile=(16, 32),
    order=_gpu_order(),
    radix=4,
    digits=1,
    symbol_bits=2,
    first_high=False,
    offset=2,
    source=_BITNET.format("gpu/pack_weight.py"),
)
TL1 = TernaryStorage(
    name="tl1",
    tile=(4,),
    order=(0, 1, 2, 3),
    radix=3,
    digits=2,
    symbol_bits=4,
    first_high=True,
    source=_BITNET.format("utils/codegen_tl1.py: pairs, index 3 w0 + w1 + 4, first in the high nibble"),
)

#: rows of a TL2 tile in the order in which it stores them: runs of eight, the middle two swapped
_TL2_ROWS = (*range(8), *range(16, 24), *range(8, 16), *range(24, 32))
_TL2_TILES = _BITNET.format("utils/convert-hf-to-gguf-bitnet.py, preprocess_{}_weights_tl2; not run")
TL2_MAGNITUDES = TernaryStorage(
    name="tl2_magnitudes",
    tile=(32, 2),
    order=tuple(2 * row + triple for row in _TL2_ROWS for triple in range(2)),
    radix=16,
    digits=1,
    symbol_bits=4,
    first_high=True,
    least=0,
    greatest=13,
    offset=0,
    source=_TL2_TILES.format("three"),
)
TL2_SIGNS = TernaryStorage(
    name="tl2_signs",
    tile=(32, 8),
    # a little-endian 16-bit word for each of 16 rows; its bit 15 - (2k + h) is triple k of the row 16 h further on
    order=tuple(8 * (row + 16 * (i % 2)) + i // 2 for row in range(16) for i in (*range(8, 16), *range(8))),
    radix=2,
    digits=1,
    symbol_bits=1,
    first_high=True,
    least=0,
    greatest=1,
    offset=0,
    source=_TL2_TILES.format("three"),
)
TL2_PAIRS = TernaryStorage(
    name="tl2_pairs",
    tile=(32, 4),
    order=tuple(4 * row + column for row in _TL2_ROWS for column in range(4)),
    radix=3,
    digits=2,
    symbol_bits=4,
    first_high=True,
    source=_TL2_TILES.format("two") + ": what is left of K beyond whole blocks of triples",
)

_ALL = (
    TQ1_0_TRITS,
    TQ2_0_TRITS,
    TERNARY_BASE3_MULTIPLY,
    I2_S_X86,
    I2_S_ARM,
    GPU_INT2,
    TL1,
    TL2_MAGNITUDES,
    TL2_SIGNS,
    TL2_PAIRS,
)
#: every named storage
STORAGES = {known.name: known for known in _ALL}


def ternary_storage(name: str | TernaryStorage) -> TernaryStorage:
    """The storage called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> ternary_storage("tl1").symbol_bits
    4
    """
    if isinstance(name, TernaryStorage):
        return name
    try:
        return STORAGES[name]
    except KeyError:
        raise KeyError(f"unknown storage {name!r}; known: {', '.join(STORAGES)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class TernaryBlock:
    """A block of GGUF: the bytes of its trits, then its scale ``d`` as a little-endian binary16.

    ``d`` is the greatest magnitude, rounded to binary16; a trit is ``x * RN(1 / d)``, rounded to binary32 and then to
    an integer, ties away from zero, with the unrounded ``d``; where ``d = 0`` every trit is 0.

    >>> TQ1_0.bytes_per_block, TQ2_0.bytes_per_block, TQ1_0.bits_per_element
    (54, 66, 1.6875)
    """

    name: str
    storage: TernaryStorage
    source: str

    @property
    def elements(self) -> int:
        """Elements of a block."""
        return self.storage.tile[0]

    @property
    def bytes_per_block(self) -> int:
        """Bytes of a block: trits and scale."""
        return self.storage.bytes_per_tile + 2

    @property
    def bits_per_element(self) -> float:
        """Storage of one element, scale included."""
        return 8 * self.bytes_per_block / self.elements


TQ1_0 = TernaryBlock(name="tq1_0", storage=TQ1_0_TRITS, source=TQ1_0_TRITS.source)
TQ2_0 = TernaryBlock(name="tq2_0", storage=TQ2_0_TRITS, source=TQ2_0_TRITS.source)
TERNARY_BLOCKS = {known.name: known for known in (TQ1_0, TQ2_0)}


def ternary_block(name: str | TernaryBlock) -> TernaryBlock:
    """The block called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> ternary_block("tq2_0").elements
    256
    """
    if isinstance(name, TernaryBlock):
        return name
    try:
        return TERNARY_BLOCKS[name]
    except KeyError:
        raise KeyError(f"unknown block {name!r}; known: {', '.join(TERNARY_BLOCKS)}") from None
