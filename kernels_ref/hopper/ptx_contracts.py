"""Contracts of element and block kernels as cases of the lint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax

import formats
from formats import FloatSpec, Layout
from formats.block_formats.named import block
from kernels_ref.contracts import KernelContract, Operation, contract, contracts, operands, resolve
from kernels_ref.hopper import element_twos
from kernels_ref.hopper.element import PER_CTA
from kernels_ref.hopper.element_arguments import is_dense
from kernels_ref.hopper.ptx_case import Case, Program
from kernels_ref.hopper.ptx_lint import Claims
from reference.array.block_request import is_power_of_two

#: elements of one thread
_OWN = PER_CTA // 128


def packed_elements() -> Iterator[Case]:
    """`kernels_ref.hopper.element_packed`: one anchored sum for two floats, whose product is exact: fused or not."""
    for claim in _of(Operation.ENCODE):
        yield from _cases(claim, "element_packed.encode_packed", _of_encoder)
    for claim in _of(Operation.DECODE):
        yield from _cases(claim, "element_packed.decode_packed", _of_decoder)


def sixes() -> Iterator[Case]:
    """`kernels_ref.hopper.element_sixes`: bits that are moved."""
    for operation, name in ((Operation.PACK, "pack"), (Operation.UNPACK, "unpack")):
        for claim in _of(operation):
            yield from _cases(claim, f"element_sixes.{name}", lambda claim: Claims())


def blocks() -> Iterator[Case]:
    """`kernels_ref.hopper.block.quantize_packed`."""
    for claim in _of(Operation.QUANTISE_BLOCKS):
        yield from _cases(claim, "block.quantize_packed", _of_blocks)


def _of(operation: Operation) -> list[KernelContract]:
    return [contract(name) for name in contracts(operation)]


def _cases(claim: KernelContract, name: str, claims: Callable[[KernelContract], Claims]) -> Iterator[Case]:
    way = f"kernels_ref.hopper.{name}"
    if way in claim.kernels:
        yield Case(name=f"{claim.name} {way}", program=lambda: _program(claim, way), claims=claims(claim))


def _program(claim: KernelContract, way: str) -> Program:
    drawn = operands(claim, family="random", seed=0)
    avals = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in drawn.items()}

    def run(given: Any) -> Any:
        return resolve(way)(**given, **claim.keywords)

    return run, (avals,)


def _of_encoder(claim: KernelContract) -> Claims:
    """Floats of 4 and 6 bits."""
    anchored = isinstance(formats.get(claim.keywords["fmt"]), FloatSpec)
    return Claims(fused_halves=_OWN // 2 if anchored else 0)


def _of_decoder(claim: KernelContract) -> Claims:
    """One exact operation for two integers of 2 bits; all else is integer code."""
    fmt, layout = formats.get(claim.keywords["fmt"]), formats.layout(claim.keywords["layout"])
    twos = isinstance(layout, Layout) and is_dense(layout) and element_twos.is_decodable(fmt, layout)
    return Claims(fused_halves=_OWN // 2 if twos else 0)


def _of_blocks(claim: KernelContract) -> Claims:
    """Scales that are powers of two leave one anchored sum an element; other quotients take steps of Newton's.

    Of bfloat16 numbers two share a quotient, which is a fused operation too, and a sum. Those that are divided by other
    scales are lifted two at a time, if scales may be 0.

    A number of the whole tensor comes from XLA before the kernel: by an inexact quotient that its remainder corrects
    (`kernels_ref.block_binary32.quotient`), and, where it is beyond 2^60, by quotients that nothing corrects.
    """
    scale = block(claim.keywords["block_format"]).scale
    exact_division = scale.second is None
    if not is_power_of_two(scale.format):
        return Claims(fused=None, fused_halves=None, exact_division=exact_division)
    if claim.operands[0].format == "bfloat16":
        return Claims(fused_halves=_OWN, exact_division=exact_division)
    return Claims(fused=_OWN, exact_division=exact_division)
