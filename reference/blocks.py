"""Block formats on NumPy arrays: tensors into codes and numbers of blocks, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import Format, NanRule
from formats.block_formats.rule import BlockRule, NonFinite
from formats.block_formats.spec import BlockSpec, Coding, Level
from formats.code_books.book import CodebookSpec
from reference.array import block as array_block
from reference.array import block_grid, block_value
from reference.array.block import Coded
from reference.array.block_request import BlockRequest, block_request
from reference.array.block_value import DTYPES, Parts
from reference.array.conversion import Conversion
from reference.block_executor import NumpyExecutor
from reference.codec import check_random_bits, refuse_codes

Floats = NDArray[np.floating[Any]]
FLOAT_INPUTS = ("float16", "bfloat16", "float32")
RAGGED = ("refuse", "short")
SECOND_INPUTS = (*FLOAT_INPUTS, "float64")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockTensor:
    """A quantised tensor: element codes in the shape of the tensor, and the numbers of its blocks.

    ``scales`` are codes of ``spec.scale.format``, one for each block, in the shape of the grid of blocks: the last axes
    are as many times shorter as blocks are long, rounded up. ``second`` are the second-level numbers themselves,
    float32: a scalar, or one for ``per`` blocks of the last axis. ``shifts`` and ``shift_second`` are the same for the
    shift. What the format does not have is None.

    >>> quantize_blocks(np.zeros((2, 64), np.float32), "mxfp4", rule="floor")
    BlockTensor('mxfp4', shape=(2, 64), grid=(2, 2))
    """

    spec: BlockSpec
    codes: Any
    scales: Any
    second: Any = None
    shifts: Any = None
    shift_second: Any = None

    def __repr__(self) -> str:
        return f"BlockTensor({self.spec.name!r}, shape={self.codes.shape}, grid={self.scales.shape})"


def quantize_blocks(
    x: ArrayLike,
    block_format: str | BlockSpec,
    *,
    rule: str | BlockRule,
    ragged: str = "refuse",
    second: ArrayLike | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> BlockTensor:
    """A tensor in a block format, by a rule that leaves nothing open: `formats.BlockRule`.

    ``x``: float16, bfloat16 or float32, with at least the axes of a block. ``ragged``: whether last blocks of an axis
    may be shorter (``"short"``; nothing is padded then) or are an error. ``second``: the numbers ``t`` of
    `BlockTensor.second` where they are known before: what the rule starts from in place of its own
    ``t = second(absmax of the tensor)``, positive finite numbers of their format, in no need of rounding.
    ``random_bits``: for a rule with stochastic rounding of elements, integers in ``[0, 2^random_bit_count)`` that
    broadcast to ``x``.

    Raises ``KeyError`` (unknown block format or rule), ``TypeError`` (dtypes) or ``ValueError``: shapes; a rule that
    does not go with the format; NaN or infinity that the rule refuses, with its index; a number without a code; second
    numbers that the format has not, or that are none of their format's.

    >>> made = quantize_blocks(np.float32([[7.1, -3.3, 0.9, -0.04] * 8]), "mxfp4", rule="floor")
    >>> made.codes[0, :4], made.scales
    (array([ 7, 13,  2,  8], dtype=uint8), array([[127]], dtype=uint8))
    >>> made = quantize_blocks(np.float32([[6, -3, 0.5, 0] * 4]), "nvfp4", rule="torchao_nvfp4", second=1 / 64)
    >>> made.codes[0, :4], made.scales, float(made.second)  # under the scale 64
    (array([ 7, 13,  1,  0], dtype=uint8), array([[104]], dtype=uint8), 0.015625)
    """
    made = block_request(block_format, rule, random_bit_count)
    values = np.asarray(x)
    check_input(values, made.spec, ragged)
    known = check_second(second, made.spec, values.shape)
    refuse_special(values, made)
    drawn = check_random(random_bits, made, values.shape)
    coded = array_block.quantize(values.astype(np.float32), made, NumpyExecutor(), drawn, known)
    refuse_undefined(coded, made)
    return BlockTensor(spec=made.spec, codes=coded.codes, scales=coded.scales, second=coded.second, shifts=coded.shifts)


def dequantize_blocks(tensor: BlockTensor, dtype: str = "float32") -> Floats:
    """The values of a tensor: exact, then rounded once, to nearest even, to ``dtype``; definition: `formats.BlockSpec`.

    ``dtype``: float32, float64, bfloat16 or float16; what overflows it is infinite. A NaN scale makes NaN. Raises
    ``TypeError`` (dtypes) or ``ValueError`` (shapes; codes that do not exist; products beyond 53 bits).

    >>> made = quantize_blocks(np.float32([[7.1, -3.3, 0.9, -0.04] * 8]), "mxfp4", rule="floor")
    >>> dequantize_blocks(made)[0, :4]
    array([ 6., -3.,  1., -0.], dtype=float32)
    """
    check_dtype(dtype)
    check_tensor(tensor)
    block_value.refuse_wide(tensor.spec)
    arrays = [None if part is None else np.asarray(part) for part in _parts(tensor)]
    refuse_missing_codes(tensor)
    return block_value.dequantize(Parts(*arrays), tensor.spec, dtype)  # pyright: ignore[reportArgumentType]


def _parts(tensor: BlockTensor) -> tuple[Any, ...]:
    return tensor.codes, tensor.scales, tensor.second, tensor.shifts, tensor.shift_second


def check_input(x: Any, spec: BlockSpec, ragged: str) -> None:
    """Refuse a tensor by dtype and shape: what can be seen of any array, traced ones too."""
    if x.dtype.name not in FLOAT_INPUTS:
        raise TypeError(f"dtype {x.dtype.name} is not accepted; accepted: {', '.join(FLOAT_INPUTS)}")
    if ragged not in RAGGED:
        raise ValueError(f"ragged={ragged!r} is not known; choose one of: {', '.join(RAGGED)}")
    if len(x.shape) < len(spec.block):
        raise ValueError(f"{spec.name} has blocks of {spec.block}; x of shape {x.shape} has too few axes")
    counts = block_grid.grid(x.shape, spec.block)
    rows = [(x.shape[axis], spec.block[axis]) for axis in range(-len(spec.block), 0)]
    if spec.scale.per is not None:
        rows.append((counts[-1], spec.scale.per))
    if ragged == "refuse" and any(length % extent for length, extent in rows):
        per = f", {spec.scale.per} of which share a number" if spec.scale.per else ""
        raise ValueError(
            f"x of shape {x.shape} is not cut evenly into blocks of {spec.block}{per}; ragged='short' lets the last"
            " ones be shorter"
        )


def refuse_special(x: NDArray[Any], made: BlockRequest) -> None:
    """``ValueError`` naming the first NaN or infinity that the rule refuses."""
    rule = made.rule
    for bad, action in ((np.isnan(x), rule.nan_in_block), (np.isinf(x), rule.infinity_in_block)):
        if action is NonFinite.REFUSE and bad.any():
            where = _first(bad)
            raise ValueError(f"x{where} = {x[tuple(where)]}, which rule {rule.name!r} refuses")


def refuse_undefined(coded: Coded, made: BlockRequest) -> None:
    """``ValueError`` for a scale, shift or quotient that came out as NaN where no code and no rule is for it."""
    fmt, element = made.scale.spec, made.spec.element
    if getattr(fmt, "nan_code", None) is None and coded.undefined.any():
        raise ValueError(f"the scale of block {_first(coded.undefined)} is NaN, which {fmt.name} cannot store")
    shift, bad = made.spec.shift, coded.undefined_shift
    if shift is not None and bad is not None and bad.any() and getattr(shift.format, "nan_code", None) is None:
        raise ValueError(
            f"the shift of block {_first(bad)} is NaN, which {shift.format.name} cannot store; its scale is code"
            f" {int(coded.scales[tuple(_first(bad))])} of {fmt.name}"
        )
    if getattr(element, "nan_code", None) is None and made.rule.nan is None and coded.nan.any():
        raise ValueError(
            f"x{_first(coded.nan)} over its scale is NaN, but {element.name} has no NaN, and rule {made.rule.name!r} no"
            f" nan= for it: {', '.join(rule.value for rule in NanRule)}"
        )


def _first(bad: NDArray[np.bool_]) -> list[int]:
    return [int(i) for i in np.argwhere(bad)[0]]


def check_random(random_bits: ArrayLike | None, made: BlockRequest, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Random bits in the shape of the tensor, where the rule draws any."""
    if isinstance(made.element, Conversion) and made.element.rounding.is_stochastic:
        bits = None if random_bits is None else np.asarray(random_bits)
        return check_random_bits(bits, made.element.random_bit_count, shape)
    if random_bits is not None:
        raise ValueError(f"random_bits mean nothing for rule {made.rule.name!r}, which does not round stochastically")
    return None


