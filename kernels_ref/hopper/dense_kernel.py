"""The dense kernel: tiles of results by wgmma, operands by TMA, one body for every product."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from kernels_ref.hopper.dense_block import CLUSTER, PLACE, WARPGROUP, Block
from kernels_ref.hopper.dense_plan import Plan
from kernels_ref.hopper.dense_stream import Ring
from kernels_ref.hopper.dense_variant import SQUARE
from kernels_ref.hopper.dense_weights import block_lines
from kernels_ref.hopper.planes import LINE
from kernels_ref.hopper.swizzle import swizzled
from kernels_ref.pallas import interpreter, pallas


def kernel(plan: Plan, *, interpret: bool = False) -> Any:
    """The kernel of a plan.

    It maps activations (M, K), weights (N, K) and `Plan.terms` to results (M, N). Weights of fewer bits are
    `dense_weights.blocks`; vectors of scales are filled up to `Plan.filled`.
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
    variant = plan.variant

    def stages(rows: int) -> Any:
        shape = (variant.stages, rows, variant.depth)
        return plgpu.SMEM(shape, plan.operand, transforms=swizzled(variant.depth, plan.operand))

    words = (variant.stages, variant.warpgroups, block_lines(plan.product), LINE) if plan.is_expanded else ()
    users = variant.warpgroups
    free: dict[str, Any] = {"num_arrivals": users, "num_barriers": variant.stages}
    squares = (users, 2, SQUARE, SQUARE)
    arrivals = (users if plan.is_expanded else 1) + 1 + (plan.streamed is not None)
    return [
        plgpu.SMEM(words, jnp.uint32) if plan.is_expanded else stages(variant.rows),
        stages(variant.columns),
        plgpu.SMEM((variant.stages, variant.rows if plan.streamed else 1), plan.streamed_type),
        plgpu.SMEM(squares, plan.out, transforms=swizzled(SQUARE, plan.out)),
        plgpu.Barrier(num_arrivals=arrivals, num_barriers=variant.stages),
        plgpu.ClusterBarrier(collective_axes=(PLACE,), **free) if variant.cluster > 1 else plgpu.Barrier(**free),
    ]
