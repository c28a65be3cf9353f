"""The named decisions of code-books: what bitsandbytes' back ends compare with."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

from formats.code_books.binary32 import to_binary32
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from formats.code_books.named import codebook
from formats.policy import parse_enum

Ratio = tuple[int, int]


def _thresholds(
    name: str, ratios: Sequence[Ratio], inclusive: Sequence[bool], codes: Sequence[int], source: str
) -> Thresholds:
    denominator = max(bottom for _, bottom in ratios)  # powers of two
    return Thresholds(
        name=name,
        numerators=tuple(top * (denominator // bottom) for top, bottom in ratios),
        denominator=denominator,
        inclusive=tuple(inclusive),
        codes=tuple(codes),
        source=source,
    )


def _midpoints(book: CodebookSpec, codes: Sequence[int]) -> list[Ratio]:
    """binary32 midpoints, as ``(a + b) / 2`` is computed there: the one rounding is that of the sum."""
    values = [book.numerators[code] for code in codes]
    return [to_binary32(a + b, 2 * book.denominator) for a, b in itertools.pairwise(values)]


def _lower(name: str, book: CodebookSpec, codes: Sequence[int], source: str) -> Thresholds:
    return _thresholds(name, _midpoints(book, codes), [False] * (len(codes) - 1), codes, source)


def _nf4(book: CodebookSpec) -> Thresholds:
    return _lower(
        "bitsandbytes_nf4",
        book,
        book.sorted_codes,
        "bitsandbytes csrc/kernels.cu dQuantizeNF4, strict >; the literals there are these binary32 midpoints",
    )


#: dQuantizeFP4's literals by the magnitude code below and above each, as decimals that the compiler rounds to binary32
_FP4_LITERALS = ((260417, 8), (859375, 7), (20833333, 8), (29166667, 8), (4166667, 7), (583333, 6), (8333333, 7))


def _fp4_cuda(book: CodebookSpec) -> Thresholds:
    order = book.sorted_codes[7:]  # the magnitude codes by their values
    above = [to_binary32(digits, 10**places) for digits, places in _FP4_LITERALS]
    below = [(-top, bottom) for top, bottom in reversed(above)]
    return _thresholds(
        "bitsandbytes_fp4_cuda",
        [*below, (0, 1), *above],
        [True] * 8 + [False] * 7,
        [*(8 + code for code in reversed(order)), *order],
        "bitsandbytes csrc/kernels.cu dQuantizeFP4 as of 95f9af3: |x| > literal, then the sign bit where x < 0",
    )


def _fp4_torch(book: CodebookSpec) -> Thresholds:
    order = book.sorted_codes
    codes = [*order[:8], 8, *order[8:]]  # 0 and 8 both are 0.0 in that table
    return _lower(
        "bitsandbytes_fp4_torch",
        book,
        codes,
        "bitsandbytes 0.50.2 backends/default/ops.py: bucketize on binary32 midpoints, then argsort's order, which is"
        " not stable: that zero sorts as 0, 8 was measured with torch 2.13 on x86",
    )


def _dynamic_torch(book: CodebookSpec) -> Thresholds:
    source = "bitsandbytes 0.50.2 backends/default/ops.py: bucketize on binary32 midpoints, ties to the lower index"
    return _lower("bitsandbytes_dynamic_torch", book, book.sorted_codes, source)


def _dynamic_cuda(book: CodebookSpec) -> Thresholds:
    codes = book.sorted_codes
    return _thresholds(
        "bitsandbytes_dynamic_cuda",
        _midpoints(book, codes),
        [index % 2 == 1 for index in range(len(codes) - 1)],
        codes,
        "bitsandbytes csrc/kernels.cu dQuantize as of 95f9af3: bisection ends at an even index, which wins the tie",
    )


def _dynamic_cpu(book: CodebookSpec) -> Thresholds:
    """A number is snapped to a grid, whose point takes the code by binary32 midpoints, ties to the lower."""
    order = book.sorted_codes
    first: dict[int, int] = {}  # the code of the first grid index that is nearest to it; a later one takes its place
    for middle, high in zip(_midpoints(book, order), order[1:], strict=True):
        first[_first_point_above(*middle)] = high
    return _thresholds(
        "bitsandbytes_dynamic_cpu",
        [_first_at(index) for index in first],
        [True] * len(first),
        [order[0], *first.values()],
        "bitsandbytes csrc/cpu_ops.cpp build_quantize_lut, norm_to_lut_index; the CPU wheel 0.50.2 gives these codes",
    )


_GRID = 65535


def _first_point_above(top: int, bottom: int) -> int:
    """The index of the first grid point above a ratio in [-1, 1)."""
    index = (top + bottom) * _GRID // (2 * bottom)  # of the last exact point that is not above; rounding moves it by 1
    return next(i for i in range(max(index - 1, 0), index + 3) if _above(_grid_point(i), (top, bottom)))


def _grid_point(index: int) -> Ratio:
    """``-1 + 2i / 65535``, each step in binary32."""
    top, bottom = to_binary32(2 * index, _GRID)
    return to_binary32(top - bottom, bottom)


def _above(a: Ratio, b: Ratio) -> bool:
    return a[0] * b[1] > b[0] * a[1]


def _snapped(top: int, bottom: int) -> int:
    """The grid index of a binary32 ratio in [-1, 1]: ``trunc((y + 1) * 0.5 * 65535 + 0.5)``, each step in binary32."""
    top, bottom = to_binary32(top + bottom, bottom)
    top, bottom = to_binary32(top * _GRID, 2 * bottom)
    top, bottom = to_binary32(2 * top + bottom, 2 * bottom)
    return top // bottom


def _first_at(index: int) -> Ratio:
    """The least binary32 number in [-1, 1] that is snapped to ``index`` or beyond, found among ordered bit patterns."""
    low, high = ~0x3F800000, 0x3F800000  # the keys of -1, whose index is 0, and of 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _snapped(*_ratio(middle)) >= index else (middle, high)
    return _ratio(high)


def _ratio(key: int) -> Ratio:
    """The binary32 number of an ordering key: its magnitude bits ``m``, or ``~m`` if negative."""
    m = key if key >= 0 else ~key
    exponent, fraction = m >> 23, m & 0x7FFFFF
    significand = fraction | 0x800000 if exponent else fraction
    return (significand if key >= 0 else -significand), 1 << (150 - max(exponent, 1))


_DYNAMIC = ("bitsandbytes_dynamic_signed", "bitsandbytes_dynamic_unsigned")
_NAMED: dict[str, tuple[tuple[str, ...], Callable[[CodebookSpec], Thresholds]]] = {
    "bitsandbytes_nf4": (("nf4",), _nf4),
    "bitsandbytes_fp4_cuda": (("bitsandbytes_fp4",), _fp4_cuda),
    "bitsandbytes_fp4_torch": (("bitsandbytes_fp4",), _fp4_torch),
    "bitsandbytes_dynamic_cuda": (_DYNAMIC, _dynamic_cuda),
    "bitsandbytes_dynamic_torch": (_DYNAMIC, _dynamic_torch),
    "bitsandbytes_dynamic_cpu": (_DYNAMIC, _dynamic_cpu),
}


def decisions(book: str | CodebookSpec) -> tuple[str, ...]:
    """The names of every decision that a code-book has: the tie rules, and what is published for it.

    >>> decisions("nf4")
    ('lower', 'upper', 'even_index', 'toward_zero', 'away_from_zero', 'bitsandbytes_nf4')
    """
    spec = codebook(book)
    return (*(ties.value for ties in Ties), *(name for name, (books, _) in _NAMED.items() if spec.name in books))


@functools.lru_cache(maxsize=256)
def decision(choice: str | Ties | Thresholds | None, book: CodebookSpec) -> Ties | Thresholds:
    """The decision called ``choice`` for a code-book; records are checked against the book and returned.

    Raises ``TypeError`` for None (nothing is implied), ``ValueError`` for a name that the book does not have, listing
    those it has, and for thresholds that give a code which does not exist.

    >>> decision("bitsandbytes_fp4_cuda", codebook("bitsandbytes_fp4")).codes
    (11, 10, 13, 12, 15, 14, 9, 8, 0, 1, 6, 7, 4, 5, 2, 3)
    """
    if isinstance(choice, Thresholds):
        for code in choice.codes:
            book.fraction(code)
        return choice
    names = decisions(book)
    if isinstance(choice, str) and choice not in names:
        raise ValueError(f"decision={choice!r} is none of {book.name}; choose one of: {', '.join(names)}")
    if isinstance(choice, str) and choice in _NAMED:
        return _NAMED[choice][1](book)
    return parse_enum(Ties, choice, "decision")