def check_second(second: ArrayLike | None, spec: BlockSpec, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Second-level numbers that are known before, as float32: positive finite numbers of the level's format."""
    if second is None:
        return None
    given = np.asarray(second)
    fmt = check_second_shape(given, spec, shape)
    if given.dtype.name not in SECOND_INPUTS:
        raise TypeError(f"second: dtype {given.dtype.name} is not accepted; accepted: {', '.join(SECOND_INPUTS)}")
    with np.errstate(all="ignore"):
        numbers = given.astype(np.float32)
        taken = (numbers == given) & (numbers > 0) & np.isfinite(numbers)
        bad = ~(taken & (array_block.rounded(numbers, fmt, np) == numbers))
    if bad.any():
        where = _first(bad)
        raise ValueError(f"second{where or ''} = {given[tuple(where)]} is no positive finite number of {fmt.name}")
    return numbers


def check_second_shape(second: Any, spec: BlockSpec, shape: tuple[int, ...]) -> Format:
    """The format of second-level numbers; refuses a tensor that has none, or has them in another shape."""
    if spec.scale.second is None:
        raise ValueError(f"second={second} means nothing: {spec.name} has no second-level number")
    wanted, found = _second_shape(spec.scale, block_grid.grid(shape, spec.block)), tuple(second.shape)
    if found != wanted:
        raise ValueError(f"{spec.name}: second has shape {found}; x of shape {shape} goes with {wanted}")
    return spec.scale.second


def check_dtype(dtype: str) -> None:
    """Refuse a dtype that values are not rounded to."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} is not known; choose one of: {', '.join(DTYPES)}")


def check_tensor(tensor: BlockTensor) -> None:
    """Refuse parts that are missing, too many, or of another shape than the format gives them."""
    spec, shape = tensor.spec, tuple(tensor.codes.shape)
    if len(shape) < len(spec.block):
        raise ValueError(f"{spec.name} has blocks of {spec.block}; codes of shape {shape} have too few axes")
    counts = block_grid.grid(shape, spec.block)
    due: list[tuple[str, Any, tuple[int, ...] | None]] = [("scales", tensor.scales, counts)]
    due.append(("second", tensor.second, _second_shape(spec.scale, counts)))
    due.append(("shifts", tensor.shifts, None if spec.shift is None else counts))
    due.append(("shift_second", tensor.shift_second, None if spec.shift is None else _second_shape(spec.shift, counts)))
    for name, part, wanted in due:
        found = None if part is None else tuple(part.shape)
        if found != wanted:
            raise ValueError(f"{spec.name}: {name} have shape {found}; codes of shape {shape} go with {wanted}")


def _second_shape(level: Level, counts: tuple[int, ...]) -> tuple[int, ...] | None:
    if level.second is None:
        return None
    return () if level.per is None else block_grid.grid(counts, (level.per,))


def refuse_missing_codes(tensor: BlockTensor) -> None:
    """``ValueError`` naming the first code of a tensor that does not exist in its format."""
    spec = tensor.spec
    _refuse_codes(np.asarray(tensor.codes), spec.element)
    _refuse_codes(np.asarray(tensor.scales), spec.scale.format)
    if spec.shift is not None:
        _refuse_codes(np.asarray(tensor.shifts), spec.shift.format)


def _refuse_codes(codes: NDArray[Any], spec: Coding) -> None:
    if codes.dtype.kind not in "iu":
        raise TypeError(f"codes must be integers, not {codes.dtype.name}; view a narrow dtype as uint8 first")
    if not isinstance(spec, CodebookSpec):
        refuse_codes(codes, spec)
        return
    bad = (codes < 0) | (codes >= spec.size)
    if bad.any():
        where = _first(bad)
        raise ValueError(f"code {int(codes[tuple(where)])} at {where} is none of {spec.name}, of {spec.size} codes")
