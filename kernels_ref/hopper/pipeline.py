"""The pipeline of a kernel that streams: one warpgroup loads units by TMA, the others use them and give them back."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

#: registers of a multiprocessor for one thread of each warpgroup, and the most that a thread can have
_REGISTERS, _MOST = 512, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """What TMA brings of an array for a unit."""

    shape: tuple[int, ...]  #: in shared memory
    dtype: Any
    #: where its parts lie in the array, for a thread block, a pass and a step
    places: Callable[[Any, Any, Any], list[tuple[Any, ...]]]
    parts: tuple[Any, ...] = (...,)  #: where they lie in shared memory: all of it is one
    transforms: tuple[Any, ...] = ()
    axis: str | None = None  #: of the cluster whose thread blocks load it together

    @property
    def bytes(self) -> int:
        """Of a unit."""
        return math.prod(self.shape) * jnp.dtype(self.dtype).itemsize

    def load(self, array: Any, slot: Any, loaded: Any, at: tuple[Any, Any, Any]) -> None:
        """Bring a unit to its place in shared memory."""
        plgpu, _ = pallas()
        for place, part in zip(self.places(*at), self.parts, strict=True):
            plgpu.copy_gmem_to_smem(array.at[place], slot.at[part], loaded, collective_axes=self.axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """How a thread block streams: ``steps`` units in each of ``passes`` passes, ``stages`` of them loaded at once."""

    operands: dict[str, Operand]
    warpgroups: int  #: that multiply
    stages: int
    passes: int
    steps: int
    memory_registers: int  #: of a thread that loads
    #: what a warpgroup that multiplies does first with the operands in shared memory, by name, all stages of them
    prepare: Callable[[dict[str, Any]], None]

    def __call__(self, arrays: tuple[Any, ...], block: Any, compute: Callable[[Callable[..., Any]], None]) -> None:
        """Load ``arrays``, and call ``compute`` in the warpgroups that multiply, with a function that runs all steps.

        That maps ``multiply``, ``end`` and a first carry to the last one. ``multiply`` maps a unit's operands by name
        and a carry to the next one; when the unit has been given back, ``end`` maps that, a pass and a step to it
        again.
        """
        plgpu, pl = pallas()
        arrivals = sum(len(x.parts) for x in self.operands.values())
        axes = {x.axis for x in self.operands.values() if x.axis}
        barrier, over = (plgpu.ClusterBarrier, {"collective_axes": tuple(axes)}) if axes else (plgpu.Barrier, {})
        shared = {
            "loaded": plgpu.Barrier(num_arrivals=arrivals, num_barriers=self.stages),
            "free": barrier(num_arrivals=self.warpgroups, num_barriers=self.stages, **over),
            "buffers": [
                plgpu.SMEM((self.stages, *x.shape), x.dtype, transforms=x.transforms) for x in self.operands.values()
            ],
        }

        def run(loaded: Any, free: Any, buffers: Any) -> None:
            def load() -> None:
                plgpu.set_max_registers(self.memory_registers, action="decrease")
                self._load(arrays, block, buffers, loaded, free)

            def others() -> None:
                plgpu.set_max_registers(self.registers, action="increase")
                self.prepare(dict(zip(self.operands, buffers, strict=True)))
                compute(functools.partial(self._steps, buffers, loaded, free))

            lax.cond(lax.axis_index("warpgroup") == self.warpgroups, load, others)

        pl.run_scoped(run, **shared, collective_axes="warpgroup")

    @property
    def registers(self) -> int:
        """Of a thread that multiplies, in eights.

        A thread block begins with the same number for each thread, in eights too, and waits forever for more.

        >>> of_loads = {"operands": {}, "stages": 4, "passes": 1, "steps": 8, "memory_registers": 40}
        >>> Pipeline(**of_loads, warpgroups=2, prepare=lambda operands: None).registers
        232
        """
        count = self.warpgroups + 1
        held = _REGISTERS // count // 8 * 8 * count
        return min(_MOST, (held - self.memory_registers) // self.warpgroups) // 8 * 8

    def _place(self, i: Any) -> tuple[Any, Any]:
        """The pass and the step of it."""
        if self.passes == 1:
            return jnp.int32(0), i
        return lax.div(i, jnp.int32(self.steps)), lax.rem(i, jnp.int32(self.steps))

    def _load(self, arrays: tuple[Any, ...], block: Any, buffers: Any, loaded: Any, free: Any) -> None:
        plgpu, pl = pallas()
        count = self.passes * self.steps

        def step(i: Any, slot: Any) -> Any:
            pl.when(i >= self.stages)(lambda: plgpu.barrier_wait(free.at[slot]))
            for operand, array, buffer in zip(self.operands.values(), arrays, buffers, strict=True):
                operand.load(array, buffer.at[slot], loaded.at[slot], (block, *self._place(i)))
            return self._after(slot)

        lax.fori_loop(0, count, step, jnp.int32(0))

        @pl.loop(max(0, count - self.stages), count)  # another thread block may still give back a stage of this one
        def _(i: Any) -> None:
            plgpu.barrier_wait(free.at[lax.rem(i, jnp.int32(self.stages))])

    def _steps(self, buffers: Any, loaded: Any, free: Any, multiply: Any, end: Any, carry: Any) -> Any:
        plgpu, _ = pallas()

        def step(i: Any, state: Any) -> Any:
            slot, carry = state
            plgpu.barrier_wait(loaded.at[slot])
            unit = {name: buffer.at[slot] for name, buffer in zip(self.operands, buffers, strict=True)}
            carry = multiply(unit, carry)
            plgpu.barrier_arrive(free.at[slot])
            return self._after(slot), end(carry, *self._place(i))

        return lax.fori_loop(0, self.passes * self.steps, step, (jnp.int32(0), carry))[1]

    def _after(self, slot: Any) -> Any:
        """The slot after one: a division for each unit would take longer."""
        return jnp.where(slot == self.stages - 1, jnp.int32(0), slot + 1)
