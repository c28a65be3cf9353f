"""Operands from a model: its weights and embeddings, quantised to what a product takes.

    python -m kernels.real --out weights.npz

takes them from Whisper tiny.en as `analysis.tensors.default` finds it: the first MLP of the decoder, (1536, 384), and
token embeddings as activations.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import formats
import reference
from formats.products import ScaledProduct, Weight, scaled_product
from formats.products.record import value_format
from kernels.settings import Settings
from kernels_ref.contracts import KernelContract, Shape
from kernels_ref.contracts.codes import as_codes

_NEAREST: dict[str, Any] = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}


def real_operands(claim: KernelContract, settings: Settings) -> tuple[dict[str, Any], Shape]:
    """What the contract takes, made from the file of weights by absmax scales; and the sizes."""
    with np.load(settings.weights, allow_pickle=False) as file:
        w, x = (file[name].astype(np.float32) for name in ("weights", "activations"))
    if settings.interpret:
        w, x = w[:128, :256], x[:8, :256]
    product = scaled_product(claim.keywords["product"])
    rng = np.random.default_rng(settings.seed)
    made = _weights(w, product) | _activations(x, product)
    if product.requantiser:
        made["multiplier"] = rng.integers(1 << 30, 1 << 31, len(w)).astype(np.int32)
        made["shift"] = np.full(len(w), 42, np.int32)
    if "tensor_scale" in {each.name for each in claim.operands}:
        made["tensor_scale"] = np.float32(0.5)
    shape = Shape(m=len(x), n=len(w), k=w.shape[1])
    return {each.name: made[each.name] for each in claim.operands}, shape


def _weights(w: np.ndarray, product: ScaledProduct) -> dict[str, Any]:
    """Codes, and the scales that `ScaledProduct` names."""
    n, k = w.shape
    made: dict[str, Any] = {}
    group, rows = product.group or k, product.weight_rows
    top = _largest(product.w)
    row = np.abs(w).max(axis=1, keepdims=True) / top
    if any(factor.value == "weight_scale" for factor in product.epilogue):
        made["weight_scale"] = row[:, 0].astype(np.float32)
    if product.group_scale:
        absmax = np.abs(w).reshape(n // rows, rows, k // group, group).max(axis=(1, 3))
        scale = absmax / top / (row if product.weight is Weight.REQUANTISED else 1)
        made["group_scale"] = scale.astype(np.float32) if product.group_scale == "float32" else _nearest(scale, product)
        scales = np.repeat(np.repeat(_values(made["group_scale"], product.group_scale), rows, 0), group, 1)
        if product.weight is Weight.REQUANTISED:
            scales = scales * row
    else:
        scales = row
    if product.zero_point:
        made["zero_point"] = np.full((n, k // group) if product.group else n, 8, np.uint8)
    offset = 8 if product.zero_point else 0
    made["w"] = reference.encode((w / scales + offset).astype(np.float32), product.w, **_NEAREST)
    return made


def _nearest(scale: np.ndarray, product: ScaledProduct) -> np.ndarray:
    assert product.group_scale is not None
    if product.group_scale in ("bfloat16", "float16"):
        return as_codes(scale, product.group_scale)
    return reference.encode(scale.astype(np.float32), product.group_scale, **_NEAREST)


def _values(scale: np.ndarray, fmt: str) -> np.ndarray:
    return scale if fmt == "float32" else reference.decode(scale, value_format(fmt)).astype(np.float32)


def _activations(x: np.ndarray, product: ScaledProduct) -> dict[str, Any]:
    if product.a == "bfloat16":
        return {"a": as_codes(x, "bfloat16")}
    group = product.group if product.a_grouped else x.shape[1]
    assert group is not None
    scale = np.abs(x).reshape(len(x), -1, group).max(axis=2) / _largest(product.a)
    codes = reference.encode((x / np.repeat(scale, group, 1)).astype(np.float32), product.a, **_NEAREST)
    return {"a": codes, "a_scale": scale.astype(np.float32), "token_scale": scale[:, 0].astype(np.float32)}


def _largest(fmt: str) -> float:
    spec: Any = formats.get(fmt)
    if hasattr(spec, "maximum"):
        return float(spec.maximum if spec.minimum else spec.maximum // 2)
    return float(reference.decode([spec.max_code], spec)[0])


def main() -> None:
    from analysis.tensors import default

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = {tensor.name: tensor.values for tensor in default()}
    shapes = {name: values.shape for name, values in found.items()}
    weights = next(name for name, shape in shapes.items() if "decoder" in name and shape == (1536, 384))
    embeddings = max((name for name, shape in shapes.items() if shape[1:] == (384,)), key=lambda name: shapes[name][0])
    print(f"weights {weights}, activations {embeddings}")
    chosen = np.asarray(found[embeddings])[np.random.default_rng(0).choice(shapes[embeddings][0], 16, replace=False)]
    np.savez_compressed(
        options.out, weights=np.asarray(found[weights], np.float16), activations=chosen.astype(np.float16)
    )


if __name__ == "__main__":
    main()
