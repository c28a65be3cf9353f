"""How fast the matrix unit is fed with weights in registers, and nothing else to do: a ceiling of what streams weights.

Two warpgroups of each thread block multiply a 64 x 128 block of weights, which they hold in registers, with the same
activations in shared memory, again and again, four chains of 128 elements of K at once. On an H200, 8 tokens take as
long as 16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from analysis.bench.xla_calls import drawn
from kernels_ref.hopper.streaming import DTYPES
from kernels_ref.hopper.swizzle import swizzled
from kernels_ref.pallas import pallas

ROWS, DEPTH, CHAINS, WARPGROUPS = 64, 128, 4, 2
#: thread blocks, one for each multiprocessor, and rounds of `CHAINS` chains
BLOCKS, ROUNDS = 132, 400


def operations(tokens: int) -> int:
    """Multiplications and additions of a call.

    >>> operations(16)
    110729625600
    """
    return 2 * ROWS * DEPTH * tokens * CHAINS * ROUNDS * WARPGROUPS * BLOCKS


def rate_call(dtype: str, tokens: int) -> Callable[[], Any]:
    """A call that does `operations` of ``tokens`` (a multiple of 8), on random operands of a dtype of `DTYPES`."""
    keys = jax.random.split(jax.random.key(0), 2)
    shapes = (WARPGROUPS * ROWS, DEPTH), (tokens, DEPTH)
    w, a = (drawn(key, shape, dtype) for key, shape in zip(keys, shapes, strict=True))
    run: Any = jax.jit(kernel(dtype, tokens))  # pyright: ignore[reportUnknownMemberType]
    return partial(run, w, a)


def kernel(dtype: str, tokens: int) -> Callable[..., Any]:
    """Maps weights (128, 128) and activations (tokens, 128) to the last sums of every warpgroup."""
    plgpu, pl = pallas()
    operand, sums = DTYPES[dtype], sums_of(dtype)
    layout = plgpu.Layout.WGMMA if operand == jnp.bfloat16 else plgpu.Layout.WGMMA_8BIT

    def body(w: Any, a: Any, out: Any, shared: Any, ready: Any) -> None:
        warpgroup, block = jax.lax.axis_index("warpgroup"), jax.lax.axis_index("block")
        own = plgpu.load(w.at[pl.ds(warpgroup * ROWS, ROWS), :], layout=layout, optimized=False)
        pl.when(warpgroup == 0)(lambda: plgpu.copy_gmem_to_smem(a, shared, ready))
        plgpu.barrier_wait(ready)

        def multiply(*accumulators: Any) -> Any:
            @pl.loop(0, ROUNDS)
            def _(_: Any) -> None:
                for accumulator in accumulators:
                    plgpu.wgmma(accumulator, own, shared.T)
                plgpu.wgmma_wait(0)

            return tuple(accumulator[...] for accumulator in accumulators)

        found = pl.run_scoped(multiply, *[plgpu.ACC((ROWS, tokens), sums)] * CHAINS)
        out[block, warpgroup] = sum(found[1:], found[0])

    return everywhere(
        body, jax.ShapeDtypeStruct((WARPGROUPS, ROWS, tokens), sums), activations(tokens, dtype), plgpu.Barrier()
    )


def sums_of(dtype: str) -> Any:
    """The dtype of wgmma's sums."""
    return jnp.int32 if dtype == "int8" else jnp.float32


def activations(tokens: int, dtype: str) -> Any:
    """Shared memory for operand B."""
    return pallas()[0].SMEM((tokens, DEPTH), DTYPES[dtype], transforms=swizzled(DEPTH, DTYPES[dtype]))


def everywhere(body: Callable[..., None], result: Any, *scratch: Any) -> Callable[..., Any]:
    """A kernel with a thread block on each multiprocessor, and a ``result`` (warpgroups, ...) of each of them."""
    return pallas()[0].kernel(
        body,
        out_type=jax.ShapeDtypeStruct((BLOCKS, *result.shape), result.dtype),
        grid=(BLOCKS,),
        grid_names=("block",),
        num_threads=len(result),
        thread_name="warpgroup",
        scratch_types=list(scratch),
    )
