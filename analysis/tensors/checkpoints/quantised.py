"""A weight as its checkpoint stores it, and the number that its owner's library makes of each code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

import reference
from analysis.tensors.tensor import Tensor
from formats.block_formats.spec import Form, Level
from formats.code_books.book import CodebookSpec
from formats.results import BFLOAT16, FLOAT16, FLOAT32
from reference.blocks import BlockTensor, dequantize_blocks

_DTYPES: dict[str, Any] = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}
_FORMATS = {"float16": FLOAT16, "bfloat16": BFLOAT16, "float32": FLOAT32}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantised:
    """A quantised weight: codes, scales and shifts in ``blocks``, and how its owner's library decodes them.

    The owner's steps: where ``scale_dtype`` is stated, the scale of a block, together with its second-level number,
    is first rounded to binary32 and to that dtype. The exact product of scale and element, shifted, is rounded to the
    first of ``dtypes`` and from there to each of the others. With one dtype and no ``scale_dtype`` that is the exact
    value, rounded once.

    ``columns``, if not None, is the order that ``blocks`` has the last axis in: its column ``j`` is column
    ``columns[j]`` of the weight, so that columns which share a scale lie side by side (GPTQ's act-order). ``shape`` is
    the weight's; where rows are no whole blocks of bitsandbytes, ``blocks`` is flat.
    """

    name: str
    blocks: BlockTensor
    shape: tuple[int, ...]
    columns: NDArray[np.intp] | None = None
    scale_dtype: str | None = None
    dtypes: tuple[str, ...]
    source: str

    def decoded(self) -> NDArray[Any]:
        """The weight in the last of ``dtypes``."""
        blocks = self.blocks if self.scale_dtype is None else _one_level(self.blocks, self.scale_dtype)
        values = dequantize_blocks(blocks, self.dtypes[0])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for dtype in self.dtypes[1:]:
                values = values.astype(_DTYPES[dtype])
        if self.columns is not None:
            ordered = np.empty_like(values)
            ordered[..., self.columns] = values
            values = ordered
        return values.reshape(self.shape)

    def tensor(self) -> Tensor:
        """The decoded weight under its name."""
        return Tensor(name=self.name, values=self.decoded(), source=self.source)


def _one_level(blocks: BlockTensor, dtype: str) -> BlockTensor:
    """The same codes under scales that are rounded to binary32 and then to ``dtype``, with nothing above them."""
    level = blocks.spec.scale
    assert not isinstance(level.format, CodebookSpec), blocks
    scales: NDArray[Any] = reference.decode(blocks.scales, level.format)
    with np.errstate(all="ignore"):
        if blocks.second is not None:
            scales = scales / blocks.second if level.form is Form.DIVISOR else scales * blocks.second
        scales = scales.astype(_DTYPES[dtype])
    spec = replace(blocks.spec, scale=Level(format=_FORMATS[dtype]))
    return replace(blocks, spec=spec, scales=scales.view(f"u{scales.dtype.itemsize}"), second=None)
