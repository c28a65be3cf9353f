"""Golden functions that are two of `reference` after each other, and the same on XLA."""

from __future__ import annotations

from typing import Any

import numpy as np

import reference
from formats import Format


def encode_packed(x: Any, fmt: str | Format, layout: str, **policy: Any) -> Any:
    """``reference.pack(reference.encode(x, fmt, ...), layout)``."""
    return reference.pack(reference.encode(x, fmt, **policy), layout)


def decode_packed(words: Any, fmt: str | Format, layout: str, dtype: str) -> Any:
    """``reference.decode(reference.unpack(words, layout), fmt)`` in a dtype that holds every value."""
    return decode(reference.unpack(words, layout), fmt, dtype)


def decode(codes: Any, fmt: str | Format, dtype: str) -> Any:
    """`reference.decode` in a dtype that holds every value."""
    import ml_dtypes

    with np.errstate(invalid="ignore"):  # some versions of NumPy warn of a NaN that stays one
        return reference.decode(codes, fmt).astype(getattr(ml_dtypes, dtype, None) or dtype)


def encode_packed_on_xla(x: Any, fmt: str | Format, layout: str, **policy: Any) -> Any:
    """`encode_packed` of `kernels_ref`, as XLA fuses it."""
    import kernels_ref

    return kernels_ref.pack(kernels_ref.encode(x, fmt, **policy), layout)


def decode_packed_on_xla(words: Any, fmt: str | Format, layout: str, dtype: str) -> Any:
    """`decode_packed` of `kernels_ref`, as XLA fuses it."""
    import kernels_ref

    return decode_on_xla(kernels_ref.unpack(words, layout), fmt, dtype)


def decode_on_xla(codes: Any, fmt: str | Format, dtype: str) -> Any:
    """`decode` of `kernels_ref`, as XLA fuses it."""
    import kernels_ref
    from kernels_ref.hopper import element

    return element.narrowed(kernels_ref.decode(codes, fmt).astype("float32"), dtype)


def decode_codebook(codes: Any, book: str, dtype: str) -> Any:
    """`reference.decode_codebook`, its float32 values rounded to nearest even where ``dtype`` is bfloat16."""
    import ml_dtypes

    return reference.decode_codebook(codes, book).astype(getattr(ml_dtypes, dtype, None) or dtype)


def decode_codebook_on_xla(codes: Any, book: str, dtype: str) -> Any:
    """`decode_codebook` of `kernels_ref`, as XLA fuses it."""
    import kernels_ref

    return kernels_ref.decode_codebook(codes, book).astype(dtype)


def quantize_packed(x: Any, block_format: str, rule: str, second: Any = None) -> tuple[Any, ...]:
    """`reference.quantize_blocks`, codes of 4 bits two to a byte, the first one low: words, scales, second number."""
    tensor = reference.quantize_blocks(x, block_format, rule=rule, second=second)
    codes = reference.pack(tensor.codes, "4bit_low_first") if tensor.spec.element.bits == 4 else tensor.codes
    return tuple(part for part in (codes, tensor.scales, tensor.second) if part is not None)


def quantize_packed_on_xla(x: Any, block_format: str, rule: str, second: Any = None) -> tuple[Any, ...]:
    """`quantize_packed` of `kernels_ref`, as XLA fuses it."""
    import kernels_ref

    tensor = kernels_ref.quantize_blocks(x, block_format, rule=rule, second=second)
    codes = kernels_ref.pack(tensor.codes, "4bit_low_first") if tensor.spec.element.bits == 4 else tensor.codes
    return tuple(part for part in (codes, tensor.scales, tensor.second) if part is not None)
