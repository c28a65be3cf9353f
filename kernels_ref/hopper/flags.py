"""Flags by which thread blocks tell that a part of a tile lies in memory.

A signal is a release after a barrier of its warpgroup, a wait an acquire before one, both for the whole GPU: what any
thread wrote before the signal, every thread of the waiting warpgroup sees (PTX ISA, memory consistency model).
"""

from __future__ import annotations

import importlib
from typing import Any

from kernels_ref.hopper.variant import Variant
from kernels_ref.pallas import pallas


def is_resident(variant: Variant) -> bool:
    """Whether the flags are an operand of the kernel."""
    return variant.join == "resident"


class Fresh:
    """Semaphores that XLA fills with zeros before each call, in a small kernel of its own."""

    def __init__(self, count: int) -> None:
        plgpu, pl = pallas()
        self._semaphores = pl.get_global(plgpu.SemaphoreType.REGULAR((count,)))

    def signal(self, flag: Any) -> None:
        """Tell that the warpgroup has stored its part."""
        pallas()[0].semaphore_signal(self._semaphores.at[flag], 1, memory_scope="gpu")

    def wait(self, flag: Any) -> None:
        """Wait until it has."""
        pallas()[0].semaphore_wait(self._semaphores.at[flag], 1, decrement=False, memory_scope="gpu")


class Kept:
    """Words that are zero before and after each call: the one waiter of a flag takes its signal back."""

    def __init__(self, words: Any) -> None:
        self._words = words

    def signal(self, flag: Any) -> None:
        """Tell that the warpgroup has stored its part."""
        self._inline(_signal, flag)

    def wait(self, flag: Any) -> None:
        """Wait until it has, and clear the flag."""
        self._inline(_wait, flag)

    def _inline(self, emit: Any, flag: Any) -> None:
        plgpu, pl = pallas()
        plgpu.inline_mgpu(arg_types=(plgpu.RefType(),))(emit)(self._words.at[pl.ds(flag, 1)])


def _semaphore(word: Any) -> tuple[Any, Any]:
    utils: Any = importlib.import_module("jax.experimental.mosaic.gpu.utils")
    return utils, utils.SemaphoreRef(utils.memref_ptr(word))


def _signal(_: Any, word: Any) -> None:
    utils, semaphore = _semaphore(word)
    utils.warpgroup_barrier()
    one = utils.single_thread_predicate(utils.ThreadSubset.WARPGROUP)
    semaphore.signal(1, predicate=one, memory_scope="gpu")


def _wait(_: Any, word: Any) -> None:
    _semaphore(word)[1].wait(1, decrement=True, memory_scope="gpu")
