"""The dense kernel: tiles of results by wgmma, operands by TMA, one body for every product."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from kernels_ref.hopper.dense_block import CLUSTER, PLACE, WARPGROUP, Block
from kernels_ref.hopper.dense_plan import Plan
from kernels_ref.hopper.dense_stream import Ring
from kernels_ref.hopper.dense_variant import SQUARE
from kernels_ref.pallas import interpreter, pallas


def kernel(plan: Plan, *, interpret: bool = False) -> Any:
    """The kernel of a plan.

    It maps activations (M, K), weights (N, K) and `Plan.terms` to results (M, N). INT4 weights are as
    `dense_int4.packed` lays them out; vectors of scales are filled up to `Plan.filled`.
    """
    plgpu, _ = pallas()
    variant = plan.variant

    def body(a: Any, w: Any, *refs: Any) -> None:
        terms = dict(zip(plan.terms, refs[: len(plan.terms)], strict=True))
        out, left, right, scales, results, full, free = refs[len(plan.terms) :]
        Block(
            plan=plan,
            sources=(w, a) if plan.is_expanded else (a, w),
            stages=(left, right),
            scales=scales,
            terms=terms,
            results=results,
            out=out,
            ring=Ring(full, free, variant.stages),
            interpret=interpret,
        ).run()

    return plgpu.kernel(
        body,
        out_type=jax.ShapeDtypeStruct((plan.m, plan.n), plan.out),
        scratch_types=_scratch(plan),
        grid=(plan.walk.clusters,),
        grid_names=(CLUSTER,),
        cluster=(variant.cluster,),
        cluster_names=(PLACE,),
        num_threads=variant.warpgroups + 1,
        thread_name=WARPGROUP,
        interpret=interpreter(interpret),
    )


def _scratch(plan: Plan) -> list[Any]:
    """Stages of the operands (and of the scales of groups), squares of results, and the barriers."""
    plgpu, _ = pallas()
    variant, bits = plan.variant, 4 if plan.is_expanded else 8
    left = jnp.int4 if plan.is_expanded else plan.operand

    def stages(rows: int, dtype: Any, bits: int) -> Any:
        return plgpu.SMEM((variant.stages, rows, variant.depth), dtype, transforms=_swizzled(variant.depth, bits))

    users = variant.warpgroups
    free: dict[str, Any] = {"num_arrivals": users, "num_barriers": variant.stages}
    squares = (users, 2, SQUARE, SQUARE)
    return [
        stages(variant.rows, left, bits),
        stages(variant.columns, plan.operand, 8),
        plgpu.SMEM((variant.stages, variant.rows if plan.is_promoted else 1), jnp.float32),
        plgpu.SMEM(squares, plan.out, transforms=_swizzled(SQUARE, plan.out_bits)),
        plgpu.Barrier(num_arrivals=3 if plan.is_promoted else 2, num_barriers=variant.stages),
        plgpu.ClusterBarrier(collective_axes=(PLACE,), **free) if variant.cluster > 1 else plgpu.Barrier(**free),
    ]


def _swizzled(columns: int, bits: int) -> tuple[Any, ...]:
    """How rows of so many elements lie in shared memory, as TMA writes and wgmma reads them."""
    plgpu, _ = pallas()
    swizzle = plgpu.find_swizzle(columns * bits)
    return plgpu.TilingTransform((8, swizzle * 8 // bits)), plgpu.SwizzleTransform(swizzle)
