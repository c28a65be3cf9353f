"""What kernels claim, as data: one contract for each product and each element and block kernel.

>>> from kernels_ref.contracts import contract
>>> contract("w4a16_g128").k_order
'natural order of K, chains of 128, folded in order by fma(d, s, y)'
"""

from __future__ import annotations

from formats.look_up import find_record
from kernels_ref.contracts.blocks import block_contracts
from kernels_ref.contracts.codes import FAMILIES
from kernels_ref.contracts.elements import element_contracts
from kernels_ref.contracts.integers import integer_contracts
from kernels_ref.contracts.operands import operands
from kernels_ref.contracts.products import product_contracts
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape, resolve

__all__ = [
    "FAMILIES",
    "KernelContract",
    "Operand",
    "Operation",
    "Shape",
    "contract",
    "contracts",
    "operands",
    "resolve",
]

_CONTRACTS = {
    each.name: each for each in (*product_contracts(), *element_contracts(), *block_contracts(), *integer_contracts())
}


def contracts(operation: Operation | None = None) -> list[str]:
    """Every name, or those of one operation.

    >>> len(contracts(Operation.SCALED_PRODUCT))
    25
    """
    return [name for name, each in _CONTRACTS.items() if operation in (None, each.operation)]


def contract(name: str) -> KernelContract:
    """The contract called ``name``; ``KeyError`` lists the known ones."""
    return find_record(name, _CONTRACTS, "contract")
