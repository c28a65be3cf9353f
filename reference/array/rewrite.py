"""Rows of numbers of one width as rows of another, the same bits: what packing is once codes are in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from itertools import pairwise
from math import lcm
from typing import Any

from reference.array.carrier import Array, Namespace

Stage = Callable[[Array], Array]
#: makes one stage a computation of its own, where the compiler would else fuse it with its neighbours
Apart = Callable[[Stage], Stage]


def together(stage: Stage) -> Stage:
    """The stage as it is: NumPy fuses nothing."""
    return stage


def unsigned(bits: int, xp: Namespace) -> Any:
    """The narrowest unsigned integers that hold ``bits`` bits."""
    return next(getattr(xp, f"uint{size}") for size in (8, 16, 32, 64) if bits <= size)


def ones(bits: int, xp: Namespace) -> Array:
    """The largest number of ``bits`` bits, as the narrowest unsigned scalar."""
    return unsigned(bits, xp)((1 << bits) - 1)


def rewrite(numbers: Array, width: int, to: int, xp: Namespace, apart: Apart, *, high_first: bool = False) -> Array:
    """A flat row of numbers of ``width`` bits as numbers of ``to`` bits, the first in the lowest (highest) bits.

    The row fills whole numbers of both widths. It goes in stages that vector units take well: two numbers become one,
    one becomes two, or ``n + 1`` become ``n``; what is left in between is done by columns.
    """
    for here, there in pairwise(_widths(width, to)):
        numbers = apart(partial(_stage, width=here, to=there, xp=xp, high_first=high_first))(numbers).reshape(-1)
    return numbers


def _widths(width: int, to: int) -> list[int]:
    """The widths on the way: doubled while both ends allow, and at last halved."""
    bits, widest = lcm(width, to), min(2 * width, max(32, width))
    up, down = [width], [to]
    while 2 * up[-1] <= to and bits % (2 * up[-1]) == 0:
        up.append(2 * up[-1])
    while 2 * down[-1] <= widest and bits % (2 * down[-1]) == 0:
        down.append(2 * down[-1])
    return up + down[::-1] if up[-1] != down[-1] else up + down[-2::-1]


def _stage(numbers: Array, *, width: int, to: int, xp: Namespace, high_first: bool) -> Array:
    """Rows of the numbers that fill both widths, a column for each number made."""
    bits = lcm(width, to)
    many, made = bits // width, bits // to
    rows = numbers.astype(unsigned(max(width, to), xp)).reshape(numbers.size // many, many)
    place = xp.arange(made, dtype=rows.dtype)
    if width == 2 * to and rows.dtype != unsigned(to, xp):
        parted = _parted(rows, to, xp, high_first=high_first)
        return (parted >> place * (4 * rows.dtype.itemsize)).astype(unsigned(to, xp))
    place = made - 1 - place if high_first else place
    if many == 1:
        written = rows >> place * to
    elif many == made + 1:
        low, high = (rows[:, 1:], rows[:, :-1]) if high_first else (rows[:, :-1], rows[:, 1:])
        written = low >> place * (to - width) | high << width - place * (to - width)
    else:
        written = _by_columns(rows, width, to, xp, high_first=high_first)
    return written.astype(unsigned(to, xp)) & ones(to, xp)


def _parted(rows: Array, to: int, xp: Namespace, *, high_first: bool) -> Array:
    """The two numbers of each, the first in the lower half of the dtype: a truncation then tells them apart."""
    low, high = rows & ones(to, xp), rows >> to
    return high | low << 4 * rows.dtype.itemsize if high_first else low | high << 4 * rows.dtype.itemsize


def _by_columns(rows: Array, width: int, to: int, xp: Namespace, *, high_first: bool) -> Array:
    bits = lcm(width, to)
    columns = [rows[:, i] for i in range(bits // width)][:: -1 if high_first else 1]
    written: list[Array] = []
    for low in range(0, bits, to):
        ups = [(column, i * width - low) for i, column in enumerate(columns) if -width < i * width - low < to]
        written.append(reduce(lambda a, b: a | b, (x << up if up >= 0 else x >> -up for x, up in ups)))
    return xp.stack(written[:: -1 if high_first else 1], axis=-1)
