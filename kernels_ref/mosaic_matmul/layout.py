"""Where the operands of one step lie: a tile of 64 x 128 results, 128 threads, 8 x 8 results for each.

A thread owns what the accumulator fragments of ``mma.m16n8`` give it: with ``lane = 4 g + t`` in warp ``w`` the rows
``8 i + g`` and the columns ``32 w + 8 j + 2 t + p`` (i < 8, j < 4, p < 2), as register ``8 i + 2 j + p``. Per step of
32 elements of K an operand is one run of 32-bit words:

* its values as float32, K outermost, so that a thread reads four of its rows or columns at once;
* their alignment weights as bfloat16, in the order of the operand fragments of ``mma.m16n8k16``;
* the sign bits of each row or column, one word for the 32 elements.
"""

from __future__ import annotations

ROWS = 64
COLUMNS = 128
THREADS = 128
#: elements of K in a step
DEPTH = 32
#: results of one thread
OWN = ROWS * COLUMNS // THREADS

A_WEIGHTS = DEPTH * ROWS
A_SIGNS = A_WEIGHTS + DEPTH * ROWS // 2
#: words of ``a`` in a step, filled up to lines of 128
A_LINES = 25

B_WEIGHTS = DEPTH * COLUMNS
B_SIGNS = B_WEIGHTS + DEPTH * COLUMNS // 2
B_LINES = 49
LINE = 128
