"""Which combinations a comparison runs, and which it leaves out, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import formats
from analysis.comparison.block_cells import SURVEY_BLOCKS, BlockCell, apart, block_cells
from analysis.comparison.left_out import LeftOut
from formats import Format, Rounding, Saturation, parse_enum
from formats.block_formats.named import block, blocks
from formats.block_formats.rule import BlockRule
from formats.block_formats.rules import block_rule
from formats.block_formats.spec import BlockSpec
from reference.quantize import Extent, Granularity, Recipe, ScaleRule, Scheme, parse_granularity, recipe
from reference.quantize.granularity import channels

#: every granularity, scheme and scale rule is run for these
CORE = ("int8", "int4", "float8_e4m3fn", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn")
_P3109_MINIMUM = ("Binary8p4se", "Binary8p3se", "Binary4p2sf")
#: these once, per channel: all others of at most 8 bits that are not P3109's, and P3109 v4.0's minimum conformance
SURVEY = (
    *(n for n in formats.names() if formats.get(n).bits <= 8 and not n.startswith("Binary") and n not in CORE),
    *_P3109_MINIMUM,
)
GRANULARITIES = ("tensor", "channel", "group128", "group64", "group32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One way of quantising all tensors."""

    recipe: Recipe
    granularity: Granularity
    scale_rule: ScaleRule

    @property
    def label(self) -> str:
        """What a progress bar says of it."""
        return f"{self.recipe.spec.name}, {self.granularity.name}"

    @property
    def described(self) -> dict[str, str | int]:
        """The columns of a table that tell cells apart."""
        made = self.recipe
        return {
            "kind": "scalar",
            "format": made.spec.name,
            "bits": made.spec.bits,
            "granularity": self.granularity.name,
            "scheme": made.scheme.value,
            "scale_rule": self.scale_rule.value,
            "scale_format": made.scale_format.name,
            "rounding": made.rounding.value,
            "saturation": made.saturation.value,
        }

    def bits_per_weight(self, shape: tuple[int, ...]) -> float:
        """The code, and the bits of scale and zero point or offset divided among the elements of a tensor."""
        groups = group_count(self.granularity, shape)
        return self.recipe.spec.bits + self.recipe.group_bits * groups / math.prod(shape)


def group_count(granularity: Granularity, shape: tuple[int, ...]) -> int:
    """How many groups a tensor has: the length of `Granularity.starts`."""
    rows, columns = channels(shape)
    if granularity.extent is Extent.TENSOR:
        return 1
    return rows * -(-columns // (granularity.size or columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What all cells of a comparison share."""

    scale_format: str | Format
    rounding: Rounding | str
    saturation: Saturation | str

    def check(self) -> None:
        """Raise for what does not exist, though block formats alone would not use it."""
        parse_enum(Rounding, self.rounding, "rounding")
        parse_enum(Saturation, self.saturation, "saturation")
        formats.get(self.scale_format)


def cells(
    policy: Policy,
    *,
    formats: Iterable[str | Format | BlockSpec] | None = None,
    granularities: Iterable[str | Granularity] | None = None,
    schemes: Iterable[str | Scheme] | None = None,
    scale_rules: Iterable[str | ScaleRule] | None = None,
    block_rules: Iterable[str | BlockRule] | None = None,
) -> tuple[list[Cell | BlockCell], list[LeftOut]]:
    """The cells that were asked for, and what was left out of them.

    With no choice at all: `CORE` in every combination, and `SURVEY` per channel, by absmax (formats of 1 or 2 bits by
    MSE too), symmetric, or asymmetric where that is all that makes sense; and `SURVEY_BLOCKS`. With a choice: the
    product of what was chosen, where `CORE`, all five granularities, both schemes and both rules stand for what was
    not. Block formats among ``formats`` are run by ``block_rules`` alone (without them, by `DEFAULT_RULES`); where
    only rules are chosen, they are all block formats.

    Raises ``KeyError``, ``ValueError`` or ``TypeError`` for unknown names, ``ValueError`` if nothing is left to run, or
    for block rules without a block format.

    >>> policy = Policy(scale_format="bfloat16", rounding="nearest_ties_to_even", saturation="sat_finite")
    >>> found, left_out = cells(policy, formats=["uint8"], granularities=["tensor"], scale_rules=["absmax"])
    >>> len(found), left_out[0].reason
    (1, 'unsigned: symmetric scaling would clamp every negative number to 0')
    """
    policy.check()
    scalars, specs = apart(CORE if formats is None else formats)
    if formats is None and block_rules is not None:
        specs = [block(name) for name in blocks()]
    if block_rules is not None and not specs:
        raise ValueError("block_rules are for block formats, of which formats= names none")
    survey, left_out, surveyed_blocks = [], [], []
    if all(choice is None for choice in (formats, granularities, schemes, scale_rules, block_rules)):
        survey, left_out = _survey(policy)
        surveyed_blocks = [BlockCell(spec=block(name), rule=block_rule(rule)) for name, rule in SURVEY_BLOCKS]
    core, more = _product(
        policy,
        scalars,
        [parse_granularity(g) for g in (GRANULARITIES if granularities is None else granularities)],
        [parse_enum(Scheme, s, "scheme") for s in (Scheme if schemes is None else schemes)],
        [parse_enum(ScaleRule, r, "scale_rule") for r in (ScaleRule if scale_rules is None else scale_rules)],
    )
    blocked, refused = block_cells(specs, block_rules)
    found = [*core, *survey, *blocked]
    refuse_nothing(found, more + refused)
    return found + surveyed_blocks, [*more, *left_out, *refused]


def refuse_nothing(found: Sequence[Cell | BlockCell], left_out: Sequence[LeftOut]) -> None:
    """``ValueError`` if no combination is left to run, with the reasons."""
    if not found:
        reasons = "; ".join(f"{out.what}: {out.reason}" for out in left_out) or "an empty list was given"
        raise ValueError(f"no combination is left to run: {reasons}")


def _product(
    policy: Policy,
    specs: Sequence[Format],
    granularities: Sequence[Granularity],
    schemes: Sequence[Scheme],
    rules: Sequence[ScaleRule],
) -> tuple[list[Cell], list[LeftOut]]:
    found: list[Cell] = []
    left_out: list[LeftOut] = []
    for spec, scheme in product(specs, schemes):
        made = _recipe(policy, spec, scheme)
        if isinstance(made, LeftOut):
            left_out.append(made)
            continue
        found += [Cell(recipe=made, granularity=g, scale_rule=r) for g, r in product(granularities, rules)]
    return found, left_out


def _recipe(policy: Policy, spec: Format, scheme: Scheme) -> Recipe | LeftOut:
    try:
        return recipe(
            spec,
            scheme=scheme,
            scale_format=policy.scale_format,
            rounding=policy.rounding,
            saturation=policy.saturation,
        )
    except ValueError as error:
        reason = str(error).removeprefix(f"{spec.name}, {scheme.value}: ")
        return LeftOut(format=spec.name, scheme=scheme.value, reason=reason)


def _survey(policy: Policy) -> tuple[list[Cell], list[LeftOut]]:
    found: list[Cell] = []
    left_out: list[LeftOut] = []
    for spec in map(formats.get, SURVEY):
        for scheme in Scheme:
            made = _recipe(policy, spec, scheme)
            if isinstance(made, LeftOut):
                left_out.append(made)
                continue
            rules = tuple(ScaleRule) if spec.bits <= 2 else (ScaleRule.ABSMAX,)
            found += [Cell(recipe=made, granularity=parse_granularity("channel"), scale_rule=rule) for rule in rules]
            break
    return found, left_out
