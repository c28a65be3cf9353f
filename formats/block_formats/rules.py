"""Every named way to quantise into blocks, one literal each: who does what, step by step."""

from __future__ import annotations

from dataclasses import replace

from formats.block_formats.rule import BlockRule, NonFinite, Significand
from formats.block_formats.steps import Given, div, maximum, minimum, mul, sub
from formats.code_books.decision import Ties
from formats.code_books.decisions import decision
from formats.code_books.e2m1 import E2M1_EVEN, E2M1_TOWARD_ZERO
from formats.code_books.named import codebook
from formats.policy import NanRule, Rounding

_EVEN, _DOWN, _UP = Rounding.NEAREST_TIES_TO_EVEN, Rounding.TOWARD_NEGATIVE, Rounding.TOWARD_POSITIVE
_ABSMAX, _X, _SCALE, _SECOND, _LARGEST = Given.ABSMAX, Given.X, Given.SCALE, Given.SECOND, Given.LARGEST
_LARGEST_BINARY32 = float.fromhex("0x1.fffffep127")
_TENTH_OF_A_THOUSANDTH = float.fromhex("0x1.a36e2ep-14")  # 1e-4 as binary32 has it
_E2M1 = "float4_e2m1fn"
_MODELOPT = "NVIDIA ModelOpt 0.47.0, torch/quantization/qtensor"
_TORCHAO = "torchao/prototype/mx_formats of pytorch/ao"

#: OCP's rule; the scale of a block of zeros is the smallest there is, as in every implementation
FLOOR = BlockRule(
    name="floor", scale=_ABSMAX, below_emax=True, scale_rounding=_DOWN, rounding=_EVEN,
    nan_in_block=NonFinite.NAN_SCALE, infinity_in_block=NonFinite.NAN_SCALE, nan=NanRule.ZERO,
    source="OCP MX 1.0, section 6.3; what is not finite as in microsoft/microxcaling, mx/mx_ops.py",
)  # fmt: skip
MODELOPT_NVFP4 = BlockRule(
    name="modelopt_nvfp4_5a4242f", second=div(Given.TENSOR_ABSMAX, 2688), zero_second=1.0,
    scale=div(_ABSMAX, mul(6, _SECOND)), zero_scale=1.0, scale_rounding=_EVEN,
    quotient=div(_X, mul(_SCALE, _SECOND)), rounding=E2M1_EVEN, element=_E2M1,
    source="NVIDIA ModelOpt at commit 5a4242f, torch/quantization/qtensor/nvfp4_tensor.py: scales may become 0 there",
)  # fmt: skip
_NVFP4_SCALE_OF_TE = minimum(mul(_ABSMAX, mul(_SECOND, div(1, 6))), _LARGEST_BINARY32)

