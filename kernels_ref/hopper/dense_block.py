"""The program of one thread block of the dense kernel: sums of tiles by wgmma, and their way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels_ref.hopper.dense_epilogue import Epilogue
from kernels_ref.hopper.dense_plan import Plan
from kernels_ref.hopper.dense_stream import LOADER_REGISTERS, Ring, Stream, load_all
from kernels_ref.hopper.dense_variant import SQUARE
from kernels_ref.hopper.dense_weights import block_index, expanded
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

#: axes of the grid: clusters, thread blocks of a cluster, warpgroups of a thread block
CLUSTER, PLACE, WARPGROUP = "cluster", "place", "warpgroup"
#: registers of a multiprocessor, for each of the threads of one warpgroup
_REGISTERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The program of one thread block."""

    plan: Plan
    sources: tuple[Any, Any]
    stages: tuple[Any, Any]
    scales: Any
    terms: dict[str, Any]
    results: Any
    out: Any
    ring: Ring
    interpret: bool

    def run(self) -> None:
        """Share the work out among the warpgroups."""
        plgpu, pl = pallas()
        walk, warpgroup = self.plan.walk, lax.axis_index(WARPGROUP)
        users = self.plan.variant.warpgroups
        cluster = lax.axis_index(CLUSTER)
        count = walk.count(cluster)

        def origin(index: Any) -> tuple[Any, Any]:
            return walk.origin(cluster, lax.axis_index(PLACE), index)

        @pl.when(warpgroup == users)
        def _load() -> None:  # pyright: ignore[reportUnusedFunction]
            load_all(self._streams(), self.ring, walk, count, origin)

        @pl.when(warpgroup < users)
        def _compute() -> None:  # pyright: ignore[reportUnusedFunction]
            plgpu.set_max_registers(min((_REGISTERS - LOADER_REGISTERS) // users, 248) // 8 * 8, action="increase")
            for stage in range(self.ring.stages):  # all are free
                self.ring.release(stage)

            def tile(index: Any, _: None) -> None:
                self._tile(index, origin(index))

            lax.fori_loop(0, count, tile, None)
            plgpu.wait_smem_to_gmem(0)

    def _streams(self) -> list[Stream]:
        _, pl = pallas()
        variant = self.plan.variant

        def depth(step: Any) -> Any:
            return pl.ds(step * variant.depth, variant.depth)

        def right(_: Any, column: Any, step: Any) -> Any:
            return pl.ds(column, variant.columns), depth(step)

        shared = PLACE if variant.cluster > 1 else None
        made = [*self._left_streams(depth), Stream(self.sources[1], self.stages[1], right, shared)]
        if self.plan.streamed:
            scales = self.terms[self.plan.streamed]
            made.append(Stream(scales, self.scales, lambda row, _, step: (step, pl.ds(row, variant.rows))))
        return made

    def _left_streams(self, depth: Callable[[Any], Any]) -> list[Stream]:
        """A tile's rows, or for each warpgroup a block of packed weights."""
        _, pl = pallas()
        variant, source, stages = self.plan.variant, self.sources[0], self.stages[0]
        if not self.plan.is_expanded:
            return [Stream(source, stages, lambda row, _, step: (pl.ds(row, variant.rows), depth(step)))]

        def block(share: int) -> Callable[[Any, Any, Any], Any]:
            return lambda row, _, step: (block_index(row + share * ROWS, step, self.plan.k),)

        return [Stream(source, stages, block(share), share=(share,)) for share in range(variant.warpgroups)]

    def _tile(self, index: Any, origin: tuple[Any, Any]) -> None:
        """One tile: its sums, and their way out."""
        plgpu, pl = pallas()
        variant = self.plan.variant
        first = index * self.plan.walk.steps
        shape = (variant.own_rows, variant.columns)
        if self.plan.is_promoted:
            self._store(self._promoted(first, origin), origin)
        elif self.plan.is_expanded and self.interpret:
            self._store(self._multiplied(first), origin)
        else:

            def chain(sums: Any) -> None:
                self._store(self._chained(first, sums), origin)

            pl.run_scoped(chain, plgpu.ACC(shape, self.plan.sums))

    def _own(self) -> Any:
        """Rows of this warpgroup within the tile."""
        _, pl = pallas()
        own = self.plan.variant.own_rows
        return pl.ds(lax.axis_index(WARPGROUP) * own, own)

    def _left(self, total: Any) -> Any:
        """The left operand of this warpgroup: where it lies, or expanded in registers."""
        stage = self.ring.stage(total)
        if not self.plan.is_expanded:
            return self.stages[0].at[stage, self._own()]
        scale = self._scale(total).astype(jnp.int32) if self.plan.streamed else None
        words = self.stages[0].at[stage, lax.axis_index(WARPGROUP)]
        return expanded(words, scale, self.plan, interpret=self.interpret)

    def _scale(self, total: Any) -> Any:
        """The scales of this warpgroup's rows."""
        plgpu, _ = pallas()
        rows = self.scales.at[self.ring.stage(total), self._own()]
        return plgpu.load(rows, layout=plgpu.Layout.WGMMA.reduce(1), optimized=False)

    def _right(self, total: Any) -> Any:
        return self.stages[1].at[self.ring.stage(total)]

    def _chained(self, first: Any, sums: Any) -> Any:
        """One chain over all of K.

        While a step is multiplied, the one before is released. Not so for operands in registers: the next ones may be
        written only when the matrix unit has read these; another warpgroup multiplies in the meantime.
        """
        plgpu, pl = pallas()
        steps, behind = self.plan.walk.steps, int(not self.plan.is_expanded)

        def one(step: Any, _: None) -> None:
            total = first + step
            self.ring.await_operands(total)
            plgpu.wgmma(sums, self._left(total), self._right(total).T)
            plgpu.wgmma_wait(behind)

            @pl.when(step >= behind)
            def _used() -> None:  # pyright: ignore[reportUnusedFunction]
                self.ring.release(total - behind)

        lax.fori_loop(0, steps, one, None)
        if behind:
            plgpu.wgmma_wait(0)
            self.ring.release(first + steps - 1)
        return sums[...]

    def _promoted(self, first: Any, origin: tuple[Any, Any]) -> Any:
        """``y = fma(d, s, y)`` for the sums ``d`` of each group, ``s`` the product of both operands' scales."""
        plgpu, _ = pallas()
        steps = self.plan.walk.steps
        weights = lax.div(origin[1], self.plan.variant.columns)

        def pair(index: Any, y: Any) -> Any:
            return self._groups(first, [2 * index, 2 * index + 1], weights, y)

        shape = (self.plan.variant.own_rows, self.plan.variant.columns)
        start = plgpu.layout_cast(jnp.zeros(shape, jnp.float32), plgpu.Layout.WGMMA)
        y = lax.fori_loop(0, steps // 2, pair, start)
        return self._groups(first, [steps - 1], weights, y) if steps % 2 else y

    def _groups(self, first: Any, steps: list[Any], weights: Any, y: Any) -> Any:
        """``y`` and the groups of some steps; a group is added up while the next ones are multiplied."""
        plgpu, pl = pallas()
        shape = (self.plan.variant.own_rows, self.plan.variant.columns)

        def multiply(*sums: Any) -> Any:
            total = y
            scales: list[Any] = []
            for step, each in zip(steps, sums, strict=True):
                of_weights = self.terms["group_scale"][weights, step]
                self.ring.await_operands(first + step)
                scales.append(self._scale(first + step) * of_weights)
                plgpu.wgmma(each, self._left(first + step), self._right(first + step).T)
            for behind, (step, each, scale) in enumerate(zip(steps, sums, scales, strict=True), 1 - len(steps)):
                d = plgpu.wgmma_accumulator_load(each, wait_n=-behind)
                self.ring.release(first + step)
                total = d * lax.broadcast_in_dim(scale, shape, (0,)) + total
            return total

        return pl.run_scoped(multiply, *[plgpu.ACC(shape, jnp.float32)] * len(steps))

    def _multiplied(self, first: Any) -> Any:
        """What `_chained` gives for operands in registers, which the interpreter's wgmma does not take."""
        shape = (self.plan.variant.own_rows, self.plan.variant.columns)

        def one(step: Any, sums: Any) -> Any:
            total = first + step
            self.ring.await_operands(total)
            dimensions = (((1,), (1,)), ((), ()))
            right = self._right(total)[...]
            d = lax.dot_general(self._left(total), right, dimensions, preferred_element_type=self.plan.sums)
            self.ring.release(total)
            return sums + d

        return lax.fori_loop(0, self.plan.walk.steps, one, jnp.zeros(shape, self.plan.sums))

    def _store(self, sums: Any, origin: tuple[Any, Any]) -> None:
        """The results of this warpgroup, square by square through two buffers, in turns.

        With an odd number of squares two in a row have the same buffer, of this tile and the next.
        """
        epilogue = Epilogue(self.plan, self.terms)
        variant = self.plan.variant
        row = origin[0] + lax.axis_index(WARPGROUP) * variant.own_rows
        squares = [(i, j) for i in range(0, variant.own_rows, SQUARE) for j in range(0, variant.columns, SQUARE)]
        for index, (i, j) in enumerate(squares):
            part = sums[i : i + SQUARE, j : j + SQUARE]
            square = epilogue.results(part, row + i, origin[1] + j)
            pallas()[0].wait_smem_to_gmem(1 - len(squares) % 2, wait_read_only=True)
            self._put(square, row + i, origin[1] + j, index % 2)

    def _put(self, square: Any, row: Any, column: Any, buffer: int) -> None:
        plgpu, pl = pallas()
        place = self.results.at[lax.axis_index(WARPGROUP), buffer]
        if self.plan.is_expanded:
            place.T[...] = plgpu.layout_cast(square, plgpu.Layout.WGMMA_TRANSPOSED)
            row, column = column, row
        else:
            place[...] = square
        plgpu.commit_smem()
        plgpu.copy_smem_to_gmem(place, self.out.at[pl.ds(row, SQUARE), pl.ds(column, SQUARE)])
