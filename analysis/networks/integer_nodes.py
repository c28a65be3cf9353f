"""Integer nodes from float ones, where the quantisation of their input and output is known."""

from __future__ import annotations

from typing import Any

from analysis.networks.float_network import (
    FloatConvolution,
    FloatFlatten,
    FloatLinear,
    FloatPool,
    FloatWeighted,
)
from analysis.networks.integer_parameters import Quantised, Rounding, biases, clamp
from analysis.networks.schemes import Scheme
from formats import IntSpec
from reference.integer.network import Affine, Convolution, Flatten, Linear, Node, Pool, Weighted


def weighted(
    node: FloatWeighted,
    source: Affine,
    out: Affine,
    weights: Quantised,
    fmt: IntSpec,
    rule: str,
    rounding: Rounding,
    inputs: tuple[str, ...] | None = None,
) -> Weighted:
    """A convolution or linear layer with these integer weights; its bias and clamp are rounded as ``rounding`` does.

    ``source``: the quantisation of what it takes, from ``inputs``, the float node's own where None.
    """
    weight, scale = weights
    shared: dict[str, Any] = {
        "name": node.name,
        "inputs": node.inputs if inputs is None else inputs,
        "out": out,
        "weight": weight,
        "weight_scale": tuple(float(one) for one in scale),
        "bias": biases(node.name, node.biases, source.scale, scale, rounding),
        "weight_format": fmt,
        "rule": rule,
        "clamp": clamp(node.bounds, out, rounding),
    }
    match node:
        case FloatConvolution():
            return Convolution(**shared, strides=node.strides, padding=node.padding, groups=node.groups)
        case FloatLinear():
            return Linear(**shared)
        case _:
            raise TypeError(f"node {node.name!r} is a {type(node).__name__}, which is not quantised here")


def unchanged(node: FloatPool | FloatFlatten, source: Affine, chosen: Scheme) -> Node:
    """A pool or flattening, which keeps the quantisation of its input."""
    if isinstance(node, FloatFlatten):
        return Flatten(name=node.name, inputs=node.inputs, out=source)
    return Pool(
        name=node.name,
        inputs=node.inputs,
        out=source,
        kind="max" if node.kind == "max" else chosen.average,
        window=node.window,
        strides=node.strides,
        padding=node.padding,
    )
