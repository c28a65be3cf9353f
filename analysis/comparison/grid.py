"""Which combinations a comparison runs, and which it leaves out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import formats
from formats import Format, Rounding, Saturation, parse_enum
from reference.quantize import Granularity, Recipe, ScaleRule, Scheme, parse_granularity, recipe

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A combination that was not run, and why."""

    format: str
    scheme: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What all cells of a comparison share."""

    scale_format: str | Format
    rounding: Rounding | str
    saturation: Saturation | str


def cells(
    policy: Policy,
    *,
    formats: Iterable[str | Format] | None = None,
    granularities: Iterable[str | Granularity] | None = None,
    schemes: Iterable[str | Scheme] | None = None,
    scale_rules: Iterable[str | ScaleRule] | None = None,
) -> tuple[list[Cell], list[LeftOut]]:
    """The cells that were asked for, and what was left out of them.

    With no choice at all: `CORE` in every combination, and `SURVEY` per channel, by absmax (formats of 1 or 2 bits by
    MSE too), symmetric, or asymmetric where that is all that makes sense. With a choice: the product of what was
    chosen, where `CORE`, all five granularities, both schemes and both rules stand for what was not.

    Raises ``KeyError``, ``ValueError`` or ``TypeError`` for unknown names, ``ValueError`` if nothing is left to run.

    >>> policy = Policy(scale_format="bfloat16", rounding="nearest_ties_to_even", saturation="sat_finite")
    >>> found, left_out = cells(policy, formats=["uint8"], granularities=["tensor"], scale_rules=["absmax"])
    >>> len(found), left_out[0].reason
    (1, 'unsigned: symmetric scaling would clamp every negative number to 0')
    """
    parse_enum(Rounding, policy.rounding, "rounding")
    parse_enum(Saturation, policy.saturation, "saturation")
    chosen = (formats, granularities, schemes, scale_rules)
    found, left_out = [], []
    if all(choice is None for choice in chosen):
        found, left_out = _survey(policy)
    core, more = _product(
        policy,
        list(CORE if formats is None else formats),
        [parse_granularity(g) for g in (GRANULARITIES if granularities is None else granularities)],
        [parse_enum(Scheme, s, "scheme") for s in (Scheme if schemes is None else schemes)],
        [parse_enum(ScaleRule, r, "scale_rule") for r in (ScaleRule if scale_rules is None else scale_rules)],
    )
    if not core + found:
        reasons = "; ".join(f"{out.format} {out.scheme}: {out.reason}" for out in more) or "an empty list was given"
        raise ValueError(f"no combination is left to run: {reasons}")
    return core + found, more + left_out


def _product(
    policy: Policy,
    names: Sequence[str | Format],
    granularities: Sequence[Granularity],
    schemes: Sequence[Scheme],
    rules: Sequence[ScaleRule],
) -> tuple[list[Cell], list[LeftOut]]:
    found: list[Cell] = []
    left_out: list[LeftOut] = []
    for spec, scheme in product(map(formats.get, names), schemes):
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
