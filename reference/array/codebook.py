"""Code-books on arrays, once for NumPy and jax.numpy: comparisons of bit patterns as integers, and look-ups.

A binary32 number has the ordering key ``m``, its magnitude bits, or ``~m`` if it is negative: keys order as the numbers
do, -0 (key -1) just below +0. Each threshold becomes the key of the first binary32 number that passes it, so that no
comparison depends on subnormals and none rounds.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from formats import NanRule, Rounding
from formats.code_books.binary32 import to_binary32
from formats.code_books.book import CodebookSpec
from formats.code_books.decision import Thresholds, Ties
from reference.array.carrier import Array, Namespace, carry

FLOAT_INPUTS = ("float16", "bfloat16", "float32")
_INFINITY = 0x7F800000


@dataclass(frozen=True, slots=True)
class EncodeTable:
    """What encoding needs: the key at which each cell but the first begins, and the code of each cell."""

    keys: tuple[int, ...]
    codes: tuple[int, ...]
    #: what a NaN becomes; None where there is no rule: then the code of a NaN is one of the book's, and means nothing
    nan_code: int | None


@functools.lru_cache(maxsize=256)
def encode_table(book: CodebookSpec, decision: Ties | Thresholds, nan: NanRule | None) -> EncodeTable:
    """The table of a decision."""
    thresholds = nearest_thresholds(book, decision) if isinstance(decision, Ties) else decision
    firsts = [
        _first_key(Fraction(numerator, thresholds.denominator), inclusive)
        for numerator, inclusive in zip(thresholds.numerators, thresholds.inclusive, strict=True)
    ]
    codes = thresholds.codes
    at_zero = codes[sum(key <= 0 for key in firsts)]
    of_nan = {None: None, NanRule.ZERO: at_zero, NanRule.MAXIMUM: codes[-1], NanRule.MINIMUM: codes[0]}
    return EncodeTable(tuple(firsts), codes, of_nan[nan])


def nearest_thresholds(book: CodebookSpec, ties: Ties) -> Thresholds:
    """The midpoints of neighbouring values, inclusive where a tie goes to the upper one.

    >>> from formats.code_books.named import codebook
    >>> nearest_thresholds(codebook("bitmod_fp3_er_plus"), Ties.LOWER).codes
    (7, 6, 5, 0, 1, 2, 4, 3)
    """
    codes = book.sorted_codes
    sums = [book.numerators[a] + book.numerators[b] for a, b in itertools.pairwise(codes)]
    return Thresholds(
        name=f"{book.name}, ties {ties.value}",
        numerators=tuple(sums),
        denominator=2 * book.denominator,
        inclusive=tuple(_takes_upper(ties, index, total) for index, total in enumerate(sums)),
        codes=codes,
        source="midpoints of the book",
    )


def _takes_upper(ties: Ties, index: int, total: int) -> bool:
    """Whether a tie between the values ``index`` and ``index + 1``, whose sum is ``total``, goes to the latter."""
    match ties:
        case Ties.LOWER:
            return False
        case Ties.UPPER:
            return True
        case Ties.EVEN_INDEX:
            return index % 2 == 1
        case Ties.TOWARD_ZERO:
            return total <= 0
        case Ties.AWAY_FROM_ZERO:
            return total >= 0


def _first_key(threshold: Fraction, inclusive: bool) -> int:
    """The key of the first binary32 number, infinities included, that passes the threshold."""
    low, high = ~_INFINITY - 1, _INFINITY  # nothing passes below -infinity, +infinity always does
    while high - low > 1:
        middle = (low + high) // 2
        value = float(_value(middle))
        passes = value >= threshold if inclusive else value > threshold
        low, high = (low, middle) if passes else (middle, high)
    return high


def _value(key: int) -> np.float32:
    return np.uint32(key if key >= 0 else 0x80000000 | ~key).view(np.float32)


def encode(x: Array, table: EncodeTable, xp: Namespace) -> Array:
    """Codes (uint8) of float16, bfloat16 or float32 numbers; arguments are taken as checked."""
    key = _keys(x, xp)
    tree = len(table.codes) <= 16 and xp is not np  # selects fuse in XLA; NumPy pays a pass for each
    code = _by_tree(key, table, xp) if tree else _by_bucket(key, table, xp)
    if table.nan_code is None:
        return code
    is_nan = (key > _INFINITY) | (key < ~_INFINITY)
    return xp.where(is_nan, xp.uint8(table.nan_code), code)


def _keys(x: Array, xp: Namespace) -> Array:
    if x.dtype.name == "float32":
        bits = x.view(xp.int32)
        return bits ^ ((bits >> 31) & 0x7FFFFFFF)
    carrier = carry(x, xp, rounding=Rounding.TOWARD_ZERO)  # exact for floats, whatever the rounding
    magnitude = carrier.magnitude.astype(xp.int32)
    return xp.where(carrier.negative, ~magnitude, magnitude)


def _by_tree(key: Array, table: EncodeTable, xp: Namespace) -> Array:
    """At most 16 cells: four comparisons, each with a threshold that the ones before select."""
    keys = [xp.int32(k) for k in (*table.keys, *[0x7FFFFFFF] * (15 - len(table.keys)))]
    passed: list[Array] = []
    for level in range(4):
        step = 8 >> level
        passed.append(key >= _select(passed, keys[step - 1 :: 2 * step], xp))
    index = sum(hit.astype(xp.int32) << (3 - level) for level, hit in enumerate(passed))
    return _codes_of(index, passed[0], table, xp)


def _select(hits: list[Array], choices: list[Array], xp: Namespace) -> Array:
    if not hits:
        return choices[0]
    half = len(choices) // 2
    return xp.where(hits[0], _select(hits[1:], choices[half:], xp), _select(hits[1:], choices[:half], xp))


def _codes_of(index: Array, upper_half: Array, table: EncodeTable, xp: Namespace) -> Array:
    """The codes of cells below 16; codes of 4 bits lie in two words."""
    codes = table.codes
    if codes == tuple(range(len(codes))):
        return index.astype(xp.uint8)
    if max(codes) > 15:
        return xp.take(xp.asarray(np.array(codes, np.uint8)), index, mode="clip")
    low, high = (sum(code << 4 * i for i, code in enumerate(half)) for half in (codes[:8], codes[8:]))
    word = xp.where(upper_half, xp.uint32(high), xp.uint32(low))
    return ((word >> ((index & 7) << 2).astype(xp.uint32)) & 15).astype(xp.uint8)


def _by_bucket(key: Array, table: EncodeTable, xp: Namespace) -> Array:
    """The upper half of a key says all but the few thresholds that share it: mostly one comparison."""
    base, inside = _buckets(table)
    bucket = (key >> 16) + 0x8000
    index = xp.take(xp.asarray(base), bucket, mode="clip")
    for thresholds in inside:
        index = index + (key >= xp.take(xp.asarray(thresholds), bucket, mode="clip"))
    if table.codes == tuple(range(len(table.codes))):
        return index.astype(xp.uint8)
    return xp.take(xp.asarray(np.array(table.codes, np.uint8)), index, mode="clip")


@functools.lru_cache(maxsize=32)
def _buckets(table: EncodeTable) -> tuple[NDArray[np.int16], list[NDArray[np.int32]]]:
    """For each upper half: how many thresholds lie below it, and the keys of those inside, one array for each place."""
    keys = np.array(table.keys, np.int64)
    bucket = (keys >> 16) + 0x8000
    base = np.searchsorted(bucket, np.arange(1 << 16)).astype(np.int16)
    places = np.arange(len(keys)) - base[bucket]
    inside = [np.full(1 << 16, 0x7FFFFFFF, np.int32) for _ in range(int(places.max()) + 1)]
    for key, where, place in zip(keys, bucket, places, strict=True):
        inside[place][where] = key
    return base, inside


@functools.lru_cache(maxsize=256)
def values(book: CodebookSpec) -> NDArray[np.float32]:
    """The values by code, each rounded once to binary32; not to be written to."""
    ratios = [to_binary32(numerator, book.denominator) for numerator in book.numerators]
    table = np.array([top / bottom for top, bottom in ratios], np.float32)
    if book.negative_zero is not None:
        table[book.negative_zero] = -0.0
    table.setflags(write=False)
    return table


def decode(codes: Array, book: CodebookSpec, xp: Namespace) -> Array:
    """Values (float32) of codes; arguments are taken as checked."""
    return xp.take(xp.asarray(values(book)), codes, mode="clip")
