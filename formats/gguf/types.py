"""The block types of GGUF as data.

Source of all of them: ggml, https://github.com/ggml-org/ggml, ``src/ggml-common.h`` (structures) and
``src/ggml-quants.c`` (``dequantize_row_*``), as the Python package gguf 0.19.0 implements them in ``quants.py``; sizes
and numbers from its ``constants.py``. The types with look-up grids (IQ1, IQ2, IQ3) are not here, nor is TQ1_0, whose
bytes hold digits of radix 3.
"""

from __future__ import annotations

from formats.block_formats.spec import BlockSpec, Level, Shift
from formats.code_books.book import CodebookSpec
from formats.floating import FloatSpec
from formats.gguf.record import BitField, BitRun, GgufType
from formats.integer import IntSpec
from formats.registry import get
from formats.results import FLOAT16

_SOURCE = "ggml-common.h and ggml-quants.c of ggml; gguf 0.19.0 quants.py"

IQ4_NL_VALUES = CodebookSpec(
    name="gguf_iq4_nl",
    bits=4,
    numerators=(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113),
    source="kvalues_iq4nl of ggml; gguf 0.19.0 IQ4_NL.kvalues",
)
DOUBLED_E2M1 = CodebookSpec(
    name="gguf_doubled_e2m1",
    bits=4,
    numerators=(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12),
    source="kvalues_mxfp4 of ggml: twice the value of float4_e2m1fn, without its -0; gguf 0.19.0 MXFP4.kvalues",
)
HALVED_E8M0 = FloatSpec(
    name="gguf_halved_e8m0",
    bits=8,
    precision=1,
    bias=128,
    max_code=0xFF,
    signed=False,
    has_zero=False,
    source="ggml_e8m0_to_fp32_half: half the value of float8_e8m0fnu, and 0xFF is 2^127, not NaN; gguf 0.19.0 MXFP4",
)


def _halved_e4m3(byte: int) -> int:
    """Half the value, in units of 2^-10."""
    exponent, fraction = byte >> 3 & 0xF, byte & 7
    if byte in (0, 0x7F):
        return 0
    return fraction if exponent == 0 else (8 + fraction) << (exponent - 1)


HALVED_E4M3 = CodebookSpec(
    name="gguf_halved_ue4m3",
    bits=8,
    numerators=tuple(_halved_e4m3(byte) for byte in range(256)),
    denominator=1 << 10,
    source="gguf 0.19.0 NVFP4.ue4m3_to_fp32: half the value of float7_ue4m3fn, the top bit ignored, and 0x7F is 0, not "
    "NaN (0xFF is 240: the test for 0x7F does not ignore the top bit)",
)


def _integer(bits: int, *, signed: bool) -> IntSpec:
    high = (1 << (bits - signed)) - 1
    name = f"{'' if signed else 'u'}int{bits}"
    return IntSpec(name=name, bits=bits, minimum=-high - 1 if signed else 0, maximum=high, source=_SOURCE)


_INT3, _INT5, _INT6 = (_integer(bits, signed=True) for bits in (3, 5, 6))
_UINT5, _UINT6 = (_integer(bits, signed=False) for bits in (5, 6))
_TRIT = CodebookSpec(
    name="gguf_trit",
    bits=2,
    numerators=(-1, 0, 1, 2),
    source="TQ2_0: the bits less 1; 3, which stands for 2, is unused",
)
#: two levels: 6 bits for each of eight blocks, times a float16
_SIX_BITS = Level(format=_UINT6, second=FLOAT16, per=8)
_FLOAT16_SCALE = Level(format=FLOAT16)


def _field(*runs: tuple[int, int, tuple[tuple[int, int], ...]], offset_binary: bool = False) -> BitField:
    made = (BitRun(start=start, width=width, axes=axes) for start, width, axes in runs)
    return BitField(runs=tuple(made), offset_binary=offset_binary)


