"""Small integer-only networks of random weights, for comparisons of what runs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import formats
from formats import IntSpec
from reference.integer.network import (
    Add,
    Affine,
    Clamp,
    Concatenate,
    Convolution,
    Flatten,
    Input,
    Linear,
    Network,
    Node,
    Pool,
    Requantise,
    Table,
)

INT8 = formats.get("int8")
Generator = np.random.Generator


def affine(rng: Generator, fmt: IntSpec = INT8, *, scale: float | None = None, centred: bool = False) -> Affine:
    """A scale near 1/32 and a zero point anywhere in the middle half of the format."""
    middle = (fmt.minimum + fmt.maximum + 1) // 2
    spread = (fmt.maximum - fmt.minimum) // 4
    zero = 0 if centred else int(rng.integers(middle - spread, middle + spread))
    return Affine(format=fmt, scale=scale or float(rng.uniform(0.02, 0.05)), zero_point=zero)


def integers(rng: Generator, shape: tuple[int, ...], fmt: IntSpec = INT8) -> np.ndarray[Any, np.dtype[Any]]:
    """Every integer of the format as likely, and both ends at the front, in its type."""
    width = 8 if fmt.bits <= 8 else 16
    drawn = rng.integers(fmt.minimum, fmt.maximum + 1, shape).astype(f"{'int' if fmt.signed else 'uint'}{width}")
    drawn.flat[0], drawn.flat[-1] = fmt.minimum, fmt.maximum
    return drawn


def convolution(
    rng: Generator,
    shape: tuple[int, int, int, int],
    *,
    name: str = "y",
    source: str = "x",
    out: Affine | None = None,
    rule: str = "tflite_double_rounding",
    groups: int = 1,
    **options: Any,
) -> Convolution:
    """A convolution of weight (out, height, width, in / groups), whose output fills the range of int8."""
    fan = int(np.prod(shape[1:]))
    return Convolution(
        name=name,
        inputs=(source,),
        out=out or affine(rng),
        weight=rng.integers(-127, 128, shape).astype(np.int8),
        weight_scale=tuple(float(s) for s in rng.uniform(0.5, 1.5, shape[0]) / (73 * fan**0.5)),
        bias=rng.integers(-2000, 2001, shape[0]).astype(np.int32),
        weight_format=INT8,
        rule=rule,
        groups=groups,
        **options,
    )


def linear(
    rng: Generator, shape: tuple[int, int], *, name: str = "y", source: str = "x", rule: str = "tflite_double_rounding"
) -> Linear:
    """A linear layer of weight (out, in) and one scale."""
    return Linear(
        name=name,
        inputs=(source,),
        out=affine(rng),
        weight=rng.integers(-127, 128, shape).astype(np.int8),
        weight_scale=(1 / (73 * shape[1] ** 0.5),),
        bias=rng.integers(-2000, 2001, shape[0]).astype(np.int32),
        weight_format=INT8,
        rule=rule,
    )


def every_node(seed: int, rule: str = "tflite_double_rounding", addition: str = "tflite") -> Network:
    """A network for pictures (8, 8, 3) in which each kind of node occurs."""
    return Network(name="every_node", nodes=tuple(_nodes(np.random.default_rng(seed), rule, addition)))


def _nodes(rng: Generator, rule: str, addition: str) -> Iterator[Node]:
    yield Input(name="x", out=affine(rng), shape=(8, 8, 3))
    stem = convolution(rng, (20, 3, 3, 3), name="stem", rule=rule, strides=(2, 2), padding=((0, 1), (0, 1)))
    yield (stem := replace(stem, clamp=(stem.out.zero_point, 127)))
    same: dict[str, Any] = {"rule": rule, "padding": ((1, 1), (1, 1))}
    yield convolution(rng, (20, 3, 3, 1), name="depthwise", source="stem", groups=20, **same)
    yield convolution(rng, (20, 3, 3, 20), name="main", source="depthwise", **same)
    yield Add(name="sum", inputs=("main", "stem"), out=affine(rng), rule=addition, clamp=(-100, 127))
    yield (small := convolution(rng, (12, 1, 1, 20), name="pixels", source="sum", rule=rule))
    yield Pool(name="max", inputs=("pixels",), out=small.out, kind="max", window=(3, 3), padding=((1, 1), (1, 1)))
    window: dict[str, Any] = {"window": (2, 3), "strides": (1, 1), "padding": ((0, 1), (1, 1))}
    yield Pool(name="mean", inputs=("pixels",), out=small.out, kind="average_half_away", **window)
    yield (joined := Concatenate(name="joined", inputs=("max", "mean", "sum"), out=affine(rng), rule=rule))
    yield Clamp(name="clamped", inputs=("joined",), out=joined.out, low=-90, high=100)
    table = tuple(int(v) for v in rng.integers(-128, 128, 256))
    yield (active := Table(name="active", inputs=("clamped",), out=affine(rng), table=table))
    yield (moved := Requantise(name="moved", inputs=("active",), out=affine(rng), rule=rule, clamp=(-120, 120)))
    yield Pool(name="all", inputs=("active",), out=active.out, kind="average_half_away", window=None)
    yield Flatten(name="flat", inputs=("moved",), out=moved.out)
    yield linear(rng, (10, 16 * 44), name="logits", source="flat", rule=rule)
