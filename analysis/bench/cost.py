"""What a kernel cannot do without: bytes that move, and operations."""

from __future__ import annotations

import math

from formats.products.record import value_format
from kernels_ref.contracts import KernelContract, Operation, Shape

_DTYPES = {"uint8": 8, "uint16": 16, "uint32": 32, "int32": 32}


def moved(contract: KernelContract, shape: Shape) -> float:
    """Bytes of every operand and every result, each moved once.

    >>> from kernels_ref.contracts import contract
    >>> moved(contract("w4a16_g128"), Shape(m=1, n=128, k=128))
    8960.0
    """
    arrays = (*contract.operands, *contract.out)
    return sum(math.prod(shape.of(each.shape)) * bits(each.format) for each in arrays) / 8


def bits(fmt: str) -> float:
    """Of a format's code or a dtype's number."""
    return _DTYPES.get(fmt) or value_format(fmt).bits


def operations(contract: KernelContract, shape: Shape) -> int:
    """Multiplications and additions of a product; 0 for what does no more than move."""
    return 2 * shape.m * shape.n * shape.k if contract.operation is Operation.SCALED_PRODUCT else 0


def bfloat16_bytes(shape: Shape) -> int:
    """Of the product that it stands in for: every operand and the result in bfloat16."""
    return 2 * (shape.m * shape.k + shape.n * shape.k + shape.m * shape.n)
