"""How a kernel runs a program on 32-bit words: in registers of threads, or, in the interpreter, on arrays."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kernels_ref.hopper.element_lanes import ArrayPairs, Lanes, MlirPairs
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.pallas import pallas

#: lanes, the words of a group, and what their row has one of each; gives the group's new words
Steps = Callable[[Lanes, list[Any], list[Any]], list[Any]]


class Program(NamedTuple):
    """Steps that make ``after`` words of ``before`` neighbours."""

    steps: Steps
    before: int
    after: int

    def size(self, words: int) -> int:
        """How many words become of so many."""
        return words // self.before * self.after


class Layouts(NamedTuple):
    """Which thread has which words before and after; a thread's groups are its own."""

    before: Any
    after: Any


def applied(program: Program, words: Any, rows: list[Any], layouts: Layouts, *, interpret: bool) -> Any:
    """An int32 array of words, groups along its last axis, and int32 numbers of its rows; to an array of new words."""
    shape = (*words.shape[:-1], program.size(words.shape[-1]))
    if interpret:
        groups = lax.bitcast_convert_type(words, jnp.uint32).reshape(*shape[:-1], -1, program.before)
        columns = [groups[..., i] for i in range(program.before)]
        found = program.steps(ArrayPairs(jnp), columns, [row.astype(jnp.uint32)[:, None] for row in rows])
        return jnp.stack(found, axis=-1).astype(jnp.int32).reshape(shape)
    plgpu, _ = pallas()
    inline = plgpu.inline_mgpu(
        arg_types=(layouts.before, *[layouts.before.reduce(1)] * len(rows)),
        return_type=plgpu.ShapeDtypeStruct(shape, jnp.int32, layout=layouts.after),
    )
    return inline(functools.partial(_emit, program, shape, layouts.after.to_mgpu()))(words, *rows)


def _emit(program: Program, shape: tuple[int, ...], layout: Any, _: Any, words: Any, *rows: Any) -> Any:
    lanes = MlirPairs()
    vectors, out = list(words.registers.flat), np.empty(layout.registers_shape(shape), object)
    each = len(vectors) // rows[0].registers.size if rows else 1
    for i, vector in enumerate(vectors):
        own, shared = unpacked(vector), [unpacked(row.registers.flat[i // each])[0] for row in rows]
        groups = [own[first : first + program.before] for first in range(0, len(own), program.before)]
        out.flat[i] = packed([word for group in groups for word in program.steps(lanes, group, shared)])
    return array(out, layout)


def folded(fold: Callable[[Lanes, list[Any]], Any], words: Any, layout: Any, *, interpret: bool) -> Any:
    """What ``fold`` makes of the words that a thread has of a row, joined by `Lanes.greater`; int32, one for a row."""
    if interpret:
        unsigned = lax.bitcast_convert_type(words, jnp.uint32)
        return fold(ArrayPairs(jnp), [unsigned[:, i] for i in range(words.shape[1])]).astype(jnp.int32)
    plgpu, _ = pallas()
    rows = plgpu.ShapeDtypeStruct(words.shape[:1], jnp.int32, layout=layout.reduce(1))
    inline = plgpu.inline_mgpu(arg_types=(layout,), return_type=rows)
    return inline(functools.partial(_emit_fold, fold))(words)


def _emit_fold(fold: Callable[[Lanes, list[Any]], Any], _: Any, words: Any) -> Any:
    lanes, utils = MlirPairs(), importlib.import_module("jax.experimental.mosaic.gpu.utils")
    layout = words.layout.reduce((1,))
    vectors, out = list(words.registers.flat), np.empty(layout.registers_shape(words.shape[:1]), object)
    each = len(vectors) // out.size
    own = each * words.layout.vector_length
    for i in range(out.size):
        found = fold(lanes, [word for vector in vectors[i * each : (i + 1) * each] for word in unpacked(vector)])
        for step in range((words.shape[1] // own).bit_length() - 1):
            found = lanes.greater(found, utils.shfl_bfly(found, 1 << step))
        out.flat[i] = packed([found])
    return array(out, layout)


def unpacked(vector: Any) -> list[Any]:
    """The words of a vector in MLIR."""
    dialect: Any = importlib.import_module("jaxlib.mlir.dialects.vector")
    return [dialect.extract(vector, [], [i]) for i in range(vector.type.shape[0])]


def packed(words: list[Any]) -> Any:
    """A vector in MLIR of words."""
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    dialect: Any = importlib.import_module("jaxlib.mlir.dialects.vector")
    return dialect.from_elements(ir.VectorType.get((len(words),), words[0].type), words)


def array(registers: Any, layout: Any) -> Any:
    """Vectors of words as Mosaic's array of int32."""
    mgpu: Any = importlib.import_module("jax.experimental.mosaic.gpu")
    return mgpu.FragmentedArray(_registers=registers, _layout=layout, _is_signed=True)
