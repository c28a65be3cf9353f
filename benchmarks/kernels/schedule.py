"""What is run, the most important first, and how the time is shared out."""

from __future__ import annotations

from fnmatch import fnmatchcase

from kernels_ref.contracts import Operation, contract, contracts, matching
from kernels_ref.contracts.products import DENSE, STREAMED

#: shares of the budget after which verifying, and timing, must be over
VERIFYING, TIMING = 0.56, 0.9

#: products by importance; the others follow
FIRST = (
    "w4a16_g128", "w4a8_qqq_g128", "w4a8_qqq_channel", "mxfp4_e4m3", "nvfp4_e4m3", "fp6_e3m2_bf16", "ternary_int8",
    "w8a8_int8", "w8a8_fp8_token", "fp6_e3m2_e4m3", "mxfp4_bf16", "ternary_bf16", "w4a16_channel", "w8a8_fp8_block128",
)  # fmt: skip
#: products timed at the small shape too
SMALL = ("w4a16_g128", "w4a8_qqq_g128", "w4a8_qqq_channel")
#: products timed in several layouts
MAIN = ("w4a16_g128", "w4a8_qqq_g128", "mxfp4_e4m3")
PEERS = ("cuBLAS bfloat16", "cuBLASLt float8_e4m3fn", "cuBLASLt int8", "Triton W4A16 g128")


def products(only: list[str] | None = None) -> list[str]:
    """Those that are asked for, by importance."""
    names = contracts(Operation.SCALED_PRODUCT)
    ordered = [*FIRST, *(name for name in names if name not in FIRST)]
    return [name for name in ordered if not only or any(fnmatchcase(name, pattern) for pattern in only)]


def planes(only: list[str] | None = None) -> list[str]:
    """Element and block kernels; those that are XLA's alone come last."""
    names = contracts() if not only else dict.fromkeys(name for pattern in only for name in matching(pattern))
    chosen = [name for name in names if contract(name).operation is not Operation.SCALED_PRODUCT]
    return sorted(chosen, key=lambda name: len(contract(name).kernels) < 2)


def verifications(only: list[str] | None = None) -> list[str]:
    """Items; products and planes take turns, so that both have begun when the time is over."""
    left, right = [f"verify:{name}" for name in products(only)], [f"elements:{name}" for name in planes(only)]
    turns = [item for pair in zip(left, right, strict=False) for item in pair]
    longer = left if len(left) > len(right) else right
    return [*turns, *longer[min(len(left), len(right)) :]]


def timings(only: list[str] | None = None) -> list[str]:
    """Items that have the GPU alone."""
    names = products(only)
    dense = [name for name in names if DENSE in contract(name).kernels]
    streamed = [name for name in names if STREAMED in contract(name).kernels]
    main, rest = [n for n in streamed if n in FIRST[:9]], [n for n in streamed if n not in FIRST[:9]]
    return [
        "environment",
        "ceilings",
        "rates",
        "xla:bfloat16:large",
        "xla:bfloat16:long",
        *(f"product:{name}:large" for name in main),
        "xla:bfloat16:small",
        *(f"product:{name}:small" for name in streamed if name in SMALL),
        *(f"dense:{name}:cube" for name in dense if name in ("w8a8_int8", "w8a8_fp8_token")),
        *(f"xla:{dtype}:cube" for dtype in ("float8_e4m3fn", "int8", "bfloat16")),
        *(f"plane:{name}" for name in planes(only)),
        *(f"dense:{name}:long" for name in dense),
        *(f"product:{name}:long" for name in streamed if name.startswith("w4a8")),
        *(f"product:{name}:large" for name in rest),
        *(f"dense:{name}:cube" for name in dense if name not in ("w8a8_int8", "w8a8_fp8_token")),
        *(f"xla:{dtype}:large" for dtype in ("float8_e4m3fn", "int8")),
        *(f"variants:{name}:large" for name in MAIN if name in streamed),
    ]


def peers() -> list[str]:
    """Products of other libraries; the control in Triton, which has to be tuned, comes last."""
    *blas, triton = PEERS
    found = [f"peer:{blas[0]}:large", f"peer:{blas[0]}:small", *(f"peer:{name}:large" for name in blas[1:])]
    return [*found, *(f"peer:{name}:cube" for name in blas), f"peer:{triton}:large", f"peer:{triton}:small"]


def shared_out(items: list[str], count: int) -> list[list[str]]:
    """Dealt in turn."""
    return [items[i::count] for i in range(count) if items[i::count]]
