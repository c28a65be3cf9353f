"""One thread's program for one step of 32 products and C, every operation exact.

The unit cuts each product ``x`` to multiples of ``q = 2^(T - 13)``, toward zero, and adds. Let ``M = 1.5 * 2^23 q``:
float32 numbers near M have the unit q, so an addition to M that rounds down cuts to multiples of q, downward.

*Downward instead of toward zero*: ``a`` is stored as ``a (1 + 2^-16)``. A positive product then still rounds down to
``floor(x / q)`` (products are below 2^15 q and their distance to the next multiple is at least 2^-16 of them), and a
negative one, never a multiple of q any more, always comes out one too low. Zeros are stored as +-2^-64, which also
gives 0 or -1. So with ``n`` products of negative sign::

    M + n q + sum of x   (each addition rounded down)   =   M + sum of trunc(x / q) q

and one fused multiply-add per product does the work. ``n`` is the population count of the exclusive or of sign words.
C is one more product, ``C (1 + 2^-16)``.

*The exponent T* comes from the tensor core: each operand of exponent e has the weight ``2^(w e)``, zero has none. A
sum of at most ``2^w - 1`` products of weights lies in ``[2^(w T), 2^(w (T + 1)))``: T stands in its exponent, whatever
the tensor core does below the leading bit. A sum of 0 stands for the exponent that the offset gives (-15 or -30),
which is so low that it cuts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from kernels_ref.mosaic_matmul import layout

#: 1 + 2^-16 as the float32 number that it is
STRETCH = 0x3F800080
#: M for exponent 0 of q's exponent field plus 13: the field grows by 10 and the significand is 1.5
TO_MAGIC = (10 << 23) | 0x400000
EXPONENT = 0x7F800000
#: float32 with its last ten bits off: 13 fraction bits
KEPT = 0xFFFFFC00


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How alignment exponents are read off sums of weights ``2^(width * e)``."""

    #: elements of K in one sum: below ``2^width``
    chunk: int
    #: log2 of ``width``, which is 8 or 4
    shift: int
    #: the weight of exponent e of ``a`` is ``2^(width * e + offset)``
    offset: int

    @property
    def width(self) -> int:
        """Binades of the sum for one of the exponent."""
        return 1 << self.shift

    @property
    def lowest(self) -> int:
        """The exponent that a sum of 0 is read as."""
        return -((127 + self.offset) >> self.shift)

    @property
    def mask(self) -> int:
        """The bits that hold the exponent once a sum's word is shifted right."""
        return (EXPONENT >> self.shift) & EXPONENT


#: E4M3 only: exponents -12..16
NARROW = Weights(chunk=32, shift=3, offset=-7)
#: with E5M2: exponents down to -28 and up to 30
WIDE = Weights(chunk=8, shift=2, offset=-7)


class Lanes(Protocol):
    """What the program asks of its machine; values are 32-bit words or float32 numbers of each thread."""

    def thread(self) -> Any:
        """The thread's number in its warpgroup."""
        ...

    def word(self, value: int) -> Any:
        """A constant."""
        ...

    def bits(self, x: Any) -> Any:
        """The word of a number."""
        ...

    def number(self, word: Any) -> Any:
        """The number that a word is."""
        ...

    def add(self, x: Any, y: Any) -> Any:
        """Words: ``x + y`` modulo 2^32."""
        ...

    def multiply(self, x: Any, y: Any) -> Any:
        """Words: ``x y`` modulo 2^32."""
        ...

    def both(self, x: Any, y: Any) -> Any:
        """Words: and."""
        ...

    def either(self, x: Any, y: Any) -> Any:
        """Words: or."""
        ...

    def differ(self, x: Any, y: Any) -> Any:
        """Words: exclusive or."""
        ...

    def right(self, x: Any, places: int) -> Any:
        """Words: shifted right, zeros coming in."""
        ...

    def larger(self, x: Any, y: Any) -> Any:
        """Words: the larger, as signed integers."""
        ...

    def population(self, x: Any) -> Any:
        """Words: how many bits are set."""
        ...

    def fma_down(self, x: Any, y: Any, z: Any) -> Any:
        """Numbers: ``x y + z`` rounded down, once."""
        ...

    def subtract(self, x: Any, y: Any) -> Any:
        """Numbers: ``x - y``, exact here."""
        ...

    def load(self, operand: Any, index: Any, offset: int) -> list[Any]:
        """Four words of an operand from ``index + offset`` on."""
        ...

    def mma(self, a: list[Any], b: list[Any], c: list[Any] | None) -> list[Any]:
        """The warp's ``mma.m16n8k16`` (four words of ``a``) or ``m16n8k8`` (two); bfloat16, float32 sums."""
        ...

    def loop(self, count: int, body: Callable[[Any, list[Any]], list[Any]], carry: list[Any]) -> list[Any]:
        """``carry = body(index, carry)`` for each index below ``count``."""
        ...


