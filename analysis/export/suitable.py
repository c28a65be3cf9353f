"""What a network must be to be exported, and the clamps that runtimes have no field for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from reference.integer.network import Add, Clamp, Network, Node, Requantise, Weighted


def with_binary32_scales(network: Network) -> Network:
    """The network with every scale rounded to binary32, which is what model files hold.

    Where that changes a scale the network is another one, and so may its integers be; hence the exporters refuse
    scales of more digits and leave the rounding to the caller.

    >>> import formats
    >>> from reference.integer.network import Affine, Input
    >>> x = Input(name="x", out=Affine(format=formats.get("int8"), scale=0.1), shape=(4,))
    >>> with_binary32_scales(Network(name="one", nodes=(x,))).output.out.scale
    0.10000000149011612
    """
    return replace(network, nodes=tuple(_rounded(node) for node in network))


def _rounded(node: Node) -> Node:
    affine = replace(node.out, scale=float(np.float32(node.out.scale)))
    if not isinstance(node, Weighted):
        return replace(node, out=affine)
    return replace(node, out=affine, weight_scale=tuple(float(np.float32(scale)) for scale in node.weight_scale))


def check_network(network: Network, accepted: tuple[str, ...]) -> None:
    """``ValueError`` where an activation is of another format, or a scale is no binary32 number."""
    for node in network:
        if node.out.format.name not in accepted:
            raise ValueError(
                f"node {node.name!r} is {node.out.format.name}; this runtime is given: {', '.join(accepted)}"
            )
        scales = (node.out.scale, *(node.weight_scale if isinstance(node, Weighted) else ()))
        for scale in scales:
            if float(np.float32(scale)) != scale:
                raise ValueError(
                    f"node {node.name!r}: scale={scale!r} is no binary32 number; "
                    "analysis.export.with_binary32_scales rounds it"
                )


def output_clamp(node: Node) -> Iterable[tuple[str, int]]:
    """``MAXIMUM`` with the lower bound and ``MINIMUM`` with the upper, where they are narrower than the format."""
    match node:
        case Clamp():
            low, high = node.low, node.high
        case Weighted(clamp=(low, high)) | Add(clamp=(low, high)) | Requantise(clamp=(low, high)):
            pass
        case _:
            return
    if low > node.out.format.minimum:
        yield "MAXIMUM", low
    if high < node.out.format.maximum:
        yield "MINIMUM", high
