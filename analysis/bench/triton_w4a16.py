"""A W4A16 product in Triton, written as its tutorials would have it: the control for the kernels in Pallas.

Importing it needs triton and torch. Two weights lie in a byte, the one of even K in the low nibble; products of even
and odd K are formed apart, from two planes of activations, so that no nibble changes its lane.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import torch
import triton
import triton.language as tl

#: elements of K that share a scale
GROUP = 128

_CONFIGURATIONS = [
    triton.Config({"rows": rows}, num_warps=warps, num_stages=stages)
    for rows, warps, stages in ((32, 4, 5), (64, 4, 5), (64, 4, 4), (128, 8, 3), (128, 4, 4))
]


@triton.jit(do_not_specialize=["m"])
def _body(x, w, scale, y, m, n, k, columns: tl.constexpr, half: tl.constexpr, rows: tl.constexpr):
    """``rows`` weight rows times all ``columns`` (M, padded); ``half``: bytes of a group."""
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    column = tl.program_id(1) * columns + tl.arange(0, columns)
    byte = tl.arange(0, half)
    w_at = w + row[:, None] * (k // 2) + byte[None, :]
    x_at = x + column[None, :] * (k // 2) + byte[:, None]
    odd_plane = m * (k // 2)
    inside = column[None, :] < m
    total = tl.zeros((rows, columns), tl.float32)
    for group in range(k // (2 * half)):
        packed = tl.load(w_at)
        even = ((packed & 15).to(tl.int8) - 8).to(tl.bfloat16)
        odd = ((packed >> 4).to(tl.int8) - 8).to(tl.bfloat16)
        part = tl.dot(even, tl.load(x_at, mask=inside, other=0.0))
        part = tl.dot(odd, tl.load(x_at + odd_plane, mask=inside, other=0.0), part)
        total += part * tl.load(scale + group * n + row).to(tl.float32)[:, None]
        w_at += half
        x_at += half
    tl.store(y + column[None, :] * n + row[:, None], total.to(tl.bfloat16), mask=inside)


_tuned = triton.autotune(_CONFIGURATIONS, key=["m", "n", "k"])(_body)


def planes(x: torch.Tensor) -> torch.Tensor:
    """Activations (M, K) as two planes (2, M, K / 2): even K, odd K."""
    return torch.stack((x[:, 0::2], x[:, 1::2])).contiguous()


def weights(packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The weights (N, K) in bfloat16 that bytes and scales stand for."""
    codes = torch.stack((packed & 15, packed >> 4), dim=-1).reshape(packed.shape[0], -1).to(torch.bfloat16) - 8
    return codes * scale.t().repeat_interleave(GROUP, dim=1)


def product(x: torch.Tensor, packed: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Activations as `planes`, bfloat16, times ``(packed - 8) * scale``: (N, K / 2) bytes, scales (K / 128, N)."""
    (_, m, half), n = x.shape, packed.shape[0]
    k = 2 * half
    if k % GROUP or n % 128:
        raise ValueError(f"K = {k} must be a multiple of {GROUP}, N = {n} of 128")
    y = torch.empty(m, n, device=x.device, dtype=torch.bfloat16)
    columns = min(64, max(16, triton.next_power_of_2(m)))

    def grid(meta: dict[str, int]) -> tuple[int, int]:
        return n // meta["rows"], triton.cdiv(m, columns)

    _tuned[grid](x, packed, scale, y, m, n, k, columns=columns, half=GROUP // 2)
    return y