def step(lanes: Lanes, weights: Weights, unroll: int, a: Any, b: Any, state: list[Any]) -> list[Any]:
    """``state``, the thread's 64 results so far, after one step more."""
    place = Place(lanes)
    sums = start(lanes, weights, place, a, b, state)

    def some(index: Any, carry: list[Any]) -> list[Any]:
        rows = lanes.add(place.a, lanes.multiply(index, lanes.word(unroll * layout.ROWS)))
        columns = lanes.add(place.b, lanes.multiply(index, lanes.word(unroll * layout.COLUMNS)))
        for k in range(unroll):
            carry = products(lanes, a, b, rows, columns, k, carry)
        return carry

    sums = lanes.loop(layout.DEPTH // unroll, some, sums)
    return [finish(lanes, x) for x in sums]


class Place:
    """Word indices of what a thread reads."""

    def __init__(self, lanes: Lanes) -> None:
        thread = lanes.thread()
        lane = lanes.both(thread, lanes.word(31))
        warp = lanes.right(thread, 5)
        #: four values of rows g, four of columns t of warp w
        self.a = lanes.both(lane, lanes.word(28))
        self.b = lanes.add(
            lanes.multiply(warp, lanes.word(32)), lanes.multiply(lanes.both(lane, lanes.word(3)), lanes.word(4))
        )
        #: fragments: four words of each lane, ``b`` having four of them a warp
        self.a_fragment = lanes.multiply(lane, lanes.word(4))
        self.b_fragment = lanes.add(self.a_fragment, lanes.multiply(warp, lanes.word(512)))


def products(lanes: Lanes, a: Any, b: Any, rows: Any, columns: Any, k: int, sums: list[Any]) -> list[Any]:
    """One element of K: every sum and its product, rounded down."""
    left = [lanes.number(x) for h in range(2) for x in lanes.load(a, rows, k * layout.ROWS + 32 * h)]
    right = [lanes.number(x) for h in range(2) for x in lanes.load(b, columns, k * layout.COLUMNS + 16 * h)]
    return [lanes.fma_down(left[i // 8], right[i % 8], x) for i, x in enumerate(sums)]


def start(lanes: Lanes, weights: Weights, place: Place, a: Any, b: Any, state: list[Any]) -> list[Any]:
    """Where the sums begin: M + n q and the cut C."""
    row_signs = [x for h in range(2) for x in lanes.load(a, place.a, layout.A_SIGNS + 32 * h)]
    column_signs = [x for h in range(2) for x in lanes.load(b, place.b, layout.B_SIGNS + 16 * h)]
    b_fragments = [lanes.load(b, place.b_fragment, layout.B_WEIGHTS + 128 * j) for j in range(4)]
    sums = list(state)
    for r in range(4):
        fragments = [lanes.load(a, place.a_fragment, layout.A_WEIGHTS + 128 * (2 * r + kk)) for kk in range(2)]
        for j in range(4):
            exponents = alignment(lanes, weights, fragments, b_fragments[j])
            for position, exponent in enumerate(exponents):
                i, u = 2 * r + position // 2, 2 * j + position % 2
                negative = lanes.population(lanes.differ(row_signs[i], column_signs[u]))
                sums[8 * i + u] = begin(lanes, weights, exponent, negative, state[8 * i + u])
    return sums


def alignment(lanes: Lanes, weights: Weights, a: list[list[Any]], b: list[Any]) -> list[Any]:
    """Words of the largest sum of weights, for the four results of a fragment."""
    if weights.chunk == layout.DEPTH:
        first = lanes.mma(a[0], b[:2], None)
        return [lanes.bits(x) for x in lanes.mma(a[1], b[2:], first)]
    parts = [lanes.mma(a[kk][2 * q : 2 * q + 2], [b[2 * kk + q]], None) for kk in range(2) for q in range(2)]
    words = [[lanes.bits(x) for x in part] for part in parts]
    most = words[0]
    for other in words[1:]:
        most = [lanes.larger(x, y) for x, y in zip(most, other, strict=True)]
    return most


def begin(lanes: Lanes, weights: Weights, total: Any, negative: Any, c: Any) -> Any:
    """M + n q, and C cut."""
    exponent = lanes.both(lanes.right(total, weights.shift), lanes.word(weights.mask))
    exponent = lanes.add(exponent, lanes.word((weights.lowest + 127) << 23))
    exponent = lanes.larger(exponent, lanes.both(lanes.bits(c), lanes.word(EXPONENT)))
    ones = lanes.add(negative, lanes.right(lanes.bits(c), 31))
    magic = lanes.add(lanes.add(exponent, lanes.word(TO_MAGIC)), ones)
    return lanes.fma_down(c, lanes.number(lanes.word(STRETCH)), lanes.number(magic))


def finish(lanes: Lanes, total: Any) -> Any:
    """The sum without M, cut to 13 fraction bits."""
    magic = lanes.either(lanes.both(lanes.bits(total), lanes.word(EXPONENT)), lanes.word(0x400000))
    exact = lanes.subtract(total, lanes.number(magic))
    return lanes.number(lanes.both(lanes.bits(exact), lanes.word(KEPT)))
