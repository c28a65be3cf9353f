"""The fold of binary32 to odd, proved on all 2^32 patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from analysis.sweep.outcome import Outcome, Tally
from formats import Format
from reference.array import table

_BLOCK = 1 << 22
BLOCKS = range((1 << 32) // _BLOCK)


def widths(specs: Iterable[Format]) -> list[int]:
    """Every number of kept fraction bits that these formats use."""
    return sorted({table.kept(spec) for spec in specs})


def fold(kept: int, progress: Callable[[float], None], blocks: Sequence[int] = BLOCKS) -> Outcome:
    """`reference.array.table.fold` against its definition, all 2^32 patterns in ascending order (or some blocks).

    Patterns that share their leading ``9 + kept`` bits form a run of ``2^drop``: the first of it is the class of
    its leading bits, all others are that class with its last bit set.
    """
    drop = 23 - kept
    tally = Tally()
    for done, block in enumerate(blocks, 1):
        start = block * _BLOCK
        patterns = np.arange(start, start + _BLOCK, dtype=np.uint32)
        leading = np.arange(start >> drop, (start + _BLOCK) >> drop, dtype=np.uint32)
        expected = np.repeat(leading | np.uint32(1), 1 << drop)
        expected[:: 1 << drop] = leading
        tally.equal(expected, table.fold(patterns, drop), patterns, f"fold to {kept} bits")
        progress(done / len(blocks))
    return tally.outcome()
