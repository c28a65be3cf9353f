"""What each layer of an integer-only network does with a batch: one record for each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.dyadic import DyadicPair
from formats.integer_only.additions import AdditionForm, addition_rule
from formats.integer_only.requantisers import requantiser
from formats.results import INT32
from kernels_ref.integer.audit import audit
from reference.integer.accumulator import accumulator_bound
from reference.integer.addition import add
from reference.integer.network import Add, Affine, Concatenate, Network, Node, Requantise, Weighted
from reference.integer.rescaling import concatenate, moved, rescaled
from reference.integer.run import evaluate

Integers = NDArray[np.integer[Any]]

_SIX = 6.0  # where ReLU6 ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A node and what was seen of it.

    ``multipliers``: the ``b / 2^c`` that it multiplies by, the least and the greatest where channels have their own;
    none where nothing is rescaled, or by binary32 numbers. ``used``: the least and greatest integer of its output.
    ``activated``: how many results a fused ReLU or ReLU6 changed: those beyond an end of ``clamp`` that means 0 or 6.
    ``saturated``: how many lay beyond another end, and were lost to the format. ``accumulated``: the least and greatest
    accumulator; ``bound``: what these weights may make of any input. ``floats``: the operations of its compiled code
    that touch a floating-point number.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    out: Affine
    rule: str | None
    multipliers: tuple[DyadicPair, ...]
    used: tuple[int, int]
    results: int
    saturated: int
    activated: int
    accumulated: tuple[int, int] | None
    bound: tuple[int, int] | None
    floats: tuple[str, ...]

    @property
    def share(self) -> float:
        """The part of the format's integers that lies between the least and the greatest one."""
        fmt = self.out.format
        return (self.used[1] - self.used[0] + 1) / (fmt.maximum - fmt.minimum + 1)


def report(network: Network, x: Integers) -> list[Layer]:
    """A record for each node of ``network`` on the integers ``x``: the golden model's integers, the JAX code's floats.

    Raises what `reference.integer.run.run` raises.

    >>> import formats
    >>> from reference.integer.network import Clamp, Input
    >>> x = Input(name="x", shape=(3,), out=Affine(format=formats.get("int8"), scale=0.5))
    >>> relu = Clamp(name="relu", inputs=("x",), out=x.out, low=0, high=127)
    >>> report(Network(name="one", nodes=(x, relu)), np.int8([[-3, 9, 0]]))[1].used
    (0, 9)
    """
    integers, accumulators = evaluate(network, x)
    found = audit(network)
    floats: dict[str, list[str]] = {}
    for finding in (*found.floats, *found.opaque):
        floats.setdefault(finding.node, []).append(finding.primitive)
    return [_layer(network, node, integers, accumulators, floats.get(node.name, [])) for node in network]


def _layer(
    network: Network,
    node: Node,
    integers: Mapping[str, Integers],
    accumulators: Mapping[str, Integers],
    floats: Sequence[str],
) -> Layer:
    sums, q = accumulators.get(node.name), integers[node.name]
    sources = [network[name].out for name in node.inputs]
    free = _unclamped(node, [integers[name] for name in node.inputs], sources, sums)
    activated, saturated = (0, 0) if free is None else _clamped(node, free)
    ends = None
    if isinstance(node, Weighted):
        least, greatest = accumulator_bound(node, sources[0])
        ends = int(least.min()), int(greatest.max())
    return Layer(
        name=node.name,
        kind=type(node).__name__.lower(),
        shape=tuple(q.shape[1:]),
        out=node.out,
        rule=getattr(node, "rule", None),
        multipliers=_multipliers(node, sources),
        used=(int(q.min()), int(q.max())),
        results=q.size,
        saturated=saturated,
        activated=activated,
        accumulated=None if sums is None else (int(sums.min()), int(sums.max())),
        bound=ends,
        floats=tuple(floats),
    )


def _clamped(node: Node, free: Integers) -> tuple[int, int]:
    """How many results an activation changed, and how many the format."""
    given: tuple[int, int] | None = getattr(node, "clamp", None)
    fmt = node.out.format
    low, high = given or (fmt.minimum, fmt.maximum)
    below, above = int((free < low).sum()), int((free > high).sum())
    relu = given is not None and low == node.out.zero_point
    relu6 = given is not None and abs(node.out.value(high) - _SIX) <= node.out.scale
    return below * relu + above * relu6, below * (not relu) + above * (not relu6)


def _unclamped(
    node: Node, inputs: Sequence[Integers], sources: Sequence[Affine], sums: Integers | None
) -> Integers | None:
    """The results as they are before they are clamped; None where nothing is rescaled."""
    wide = replace(node.out, format=INT32)
    match node:
        case Weighted():
            assert sums is not None
            return rescaled(sums, sources[0], replace(node, out=wide, clamp=None))
        case Add():
            return add(inputs[0], sources[0], inputs[1], sources[1], wide, rule=node.rule)
        case Requantise():
            return moved(inputs[0], sources[0], wide, node.rule)
        case Concatenate():
            kept = [wide if source == node.out else source for source in sources]
            return concatenate(inputs, kept, replace(node, out=wide))
        case _:
            return None


def _multipliers(node: Node, sources: Sequence[Affine]) -> tuple[DyadicPair, ...]:
    match node:
        case Weighted():
            scales = [(sources[0].scale, scale) for scale in (min(node.weight_scale), max(node.weight_scale))]
        case Requantise() | Concatenate():
            scales = [(source.scale, 1.0) for source in sources if source != node.out]
        case Add():
            return _of_addition(node, sources)
        case _:
            return ()
    rule = requantiser(node.rule)
    pairs = [rule.multiplier(rule.ratio(x, w, node.out.scale)) for x, w in scales]
    return tuple(dict.fromkeys(pair for pair in pairs if isinstance(pair, DyadicPair)))


def _of_addition(node: Add, sources: Sequence[Affine]) -> tuple[DyadicPair, ...]:
    """Of both terms, and of their sum where that is rescaled."""
    rule = addition_rule(node.rule)
    if rule.requantiser is None:
        return ()
    first, second = sources
    bits = max(first.format.bits, second.format.bits)
    ratios = rule.ratios(first.scale, second.scale, node.out.scale, bits=bits)
    used = ratios if rule.form is AdditionForm.COMMON else ratios[:2]
    pairs = [rule.requantiser.multiplier(ratio) for ratio in used]
    return tuple(pair for pair in pairs if isinstance(pair, DyadicPair))
