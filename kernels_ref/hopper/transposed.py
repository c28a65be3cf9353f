"""A warpgroup's results, 64 rows of 16-bit numbers for each token, to (M, N) by way of shared memory.

Registers hold neighbouring tokens, memory has neighbouring rows: stored one by one, numbers go out in pieces of 16
bytes. `stmatrix` turns them around, and each token's 64 rows leave as one line of 128 bytes.
"""

from __future__ import annotations

from typing import Any

from kernels_ref.hopper.fragments import ROWS, THREADS
from kernels_ref.hopper.mlir_thread import MlirThread

#: the most and the fewest tokens that are turned around at once
MOST, FEWEST = 32, 8
#: numbers of a store
_EIGHT = 8
#: bytes of a token's line, for a warpgroup
LINE_BYTES = 2 * ROWS


def fits(bits: int, n: int) -> bool:
    """Whether results of ``bits`` bits can go that way: rows of the output must begin at whole stores."""
    return bits == 16 and n % _EIGHT == 0


def write(mlir: MlirThread, words: list[list[Any]], buffer: Any, out: Any, row: Any, token: Any) -> None:
    """Write ``words``: for each 8 tokens the results of rows ``g`` and ``g + 8``, two tokens in a word.

    ``buffer`` has a line of 64 numbers for each token that is turned at once, a multiple of 8 of them.
    ``row`` and ``token`` are where the warpgroup's results begin; what is beyond ``out`` is not written.
    """
    each = mlir.ir.MemRefType(buffer.type).shape[0] // 8
    for first in range(0, len(words), each):
        mlir.utils.warpgroup_barrier()  # the stores before these have read the buffer
        _turn(mlir, words[first : first + each], buffer)
        mlir.utils.warpgroup_barrier()
        count = 8 * len(words[first : first + each])
        _copy(mlir, count, buffer, out, row, mlir.arith.addi(token, mlir.word(8 * first)))


def _turn(mlir: MlirThread, words: list[list[Any]], buffer: Any) -> None:
    """Each lane gives the address of a line of a matrix of 8 x 8: of a token, 8 rows."""
    arith, lane, warp = mlir.arith, mlir.lane, mlir.warp
    matrix, line = arith.divui(lane, mlir.word(8)), arith.remui(lane, mlir.word(8))
    token = arith.addi(arith.muli(arith.divui(matrix, mlir.word(2)), mlir.word(8)), line)
    eight = arith.addi(arith.muli(warp, mlir.word(2)), arith.remui(matrix, mlir.word(2)))
    place = _place(mlir, token, eight)
    base = mlir.utils.memref_ptr(buffer)
    for at in range(0, len(words), 2):
        own = [word for pair in words[at : at + 2] for word in pair]
        pointer = mlir.utils.getelementptr(base, [arith.addi(place, mlir.word(8 * at * ROWS))], mlir.i16)
        address = mlir.llvm.ptrtoint(mlir.i32, pointer)
        registers = ", ".join(f"${i + 1}" for i in range(len(own)))
        text = f"stmatrix.sync.aligned.m8n8.x{len(own)}.trans.shared.b16 [$0], {{{registers}}};"
        mlir.utils.inline_ptx(text, address, *own, has_side_effects=True)


def _place(mlir: MlirThread, token: Any, eight: Any) -> Any:
    """Where eight rows of a token lie: in each line in another order, so that no two banks collide."""
    turned = mlir.arith.xori(eight, mlir.arith.remui(token, mlir.word(ROWS // _EIGHT)))
    return mlir.arith.addi(mlir.arith.muli(token, mlir.word(ROWS)), mlir.arith.muli(turned, mlir.word(_EIGHT)))


def _copy(mlir: MlirThread, tokens: int, buffer: Any, out: Any, row: Any, token: Any) -> None:
    """Lines of shared memory to lines of the output, 16 bytes for each thread and turn."""
    arith, llvm = mlir.arith, mlir.llvm
    of_line = ROWS // _EIGHT
    m, n = mlir.ir.MemRefType(out.type).shape
    four = mlir.ir.VectorType.get((4,), mlir.i32)
    line, eight = arith.divui(mlir.thread, mlir.word(of_line)), arith.remui(mlir.thread, mlir.word(of_line))
    column = arith.addi(row, arith.muli(eight, mlir.word(_EIGHT)))
    less = arith.CmpIPredicate.ult
    for first in range(0, tokens, THREADS // of_line):
        own = arith.addi(line, mlir.word(first))
        target = arith.addi(token, own)
        there = arith.andi(arith.cmpi(less, target, mlir.word(m)), arith.cmpi(less, column, mlir.word(n)))
        there = arith.andi(there, arith.cmpi(less, own, mlir.word(tokens)))
        branch = mlir.scf.IfOp(there)
        with mlir.ir.InsertionPoint(branch.then_block):
            pointer = mlir.utils.getelementptr(mlir.utils.memref_ptr(buffer), [_place(mlir, own, eight)], mlir.i16)
            numbers = llvm.load(four, pointer, alignment=16)
            place = arith.addi(arith.muli(target, mlir.word(n)), column)
            address = mlir.utils.getelementptr(mlir.utils.memref_ptr(out), [place], mlir.i16)
            llvm.store(numbers, address, alignment=16)
            mlir.scf.yield_([])
