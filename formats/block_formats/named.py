"""Every named block format, one literal each, and the lookup by name."""

from __future__ import annotations

from formats.block_formats.spec import BlockSpec, Form, Level, Shift
from formats.code_books.named import codebook
from formats.integer import IntSpec
from formats.registry import get
from formats.results import FLOAT16, FLOAT32

_MX = "OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6"
_NV = "NVIDIA NVFP4: E2M1, an E4M3 scale for each 16, a binary32 scale for each tensor (arXiv 2509.25149); "
_V3 = "DeepSeek-V3, arXiv 2412.19437, section 3.3, and inference/kernel.py of deepseek-ai/DeepSeek-V3"
_BFP = "Darvish Rouhani et al., Pushing the Limits of Narrow Precision Inferencing, NeurIPS 2020; unverified"

_E8M0 = Level(format=get("float8_e8m0fnu"))
_E4M3 = get("float8_e4m3fn")


def _mx(name: str, element: str) -> BlockSpec:
    return BlockSpec(name=name, element=get(element), block=(32,), scale=_E8M0, source=_MX)


def _bfp(name: str, bits: int) -> BlockSpec:
    """Sign and ``bits - 1`` bits of magnitude, the largest of which weighs half of ``2 * 2^e``: no implicit one."""
    top = (1 << (bits - 1)) - 1
    element = IntSpec(
        name=f"sint{bits}_f{bits - 2}", bits=bits, minimum=-top, maximum=top, fraction_bits=bits - 2, source=_BFP
    )
    return BlockSpec(name=name, element=element, block=(16,), scale=_E8M0, source=_BFP)


def _group(name: str, element: str, size: int, source: str) -> BlockSpec:
    return BlockSpec(name=name, element=get(element), block=(size,), scale=Level(format=FLOAT16), source=source)


def _e4m3_tile(name: str, block: tuple[int, ...], scale: Level) -> BlockSpec:
    return BlockSpec(name=name, element=_E4M3, block=block, scale=scale, source=_V3)


_ALL = (
    _mx("mxfp8_e4m3", "float8_e4m3fn"),
    _mx("mxfp8_e5m2", "float8_e5m2"),
    _mx("mxfp6_e2m3", "float6_e2m3fn"),
    _mx("mxfp6_e3m2", "float6_e3m2fn"),
    _mx("mxfp4", "float4_e2m1fn"),
    _mx("mxint8", "mxint8"),
    _mx("mxint8_narrow", "mxint8_narrow"),
    BlockSpec(
        name="nvfp4", element=get("float4_e2m1fn"), block=(16,), scale=Level(format=_E4M3, second=FLOAT32),
        source=_NV + "the number stored for the tensor multiplies (torchao, ModelOpt)",
    ),
    BlockSpec(
        name="nvfp4_divisor", element=get("float4_e2m1fn"), block=(16,),
        scale=Level(format=_E4M3, second=FLOAT32, form=Form.DIVISOR),
        source=_NV + "the number stored for the tensor divides (TransformerEngine's encode scale, compressed-tensors)",
    ),
    BlockSpec(
        name="nvfp4_untied", element=get("float4_e2m1fn"), block=(16,), scale=Level(format=get("float7_ue4m3fn")),
        source="ggml's NVFP4: E2M1, an unsigned E4M3 scale for each 16, none for the tensor",
    ),
    _bfp("msfp12", 4),
    _bfp("msfp16", 8),
    _e4m3_tile("deepseek_1x128", (128,), Level(format=FLOAT32)),
    _e4m3_tile("deepseek_128x128", (128, 128), Level(format=FLOAT32)),
    _e4m3_tile("deepseek_1x128_ue8m0", (128,), _E8M0),
    _e4m3_tile("deepseek_128x128_ue8m0", (128, 128), _E8M0),
    _group("int4_g128", "int4", 128, "symmetric 4-bit groups with binary16 scales: GPTQ, MARLIN, compressed-tensors"),
    _group("int8_g32", "int8", 32, "8-bit groups with binary16 scales, the values of ggml's Q8_0"),
    BlockSpec(
        name="uint4_g128", element=get("uint4"), block=(128,), scale=Level(format=FLOAT16),
        shift=Level(format=get("uint4")), shift_kind=Shift.ZERO_POINT,
        source="asymmetric 4-bit groups with integer zero points: GPTQ, AWQ (arXiv 2306.00978)",
    ),
    BlockSpec(
        name="uint4_g32_offset", element=get("uint4"), block=(32,), scale=Level(format=FLOAT16),
        shift=Level(format=FLOAT16), shift_kind=Shift.OFFSET,
        source="4-bit groups with a binary16 scale and minimum, the values of ggml's Q4_1",
    ),
    BlockSpec(
        name="nf4_g64", element=codebook("nf4"), block=(64,), scale=Level(format=FLOAT32),
        source="QLoRA, arXiv 2305.14314; bitsandbytes' 4-bit block-wise quantisation without double quantisation",
    ),
    BlockSpec(
        name="fp4_bnb_g64", element=codebook("bitsandbytes_fp4"), block=(64,), scale=Level(format=FLOAT32),
        source="bitsandbytes' FP4, which is not OCP's E2M1",
    ),
)  # fmt: skip
_BLOCKS = {spec.name: spec for spec in _ALL}


def blocks() -> tuple[str, ...]:
    """The names of every block format.

    >>> {"mxfp4", "nvfp4", "deepseek_128x128"} <= set(blocks())
    True
    """
    return tuple(_BLOCKS)


def block(name: str | BlockSpec) -> BlockSpec:
    """The block format called ``name``; a record is returned as it is. Raises ``KeyError`` listing the known ones.

    >>> block("mxfp4").bits_per_element, block("nvfp4").bits_per_element
    (4.25, 4.5)
    """
    if isinstance(name, BlockSpec):
        return name
    try:
        return _BLOCKS[name]
    except KeyError:
        raise KeyError(f"unknown block format {name!r}; known: {', '.join(_BLOCKS)}") from None
