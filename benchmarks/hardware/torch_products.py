"""PyTorch's matrix products: cuBLAS behind torch.mm, torch._scaled_mm and torch._int_mm."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hardware.products import RNE, TO_TF32, Candidate, Product, split

SHAPE = (128, 128, 512)
LONG = (64, 64, 4096)  # few tiles and a long K: here cuBLAS splits K
OUTPUTS = ("float32", "bfloat16", "float16")
TYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "int8": torch.int8,
}
SHORT = {"float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2", "float16": "f16", "bfloat16": "bf16"}
#: neither scale a power of two, their product rounded
SCALES = (np.float32(0.7), np.float32(1.3))


def products() -> Iterator[Product]:
    for m, n, k in (SHAPE, LONG):
        for name in ("float16", "bfloat16"):
            chain = partial(split, "k16 wgmma chain", f"hopper.wgmma.k16.f32.{SHORT[name]}", k)
            yield Product(f"torch.mm {name} -> float32", name, name, m, n, k, partial(_mm, name), list(chain()))
            once_more = list(chain(terms={"out": name, **RNE}))
            yield Product(f"torch.mm {name}", name, name, m, n, k, partial(_mm_same, name), once_more)
        yield Product("torch.mm float32, TF32 allowed", "float32", "float32", m, n, k, _mm_tf32, list(_tf32(k)))
    for a, b, fast, out in itertools.product(*[("float8_e4m3fn", "float8_e5m2")] * 2, (True, False), OUTPUTS):
        if (a, b) != ("float8_e5m2", "float8_e5m2"):  # which torch refuses
            yield _scaled(a, b, fast, out, *SHAPE)
    for fast in (True, False):
        yield _scaled("float8_e4m3fn", "float8_e4m3fn", fast, "float32", *LONG)
    yield Product("torch._int_mm", "int8", "int8", *SHAPE, _int_mm, [Candidate("exact", "int32.wrap")])


def _scaled(a: str, b: str, fast: bool, out: str, m: int, n: int, k: int) -> Product:
    label = f"torch._scaled_mm {SHORT[a]} x {SHORT[b]} -> {out}, use_fast_accum={fast}"
    call = partial(_scaled_mm, a, b, out, fast)
    return Product(label, a, b, m, n, k, call, list(_scaled_candidates(a, b, out, fast, k)))


def _scaled_candidates(a: str, b: str, out: str, fast: bool, k: int) -> Iterator[Candidate]:
    accumulator = f"hopper.wgmma.k32.f32.{SHORT[a]}.{SHORT[b]}"
    terms: dict[str, Any] = {"alpha": SCALES[0] * SCALES[1]} | ({} if out == "float32" else {"out": out, **RNE})
    plain = partial(split, "k32 wgmma chain", accumulator, k, terms=terms)
    promoted = partial(split, "k32 wgmma chain restarted every 128", f"{accumulator}.promote128", k, terms=terms)
    yield from (*plain(), *promoted()) if fast else (*promoted(), *plain())


def _tf32(k: int) -> Iterator[Candidate]:
    for rounding in TO_TF32:
        text = f"k8 wgmma chain, operands {rounding.value}"
        yield from split(text, "hopper.wgmma.k8.f32.tf32", k, operands="tf32", rounding=rounding)


def tensor(codes: NDArray[Any], name: str) -> torch.Tensor:
    """Codes as the tensor that they encode, on the GPU."""
    signed = np.ascontiguousarray(codes).view(f"i{codes.dtype.itemsize}")
    return torch.from_numpy(signed).cuda().view(TYPES[name])


def codes(result: torch.Tensor) -> NDArray[Any]:
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32}[result.element_size()]
    signed = result.contiguous().view(integers).cpu().numpy()
    return signed.view(f"u{signed.dtype.itemsize}")


def _mm(name: str, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return codes(torch.mm(tensor(a, name), tensor(b, name), out_dtype=torch.float32))


def _mm_same(name: str, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return codes(torch.mm(tensor(a, name), tensor(b, name)))


def _mm_tf32(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    torch.backends.cuda.matmul.allow_tf32 = True
    return codes(torch.mm(tensor(a, "float32"), tensor(b, "float32")))


def _int_mm(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return codes(torch._int_mm(tensor(a, "int8"), tensor(b, "int8")))


def _scaled_mm(a_type: str, b_type: str, out: str, fast: bool, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    left, right = tensor(a, a_type), tensor(np.ascontiguousarray(b.T), b_type).t()
    scale_a, scale_b = (torch.tensor(float(scale), device="cuda") for scale in SCALES)
    result: Any = torch._scaled_mm(
        left, right, scale_a=scale_a, scale_b=scale_b, out_dtype=TYPES[out], use_fast_accum=fast
    )
    return codes(result)
