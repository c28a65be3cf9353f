"""WHAT exists: number formats, policies and layouts as frozen records. Standard library only.

>>> import formats
>>> formats.get("float8_e4m3fn").max_code
126
"""

from formats.dyadic import HAWQ_V3, Dyadic, DyadicSpec
from formats.floating import FloatSpec, Nan
from formats.integer import IntSpec
from formats.layout import TERNARY_2BIT, TERNARY_BASE3, Layout, layout
from formats.p3109 import p3109
from formats.policy import NanRule, Overflow, Rounding, Saturation, parse_enum
from formats.registry import Format, get, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from formats.chips import Evidence
    from formats.dot import Accumulator, accumulator, accumulators
    from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
    from formats.results import FLOAT32
    from formats.schedule import Combine, KOrder, Schedule
    from formats.summation import (
        ExactSum,
        FusedSteps,
        HalvedSteps,
        IntegerSum,
        PairwiseSum,
        PromotedSum,
        SequentialSum,
        Summation,
    )

__all__ = [
    "FLOAT32",
    "HAWQ_V3",
    "TERNARY_2BIT",
    "TERNARY_BASE3",
    "Accumulator",
    "Combine",
    "Dyadic",
    "DyadicSpec",
    "Evidence",
    "ExactSteps",
    "ExactSum",
    "FloatSpec",
    "Format",
    "FusedSteps",
    "HalvedSteps",
    "IntSpec",
    "IntegerSum",
    "JoinedSteps",
    "KOrder",
    "Layout",
    "Nan",
    "NanRule",
    "Overflow",
    "PairwiseSteps",
    "PairwiseSum",
    "PromotedSum",
    "Rounding",
    "Saturation",
    "Schedule",
    "SequentialSum",
    "Summation",
    "accumulator",
    "accumulators",
    "get",
    "layout",
    "names",
    "p3109",
    "parse_enum",
]


def __getattr__(name: str) -> object:
    """Accumulators are imported when first asked for: who only names formats does not wait for them."""
    if name not in __all__:
        raise AttributeError(f"module 'formats' has no attribute {name!r}")
    from formats import chips, dot, matrix_cores, results, schedule, summation

    for module in (dot, chips, matrix_cores, results, schedule, summation):
        if hasattr(module, name):
            return getattr(module, name)
    raise AssertionError(name)
