"""Operands on their way through shared memory: one warpgroup has them loaded, the others use them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels_ref.hopper.dense_variant import Walk
from kernels_ref.hopper.traced import lax
from kernels_ref.pallas import pallas

#: registers that the loading warpgroup keeps for each of its threads
LOADER_REGISTERS = 40


@dataclass(frozen=True, slots=True)
class Ring:
    """The stages in shared memory; step ``i`` of a thread block, over all its tiles, uses stage ``i mod stages``."""

    full: Any  #: a barrier for each stage: its operands have come
    free: Any  #: a barrier for each stage: its operands are no longer needed, by any thread block of the cluster
    stages: int

    def stage(self, step: Any) -> Any:
        """The stage of a step."""
        return lax.rem(step, self.stages)

    def await_operands(self, step: Any) -> None:
        """Wait until the operands of a step are there."""
        pallas()[0].barrier_wait(self.full.at[self.stage(step)])

    def await_room(self, step: Any) -> None:
        """Wait until what was in the stage of a step is used up."""
        pallas()[0].barrier_wait(self.free.at[self.stage(step)])

    def release(self, step: Any) -> None:
        """Say that this warpgroup has used the operands of a step."""
        pallas()[0].barrier_arrive(self.free.at[self.stage(step)])


@dataclass(frozen=True, slots=True)
class Stream:
    """One operand: where it comes from, its stages, and which part of it a step needs."""

    source: Any
    stages: Any
    part: Callable[[Any, Any, Any], tuple[Any, ...]]  #: index of the source for (row, column, step)
    axis: str | None = None  #: the cluster's axis, for what its thread blocks load for one another
    share: tuple[int, ...] = ()  #: which part of a stage it fills

    def load(self, ring: Ring, origin: tuple[Any, Any], step: Any, total: Any) -> None:
        """Begin to load what ``step`` of the tile needs into the stage of step ``total`` of the thread block."""
        stage = ring.stage(total)
        shared = {} if self.axis is None else {"collective_axes": self.axis}
        source = self.source.at[self.part(*origin, step)]
        target = self.stages.at[(stage, *self.share)]
        pallas()[0].copy_gmem_to_smem(source, target, ring.full.at[stage], **shared)


def load_all(
    streams: list[Stream], ring: Ring, walk: Walk, count: Any, origin: Callable[[Any], tuple[Any, Any]]
) -> None:
    """The loading warpgroup's program: every step of every tile, as soon as there is room; then wait for the end."""
    plgpu, _ = pallas()
    plgpu.set_max_registers(LOADER_REGISTERS, action="decrease")

    def tile(index: Any, _: None) -> None:
        place = origin(index)

        def one(step: Any, _: None) -> None:
            total = index * walk.steps + step
            ring.await_room(total)
            for stream in streams:
                stream.load(ring, place, step, total)

        lax.fori_loop(0, walk.steps, one, None)

    lax.fori_loop(0, count, tile, None)
    for stage in range(ring.stages):
        ring.await_room(stage)
