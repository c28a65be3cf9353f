"""What kernels claim, as data: one contract for each product and each element and block kernel.

>>> from kernels_ref.contracts import contract
>>> contract("w4a16_g128").k_order
'natural order of K, chains of 128, folded in order by fma(d, s, y)'
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from formats.look_up import find_record
from kernels_ref.contracts.blocks import block_contracts
from kernels_ref.contracts.books import book_contracts, nf4_contracts
from kernels_ref.contracts.codes import FAMILIES
from kernels_ref.contracts.elements import element_contracts, format_contracts
from kernels_ref.contracts.integers import integer_contracts
from kernels_ref.contracts.operands import operands
from kernels_ref.contracts.places import layout_contracts, place_contracts
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
    "matching",
    "operands",
    "resolve",
]

_CHOSEN = {
    each.name: each
    for each in (
        *product_contracts(),
        *element_contracts(),
        *nf4_contracts(),
        *block_contracts(),
        *integer_contracts(),
        *place_contracts(),
    )
}
_OTHERS = {each.name: each for each in (*format_contracts(), *book_contracts(), *layout_contracts())}
_EVERY = {**_OTHERS, **_CHOSEN}


def contracts(operation: Operation | None = None, *, every: bool = False) -> list[str]:
    """Every name, or those of one operation.

    With ``every`` the encoders and decoders of all formats of at most 8 bits and of all code-books are among them, and
    further layouts; without, those in use alone, which the run of every kernel on a GPU takes.

    >>> len(contracts(Operation.SCALED_PRODUCT))
    25
    >>> "decode_Binary5p3se_float32" in contracts(), "decode_Binary5p3se_float32" in contracts(every=True)
    (False, True)
    """
    known = _EVERY if every else _CHOSEN
    return [name for name, each in known.items() if operation in (None, each.operation)]


def matching(pattern: str) -> list[str]:
    """The names that a shell's pattern matches: of `contracts`, or, where none does, of ``contracts(every=True)``.

    >>> len(matching("w4a16*")), matching("decode_Binary3p1s?_bfloat16")
    (4, ['decode_Binary3p1se_bfloat16', 'decode_Binary3p1sf_bfloat16'])
    """
    chosen = [name for name in _CHOSEN if fnmatchcase(name, pattern)]
    return chosen or [name for name in _EVERY if fnmatchcase(name, pattern)]


def contract(name: str) -> KernelContract:
    """The contract called ``name``; ``KeyError`` lists the known ones."""
    return find_record(name, _EVERY if name in _EVERY else _CHOSEN, "contract")
