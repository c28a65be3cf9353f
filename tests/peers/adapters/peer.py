"""What a peer is to these tests: one way of converting numbers, with the policy that it is said to follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import NanRule, Rounding, Saturation

Values = NDArray[Any]
Codes = NDArray[np.unsignedinteger]

FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The arguments of `reference.encode` that describe a peer's conversion into one format."""

    rounding: Rounding = Rounding.NEAREST_TIES_TO_EVEN
    saturation: Saturation
    nan: NanRule = NanRule.ZERO
    random_bits: int | None = None
    random_bit_count: int | None = None


NONE = Policy(saturation=Saturation.SAT_NONE)
FINITE = Policy(saturation=Saturation.SAT_FINITE)
CUT = Policy(rounding=Rounding.TOWARD_ZERO, saturation=Saturation.SAT_FINITE)
CUT_AND_WRAP = Policy(rounding=Rounding.TOWARD_ZERO, saturation=Saturation.WRAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One conversion path of a package. ``policy`` has an entry for every format that the path can write.

    ``encode(values, format) -> codes`` and ``decode(codes, format) -> values``; formats carry our names.
    ``accepts(values, format)`` marks the inputs that the path defines a result for (all, unless given).
    """

    name: str
    policy: Mapping[str, Policy] = field(default_factory=dict)
    sources: tuple[str, ...] = FLOATS
    encode: Callable[[Values, str], Codes] | None = None
    decodes: tuple[str, ...] = ()
    decode: Callable[[Codes, str], Values] | None = None
    accepts: Callable[[Values, str], NDArray[np.bool_]] | None = None
