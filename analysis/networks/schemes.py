"""Quantisation schemes as data: which integers a float network gets, and by which rules they are requantised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum


class Activations(Enum):
    """How a range becomes a scale and a zero point."""

    #: int8 with a zero point: the range is widened to hold 0, and its ends get -128 and 127
    ASYMMETRIC_INT8 = "asymmetric_int8"
    #: int8, zero point 0: the larger magnitude gets 127
    SYMMETRIC_INT8 = "symmetric_int8"
    #: HAWQ-V3's: symmetric int8 or scale-only uint4 into layers, 16 bits between residual blocks
    RESIDUAL_STREAM = "residual_stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a float network is quantised.

    ``rule``: a name of `formats.requantisers`; ``addition``: one of `formats.addition_rules`; ``average``: the kind of
    average pools, see `reference.integer.pooling`. ``bits``: 4 or 8 for each layer by its name, 8 where a layer is not
    named; only HAWQ-V3's scheme has layers of 4.
    """

    name: str
    activations: Activations
    rule: str
    addition: str
    average: str
    bits: Mapping[str, int] = field(default_factory=dict[str, int])
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        for layer, bits in self.bits.items():
            if bits not in (4, 8):
                raise ValueError(f"scheme {self.name!r}: {bits} bits for layer {layer!r}; accepted: 4, 8")
            if bits == 4 and self.activations is not Activations.RESIDUAL_STREAM:
                raise ValueError(f"scheme {self.name!r} has 8 bits in every layer; {layer!r} was given 4")


TFLITE_INT8 = Scheme(
    name="tflite_int8",
    activations=Activations.ASYMMETRIC_INT8,
    rule="tflite_double_rounding",
    addition="tflite",
    average="average_half_away",
    source="Jacob et al., arXiv 1712.05877; TensorFlow Lite, tools/optimize/quantization_utils.cc",
)
SYMMETRIC_INT8 = replace(TFLITE_INT8, name="symmetric_int8", activations=Activations.SYMMETRIC_INT8)
HAWQ_V3 = Scheme(
    name="hawq_v3",
    activations=Activations.RESIDUAL_STREAM,
    rule="hawq_v3_pytorch",
    addition="hawq_v3_pytorch",
    average="average_hawq_v3",
    source="HAWQ-V3, arXiv 2011.10680; Zhen-Dong/HAWQ, quant_modules.py, quant_utils.py, q_resnet.py, bit_config.py",
)
_SCHEMES = {known.name: known for known in (TFLITE_INT8, SYMMETRIC_INT8, HAWQ_V3)}


def scheme_names() -> tuple[str, ...]:
    """The names that `scheme` knows."""
    return tuple(_SCHEMES)


def scheme(
    name: str | Scheme,
    *,
    rule: str | None = None,
    addition: str | None = None,
    average: str | None = None,
    bits: Mapping[str, int] | None = None,
) -> Scheme:
    """A scheme by its name, with other rules or bits where they are given. Raises ``KeyError`` for an unknown name.

    ``tflite_int8``: TensorFlow Lite's; int8 activations with zero points, int8 weights in [-127, 127] with a scale for
    each output channel. ``symmetric_int8``: the same without zero points. ``hawq_v3``: HAWQ-V3's, see
    `analysis.networks.residual_stream`.

    >>> scheme("tflite_int8", rule="tflite_single_rounding").rule
    'tflite_single_rounding'
    """
    if not isinstance(name, Scheme):
        try:
            name = _SCHEMES[name]
        except KeyError:
            raise KeyError(f"unknown scheme {name!r}; known: {', '.join(_SCHEMES)}") from None
    given = {"rule": rule, "addition": addition, "average": average, "bits": bits}
    changes = {field: value for field, value in given.items() if value is not None}
    return replace(name, **changes)  # pyright: ignore[reportArgumentType]
