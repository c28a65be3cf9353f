"""WHAT exists: number formats, policies and layouts as frozen records. Standard library only.

>>> import formats
>>> formats.get("float8_e4m3fn").max_code
126
"""

from formats.dyadic import HAWQ_V3, Dyadic, DyadicSpec
from formats.floating import FloatSpec, Nan
from formats.integer import IntSpec
from formats.layout import TERNARY_2BIT, TERNARY_BASE3, Layout, layout, layout_names
from formats.p3109 import p3109
from formats.policy import NanRule, Overflow, Rounding, Saturation, parse_enum
from formats.registry import Format, get, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from formats.block_formats.named import block, blocks
    from formats.block_formats.rule import BlockRule, NonFinite, Significand
    from formats.block_formats.rules import block_rule, block_rules
    from formats.block_formats.spec import BlockSpec, Form, Level, Shift
    from formats.block_formats.steps import Given, Step
    from formats.chips import Evidence
    from formats.code_books.book import CodebookSpec, codebook_of
    from formats.code_books.decision import Thresholds, Ties
    from formats.code_books.decisions import decision, decisions
    from formats.code_books.named import NF4, bitmod_books, codebook, codebooks, dynamic_map
    from formats.dot import Accumulator, accumulator, accumulators
    from formats.gguf.record import GgufType
    from formats.gguf.types import gguf_type
    from formats.integer_only.additions import AdditionRule, addition_rule, addition_rules
    from formats.integer_only.multipliers import dyadic_rule, dyadic_rules
    from formats.integer_only.requantiser import Requantiser
    from formats.integer_only.requantisers import requantiser, requantisers
    from formats.layouts.bits import BitLayout, Field, SplitLayout
    from formats.layouts.zero_point import GPTQ_V1, GPTQ_V2, ZeroPointConvention
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
    from formats.ternary.activations import ElasticQuantizer, TokenQuantizer, elastic_quantizer, token_quantizer
    from formats.ternary.storage import TernaryBlock, TernaryStorage, ternary_block, ternary_storage
    from formats.ternary.weights import WeightQuantizer, weight_quantizer

__all__ = [
    "FLOAT32",
    "GPTQ_V1",
    "GPTQ_V2",
    "HAWQ_V3",
    "NF4",
    "TERNARY_2BIT",
    "TERNARY_BASE3",
    "Accumulator",
    "AdditionRule",
    "BitLayout",
    "BlockRule",
    "BlockSpec",
    "CodebookSpec",
    "Combine",
    "Dyadic",
    "DyadicSpec",
    "ElasticQuantizer",
    "Evidence",
    "ExactSteps",
    "ExactSum",
    "Field",
    "FloatSpec",
    "Form",
    "Format",
    "FusedSteps",
    "GgufType",
    "Given",
    "HalvedSteps",
    "IntSpec",
    "IntegerSum",
    "JoinedSteps",
    "KOrder",
    "Layout",
    "Level",
    "Nan",
    "NanRule",
    "NonFinite",
    "Overflow",
    "PairwiseSteps",
    "PairwiseSum",
    "PromotedSum",
    "Requantiser",
    "Rounding",
    "Saturation",
    "Schedule",
    "SequentialSum",
    "Shift",
    "Significand",
    "SplitLayout",
    "Step",
    "Summation",
    "TernaryBlock",
    "TernaryStorage",
    "Thresholds",
    "Ties",
    "TokenQuantizer",
    "WeightQuantizer",
    "ZeroPointConvention",
    "accumulator",
    "accumulators",
    "addition_rule",
    "addition_rules",
    "bitmod_books",
    "block",
    "block_rule",
    "block_rules",
    "blocks",
    "codebook",
    "codebook_of",
    "codebooks",
    "decision",
    "decisions",
    "dyadic_rule",
    "dyadic_rules",
    "dynamic_map",
    "elastic_quantizer",
    "get",
    "gguf_type",
    "layout",
    "layout_names",
    "names",
    "p3109",
    "parse_enum",
    "requantiser",
    "requantisers",
    "ternary_block",
    "ternary_storage",
    "token_quantizer",
    "weight_quantizer",
]

#: where names are that are imported when first asked for: who only names formats does not wait for them
_LAZY = {
    "block_formats.named": (
        "block",
        "blocks",
    ),
    "block_formats.rule": (
        "BlockRule",
        "NonFinite",
        "Significand",
    ),
    "block_formats.rules": (
        "block_rule",
        "block_rules",
    ),
    "block_formats.spec": (
        "BlockSpec",
        "Form",
        "Level",
        "Shift",
    ),
    "block_formats.steps": (
        "Given",
        "Step",
    ),
    "chips": ("Evidence",),
    "code_books.book": (
        "CodebookSpec",
        "codebook_of",
    ),
    "code_books.decision": (
        "Thresholds",
        "Ties",
    ),
    "code_books.decisions": (
        "decision",
        "decisions",
    ),
    "code_books.named": (
        "NF4",
        "bitmod_books",
        "codebook",
        "codebooks",
        "dynamic_map",
    ),
    "dot": (
        "Accumulator",
        "accumulator",
        "accumulators",
    ),
    "gguf.record": ("GgufType",),
    "gguf.types": ("gguf_type",),
    "integer_only.additions": (
        "AdditionRule",
        "addition_rule",
        "addition_rules",
    ),
    "integer_only.multipliers": (
        "dyadic_rule",
        "dyadic_rules",
    ),
    "integer_only.requantiser": ("Requantiser",),
    "integer_only.requantisers": (
        "requantiser",
        "requantisers",
    ),
    "layouts.bits": (
        "BitLayout",
        "Field",
        "SplitLayout",
    ),
    "layouts.zero_point": (
        "GPTQ_V1",
        "GPTQ_V2",
        "ZeroPointConvention",
    ),
    "matrix_cores": (
        "ExactSteps",
        "JoinedSteps",
        "PairwiseSteps",
    ),
    "results": ("FLOAT32",),
    "schedule": (
        "Combine",
        "KOrder",
        "Schedule",
    ),
    "summation": (
        "ExactSum",
        "FusedSteps",
        "HalvedSteps",
        "IntegerSum",
        "PairwiseSum",
        "PromotedSum",
        "SequentialSum",
        "Summation",
    ),
    "ternary.activations": (
        "ElasticQuantizer",
        "TokenQuantizer",
        "elastic_quantizer",
        "token_quantizer",
    ),
    "ternary.storage": (
        "TernaryBlock",
        "TernaryStorage",
        "ternary_block",
        "ternary_storage",
    ),
    "ternary.weights": (
        "WeightQuantizer",
        "weight_quantizer",
    ),
}
_MODULES = {name: module for module, names_ in _LAZY.items() for name in names_}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'formats' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"formats.{_MODULES[name]}"), name)
