"""Flags by which thread blocks tell that a part of a tile lies in memory.

They are kept with the weights, and are zero before and after each call, so that nothing has to clear them. A signal
waits until the flag is zero, or tells of the pass before, and writes the call's key, the address of the call's own
parts, and beside it the number of the pass. The one waiter of the flag clears it in the last pass. Calls that run at
once with the same weights have different keys, so that none takes a signal of another. They could wait for each other
in a circle if each had several passes: such calls get flags of their own.

A signal is a release after a barrier of its warpgroup, a wait an acquire before one, both for the whole GPU: what any
thread wrote before the signal, every thread of the waiting warpgroup sees (PTX ISA, memory consistency model).
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from kernels_ref.pallas import pallas

#: 32-bit words of a flag
WORDS = 2
#: bits of a flag below those of an address, which is a multiple of 128 and has less than 49; passes take half of their
#: range, so that no flag of another call seems to be a later pass of this one
_BELOW = 14
PASSES = 1 << (_BELOW - 1)
#: What the first thread of a warpgroup does, with all flags, a flag's number, the call's parts, and a pass; ``key`` is
#: what the flag is once the pass is signalled. Its warp goes round together, and all is computed inside: ptxas spills
#: around loops of one thread, and what LLVM keeps.
_ALONE = f"""{{
    .reg .pred first, initial, last, again;
    .reg .b32 thread;
    .reg .b64 flag, key, found, before;
    mov.u32 thread, %tid.x;
    and.b32 thread, thread, 127;
    setp.eq.u32 first, thread, 0;
    mad.wide.u32 flag, $1, {4 * WORDS}, $0;
    shl.b64 key, $2, {_BELOW - 7};
    cvt.u64.u32 found, $3;
    add.u64 key, key, found;
    add.u64 key, key, 1;
"""
#: in place of zero, or of the pass before
_SIGNAL = """
    setp.eq.u32 initial, $3, 0;
    sub.u64 before, key, 1;
    selp.b64 before, 0, before, initial;
round:
    mov.b64 found, before;
    @first atom.release.gpu.global.cas.b64 found, [flag], before, key;
    setp.ne.b64 again, found, before;
    vote.sync.any.pred again, again, 0xffffffff;
    @again bra.uni round;
}"""
#: signals of later passes tell of this one too; the last operand is the last pass
_WAIT = f"""
round:
    mov.b64 found, key;
    @first ld.acquire.gpu.global.b64 found, [flag];
    sub.u64 found, found, key;
    setp.ge.u64 again, found, {PASSES};
    vote.sync.any.pred again, again, 0xffffffff;
    @again bra.uni round;
    setp.eq.and.u32 last, $3, $4, first;
    @last st.relaxed.gpu.global.b64 [flag], 0;
}}"""


class Flags:
    """The flags of a call, in ``words``; ``parts`` is its own memory."""

    def __init__(self, words: Any, parts: Any, passes: int) -> None:
        if passes >= PASSES:
            raise ValueError(f"{passes} passes over the weights; flags count to {PASSES - 1}")
        self._words, self._parts, self._last = words, parts, passes - 1

    def signal(self, flag: Any, passed: Any) -> None:
        """Tell that the warpgroup has stored its part of a pass."""
        self._inline(_signal, flag, passed)

    def wait(self, flag: Any, passed: Any) -> None:
        """Wait until it has; in the last pass, clear the flag."""
        self._inline(functools.partial(_wait, self._last), flag, passed)

    def _inline(self, emit: Any, *numbers: Any) -> None:
        plgpu, _ = pallas()
        types = (plgpu.RefType(), plgpu.RefType(), *[plgpu.Layout.WG_SPLAT] * len(numbers))
        plgpu.inline_mgpu(arg_types=types)(emit)(self._words, self._parts, *numbers)


def _signal(_: Any, words: Any, parts: Any, flag: Any, passed: Any) -> None:
    _utils().warpgroup_barrier()
    _emit(_SIGNAL, words, parts, flag, passed.registers.item())


def _wait(last: int, _: Any, words: Any, parts: Any, flag: Any, passed: Any) -> None:
    number = passed.registers.item()
    _emit(_WAIT, words, parts, flag, number, _utils().c(last, number.type))
    _utils().warpgroup_barrier()


def _emit(text: str, words: Any, parts: Any, flag: Any, *numbers: Any) -> None:
    utils = _utils()
    operands = (utils.memref_ptr(words), flag.registers.item(), utils.memref_ptr(parts), *numbers)
    utils.inline_ptx(_ALONE + text, *operands, has_side_effects=True)


def _utils() -> Any:
    return importlib.import_module("jax.experimental.mosaic.gpu.utils")
