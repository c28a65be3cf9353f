"""How fast a GPU decodes weights and multiplies by them, with nothing to wait for: a ceiling of what streams weights.

    PYTHONPATH=. python benchmarks/decode_rate.py --out benchmarks/records/h200_decode_rate.json

Three warpgroups of each thread block take 64 x 128 blocks of weights from shared memory, decode them, multiply them by
activations in shared memory, and add sums to totals, as `kernels_ref.hopper.streaming` does, again and again. No other
memory is read. The record has for each product and batch the median time of a call, and how long N = 28672 and K = 8192
would take at that rate. Exit status: 0 measured, 2 no GPU; ``--list`` needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import by_batch
import jax
import jax.numpy as jnp
from clock import say

from analysis.bench.matrix_rate import BLOCKS, activations, everywhere, sums_of
from analysis.bench.timing import timed
from analysis.bench.xla_calls import drawn
from formats.products import ScaledProduct, scaled_product
from kernels_ref.hopper.block_of_weights import pieces
from kernels_ref.hopper.decoder import decoder
from kernels_ref.hopper.fold import fused
from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.planes import LINE, lines
from kernels_ref.hopper.streaming import DTYPES
from kernels_ref.pallas import pallas

#: products with chains of 128 elements of K or one chain, whose weights are decoded without terms of their rows
PRODUCTS = ("w4a16_g128", "w4a16_channel", "fp6_e3m2_bf16", "ternary_bf16", "w4a8_qqq_channel", "ternary_int8")
TOKENS = (8, 16, 64)
#: warpgroups of each thread block; rounds; blocks of weights in shared memory
WARPGROUPS, ROUNDS, STORED = 3, 1600, 4


def measured(name: str, tokens: int) -> dict[str, Any]:
    """A row of the record."""
    product = scaled_product(name)
    words = jax.random.bits(jax.random.key(0), (STORED * lines(decoder(product)), LINE), jnp.uint32)
    activations = drawn(jax.random.key(1), (tokens, CHUNK), product.a)
    run: Any = jax.jit(kernel(product, tokens))
    timing = timed([partial(run, words, activations)]).to_json()
    multiplied = ROWS * CHUNK * ROUNDS * WARPGROUPS * BLOCKS
    row = {"what": product.name, "m": tokens, "weights": multiplied, **timing}
    row["layer_us"] = round(timing["median"] * 28672 * 8192 / multiplied, 2)
    say(f"{product.name} M={tokens}: {row['layer_us']} us for 28672 x 8192")
    return row


def kernel(product: ScaledProduct, tokens: int) -> Callable[..., Any]:
    """Maps words of `STORED` blocks and activations (tokens, 128) to the totals of every warpgroup."""
    plgpu, pl = pallas()
    code, sums = decoder(product), sums_of(product.a)

    def body(words: Any, a: Any, out: Any, stored: Any, shared: Any, ready: Any) -> None:
        warpgroup, block = jax.lax.axis_index("warpgroup"), jax.lax.axis_index("block")

        @pl.when(warpgroup == 0)
        def _() -> None:
            plgpu.copy_gmem_to_smem(words, stored, ready)
            plgpu.copy_gmem_to_smem(a, shared, ready)

        plgpu.barrier_wait(ready)
        zero = plgpu.layout_cast(jnp.zeros((ROWS, tokens), sums), plgpu.Layout.WGMMA)
        scale = plgpu.layout_cast(jnp.full((ROWS,), 0.5, jnp.float32), plgpu.Layout.WGMMA.reduce(1))

        def decoded(turn: Any) -> Any:
            """Operand A of a block."""
            first = jax.lax.rem(warpgroup + turn, jnp.int32(STORED)) * lines(code)
            layout = plgpu.Layout.WG_STRIDED((lines(code), LINE), vec_size=4)
            own = plgpu.load(stored.at[pl.ds(first, lines(code)), :], layout=layout, optimized=False)
            (operand,) = pieces(code, DTYPES[product.a], CHUNK, CHUNK)(own)
            return operand

        def continued(turn: Any, total: Any) -> Any:
            def multiply(accumulator: Any) -> None:
                plgpu.wgmma(accumulator, decoded(turn), shared.T)
                plgpu.wgmma_wait(0)

            return pl.run_state(multiply)(plgpu.ACC.init(total))

        def folded(turn: Any, total: Any) -> Any:
            def multiply(accumulator: Any) -> Any:
                plgpu.wgmma(accumulator, decoded(turn), shared.T)
                plgpu.wgmma_wait(0)
                return accumulator[...]

            sums_of_chain = pl.run_scoped(multiply, plgpu.ACC((ROWS, tokens), sums))
            return fused(tokens, interpret=False)(total, sums_of_chain, scale)

        each = folded if product.scales_sums else continued
        out[block, warpgroup] = jax.lax.fori_loop(0, ROUNDS, each, zero)

    result = jax.ShapeDtypeStruct((WARPGROUPS, ROWS, tokens), sums)
    stored = plgpu.SMEM((STORED * lines(code), LINE), jnp.uint32)
    return everywhere(body, result, stored, activations(tokens, product.a), plgpu.Barrier(num_arrivals=2))


if __name__ == "__main__":
    raise SystemExit(by_batch.run("decode_rate", __doc__, measured, PRODUCTS, TOKENS, rounds=ROUNDS))
