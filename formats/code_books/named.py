"""The named code-books, by rule where a rule gives them."""

from __future__ import annotations

import functools
import math

from formats.code_books.binary32 import to_binary32
from formats.code_books.book import CodebookSpec, codebook_of

#: 16 binary32 numbers, taken exactly. The rule that the tests show: with o = 0.9677083 and Q the quantile
#: function of N(0, 1), Q at the first 8 of 9 points from o to 1/2, -Q at the first 7 of 8, and 0, over the largest
NF4 = codebook_of(
    "nf4",
    (
        *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
        *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
        *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
        *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    ),
    source="QLoRA (arXiv 2305.14314); bitsandbytes csrc/kernels.cu, nf4 look-up table, as of 95f9af3",
)


def rounded_to_binary32(book: CodebookSpec, name: str, source: str) -> CodebookSpec:
    """The book with each value rounded once to binary32 (RNE).

    >>> tenths = CodebookSpec(name="tenths", bits=1, numerators=(0, 1), denominator=10, source="an example")
    >>> rounded_to_binary32(tenths, "stored", "an example").numerators
    (0, 26843546)
    """
    ratios = [to_binary32(numerator, book.denominator) for numerator in book.numerators]
    denominator = max(bottom for _, bottom in ratios)
    return CodebookSpec(
        name=name,
        bits=book.bits,
        numerators=tuple(top * (denominator // bottom) for top, bottom in ratios),
        denominator=denominator,
        negative_zero=book.negative_zero,
        source=source,
    )


def dynamic_map(*, signed: bool, bits: int = 8, exponent_bits: int = 7) -> CodebookSpec:
    """The dynamic (tree) data type in exact rationals, sorted: decades with twice the cells of the one below.

    Decade ``i = 0 .. exponent_bits - 1`` spans ``10^(i - exponent_bits + 1) * [1/10, 1]``, cut into ``2^(i + bits - 1 -
    exponent_bits)`` equal cells (twice that if unsigned) whose midpoints are the values, with both signs if signed.
    Where ``spare = bits - 1 - exponent_bits`` is not 0, the top decade is cut a second time, into ``2^spare - 1``
    cells. 0 and 1 complete the ``2^bits`` values; -1 is not among them. Nothing is padded, as bitsandbytes does, to 256
    entries.

    Raises ``ValueError`` unless ``1 <= exponent_bits < bits <= 8``, and for unsigned where ``spare`` is not 0, which
    makes fewer than ``2^bits`` values (bitsandbytes fails there too).

    >>> book = dynamic_map(signed=True)
    >>> book.size, str(book.fraction(0)), str(book.fraction(128))
    (256, '-1271/1280', '11/20000000')

    Source: arXiv 1511.04561 and 2110.02861; bitsandbytes functional.py, ``create_dynamic_map``.
    """
    if not 1 <= exponent_bits < bits <= 8:
        raise ValueError(f"exponent_bits={exponent_bits} and bits={bits} must satisfy 1 <= exponent_bits < bits <= 8")
    spare = bits - 1 - exponent_bits
    if spare and not signed:
        raise ValueError(f"the unsigned map of {bits} bits needs exponent_bits={bits - 1}, not {exponent_bits}")
    cuts = [(i, 1 << (i + spare + (not signed))) for i in range(exponent_bits)]
    cuts += [(exponent_bits - 1, (1 << spare) - 1)]
    tenths = 10**exponent_bits  # a value is 10^(i + 1) / tenths * (1/10 + 9/10 * (2j + 1) / (2n))
    denominator = tenths * math.lcm(*(2 * n for _, n in cuts if n))
    magnitudes = [
        10**i * (2 * n + 9 * (2 * j + 1)) * (denominator // (tenths * 2 * n)) for i, n in cuts for j in range(n)
    ]
    values = [*magnitudes, *([-m for m in magnitudes] if signed else []), 0, denominator]
    return CodebookSpec(
        name=f"dynamic_{'signed' if signed else 'unsigned'}_{bits}_{exponent_bits}",
        bits=bits,
        numerators=tuple(sorted(values)),
        denominator=denominator,
        source="arXiv 1511.04561; bitsandbytes functional.py create_dynamic_map, in exact arithmetic",
    )


def _stored_dynamic(signed: bool) -> CodebookSpec:
    name = f"bitsandbytes_dynamic_{'signed' if signed else 'unsigned'}"
    source = (
        "create_dynamic_map by its rule, each value rounded once to binary32; the library's own last bits vary by CPU"
    )
    return rounded_to_binary32(dynamic_map(signed=signed), name, source)


def _bitsandbytes_fp4() -> CodebookSpec:
    magnitudes = (0, 1, 128, 192, 64, 96, 32, 48)  # over 192: the library's {0, 1/16, 8, 12, 4, 6, 2, 3} / 12
    exact = CodebookSpec(
        name="bitsandbytes_fp4",
        bits=4,
        numerators=magnitudes + tuple(-m for m in magnitudes),
        denominator=192,
        negative_zero=8,
        source="",
    )
    source = "bitsandbytes csrc/kernels.cu as of 95f9af3: twelfths, each rounded once to binary32; code 8 is -0 (CUDA)"
    return rounded_to_binary32(exact, exact.name, source)


def _bitmod(bits: int, kind: str, special: int) -> CodebookSpec:
    """The minifloat of 3 or 4 bits with ``special`` in the place of -0; FP4 doubled, as in the published code."""
    magnitudes = {3: (0, 1, 2, 4), 4: (0, 1, 2, 3, 4, 6, 8, 12)}[bits]
    return CodebookSpec(
        name=f"bitmod_fp{bits}_{kind}",
        bits=bits,
        numerators=(*magnitudes, special, *(-m for m in magnitudes[1:])),
        denominator={3: 1, 4: 2}[bits],
        source="BitMoD (HPCA 2025, arXiv 2411.11745), table II; which code each value has is not given there: sign and"
        " magnitude as in the minifloat, the special value at -0",
    )


#: special values by bits, in the order in which BitMoD tries them: extra resolution, then extra asymmetry
_BITMOD_SPECIALS = {3: (3, -3, 6, -6), 4: (10, -10, 16, -16)}
_BITMOD_KINDS = ("er_plus", "er_minus", "ea_plus", "ea_minus")


@functools.cache
def codebooks() -> dict[str, CodebookSpec]:
    """Every named code-book.

    >>> list(codebooks())[:4]
    ['nf4', 'bitsandbytes_fp4', 'bitsandbytes_dynamic_signed', 'bitsandbytes_dynamic_unsigned']
    """
    books = [NF4, _bitsandbytes_fp4(), _stored_dynamic(True), _stored_dynamic(False)]
    for bits, specials in _BITMOD_SPECIALS.items():
        books += [_bitmod(bits, kind, special) for kind, special in zip(_BITMOD_KINDS, specials, strict=True)]
    return {book.name: book for book in books}


def codebook(book: str | CodebookSpec) -> CodebookSpec:
    """The code-book of that name; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> codebook("nf4").size, str(codebook("bitmod_fp4_ea_minus").fraction(8))
    (16, '-8')
    """
    if isinstance(book, CodebookSpec):
        return book
    try:
        return codebooks()[book]
    except KeyError:
        raise KeyError(f"unknown code-book {book!r}; known: {', '.join(codebooks())}") from None


def bitmod_books(bits: int) -> tuple[CodebookSpec, ...]:
    """The four data types of BitMoD with 3 or 4 bits, in the order of its search: ER+, ER-, EA+, EA-.

    >>> [str(book.fraction(4)) for book in bitmod_books(3)]
    ['3', '-3', '6', '-6']
    """
    if bits not in _BITMOD_SPECIALS:
        raise ValueError(f"bits={bits} is no width of BitMoD; choose one of: 3, 4")
    return tuple(codebook(f"bitmod_fp{bits}_{kind}") for kind in _BITMOD_KINDS)
