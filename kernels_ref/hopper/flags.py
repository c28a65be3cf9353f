"""Flags by which thread blocks tell that a part of a tile lies in memory.

They are kept with the weights, one for each part of a pass, and are zero before and after each call, so that nothing
has to clear them. A signal waits until its flag is zero, and writes the call's key, the address of the call's own
parts; the one waiter clears it. So calls may run at once with the same weights: none takes a signal of another.

A signal is a release after a barrier of its warpgroup, a wait an acquire before one, both for the whole GPU: what any
thread wrote before the signal, every thread of the waiting warpgroup sees (PTX ISA, memory consistency model).
"""

from __future__ import annotations

import importlib
from typing import Any

from jax import Array

from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.traced import jnp
from kernels_ref.hopper.work import Work
from kernels_ref.pallas import pallas

#: passes over the weights that flags are kept for; calls of more get their own
PASSES = 16
#: 32-bit words of a flag
_WORDS = 2
#: What the first thread of a warpgroup does, with all flags, a flag's number, and the call's key. Its warp goes round
#: together, and all is computed inside: ptxas spills around loops of one thread, and what LLVM keeps.
_ALONE = f"""{{
    .reg .pred first, again;
    .reg .b32 thread;
    .reg .b64 flag, found;
    mov.u32 thread, %tid.x;
    and.b32 thread, thread, 127;
    setp.eq.u32 first, thread, 0;
    mad.wide.u32 flag, $1, {4 * _WORDS}, $0;
"""
_SIGNAL = """
round:
    mov.b64 found, 0;
    @first atom.release.gpu.global.cas.b64 found, [flag], 0, $2;
    setp.ne.b64 again, found, 0;
    vote.sync.any.pred again, again, 0xffffffff;
    @again bra.uni round;
}"""
_WAIT = """
round:
    mov.b64 found, $2;
    @first ld.acquire.gpu.global.b64 found, [flag];
    setp.ne.b64 again, found, $2;
    vote.sync.any.pred again, again, 0xffffffff;
    @again bra.uni round;
    @first st.relaxed.gpu.global.b64 [flag], 0;
}"""


def cleared(work: Work, passes: int) -> Array:
    """The flags of so many passes: for each thread block one for each of its warpgroups."""
    return jnp.zeros(_WORDS * passes * work.blocks * (work.split.rows // ROWS), jnp.int32)


class Flags:
    """The flags of a call, in ``words``; ``parts`` is its own memory."""

    def __init__(self, words: Any, parts: Any) -> None:
        self._words, self._parts = words, parts

    def signal(self, flag: Any) -> None:
        """Tell that the warpgroup has stored its part."""
        self._inline(_signal, flag)

    def wait(self, flag: Any) -> None:
        """Wait until it has, and clear the flag."""
        self._inline(_wait, flag)

    def _inline(self, emit: Any, flag: Any) -> None:
        plgpu, _ = pallas()
        types = (plgpu.RefType(), plgpu.RefType(), plgpu.Layout.WG_SPLAT)
        plgpu.inline_mgpu(arg_types=types)(emit)(self._words, self._parts, flag)


def _signal(_: Any, words: Any, parts: Any, flag: Any) -> None:
    _utils().warpgroup_barrier()
    _emit(_SIGNAL, words, parts, flag)


def _wait(_: Any, words: Any, parts: Any, flag: Any) -> None:
    _emit(_WAIT, words, parts, flag)
    _utils().warpgroup_barrier()


def _emit(text: str, words: Any, parts: Any, flag: Any) -> None:
    utils = _utils()
    operands = (utils.memref_ptr(words), flag.registers.item(), utils.memref_ptr(parts))
    utils.inline_ptx(_ALONE + text, *operands, has_side_effects=True)


def _utils() -> Any:
    return importlib.import_module("jax.experimental.mosaic.gpu.utils")
