"""Speed of block formats in JAX on this CPU, as ratios against peers and ceilings measured in the same run.

    python benchmarks/blocks.py                                          # about 2 minutes on two cores
    python benchmarks/blocks.py --record benchmarks/records/cpu_blocks.json

2^22 normal float32 numbers in rows of 4096. The ceilings are XLA's bare conversions of as many numbers: float32 ->
uint8 for quantise and uint8 -> float32 for dequantise. Peers, where installed: torchao for MX, NVFP4 and INT4,
bitsandbytes for NF4, in eager mode on as many threads. They pack two 4-bit codes a byte; here a code has a byte.
``--strict`` makes the exit status 1 if a ratio misses its target.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from targets import Result, conclude, heard, parser, show
from timing import Run, side_by_side

from kernels_ref.blocks import dequantize_blocks, quantize_blocks

SIZE, ROW = 1 << 22, 4096
OF_XLA, OVER_PEER = 0.3, 10
CASES = (
    ("mxfp8_e4m3", "floor"),
    ("mxfp4", "floor"),
    ("nvfp4", "torchao_nvfp4"),
    ("nf4_g64", "bitsandbytes_nf4"),
    ("int4_g128", "absmax"),
)
#: a peer's quantise of the rows, and its dequantise of what that returned
Peer = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]


def main() -> int:
    options = parser(__doc__, seconds=8.0).parse_args()
    results = list(heard(measurements(options.seconds)))
    show(results, "block formats on this CPU")
    return conclude(results, options, {"size": SIZE})


def measurements(seconds: float) -> Iterator[Result]:
    host = np.random.default_rng(0).standard_normal((SIZE // ROW, ROW), dtype=np.float32)
    x = jnp.asarray(host)
    narrow, widen = jax.jit(lambda v: v.astype(jnp.uint8)), jax.jit(lambda c: c.astype(jnp.float32))
    some_codes = narrow(jnp.abs(x))
    for name, rule in CASES:
        tensor = quantize_blocks(x, name, rule=rule)
        quantise: dict[str, Run] = {
            "ours": lambda name=name, rule=rule: jax.block_until_ready(quantize_blocks(x, name, rule=rule)),
            "xla": lambda: narrow(x).block_until_ready(),
        }
        dequantise: dict[str, Run] = {
            "ours": lambda tensor=tensor: dequantize_blocks(tensor).block_until_ready(),
            "xla": lambda: widen(some_codes).block_until_ready(),
        }
        peer = peer_of(name, host)
        if peer is None:
            print(f"the peer of {name} is not installed", file=sys.stderr)
        else:
            made = peer[1](None)
            quantise["peer"] = lambda peer=peer: peer[1](None)
            dequantise["peer"] = lambda peer=peer, made=made: peer[2](made)
        yield from compared(f"JAX quantise {name} {rule}", "XLA float32 -> uint8", quantise, peer, seconds)
        yield from compared(f"JAX dequantise {name}", "XLA uint8 -> float32", dequantise, peer, seconds)


def compared(what: str, ceiling: str, runs: dict[str, Run], peer: Peer | None, seconds: float) -> Iterator[Result]:
    best = side_by_side(runs, seconds=seconds)
    yield Result(what, ceiling, best["xla"] / best["ours"], OF_XLA)
    if peer:
        yield Result(what, peer[0], best["peer"] / best["ours"], OVER_PEER)


def peer_of(name: str, host: np.ndarray) -> Peer | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {"nf4_g64": bitsandbytes_nf4, "nvfp4": torchao_nvfp4, "int4_g128": torchao_int4}.get(
                name, torchao_mx(name)
            )(host)
    except ImportError:
        return None


def torchao_mx(name: str) -> Callable[[np.ndarray], Peer]:
    def build(host: np.ndarray) -> Peer:
        import torch
        from torchao.prototype.mx_formats import mx_tensor

        x = torch.from_numpy(host)
        dtype = torch.float4_e2m1fn_x2 if name == "mxfp4" else torch.float8_e4m3fn
        return (
            "torchao to_mx, to_dtype",
            lambda _: mx_tensor.to_mx(x, dtype, 32),
            lambda made: mx_tensor.to_dtype(made[1], made[0], dtype, 32, torch.float32),
        )

    return build


def torchao_nvfp4(host: np.ndarray) -> Peer:
    import torch
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

    x = torch.from_numpy(host)
    return (
        "torchao NVFP4Tensor",
        lambda _: NVFP4Tensor.to_nvfp4(x, per_tensor_scale=per_tensor_amax_to_scale(x.abs().max())),
        lambda made: made.dequantize(torch.float32),
    )


def torchao_int4(host: np.ndarray) -> Peer:
    import torch
    from torchao.quantization import quant_primitives as affine

    x, group, ends = torch.from_numpy(host), (1, 128), (-8, 7)

    def quantise(_: Any) -> Any:
        chosen = affine.choose_qparams_affine(x, affine.MappingType.SYMMETRIC, group, torch.int8, *ends)
        return affine.quantize_affine(x, group, *chosen, torch.int8, *ends), chosen

    return (
        "torchao quantize_affine",
        quantise,
        lambda made: affine.dequantize_affine(made[0], group, *made[1], torch.int8, *ends),
    )


def bitsandbytes_nf4(host: np.ndarray) -> Peer:
    import torch
    from bitsandbytes import functional

    x = torch.from_numpy(host)
    return (
        "bitsandbytes quantize_4bit",
        lambda _: functional.quantize_4bit(x, blocksize=64, quant_type="nf4"),
        lambda made: functional.dequantize_4bit(*made, quant_type="nf4"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