def _float16(byte: int) -> BitField:
    """One float16, little-endian."""
    return _field((8 * byte, 8, ()), (8 * byte + 8, 8, ()))


def _nibbles(byte: int, *, bytes_: int = 16, times: int = 1) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """``times`` rows of ``bytes_`` bytes; in each row first the low nibbles, then the high ones."""
    return 8 * byte, 4, ((times, 8 * bytes_), (2, 4), (bytes_, 8))


def _spec(name: str, element: IntSpec | CodebookSpec, size: int, scale: Level, *shift: Level) -> BlockSpec:
    kind = None if not shift else Shift.SUBTRACTED if shift[0].second else Shift.OFFSET
    return BlockSpec(
        name=f"gguf_{name.lower()}", element=element, block=(size,), scale=scale,
        shift=shift[0] if shift else None, shift_kind=kind, source=_SOURCE,
    )  # fmt: skip


def _int(name: str) -> IntSpec:
    spec = get(name)
    assert isinstance(spec, IntSpec)
    return spec


#: bits of the twelve bytes from byte ``b`` on: 6-bit scales, then 6-bit minima, of eight blocks; their low four bits
#: are four bits of bytes 0-3 (4-7), then the low (high) nibbles of bytes 8-11; the high two are bits 4-5 of bytes 0-3
#: (4-7), then their bits 6-7
def _k_scales(byte: int) -> BitField:
    return _field((8 * byte, 4, ((2, 64), (4, 8))), (8 * byte + 4, 2, ((2, 2), (4, 8))))


def _k_minima(byte: int) -> BitField:
    return _field((8 * byte + 32, 4, ((2, 36), (4, 8))), (8 * byte + 36, 2, ((2, 2), (4, 8))))


