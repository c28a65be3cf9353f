"""The products that kernels are written for, each declared once."""

from __future__ import annotations

from typing import Any

from formats.look_up import find_record
from formats.products.record import Factor, ScaledProduct, Weight

_BF16 = "hopper.wgmma.k16.f32.bf16"
_E4M3 = "hopper.wgmma.k32.f32.e4m3.e4m3"
_INT32 = "hopper.wgmma.k32.s32.s8.s8"
_OF_ROW_AND_TOKEN = (Factor.WEIGHT_SCALE, Factor.TOKEN_SCALE)
_OF_TENSOR_AND_TOKEN = (Factor.TENSOR_SCALE, Factor.TOKEN_SCALE)

_MARLIN = "weight-only INT4 as in MARLIN (arXiv 2408.11743), but the scales multiply the sums of groups"
_QQQ = "QQQ (arXiv 2406.09904); csrc/qqq_gemm.cu of github.com/HandH1998/QQQ at 54c5c990"
_LLM_INT8 = (
    "one scale for each token and each channel, as in LLM.int8() (arXiv 2208.07339) and SmoothQuant (2211.10438)"
)
_FP8 = "FP8 formats for deep learning (arXiv 2209.05433)"
_DEEPSEEK = "DeepSeek-V3 (arXiv 2412.19437), 3.3.2: 1 x 128 activations, 128 x 128 weights, float32 sums every 128"
_FP6 = "FP6-LLM (arXiv 2401.14112): a scale for each row of the weights"
_OCP = "OCP Microscaling Formats v1.0: one E8M0 scale for 32 elements of K"
_NVFP4 = "NVFP4: one E4M3 scale for 16 elements of K, one float32 scale for the tensor"
_BITNET = "BitNet b1.58 (arXiv 2402.17764): ternary weights with one scale for the tensor"


def _float16(name: str, w: str, source: str, **terms: Any) -> ScaledProduct:
    """Weights of few bits times bfloat16 activations: one chain, but where scales of groups multiply sums."""
    rounded: dict[str, Any] = {"out": "bfloat16", **terms}
    return ScaledProduct(name=name, a="bfloat16", w=w, accumulator=_BF16, source=source, **rounded)


def _float8(name: str, w: str, source: str, **terms: Any) -> ScaledProduct:
    """Weights of at most 8 bits times E4M3 activations."""
    chained: dict[str, Any] = {"chain": 128, "out": "bfloat16", **terms}
    return ScaledProduct(name=name, a="float8_e4m3fn", w=w, accumulator=_E4M3, source=source, **chained)


def _int8(name: str, w: str, source: str, **terms: Any) -> ScaledProduct:
    """Weights of at most 8 bits times INT8 activations: sums are exact, whatever their order."""
    scaled: dict[str, Any] = {"epilogue": _OF_ROW_AND_TOKEN, "out": "bfloat16", **terms}
    return ScaledProduct(name=name, a="int8", w=w, accumulator=_INT32, source=source, **scaled)


_G128: dict[str, Any] = {"group": 128, "group_scale": "bfloat16", "chain": 128}
_ROW: dict[str, Any] = {"epilogue": (Factor.WEIGHT_SCALE,)}
_TOKEN: dict[str, Any] = {"epilogue": (Factor.TOKEN_SCALE,)}
_MINUS: dict[str, Any] = {"weight": Weight.MINUS_ZERO_POINT, "zero_point": "uint4"}
_MX: dict[str, Any] = {"group": 32, "group_scale": "float8_e8m0fnu", "chain": 32}
_NV: dict[str, Any] = {"group": 16, "group_scale": "float8_e4m3fn"}

_ALL = (
    _float16("w4a16_g128", "int4", _MARLIN, **_G128),
    _float16("w4a16_g128_zero", "uint4", _MARLIN, **_G128, **_MINUS),
    _float16("w4a16_channel", "int4", _MARLIN, **_ROW),
    _float16("w4a16_channel_zero", "uint4", _MARLIN, **_ROW, **_MINUS),
    _float16("w8a16_g128", "int8", _MARLIN, **_G128),
    _float16("w8a16_channel", "int8", _MARLIN, **_ROW),
    _int8("w4a8_qqq_channel", "int4_narrow", _QQQ, out="float16"),
    _int8("w4a8_qqq_g128", "int4", _QQQ, out="float16", group=128, group_scale="float16", weight=Weight.REQUANTISED),
    _int8("w8a8_int8", "int8", _LLM_INT8),
    _int8(
        "w8a8_int8_dyadic",
        "int8",
        "HAWQ-V3 (arXiv 2011.10680): INT8 in, INT8 out by dyadic numbers",
        epilogue=(),
        requantiser="hawq_v3_tvm",
        out="int8",
    ),
    _float8("w8a8_fp8_tensor", "float8_e4m3fn", _FP8, chain=None, epilogue=(Factor.TENSOR_SCALE,)),
    _float8("w8a8_fp8_token", "float8_e4m3fn", _FP8, chain=None, epilogue=_OF_ROW_AND_TOKEN),
    _float8(
        "w8a8_fp8_block128",
        "float8_e4m3fn",
        _DEEPSEEK,
        group=128,
        group_scale="float32",
        weight_rows=128,
        a_grouped=True,
    ),
    _float16("fp6_e3m2_bf16", "float6_e3m2fn", _FP6, **_ROW),
    _float16("fp6_e2m3_bf16", "float6_e2m3fn", _FP6, **_ROW),
    _float8("fp6_e3m2_e4m3", "float6_e3m2fn", _FP6, lowered=4, epilogue=_OF_ROW_AND_TOKEN),
    _float8("fp6_e2m3_e4m3", "float6_e2m3fn", _FP6, lowered=6, epilogue=_OF_ROW_AND_TOKEN),
    _float16("mxfp4_bf16", "float4_e2m1fn", _OCP, **_MX),
    _float8("mxfp4_e4m3", "float4_e2m1fn", _OCP, lowered=6, **_MX, **_TOKEN),
    _float16("mxfp8_bf16", "float8_e4m3fn", _OCP, **_MX),
    _float8("mxfp8_e4m3", "float8_e4m3fn", _OCP, **_MX, **_TOKEN),
    _float16("nvfp4_bf16", "float4_e2m1fn", _NVFP4, **_NV, weight=Weight.SCALED, epilogue=(Factor.TENSOR_SCALE,)),
    _float8("nvfp4_e4m3", "float4_e2m1fn", _NVFP4, lowered=6, **_NV, chain=16, epilogue=_OF_TENSOR_AND_TOKEN),
    _int8("ternary_int8", "ternary", _BITNET, epilogue=_OF_TENSOR_AND_TOKEN),
    _float16("ternary_bf16", "ternary", _BITNET, epilogue=(Factor.TENSOR_SCALE,)),
)

PRODUCTS: dict[str, ScaledProduct] = {product.name: product for product in _ALL}


def scaled_product(name: str | ScaledProduct) -> ScaledProduct:
    """The product called ``name``; a record is returned as it is. ``KeyError`` lists the known names.

    >>> scaled_product("w4a16_g128").chain
    128
    """
    return name if isinstance(name, ScaledProduct) else find_record(name, PRODUCTS, "product")


def scaled_products() -> list[str]:
    """Every name.

    >>> len(scaled_products())
    25
    """
    return list(PRODUCTS)
