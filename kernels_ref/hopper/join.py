"""Who adds the parts of a tile that several thread blocks worked on, in order, first part first.

A thread block begins a tile last, so the block with a tile's first part is the one for which the other parts are
ready: it waits for the blocks after it, none of which waits before it has signalled. All blocks must run at once; the
GPU has at least as many multiprocessors. Where each block has one part of one tile, those of a tile are a cluster
instead, and nothing goes through memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from kernels_ref.hopper import parts, sending
from kernels_ref.hopper.finish import Finish, result_dtype
from kernels_ref.hopper.flags import Flags
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

Keep = Callable[[Any, Any, Any], None]


class Planes:
    """Every part goes to a plane of its own; XLA adds them."""

    def __init__(self, body: Any) -> None:
        self.body = body

    def shared(self) -> list[Any]:
        """None."""
        return []

    def results(self, m: int, n: int, passes: int) -> Any:
        """The planes (parts, N, M)."""
        work = self.body.work
        shape = (work.planes, work.tiles * work.split.rows, passes * self.body.tokens)
        return jax.ShapeDtypeStruct(shape, self.body.sums)

    def begin(self, refs: Any, block: Any, warpgroup: Any, passes: int) -> Keep:
        """What is done with a tile's sums when a part ends."""
        _, pl = pallas()
        body, (out,) = self.body, refs

        def keep(sums: Any, passed: Any, tile: Any) -> None:
            part = body.work.part(block, tile)
            out[part, pl.ds(_row(body, tile, warpgroup), ROWS), pl.ds(passed * body.tokens, body.tokens)] = sums

        return keep


class Join:
    """Parts but the first go to memory, with a signal; the block with the first adds them and writes the result."""

    def __init__(self, body: Any, turned: int) -> None:
        self.body = body
        self.finish = finish(body, turned)

    def shared(self) -> list[Any]:
        """Memory of a thread block."""
        return self.finish.shared(self.body.rows // ROWS)

    def results(self, m: int, n: int, passes: int) -> Any:
        """The results (M, N), and room for a part of each block."""
        body = self.body
        results = jax.ShapeDtypeStruct((m, n), result_dtype(body.product))
        if body.work.planes == 1:
            return (results,)
        room = (passes * body.work.blocks * (body.work.split.rows // ROWS), ROWS * body.tokens)
        return results, jax.ShapeDtypeStruct(room, body.sums)

    def begin(self, refs: Any, block: Any, warpgroup: Any, passes: int) -> Keep:
        """What is done with a tile's sums when a part ends."""
        body = self.body
        words, factors, out, *rest = _operands(body, refs)
        room, shared = (rest[:1], rest[1:]) if body.work.planes > 1 else ([], rest)
        flags: Any = Flags(words, room[0]) if room else None

        def place(passed: Any, other: Any) -> Any:
            """The number of a block's part, and of its flag."""
            return (passed * body.work.blocks + other) * (body.work.split.rows // ROWS) + warpgroup

        def write(passed: Any, tile: Any, sums: Any) -> None:
            row, token = _row(body, tile, warpgroup), passed * body.tokens
            loaded = self.finish.load(factors, row, token)
            if room:
                add = functools.partial(join, passed)
                sums = lax.fori_loop(0, body.work.parts_after(block, tile), add, sums)
            self.finish(sums, loaded, out, shared, row, token)

        def join(passed: Any, i: Any, sums: Any) -> Any:
            at = place(passed, block + 1 + i)
            flags.wait(at)
            return sums + parts.load(room[0].at[at], body.tokens, body.sums)

        def leave(passed: Any, sums: Any) -> None:
            at = place(passed, block)
            parts.store(room[0].at[at], sums)
            flags.signal(at)

        def keep(sums: Any, passed: Any, tile: Any) -> None:
            if not room:
                return write(passed, tile, sums)
            first = body.work.part(block, tile) == 0
            return lax.cond(first, functools.partial(write, passed, tile), functools.partial(leave, passed), sums)

        return keep


class Gathered:
    """A cluster of thread blocks has a tile, each a part of K; the first is sent the sums of the others."""

    def __init__(self, body: Any, turned: int, parts: int) -> None:
        self.body, self.parts = body, parts
        self.finish = finish(body, turned)

    def results(self, m: int, n: int, _: int) -> Any:
        """The results (M, N)."""
        return (jax.ShapeDtypeStruct((m, n), result_dtype(self.body.product)),)

    def shared(self) -> list[Any]:
        """Memory of a thread block: the sums of 64 rows that others send, a barrier for each, and the finish's."""
        warpgroups = self.body.rows // ROWS
        count = (self.parts - 1) * warpgroups
        room = pallas()[0].SMEM((count, ROWS * self.body.tokens), self.body.sums)
        return [room, sending.barriers(count), *self.finish.shared(warpgroups)]

    def begin(self, refs: Any, _: Any, warpgroup: Any, passes: int) -> Keep:
        """What is done with a tile's sums when a part ends."""
        assert passes == 1  # else sums could be sent before those of the last pass are read
        body, warpgroups = self.body, self.body.rows // ROWS
        _, factors, out, room, sent, *shared = _operands(body, refs)
        part = lax.axis_index("part")
        sending.announce(sent, body.tokens)

        def write(passed: Any, tile: Any, sums: Any) -> None:
            row, token = _row(body, tile, warpgroup), passed * body.tokens
            loaded = self.finish.load(factors, row, token)
            for other in range(self.parts - 1):
                at = other * warpgroups + warpgroup
                sending.wait(sent.at[at])
                sums = sums + parts.load(room.at[at], body.tokens, body.sums)
            self.finish(sums, loaded, out, shared, row, token)

        def send(sums: Any) -> None:
            at = (part - 1) * warpgroups + warpgroup
            sending.send(sums, room.at[at], sent.at[at])

        def keep(sums: Any, passed: Any, tile: Any) -> None:
            sending.announced()
            return lax.cond(part == 0, functools.partial(write, passed, tile), send, sums)

        return keep


def finish(body: Any, turned: int) -> Finish:
    """Of a kernel's results."""
    return Finish(body.product, body.tokens, body.work.n, turned, body.interpret)


def _operands(body: Any, refs: Any) -> tuple[Any, ...]:
    """Words of the flags, the epilogue's factors by name, and one by one the results and what a kernel has beside."""
    words, *rest = refs
    factors = dict(zip(body.product.epilogue, rest, strict=False))
    return words, factors, *rest[len(factors) :]


def _row(body: Any, tile: Any, warpgroup: Any) -> Any:
    """The first row of a warpgroup in the results."""
    return tile * body.work.split.rows + warpgroup * ROWS


def added(planes: Any, parts: list[int], rows: int) -> Any:
    """The sums (N, M) of planes, first part first; planes that a tile does not have are not read."""
    sums = planes[0]
    counts = jnp.repeat(jnp.asarray(parts), rows)[:, None]
    for part in range(1, planes.shape[0]):
        sums = jnp.where(counts > part, sums + planes[part], sums)
    return sums
