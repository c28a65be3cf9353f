"""Recorded results of tensor cores (tests/data), as codes under the names of accumulators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import formats
import reference

DATA = Path(__file__).parent / "data"
_NAMES = {
    "V100/fp16": ("volta.mma.m8n8k4.{}.f16", "volta.mma.m8n8k4.{}.f16"),
    "A100/fp16": ("ampere.mma.m16n8k8.{}.f16", "ampere.mma.m16n8k8.{}.f16"),
    "A100/bf16": ("ampere.mma.m16n8k8.{}.bf16", None),
    "A100/tf32": ("ampere.mma.m16n8k4.{}.tf32", None),
    "Ada/fp16": ("ada.mma.m16n8k8.{}.f16", "ada.mma.m16n8k8.{}.f16"),
    "Ada/bf16": ("ada.mma.m16n8k8.{}.bf16", None),
    "Ada/tf32": ("ada.mma.m16n8k4.{}.tf32", None),
    "Ada/E4M3": ("ada.mma.m16n8k32.{}.e4m3.e4m3", "ada.mma.m16n8k32.{}.e4m3.e4m3"),
    "Ada/E5M2": ("ada.mma.m16n8k32.{}.e5m2.e5m2", "ada.mma.m16n8k32.{}.e5m2.e5m2"),
    "H100/fp16": ("hopper.mma.m16n8k16.{}.f16", "hopper.mma.m16n8k16.{}.f16"),
    "H100/bf16": ("hopper.mma.m16n8k16.{}.bf16", None),
    "H100/tf32": ("hopper.mma.m16n8k4.{}.tf32", None),
    "H100/E4M3": ("hopper.wgmma.k32.{}.e4m3.e4m3", "hopper.mma.m16n8k32.{}.e4m3.e4m3"),
    "H100/E5M2": ("hopper.wgmma.k32.{}.e5m2.e5m2", "hopper.mma.m16n8k32.{}.e5m2.e5m2"),
}  # the instructions behind the float32 and the float16 results


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """``d = c + a b``: ``a`` and ``b`` (cases, K), ``c`` and ``d`` (cases), unsigned codes.

    ``c`` is +0 where the instruction ignores it; K is ``chain`` times that of the instruction. ``family`` names the
    kind of each case's operands, or is None.
    """

    label: str
    accumulator: str
    chain: int
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray
    family: np.ndarray | None

    def __str__(self) -> str:
        return self.label


def hopper() -> Iterator[Recorded]:
    """55 instructions of an H100, 13 families of operands each."""
    with np.load(DATA / "hopper_mma_vectors.npz", allow_pickle=False) as file:
        families = file["families"]
        for label in (key[:-2] for key in file.files if key.endswith("|a")):
            a, b, c, d = (_unsigned(file[f"{label}|{name}"]) for name in "abcd")
            if "tf32" in label:
                a, b = a >> 13, b >> 13
            yield Recorded(
                label=f"hopper.{label}",
                accumulator=formats.accumulator("hopper." + label.split()[0]).name,
                chain=int(match[1]) if (match := re.search(r" x(\d+)", label)) else 1,
                a=a,
                b=b,
                c=np.zeros_like(c) if "scale-d=0" in label else c,
                d=d,
                family=families[file[f"{label}|family"]],
            )


def published() -> Iterator[Recorded]:
    """Published results of V100, A100, Ada and H100 on normal data."""
    with np.load(DATA / "tensor_core_vectors_ncl.npz", allow_pickle=False) as file:
        for (key, names), result in ((item, result) for item in _NAMES.items() for result in (0, 1)):
            name = names[result]
            if name is not None:
                yield _published(file, key, name.format(("f32", "f16")[result]), ("d.fp32", "d.fp16")[result])


def recorded() -> Iterator[Recorded]:
    """Both files."""
    yield from hopper()
    yield from published()


def _published(file: np.lib.npyio.NpzFile, key: str, name: str, result: str) -> Recorded:
    rule = formats.accumulator(name)
    c = _rounded(file[f"{key}/c"], rule.output)
    return Recorded(
        label=f"{key} {result}",
        accumulator=name,
        chain=1,
        a=_codes(file[f"{key}/a"], rule.a),
        b=_codes(file[f"{key}/b"], rule.b),
        c=np.zeros_like(c) if "wgmma" in name else c,
        d=_codes(file[f"{key}/{result}"], rule.output),
        family=None,
    )


def _rounded(words: np.ndarray, spec: formats.Format) -> np.ndarray:
    """``c`` is recorded in float32; the programs that ran float16 accumulators rounded it to nearest even."""
    if spec.bits == 32:
        return words
    return reference.encode(words.view(np.float32), spec, rounding="nearest_ties_to_even", saturation="sat_none")


def _codes(words: np.ndarray, spec: formats.Format) -> np.ndarray:
    """The codes of float32 words, which must be values of the format."""
    codes = _rounded(words, spec)
    if spec.bits < 32 and not np.array_equal(reference.decode(codes, spec).view(np.uint32), words):
        raise ValueError(f"recorded values are none of {spec.name}")
    return codes


def _unsigned(codes: np.ndarray) -> np.ndarray:
    return codes.view(np.dtype(f"u{codes.itemsize}"))
