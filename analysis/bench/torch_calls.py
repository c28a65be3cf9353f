"""cuBLAS and Triton through torch, where it is installed: what a user would run instead."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

#: unit roundoff of bfloat16
_BFLOAT16 = 2.0**-8

Make = Callable[[int, int, int], Callable[[], Any]]


def peers() -> dict[str, Make]:
    """Functions of (m, n, k) that make a call on operands of its own, by name; empty without torch and CUDA."""
    torch = _torch()
    if torch is None:
        return {}
    found: dict[str, Make] = {
        "cuBLAS bfloat16": _bfloat16,
        "cuBLASLt float8_e4m3fn": _float8,
        "cuBLASLt int8": _int8,
    }
    if _has("triton"):
        found["Triton W4A16 g128"] = _triton
    return found


def wait(result: Any) -> Any:
    """Until the GPU has done all that was asked of it."""
    _torch().cuda.synchronize()
    return result


def _torch() -> Any:
    if not _has("torch"):
        return None
    torch = importlib.import_module("torch")
    return torch if torch.cuda.is_available() else None


def _has(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _bfloat16(m: int, n: int, k: int) -> Callable[[], Any]:
    torch = _torch()
    x, w = (torch.randn(rows, k, device="cuda", dtype=torch.bfloat16) for rows in (m, n))
    return lambda: torch.nn.functional.linear(x, w)


def _float8(m: int, n: int, k: int) -> Callable[[], Any]:
    torch = _torch()
    if m % 16:
        raise ValueError(f"torch._scaled_mm takes M in multiples of 16, not {m}")
    x, w = (torch.randn(rows, k, device="cuda").to(torch.float8_e4m3fn) for rows in (m, n))
    one = torch.ones((), device="cuda")
    return lambda: torch._scaled_mm(x, w.t(), one, one, out_dtype=torch.bfloat16, use_fast_accum=True)


def _int8(m: int, n: int, k: int) -> Callable[[], Any]:
    torch = _torch()
    if m <= 16:
        raise ValueError(f"torch._int_mm takes M above 16, not {m}")
    x, w = (torch.randint(-128, 128, (rows, k), device="cuda", dtype=torch.int8) for rows in (m, n))
    return lambda: torch._int_mm(x, w.t())


def _triton(m: int, n: int, k: int) -> Callable[[], Any]:
    from analysis.bench import triton_w4a16

    torch = _torch()
    x = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
    packed = torch.randint(0, 256, (n, k // 2), device="cuda", dtype=torch.uint8)
    scale = torch.rand(k // triton_w4a16.GROUP, n, device="cuda").to(torch.bfloat16)
    planes = triton_w4a16.planes(x)
    off = _distance(triton_w4a16.product(planes, packed, scale), x @ triton_w4a16.weights(packed, scale).t())
    if not off < _BFLOAT16:
        raise ArithmeticError(f"the Triton control is off by {off:.3g} of the norm")
    return lambda: triton_w4a16.product(planes, packed, scale)


def _distance(got: Any, want: Any) -> float:
    """Of the norm of ``want``, whose weights are rounded to bfloat16: within their unit roundoff."""
    difference = (got.float() - want.float()).norm() / want.float().norm()
    return float(difference)
