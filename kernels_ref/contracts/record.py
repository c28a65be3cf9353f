"""What a kernel claims, as data: enough to draw its operands, to judge its results and to count its bytes."""

from __future__ import annotations

import enum
import importlib
import re
from dataclasses import dataclass
from typing import Any

from formats.products import StreamK

_SIZE = re.compile(r"(\d*)([mnk])(?:/(\d+))?")


class Operation(enum.Enum):
    """What is computed."""

    SCALED_PRODUCT = "scaled_product"  #: activations times quantised weights
    ENCODE = "encode"  #: numbers to codes, element by element
    DECODE = "decode"  #: codes to numbers
    QUANTISE_BLOCKS = "quantise_blocks"  #: numbers to codes and the scales of their blocks
    DEQUANTISE_BLOCKS = "dequantise_blocks"  #: codes and scales to numbers
    REQUANTISE = "requantise"  #: int32 sums to int8 by multiplier and shift
    PACK = "pack"  #: codes to packed bytes or words
    UNPACK = "unpack"  #: packed bytes or words to codes
    SWIZZLE = "swizzle"  #: scales into the order that a matrix unit reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """One array that golden function and kernels take or give.

    ``shape`` names the sizes of a `Shape`: ``("m", "k")``, ``("n", "k/128")``, ``("m", "3k/4")``; () is one number.
    """

    name: str
    format: str  #: a registered format, whose codes are taken, or a dtype of numbers such as ``"float32"``
    shape: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes: a product is (m, k) times (n, k); element and block kernels work on (m, k).

    >>> Shape(m=8, n=128, k=256).of(("n", "k/128"))
    (128, 2)
    """

    m: int
    k: int
    n: int = 1

    def of(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """The sizes that an operand's shape names."""
        return tuple(self._size(name) for name in names)

    def _size(self, name: str) -> int:
        found = _SIZE.fullmatch(name)
        if found is None:
            raise ValueError(f"size {name!r} is not of the form 3k/4, with m, n or k")
        size, parts = getattr(self, found[2]), int(found[3] or 1)
        if size % parts:
            raise ValueError(f"{found[2]} = {size} is no multiple of {parts}")
        return int(found[1] or 1) * size // parts


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelContract:
    """The claim that each of ``kernels`` gives the bits of ``golden`` for the same operands and arguments."""

    name: str
    operation: Operation
    operands: tuple[Operand, ...]
    out: tuple[Operand, ...]  #: the results
    granularity: str  #: what shares a scale
    layout: str  #: where the operands' codes lie in memory as the kernels read them
    golden: str  #: dotted name of the function that says what is right
    kernels: tuple[str, ...]  #: dotted names of those that must equal it
    arguments: tuple[tuple[str, Any], ...] = ()  #: keyword arguments of all of them
    accumulator: str | None = None
    k_order: str | None = None  #: in which order K is summed, and what is folded into what
    split_k: StreamK | None = None  #: how K is cut; None where it is whole
    epilogue: tuple[str, ...] = ()  #: the steps after the sum, in order
    example: Shape  #: small enough for an interpreter
    source: str = ""

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments as a dictionary."""
        return dict(self.arguments)


def resolve(dotted: str) -> Any:
    """What a dotted name stands for: a module's attribute.

    Raises ``ImportError`` where the module is missing or needs a newer jax, ``AttributeError`` where the name is.

    >>> resolve("reference.encode").__name__
    'encode'
    """
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)
