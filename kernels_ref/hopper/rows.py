"""What a unit has one of for each row of the weights: scales of groups, and zero points.

A row's numbers lie side by side, filled up to 4, 8 or a multiple of 16 bytes: a thread loads those of its two rows at
once, as 32-bit words, and takes from them what a block or a chain needs.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from formats.products import ScaledProduct, Weight
from formats.products.record import value_format
from kernels_ref.hopper import row_scales
from kernels_ref.hopper.decoder import decoder, left_over
from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

#: words of a row of an array in memory at most
_LINE = 128


@dataclass(frozen=True, slots=True)
class RowWords:
    """How the numbers of a unit's rows lie in memory: ``count`` of them for a row, of ``bits`` bits each."""

    count: int
    bits: int

    @property
    def words(self) -> int:
        """32-bit words of a row: a power of two."""
        return 1 << (max(1, -(-self.count * self.bits // 32)) - 1).bit_length()

    @property
    def line(self) -> int:
        """Words that lie in one row of the array; those of 64 rows of weights fill whole ones."""
        return min(_LINE, ROWS * self.words)

    def shape(self, rows: int) -> tuple[int, int]:
        """Of the array of words for so many rows of weights, a multiple of 64."""
        return rows * self.words // self.line, self.line

    def pack(self, numbers: Any) -> Any:
        """Numbers (units, rows, ``count``) of ``bits`` bits to uint32 (units, *`shape`)."""
        units, rows, _ = numbers.shape
        whole = 32 * self.words // self.bits
        filled = jnp.pad(numbers, ((0, 0), (0, 0), (0, whole - self.count)))
        parts = filled.reshape(units, rows * self.words, 32 // self.bits)
        words = lax.bitcast_convert_type(parts[..., 0] if self.bits == 32 else parts, jnp.uint32)
        return words.reshape(units, *self.shape(rows))

    def unpack(self, words: Any) -> Any:
        """The unsigned numbers (units, rows, ``count``) that `pack` took."""
        unsigned = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}[self.bits]
        parts = lax.bitcast_convert_type(words, unsigned).reshape(len(words), -1, 32 // self.bits * self.words)
        return parts[..., : self.count]

    def load(self, ref: Any, warpgroup: Any, interpret: bool) -> list[Any]:
        """The words of a warpgroup's rows, each an int32 array (64,)."""
        plgpu, pl = pallas()
        lines = self.shape(ROWS)[0]
        own = pl.ds(warpgroup * lines, lines)
        if interpret:
            block = lax.bitcast_convert_type(ref[own, :], jnp.int32).reshape(ROWS, self.words)
            return [block[:, i] for i in range(self.words)]
        rows = plgpu.ShapeDtypeStruct((ROWS,), jnp.int32, layout=plgpu.Layout.WGMMA.reduce(1))
        inline = plgpu.inline_mgpu(arg_types=(plgpu.RefType(),), return_type=(rows,) * self.words)
        return list(inline(functools.partial(_emit, self))(ref.at[own]))

    def number(self, words: list[Any], index: int) -> Any:
        """The bits of number ``index`` of each row, int32."""
        each = 32 // self.bits
        word, place = words[index // each], index % each * self.bits
        moved = lax.shift_right_logical(word, jnp.int32(place)) if place else word
        return moved if place + self.bits == 32 else moved & jnp.int32((1 << self.bits) - 1)


def _emit(layout: RowWords, _: Any, ref: Any) -> tuple[Any, ...]:
    """Loads, as wide as may be, of the two rows of a thread: see `fragments`."""
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    arith, gpu, vector = (
        importlib.import_module(f"jaxlib.mlir.dialects.{name}") for name in ("arith", "gpu", "vector")
    )
    index, i32 = ir.IndexType.get(), ir.IntegerType.get_signless(32)

    def word(value: int) -> Any:
        return arith.constant(index, ir.IntegerAttr.get(index, value))

    thread = arith.remui(gpu.thread_id(gpu.Dimension.x), word(128))
    warp, lane = arith.divui(thread, word(32)), arith.remui(thread, word(32))
    first = arith.addi(arith.muli(warp, word(16)), arith.divui(lane, word(4)))
    wide = min(4, layout.words)
    loaded: list[list[Any]] = []
    for row in (first, arith.addi(first, word(8))):
        place = arith.muli(row, word(layout.words))
        line, column = arith.divui(place, word(layout.line)), arith.remui(place, word(layout.line))
        parts = [
            vector.load(ir.VectorType.get((wide,), i32), ref, [line, arith.addi(column, word(at))])
            for at in range(0, layout.words, wide)
        ]
        loaded.append([vector.extract(part, [], [i]) for part in parts for i in range(wide)])
    of_rows = pallas()[0].Layout.WGMMA.reduce(1).to_mgpu()
    one = ir.VectorType.get((1,), i32)
    shape = of_rows.registers_shape((ROWS,))

    def array(pair: tuple[Any, ...]) -> Any:
        registers = np.array([vector.from_elements(one, [x]) for x in pair], object).reshape(shape)
        return mgpu.FragmentedArray(_registers=registers, _layout=of_rows, _is_signed=True)

    return tuple(array(pair) for pair in zip(*loaded, strict=True))


def scales(product: ScaledProduct, depth: int) -> RowWords:
    """The scales of a unit's groups."""
    return RowWords(depth // (product.group or CHUNK), value_format(product.group_scale or "").bits)


def zeros(depth: int) -> RowWords:
    """Zero points, one for each 128 elements of K."""
    return RowWords(depth // CHUNK, 8)


class RowTerms:
    """The terms of a warpgroup's rows in a unit, loaded once if they are to be kept, else wherever one is needed."""

    def __init__(
        self, product: ScaledProduct, refs: dict[str, Any], warpgroup: Any, depth: int, *, keep: bool, interpret: bool
    ) -> None:
        self._product, self._refs, self._warpgroup, self._interpret = product, refs, warpgroup, interpret
        self._layouts = {name: scales(product, depth) if name == "scales" else zeros(depth) for name in _named(refs)}
        self._kept = {name: self._load(name) for name in self._layouts} if keep else {}
        self._quads: dict[int, list[Any]] = {}

    def _load(self, name: str) -> list[Any]:
        return self._layouts[name].load(self._refs[name], self._warpgroup, self._interpret)

    def _words(self, name: str) -> list[Any]:
        return self._kept.get(name) or self._load(name)

    def _scale(self, index: int) -> Any:
        """The float32 scale of a group, for each row."""
        if self._layouts["scales"].bits == 8:
            return self._quad(index // 4)[index % 4]
        return row_scales.float32(self._number("scales", index), self._product.group_scale)

    def _quad(self, word: int) -> list[Any]:
        """The scales of four groups; for operands of 8 bits those of the last word at least stay in registers."""
        if word in self._quads:
            return self._quads[word]
        found = row_scales.quad(self._product.group_scale, self._words("scales")[word], self._interpret)
        if self._kept:
            self._quads[word] = found
        elif decoder(self._product).lane == 8:
            self._quads = {word: found}
        return found

    def _number(self, name: str, index: int) -> Any:
        return self._layouts[name].number(self._words(name), index)

    def of_block(self, block: int) -> list[Any]:
        """What `expand.expand` makes a block's weights with: for each group, words of rows (64,); nothing for most."""
        product = self._product
        if product.weight is Weight.MINUS_ZERO_POINT:
            return [minus(product, self._number("zeros", block))]
        if product.weight in (Weight.SCALED, Weight.REQUANTISED):
            count = CHUNK // (product.group or CHUNK)
            return [self._operand(block * count + i) for i in range(count)]
        return []

    def _operand(self, group: int) -> Any:
        """A scale twice: as it is for float16, as bfloat16 for the others."""
        if self._product.weight is Weight.REQUANTISED:
            return _twice(self._number("scales", group))
        return _bfloat16_twice(self._scale(group))

    def scale(self, chain: int) -> Any:
        """The float32 scale of a chain of the unit, for each row, times the power of two that its sums lack."""
        product = self._product
        chains = (product.group or 1) // (product.chain or 1)
        found = self._scale(chain // chains)
        power = left_over(product) - decoder(product).exponent
        return found * 2.0**power if power else found


def _named(refs: dict[str, Any]) -> list[str]:
    return [name for name in ("scales", "zeros") if name in refs]


def minus(product: ScaledProduct, zero_points: Any) -> Any:
    """Minus zero points of at most 8 bits in the unit of the operands, as bfloat16, twice."""
    return _bfloat16_twice(zero_points.astype(jnp.float32) * -(2.0 ** decoder(product).exponent))


def _bfloat16_twice(numbers: Any) -> Any:
    return _twice(lax.shift_right_logical(lax.bitcast_convert_type(numbers, jnp.int32), jnp.int32(16)))


def of_tokens(scales: Any, chain: int) -> Any:
    """The float32 scales of the activations of a chain's group, for each token."""
    plgpu, _ = pallas()
    return plgpu.load(scales.at[chain], layout=plgpu.Layout.WGMMA.reduce(0), optimized=False)


def _twice(x: Any) -> Any:
    return x | x << 16