_ALL = (
    FLOOR,
    replace(FLOOR, name="ceil", scale_rounding=_UP, source=f"{_TORCHAO}, mode CEIL"),
    replace(
        FLOOR, name="rceil", scale=mul(_ABSMAX, div(1, _LARGEST)), below_emax=False, scale_rounding=_UP,
        source=f"{_TORCHAO} at 36027d8, mode RCEIL: the rule of PTX cvt.rp to ue8m0",
    ),
    replace(
        FLOOR, name="torchao_rceil", scale=div(_ABSMAX, _LARGEST), significand=Significand.LOG2_IN_BINARY32,
        below_emax=False, scale_rounding=_UP, infinity_in_block=NonFinite.LARGEST_SCALE,
        source=f"{_TORCHAO} 0.18.0, mode RCEIL without a GPU: a quotient, and a logarithm in binary32",
    ),
    replace(
        FLOOR, name="even", significand=Significand.ROUNDED_TO_ELEMENT, source=f"{_TORCHAO}, mode EVEN",
    ),
    replace(
        FLOOR, name="transformer_engine_mxfp8", scale=mul(_ABSMAX, div(1, _LARGEST)), below_emax=False,
        scale_rounding=_UP, infinity_in_block=NonFinite.LARGEST_SCALE,
        source="TransformerEngine, cast/mxfp8 and float_to_e8m0 in util/ptx_arch_spec.cuh: rceil, but infinity is 0xFE",
    ),
    replace(
        FLOOR, name="microxcaling", significand=Significand.LOG2_IN_BINARY32, rounding=Rounding.NEAREST_TIES_TO_AWAY,
        source="microsoft/microxcaling, mx/mx_ops.py on a CPU, its default rounding: the logarithm is binary32",
    ),
    replace(
        FLOOR, name="modelopt_mxfp4", scale=div(_ABSMAX, _LARGEST), significand=Significand.LOG2_IN_BINARY32,
        below_emax=False, scale_rounding=_UP,
        rounding=E2M1_TOWARD_ZERO, element=_E2M1, nan_in_block=NonFinite.REFUSE, infinity_in_block=NonFinite.REFUSE,
        source=f"{_MODELOPT}/mxfp4_tensor.py: the logarithm is binary32",
    ),
    replace(
        FLOOR, name="ggml_mxfp4", significand=Significand.LOG2_IN_BINARY32, rounding=Ties.TOWARD_ZERO,
        nan_in_block=NonFinite.REFUSE, infinity_in_block=NonFinite.REFUSE,
        source="llama.cpp, ggml-quants.c: the logarithm is binary32, the first least difference stands",
    ),
    BlockRule(
        name="transformer_engine_nvfp4",
        second=minimum(div(2688, Given.TENSOR_ABSMAX), _LARGEST_BINARY32), zero_second=1.0,
        scale=_NVFP4_SCALE_OF_TE, scale_rounding=_EVEN,
        quotient=mul(_X, minimum(div(1, mul(_SCALE, div(1, _SECOND))), _LARGEST_BINARY32)),
        rounding=E2M1_EVEN, element=_E2M1,
        source="TransformerEngine, common/cast/nvfp4/core_nvfp4.cuh; for the format nvfp4_divisor; that -0 becomes +0"
        " is read from its code, unverified",
    ),
    BlockRule(
        name="torchao_nvfp4", second=div(Given.TENSOR_ABSMAX, 2688), zero_second=1.0,
        scale=minimum(maximum(div(div(_ABSMAX, 6), _SECOND), 2.0**-6), 448.0), scale_rounding=_EVEN,
        quotient=mul(_X, div(div(1, _SECOND), _SCALE)), rounding=_EVEN,
        source=f"{_TORCHAO}, nvfp4_tensor.py; a tensor of zeros is ours",
    ),
    MODELOPT_NVFP4,
    replace(
        MODELOPT_NVFP4, name="modelopt_nvfp4", least_scale=2.0**-9,
        source=f"{_MODELOPT}/nvfp4_tensor.py; a tensor of zeros is ours",
    ),
    BlockRule(
        name="deepseek_v3", scale=div(maximum(_ABSMAX, _TENTH_OF_A_THOUSANDTH), _LARGEST), scale_rounding=_EVEN,
        quotient=div(_X, _SCALE), rounding=_EVEN, source="DeepSeek-V3, inference/kernel.py",
    ),
    BlockRule(
        name="deepseek_v3_ue8m0", scale=div(maximum(_ABSMAX, _TENTH_OF_A_THOUSANDTH), _LARGEST), scale_rounding=_UP,
        quotient=div(_X, _SCALE), rounding=_EVEN, source="DeepSeek-V3, inference/kernel.py, scale_fmt ue8m0",
    ),
    BlockRule(
        name="deepgemm", scale=div(maximum(_ABSMAX, _TENTH_OF_A_THOUSANDTH), _LARGEST), scale_rounding=_EVEN,
        quotient=mul(_X, div(1, _SCALE)), rounding=_EVEN, source="DeepGEMM, deep_gemm/utils/math.py",
    ),
    BlockRule(
        name="deepgemm_ue8m0", scale=div(maximum(_ABSMAX, _TENTH_OF_A_THOUSANDTH), _LARGEST), scale_rounding=_UP,
        quotient=mul(_X, div(1, _SCALE)), rounding=_EVEN,
        source="DeepGEMM, deep_gemm/utils/math.py, ceil_to_ue8m0 on the scale's bits",
    ),
    BlockRule(
        name="absmax", scale=div(_ABSMAX, _LARGEST), zero_scale=1.0, scale_rounding=_EVEN, rounding=_EVEN,
        source="largest magnitude to the largest value; the quotient by the stored scale is rounded once",
    ),
    BlockRule(
        name="absmax_half_step", scale=div(_ABSMAX, 7.5), zero_scale=1.0, scale_rounding=_EVEN, rounding=_EVEN,
        source="the 4-bit scale of GPTQ, MARLIN and compressed-tensors: twice the largest magnitude over 15",
    ),
    BlockRule(
        name="minmax_zero_point", scale=div(sub(maximum(Given.HIGH, 0), minimum(Given.LOW, 0)), Given.RANGE),
        zero_scale=1.0, scale_rounding=_EVEN, shift=div(sub(0, minimum(Given.LOW, 0)), _SCALE), rounding=_EVEN,
        source="GPTQ's asymmetric quantiser (IST-DASLab/gptq, quant.py) on the stored scale: the range holds 0",
    ),
    BlockRule(
        name="minmax_offset", scale=div(sub(Given.HIGH, Given.LOW), Given.RANGE), zero_scale=1.0, scale_rounding=_EVEN,
        shift=Given.LOW, rounding=_EVEN, source="least and greatest element; each is rounded once, on what is stored",
    ),
    BlockRule(
        name="bitsandbytes_nf4", scale=_ABSMAX, scale_rounding=_EVEN, quotient=mul(_X, div(1, _SCALE)),
        zero_scale=1.0, rounding=decision("bitsandbytes_nf4", codebook("nf4")), element="nf4",
        source="bitsandbytes, csrc/kernels.cu; a block of zeros is ours",
    ),
    BlockRule(
        name="bitsandbytes_fp4", scale=_ABSMAX, scale_rounding=_EVEN, quotient=mul(_X, div(1, _SCALE)),
        zero_scale=1.0, rounding=decision("bitsandbytes_fp4_cuda", codebook("bitsandbytes_fp4")),
        element="bitsandbytes_fp4",
        source="bitsandbytes, csrc/kernels.cu; a block of zeros is ours",
    ),
)  # fmt: skip
_RULES = {rule.name: rule for rule in _ALL}


def block_rules() -> tuple[str, ...]:
    """The names of every rule.

    >>> {"floor", "ceil", "rceil", "even"} <= set(block_rules())
    True
    """
    return tuple(_RULES)


def block_rule(name: str | BlockRule) -> BlockRule:
    """The rule called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> block_rule("rceil").scale_rounding
    <Rounding.TOWARD_POSITIVE: 'toward_positive'>
    """
    if isinstance(name, BlockRule):
        return name
    try:
        return _RULES[name]
    except KeyError:
        raise KeyError(f"unknown block rule {name!r}; known: {', '.join(_RULES)}") from None
