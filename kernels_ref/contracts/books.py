"""The contracts of kernels that decide among the values of a code-book, and that look them up."""

from __future__ import annotations

from formats.code_books.book import CodebookSpec
from formats.code_books.decisions import decisions
from formats.code_books.named import codebook, codebooks
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape

_HERE = "kernels_ref.contracts.compositions"
_MOSAIC = "kernels_ref.hopper.element_codebook"
_DTYPES = ("bfloat16", "float32")
#: the most values that a Mosaic kernel holds in its registers
_MOST = 16
_EXAMPLE = Shape(m=32, k=640)


def nf4_contracts() -> tuple[KernelContract, ...]:
    """NF4 as QLoRA uses it: from bfloat16 by the thresholds of bitsandbytes, and to both dtypes."""
    book = codebook("nf4")
    return (_encode(book, "bfloat16"), *(_decode(book, dtype) for dtype in _DTYPES))


def book_contracts() -> tuple[KernelContract, ...]:
    """Every named code-book, both ways, by the decision that is published for it, else by the nearest value."""
    every = codebooks().values()
    encoders = [_encode(book, dtype) for book in every for dtype in _DTYPES]
    return (*encoders, *(_decode(book, dtype) for book in every for dtype in _DTYPES))


def _encode(book: CodebookSpec, dtype: str) -> KernelContract:
    return KernelContract(
        name=f"encode_{book.name}_{dtype}",
        operation=Operation.ENCODE,
        operands=(Operand(name="x", format=dtype, shape=("m", "k")),),
        out=(Operand(name="codes", format="uint8", shape=("m", "k")),),
        granularity="no scale",
        layout="row-major; a code in each byte",
        golden="reference.encode_codebook",
        kernels=("kernels_ref.encode_codebook", *([f"{_MOSAIC}.encode_codebook"] if _is_small(book) else [])),
        arguments=(("book", book.name), ("decision", decisions(book)[-1]), ("nan", "zero")),
        example=_EXAMPLE,
        source=book.source,
    )


def _decode(book: CodebookSpec, dtype: str) -> KernelContract:
    """To float32 by the golden function itself, to bfloat16 by one more rounding, which is XLA's."""
    is_wide = dtype == "float32"
    by_mosaic = [f"{_MOSAIC}.decode_codebook"] if is_wide and _is_small(book) else []
    return KernelContract(
        name=f"decode_{book.name}_{dtype}",
        operation=Operation.DECODE,
        operands=(Operand(name="codes", format="uint8", shape=("m", "k")),),
        out=(Operand(name="y", format=dtype, shape=("m", "k")),),
        granularity="no scale",
        layout="row-major; a code in each byte",
        golden="reference.decode_codebook" if is_wide else f"{_HERE}.decode_codebook",
        kernels=("kernels_ref.decode_codebook" if is_wide else f"{_HERE}.decode_codebook_on_xla", *by_mosaic),
        arguments=(("book", book.name), *([] if is_wide else [("dtype", dtype)])),
        example=_EXAMPLE,
        source=book.source,
    )


def _is_small(book: CodebookSpec) -> bool:
    return len(book.numerators) <= _MOST