#: the fifth bits of 32 elements, as a 32-bit little-endian integer
def _fifth_bits(byte: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    return 8 * byte, 1, ((4, 8), (8, 1))


_QUARTERS = ((2, 256), (4, 2), (32, 8))  #: two rows of 32 bytes; in each row first bits 0-1, then 2-3, 4-5, 6-7
_EIGHTHS = ((8, 1), (32, 8))  #: one row of 32 bytes: first bit 0, then bit 1, ...

_ALL = (
    GgufType(
        name="Q4_0", number=2, nbytes=18, spec=_spec("Q4_0", _int("int4"), 32, _FLOAT16_SCALE),
        scales=_float16(0), codes=_field(_nibbles(2), offset_binary=True),
    ),
    GgufType(
        name="Q4_1", number=3, nbytes=20, spec=_spec("Q4_1", _int("uint4"), 32, _FLOAT16_SCALE, _FLOAT16_SCALE),
        scales=_float16(0), shifts=_float16(2), codes=_field(_nibbles(4)),
    ),
    GgufType(
        name="Q5_0", number=6, nbytes=22, spec=_spec("Q5_0", _INT5, 32, _FLOAT16_SCALE),
        scales=_float16(0), codes=_field(_nibbles(6), _fifth_bits(2), offset_binary=True),
    ),
    GgufType(
        name="Q5_1", number=7, nbytes=24, spec=_spec("Q5_1", _UINT5, 32, _FLOAT16_SCALE, _FLOAT16_SCALE),
        scales=_float16(0), shifts=_float16(2), codes=_field(_nibbles(8), _fifth_bits(4)),
    ),
    GgufType(
        name="Q8_0", number=8, nbytes=34, spec=_spec("Q8_0", _int("int8"), 32, _FLOAT16_SCALE),
        scales=_float16(0), codes=_field((16, 8, ((32, 8),))),
    ),
    GgufType(
        name="Q2_K", number=10, nbytes=84,
        spec=_spec(
            "Q2_K", _int("uint2"), 16,
            Level(format=_int("uint4"), second=FLOAT16, per=16), Level(format=_int("uint4"), second=FLOAT16, per=16),
        ),
        scales=_field((0, 4, ((16, 8),))), shifts=_field((4, 4, ((16, 8),))), codes=_field((128, 2, _QUARTERS)),
        second=_float16(80), shift_second=_float16(82),
    ),
    GgufType(
        name="Q3_K", number=11, nbytes=110,
        spec=_spec("Q3_K", _INT3, 16, Level(format=_INT6, second=FLOAT16, per=16)),
        codes=_field((256, 2, _QUARTERS), (0, 1, _EIGHTHS), offset_binary=True),
        scales=_field((768, 4, ((2, 4), (8, 8))), (832, 2, ((4, 2), (4, 8))), offset_binary=True), second=_float16(108),
    ),
    GgufType(
        name="Q4_K", number=12, nbytes=144, spec=_spec("Q4_K", _int("uint4"), 32, _SIX_BITS, _SIX_BITS),
        second=_float16(0), shift_second=_float16(2), scales=_k_scales(4), shifts=_k_minima(4),
        codes=_field(_nibbles(16, bytes_=32, times=4)),
    ),
    GgufType(
        name="Q5_K", number=13, nbytes=176, spec=_spec("Q5_K", _UINT5, 32, _SIX_BITS, _SIX_BITS),
        second=_float16(0), shift_second=_float16(2), scales=_k_scales(4), shifts=_k_minima(4),
        codes=_field(_nibbles(48, bytes_=32, times=4), (128, 1, _EIGHTHS)),
    ),
    GgufType(
        name="Q6_K", number=14, nbytes=210,
        spec=_spec("Q6_K", _INT6, 16, Level(format=_int("int8"), second=FLOAT16, per=16)),
        codes=_field(_nibbles(0, bytes_=64, times=2), (1024, 2, _QUARTERS), offset_binary=True),
        scales=_field((1536, 8, ((16, 8),))), second=_float16(208),
    ),
    GgufType(
        name="IQ4_NL", number=20, nbytes=18, spec=_spec("IQ4_NL", IQ4_NL_VALUES, 32, _FLOAT16_SCALE),
        scales=_float16(0), codes=_field(_nibbles(2)),
    ),
    GgufType(
        name="IQ4_XS", number=23, nbytes=136,
        spec=_spec("IQ4_XS", IQ4_NL_VALUES, 32, Level(format=_INT6, second=FLOAT16, per=8)),
        second=_float16(0), codes=_field(_nibbles(8, times=8)),
        scales=_field((32, 4, ((4, 8), (2, 4))), (16, 2, ((2, 8), (4, 2))), offset_binary=True),
    ),
    GgufType(
        name="TQ2_0", number=35, nbytes=66, spec=_spec("TQ2_0", _TRIT, 256, _FLOAT16_SCALE),
        codes=_field((0, 2, _QUARTERS)), scales=_float16(64),
    ),
    GgufType(
        name="MXFP4", number=39, nbytes=17, spec=_spec("MXFP4", DOUBLED_E2M1, 32, Level(format=HALVED_E8M0)),
        scales=_field((0, 8, ())), codes=_field(_nibbles(1)),
    ),
    GgufType(
        name="NVFP4", number=40, nbytes=36, spec=_spec("NVFP4", DOUBLED_E2M1, 16, Level(format=HALVED_E4M3)),
        scales=_field((0, 8, ((4, 8),))), codes=_field(_nibbles(4, bytes_=8, times=4)),
    ),
)  # fmt: skip
#: every type, by name
GGUF_TYPES = {kind.name: kind for kind in _ALL}


def gguf_type(name: str | GgufType) -> GgufType:
    """The type called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> gguf_type("Q4_0").spec.element.name
    'int4'
    """
    if isinstance(name, GgufType):
        return name
    try:
        return GGUF_TYPES[name]
    except KeyError:
        raise KeyError(f"unknown GGUF type {name!r}; known: {', '.join(GGUF_TYPES)}") from None
