"""Which block formats a comparison runs, each by which rules, and what does not go together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import formats
from analysis.comparison.left_out import LeftOut
from formats import Format, Rounding
from formats.block_formats.named import block, blocks
from formats.block_formats.rule import BlockRule
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec
from formats.code_books.decision import Ties
from reference.array.block_grid import grid
from reference.array.block_request import block_request
from reference.quantize import Scheme
from reference.quantize.granularity import channels

#: the rule of each block format where none is chosen: its owner's, or the plainest that goes with it
DEFAULT_RULES = {
    **dict.fromkeys((name for name in blocks() if name.startswith(("mx", "msfp"))), "floor"),
    "nvfp4": "torchao_nvfp4",
    "nvfp4_divisor": "transformer_engine_nvfp4",
    "nvfp4_untied": "absmax",
    "deepseek_1x128": "deepseek_v3",
    "deepseek_128x128": "deepseek_v3",
    "deepseek_1x128_ue8m0": "deepseek_v3_ue8m0",
    "deepseek_128x128_ue8m0": "deepseek_v3_ue8m0",
    "int4_g128": "absmax",
    "int8_g32": "absmax",
    "uint4_g128": "minmax_zero_point",
    "uint4_g32_offset": "minmax_offset",
    "nf4_g64": "bitsandbytes_nf4",
    "fp4_bnb_g64": "bitsandbytes_fp4",
}
#: what a comparison without a choice runs: few, since each is compiled for itself, which takes seconds
SURVEY_BLOCKS = (("mxfp4", "floor"), ("mxfp4", "even"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCell:
    """One block format by one rule, on all tensors."""

    spec: BlockSpec
    rule: BlockRule

    @property
    def label(self) -> str:
        """What a progress bar says of it."""
        return f"{self.spec.name}, {self.rule.name}"

    def left_out(self, reason: str) -> LeftOut:
        """The record that it is not run."""
        return LeftOut(format=self.spec.name, scheme=_scheme(self.spec).value, rule=self.rule.name, reason=reason)

    @property
    def described(self) -> dict[str, str | int]:
        """The columns of a table that tell cells apart."""
        spec, rounding = self.spec, self.rule.rounding
        ties = f"nearest_ties_{rounding.value}" if isinstance(rounding, Ties) else ""
        return {
            "kind": "block",
            "format": spec.name,
            "bits": spec.element.bits,
            "granularity": extent(spec.block),
            "scheme": _scheme(spec).value,
            "scale_rule": self.rule.name,
            "scale_format": spec.scale.format.name,
            "rounding": ties or (rounding.value if isinstance(rounding, Rounding) else rounding.name),
            "saturation": self.rule.saturation.value,
        }

    def bits_per_weight(self, shape: tuple[int, ...]) -> float:
        """All that is stored of a tensor of that shape, divided among its elements; short blocks cost a whole scale."""
        rows, columns = channels(shape)
        count = math.prod(grid((rows, columns), self.spec.block))
        levels = [level for level in (self.spec.scale, self.spec.shift) if level]
        shared = sum(level.second.bits for level in levels if level.second)
        stored = count * sum(level.format.bits for level in levels) + shared
        return self.spec.element.bits + stored / (rows * columns)


def extent(shape: Sequence[int]) -> str:
    """The granularity of a block.

    >>> extent((32,)), extent((128, 128))
    ('group32', 'tile128x128')
    """
    return f"group{shape[0]}" if len(shape) == 1 else f"tile{'x'.join(map(str, shape))}"


def apart(names: Iterable[str | Format | BlockSpec]) -> tuple[list[Format], list[BlockSpec]]:
    """Formats and block formats of a mixed list; a name of both, such as ``mxint8``, stands for both.

    >>> [[spec.name for spec in part] for part in apart(["int4", "nvfp4", "mxint8"])]
    [['int4', 'mxint8'], ['nvfp4', 'mxint8']]
    """
    scalars: list[Format] = []
    found: list[BlockSpec] = []
    for name in names:
        if isinstance(name, BlockSpec) or (isinstance(name, str) and name in blocks()):
            found.append(block(name))
            if name not in formats.names():
                continue
        if not isinstance(name, BlockSpec):
            scalars.append(formats.get(name))
    return scalars, found


def block_cells(
    specs: Iterable[BlockSpec], rules: Iterable[str | BlockRule] | None = None
) -> tuple[list[BlockCell], list[LeftOut]]:
    """Block formats times ``rules``, or each by its rule of `DEFAULT_RULES`; and what does not go together.

    Raises ``KeyError`` for an unknown rule.

    >>> found, left_out = block_cells([block("mxfp4"), block("nvfp4")], ["floor", "rceil"])
    >>> [cell.label for cell in found], left_out[0].reason
    (['mxfp4, floor', 'mxfp4, rceil'], 'only one of them has a second level')
    """
    chosen = None if rules is None else [block_rule(rule) for rule in rules]
    found: list[BlockCell] = []
    left_out: list[LeftOut] = []
    for spec in specs:
        for rule in _default(spec) if chosen is None else chosen:
            cell, reason = BlockCell(spec=spec, rule=rule), _refusal(spec, rule)
            if reason:
                left_out.append(cell.left_out(reason))
            else:
                found.append(cell)
    return found, left_out


def _scheme(spec: BlockSpec) -> Scheme:
    return Scheme.SYMMETRIC if spec.shift is None else Scheme.ASYMMETRIC


def _default(spec: BlockSpec) -> list[BlockRule]:
    if spec.name not in DEFAULT_RULES:
        raise ValueError(f"no rule is known for block format {spec.name!r}: state block_rules")
    return [block_rule(DEFAULT_RULES[spec.name])]


def _refusal(spec: BlockSpec, rule: BlockRule) -> str:
    """Why a rule does not go with a block format; empty if it does."""
    if len(spec.block) > 2 or spec.scale.per is not None:
        return "tensors are cut into groups or tiles here, with second-level numbers for the whole tensor alone"
    try:
        block_request(spec, rule)
    except ValueError as error:
        return str(error).removeprefix(f"rule {rule.name!r} and block format {spec.name!r}: ")
    return ""
