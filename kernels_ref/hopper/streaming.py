"""The kernel that streams weights: one body for every product of `formats.products`.

Swap AB: a warpgroup holds 64 rows of weights in registers as operand A of wgmma; the activations are operand B, in
shared memory, with as many columns as there are tokens. One warpgroup loads by TMA, the others decode and multiply.
The scales of groups multiply the sums, so products of small integers stay exact.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from formats.products import ScaledProduct
from kernels_ref.hopper import chains, rows, transposed
from kernels_ref.hopper.block_of_weights import interpreted, pieces
from kernels_ref.hopper.chains import Columns
from kernels_ref.hopper.decoder import decoder
from kernels_ref.hopper.fold import fused
from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.join import Gathered, Join, Planes
from kernels_ref.hopper.pipeline import Operand, Pipeline
from kernels_ref.hopper.planes import LINE, lines
from kernels_ref.hopper.rows import RowTerms
from kernels_ref.hopper.swizzle import swizzled
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.hopper.variant import SHARED, Variant
from kernels_ref.hopper.work import Work
from kernels_ref.pallas import interpreter, pallas

#: the most tokens for which the scales of a unit are in registers
_KEPT = 32
#: the most tokens times bits of a weight for which the words of the next block are in registers too
_EARLY = 64 * 6
#: the most thread blocks of a cluster (portable cluster size)
_PARTS = 8
DTYPES: dict[str, Any] = {"bfloat16": jnp.bfloat16, "int8": jnp.int8, "float8_e4m3fn": jnp.float8_e4m3fn}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a thread block does with a unit."""

    product: ScaledProduct
    work: Work
    variant: Variant
    tokens: int  #: columns of a pass: a multiple of 8
    interpret: bool

    @property
    def dtype(self) -> Any:
        """Of the operands."""
        return DTYPES[self.product.a]

    @property
    def sums(self) -> Any:
        """Of a chain."""
        return jnp.int32 if self.product.a == "int8" else jnp.float32

    @property
    def alone(self) -> int:
        """Elements of K in a chain, of at most one block."""
        return min(self.product.chain or CHUNK, CHUNK)

    @property
    def width(self) -> int:
        """Elements of K of one operand A."""
        return max(self.alone, 256 // (8 * jnp.dtype(self.dtype).itemsize))

    @property
    def columns(self) -> Columns | None:
        """The activations of a unit, where its chains are emitted by `chains`: short ones of FP8, of few tokens."""
        halved = self.alone < self.width
        short = self.product.a == "float8_e4m3fn" and self.product.chain in (chains.STEP // 2, chains.STEP)
        if self.interpret or not short or self.tokens > chains.FEW or (halved and self.cluster > 1):
            return None
        return Columns(tokens=self.tokens, depth=self.work.split.depth, halved=halved)

    @property
    def halves(self) -> Columns | None:
        """`columns` where an instruction has two chains."""
        return self.columns if self.columns is not None and self.columns.halved else None

    def prepare(self, buffers: dict[str, Any]) -> None:
        """Fill what the products read of shared memory and no load writes."""
        if self.halves is not None:
            self.halves.clear(buffers["a"])

    @property
    def cluster(self) -> int:
        """Thread blocks that share a tile; the interpreter has one for all rows."""
        return 1 if self.interpret else self.work.cluster

    @property
    def rows(self) -> int:
        """Of a thread block."""
        return self.work.split.rows if self.interpret else self.work.rows

    @property
    def _ahead(self) -> int:
        """Chains under way while an older one is folded."""
        return self.variant.folded_late(self.tokens, self.rows)

    def gathered(self, passes: int) -> int:
        """Thread blocks of a cluster that has a tile, each a part of K; 1 where parts go through memory, or are one."""
        parts = self.work.even_parts
        possible = parts <= _PARTS and self.cluster == passes == 1 and self._sent(parts) <= SHARED // 4
        chosen = self.variant.join == "kernel" and not self.interpret
        return parts if possible and chosen else 1

    def _sent(self, parts: int) -> int:
        """Bytes of the sums that the first thread block of a tile is sent."""
        return (parts - 1) * self.rows * self.tokens * jnp.dtype(self.sums).itemsize

    def room(self, operands: dict[str, Operand], passes: int) -> tuple[int, int]:
        """Units in shared memory at once, as the variant says or as fit, and tokens whose results are turned there."""
        unit, line = sum(x.bytes for x in operands.values()), self.rows // ROWS * transposed.LINE_BYTES
        room = SHARED - self._sent(self.gathered(passes))
        most = min(self.variant.at_once(unit), passes * self.work.run)
        stages = max(1, min(most, (room - transposed.FEWEST * line) // unit))
        fitting = (room - stages * unit) // line
        return stages, min(transposed.MOST, self.tokens, max(transposed.FEWEST, fitting // 8 * 8))

    def unit(self, refs: dict[str, Any], warpgroup: Any, carry: Any) -> Any:
        """The carry after a unit."""
        own = Own(self, refs, warpgroup)
        blocks = range(self.work.split.depth // CHUNK)
        if self.product.chain is None:
            return self._continued(own, carry, blocks)
        if self.columns is not None:
            return self._emitted(own, carry, blocks, self.columns)
        if self._ahead and not self.interpret:
            return self._pipelined(own, carry, blocks)
        each = CHUNK // self.alone
        for block, at in self._turns(blocks):
            for i, d in enumerate(self._chains(own, block, at)):
                carry = self._fold(own, carry, d, block * each + at.start + i)
        return carry

    def _emitted(self, own: Own, carry: Any, blocks: range, columns: Columns) -> Any:
        """All chains of a block at once."""
        each = CHUNK // self.alone
        for block, fragments in own.fragments(blocks):
            for i, d in enumerate(columns.sums(own.refs["a"], fragments, block)):
                carry = self._fold(own, carry, d, block * each + i)
        return carry

    def _pipelined(self, own: Own, carry: Any, blocks: range) -> Any:
        """Chains are folded while those after them are under way, ``ahead`` of them."""
        plgpu, pl = pallas()
        ahead, count = self._ahead, len(blocks) * (CHUNK // self.alone)

        def multiply(*sums: Any) -> Any:
            operands, total = own.operands(blocks), carry
            for i in range(count + ahead):
                if i < count:
                    a, k = next(operands)
                    plgpu.wgmma(sums[i], a, own.refs["a"].at[:, k].T)
                if i >= ahead:
                    d = plgpu.wgmma_accumulator_load(sums[i - ahead], wait_n=min(ahead, count - 1 - i + ahead))
                    total = self._fold(own, total, d, i - ahead)
            return total

        return pl.run_scoped(multiply, *[plgpu.ACC((ROWS, self.tokens), self.sums)] * count)

    def _turns(self, blocks: range) -> list[tuple[int, slice]]:
        """First block and chains (of it and those after it) of what is under way at once."""
        each = CHUNK // self.alone
        room = max(1, self.variant.sums * 2 // self.tokens)
        some = min(each, 1 << (room.bit_length() - 1))
        if some < each or self.variant.flight == 1:
            return [(block, slice(i, i + some)) for block in blocks for i in range(0, each, some)]
        flight = self.variant.flight
        return [(blocks[i], slice(0, len(blocks[i : i + flight]) * each)) for i in range(0, len(blocks), flight)]

    def _continued(self, own: Own, carry: Any, blocks: range) -> Any:
        """One chain through all of K: the accumulator goes on."""
        plgpu, pl = pallas()
        if self.interpret:
            for a, k in own.operands(blocks):
                carry = carry + self._dot(a, own.refs["a"][:, k])
            return carry

        def multiply(sums: Any) -> None:
            for a, k in own.operands(blocks):
                plgpu.wgmma(sums, a, own.refs["a"].at[:, k].T)
            plgpu.wgmma_wait(0)

        return pl.run_state(multiply)(plgpu.ACC.init(carry))

    def _chains(self, own: Own, block: int, at: slice) -> list[Any]:
        """The sums of some chains from a block on, each from +0, all under way at once."""
        plgpu, pl = pallas()
        each = CHUNK // self.alone

        def pairs() -> Iterator[tuple[Any, Any]]:
            """Decoded while earlier products are under way; what is not used is not emitted."""
            return islice(own.operands(range(block, block + -(-at.stop // each))), at.start, at.stop)

        if self.interpret:
            return [self._dot(a, own.refs["a"][:, k]) for a, k in pairs()]

        def multiply(*sums: Any) -> Any:
            for accumulator, (a, k) in zip(sums, pairs(), strict=True):
                plgpu.wgmma(accumulator, a, own.refs["a"].at[:, k].T)
            plgpu.wgmma_wait(0)
            return tuple(accumulator[...] for accumulator in sums)

        return list(pl.run_scoped(multiply, *[plgpu.ACC((ROWS, self.tokens), self.sums)] * (at.stop - at.start)))

    def _dot(self, a: Any, b: Any) -> Any:
        """The interpreter's product; its operands are numbers of few bits, so that no order of sums matters."""
        wide = a.dtype if a.dtype == jnp.int8 else jnp.float32
        dimensions = (((1,), (1,)), ((), ()))
        return lax.dot_general(a.astype(wide), b.astype(wide), dimensions, preferred_element_type=self.sums)

    def _fold(self, own: Own, carry: Any, d: Any, chain: int) -> Any:
        if not self.product.scales_sums:
            return carry + d
        tokens = [rows.of_tokens(own.refs["columns"], chain)] if self.product.a_grouped else []
        return fused(self.tokens, self.interpret)(carry, d, own.terms.scale(chain), *tokens)


class Own:
    """What a warpgroup has of a unit: the operands in shared memory, and the terms of its own rows in registers."""

    def __init__(self, body: Body, refs: dict[str, Any], warpgroup: Any) -> None:
        self.body, self.refs, self.warpgroup = body, refs, warpgroup
        depth, keep = body.work.split.depth, body.tokens <= _KEPT
        self.terms = RowTerms(body.product, refs, warpgroup, depth, keep=keep, interpret=body.interpret)

    def operands(self, blocks: range) -> Iterator[tuple[Any, Any]]:
        """Operand A and the slice of K that it goes with, for each piece of 64 x 128 blocks."""
        for block, words in self._loaded(blocks):
            yield from self._pieces(words, block)

    def fragments(self, blocks: range) -> Iterator[tuple[int, list[Any]]]:
        """The operands of `chains.Columns.sums`, for each block."""
        body = self.body
        form = pieces(decoder(body.product), body.dtype, body.width, body.alone, paired=True)
        for block, words in self._loaded(blocks):
            yield block, list(form(words, *self.terms.of_block(block)))

    def _loaded(self, blocks: range) -> Iterator[tuple[int, Any]]:
        """The words of each block, loaded before the block ahead of it is decoded, while registers suffice."""
        early = self.body.tokens * decoder(self.body.product).bits <= _EARLY
        words: dict[int, Any] = {}
        for block in blocks:
            for due in (block, block + 1) if early else (block,):
                if due in blocks and due not in words:
                    words[due] = self._words(due)
            yield block, words[block]

    def _words(self, block: int) -> Any:
        plgpu, pl = pallas()
        count = lines(decoder(self.body.product))
        first = (self.warpgroup * (self.body.work.split.depth // CHUNK) + block) * count
        words = self.refs["words"].at[pl.ds(first, count), :]
        if self.body.interpret:
            return words[...]
        return plgpu.load(words, layout=plgpu.Layout.WG_STRIDED((count, LINE), vec_size=4), optimized=False)

    def _pieces(self, words: Any, block: int) -> list[tuple[Any, Any]]:
        _, pl = pallas()
        body, terms = self.body, self.terms.of_block(block)
        code, start = decoder(body.product), block * CHUNK
        if body.interpret:
            whole: Any = interpreted(code, body.dtype, words, *terms)
            places = range(0, CHUNK, body.alone)
            return [(whole[:, at : at + body.alone], pl.ds(start + at, body.alone)) for at in places]
        share = body.width // body.alone
        found = pieces(code, body.dtype, body.width, body.alone)(words, *terms)
        return [(piece, pl.ds(start + i // share * body.width, body.width)) for i, piece in enumerate(found)]


def brought(body: Body, names: list[str]) -> dict[str, Operand]:
    """What TMA brings for a unit of a thread block's run, by the names of `kernel`'s operands."""
    _, pl = pallas()
    work, product, depth = body.work, body.product, body.work.split.depth
    axis = "half" if body.cluster > 1 else None

    def of_unit(shape: tuple[int, int]) -> Operand:
        def places(block: Any, _: Any, step: Any) -> list[tuple[Any, ...]]:
            tile, k = work.place(block, step)
            half = lax.axis_index("half") if axis else 0
            return [(tile * work.steps + k, pl.ds(half * shape[0], shape[0]), slice(None))]

        return Operand(shape=shape, dtype=jnp.uint32, places=places)

    def of_tokens(width: int, block: Any, passed: Any, step: Any) -> list[tuple[Any, ...]]:
        first, tokens = work.place(block, step)[1] * depth, pl.ds(passed * body.tokens, body.tokens)
        return [(tokens, pl.ds(first + at, width)) for at in range(0, depth, width)]

    def of_groups(block: Any, passed: Any, step: Any) -> list[tuple[Any, ...]]:
        return [(pl.ds(work.place(block, step)[1] * groups, groups), pl.ds(passed * body.tokens, body.tokens))]

    def activations() -> Operand:
        halves, operand = body.halves, functools.partial(Operand, dtype=body.dtype, axis=axis)
        if halves is None:
            places, tiles = functools.partial(of_tokens, depth), swizzled(body.width, body.dtype)
            return operand(shape=(body.tokens, depth), places=places, transforms=tiles)
        places = functools.partial(of_tokens, CHUNK // 2)
        return operand(shape=halves.shape, places=places, parts=halves.parts, transforms=halves.transforms)

    count = body.rows // ROWS * (depth // CHUNK) * lines(decoder(product))
    groups = depth // (product.group or CHUNK)
    found: dict[str, Callable[[], Operand]] = {
        "words": lambda: of_unit((count, LINE)),
        "scales": lambda: of_unit(rows.scales(product, depth).shape(body.rows)),
        "zeros": lambda: of_unit(rows.zeros(depth).shape(body.rows)),
        "columns": lambda: Operand(shape=(groups, body.tokens), dtype=jnp.float32, places=of_groups),
        "a": activations,
    }
    return {name: found[name]() for name in names}


def _same(sums: Any, *_: Any) -> Any:
    return sums


def kernel(body: Body, names: list[str], passes: int, size: tuple[int, int]) -> Callable[..., Any]:
    """The results (M, N) of `finish.Finish`, or the parts (parts, N, M) of ``join="planes"``, both filled up to tiles.

    Operands are those called ``names``, which TMA brings, then but for planes the flags and the epilogue's factors.
    """
    plgpu, _ = pallas()
    work, variant, warpgroups = body.work, body.variant, body.rows // ROWS
    m, n = (passes * body.tokens, work.tiles * work.split.rows) if body.interpret else size
    operands, parts = brought(body, names), body.gathered(passes)
    stages, turned = body.room(operands, passes)
    if variant.join == "planes":
        join: Any = Planes(body)
    else:
        join = Gathered(body, turned, parts) if parts > 1 else Join(body, turned)
    pipeline = Pipeline(
        operands=operands,
        warpgroups=warpgroups,
        stages=stages,
        passes=passes,
        steps=work.run,
        memory_registers=variant.of_loads(body.rows),
        prepare=body.prepare,
    )
    clusters: dict[str, Any] = {}
    if body.cluster > 1:
        clusters = {"cluster": (body.cluster,), "cluster_names": ("half",)}
    elif parts > 1:
        clusters = {"cluster": (parts,), "cluster_names": ("part",)}

    def run(*refs: Any) -> None:
        block, warpgroup = lax.axis_index("block"), lax.axis_index("warpgroup")
        block = block * parts + lax.axis_index("part") if parts > 1 else block
        half = lax.axis_index("half") if body.cluster > 1 else 0
        arrays, rest = refs[: len(names)], refs[len(names) :]
        keep = join.begin(rest, block, half * warpgroups + warpgroup, passes)

        def zero() -> Any:
            return plgpu.layout_cast(jnp.zeros((ROWS, body.tokens), body.sums), plgpu.Layout.WGMMA)

        def multiply(unit: dict[str, Any], sums: Any) -> Any:
            return body.unit(unit, warpgroup, sums)

        def end(sums: Any, passed: Any, step: Any) -> Any:
            def ended() -> Any:
                keep(sums, passed, work.place(block, step)[0])
                return zero()

            return lax.cond(work.ends(block, step), ended, lambda: sums)

        def compute(steps: Callable[..., Any]) -> None:
            if parts == 1:
                steps(multiply, end, zero())
            else:  # a run is a part, and the only one
                sums = steps(multiply, _same, zero())
                keep(sums, jnp.int32(0), work.place(block, jnp.int32(0))[0])

        pipeline(arrays, block, compute)

    return plgpu.kernel(
        run,
        out_type=join.results(m, n, passes),
        grid=(work.blocks // parts,),
        grid_names=("block",),
        **clusters,
        num_threads=warpgroups + 1,
        thread_name="warpgroup",
        scratch_types=join.shared(),
        interpret=interpreter(body.interpret),
    )
