"""Layouts of published systems along one axis: pairs of nibbles, words filled from the low end, bit planes."""

from __future__ import annotations

from formats.layouts.bits import BitLayout, Field, SplitLayout


def _pair(name: str, source: str, *, high_first: bool = False) -> BitLayout:
    order = "~c b" if high_first else "c b"
    return BitLayout(
        name=name, code_bits=4, tile=(2,), axes="c2 b4", order=order, word_bits=8, words=(1,), source=source
    )


def _dense(name: str, bits: int, source: str, *, down: bool = False, offset: int = 0) -> BitLayout:
    """A stream of codes from the low bit of the first 32-bit word on, along the last axis, or ``down`` the one before.

    Codes of 3 bits cross the borders of words: 32 of them fill three.
    """
    words = bits if 32 % bits else 1
    per_tile = words * 32 // bits
    return BitLayout(
        name=name,
        code_bits=bits,
        tile=(per_tile, 1) if down else (per_tile,),
        axes=f"k{per_tile} b{bits}",
        order="k b",
        word_bits=32,
        words=(words, 1) if down else (words,),
        offset=offset,
        source=source,
    )


_GPTQ = "GPTQ checkpoints as GPTQModel 7.7.0 packs them, nn_modules/qlinear/__init__.py pack_block"
_COMPRESSED = "compressed-tensors 0.20.1, compressors/pack_quantized/helpers.py pack_to_int32: two's complement codes"

PAIRS = (
    _pair(
        "bitsandbytes_4bit",
        "bitsandbytes 0.50.2, NF4 and FP4: even element in the high nibble; odd lengths, which it pads, are refused",
        high_first=True,
    ),
    _pair(
        "dgq_int4", "DGQ 141eef7e, dgq/quant/quant_linear.py l.9-24: along K, first in the high nibble", high_first=True
    ),
    _pair("torchao_4bit", "torchao 0.18.0, prototype/mx_formats/kernels.py pack_uint4: even element in the low nibble"),
    _pair("quik_int4", "QUIK 9558d712, qlinear.py l.15-18, and QuaRot 5008669b: even column low, two's complement"),
    _pair(
        "odyssey_int4", "FastGEMM of OdysseyLLM, arXiv 2311.09550; no code is public: this nibble order is unverified"
    ),
    BitLayout(
        name="ggml_mxfp4",
        code_bits=4,
        tile=(32,),
        axes="h2 j16 b4",
        order="j h b",
        word_bits=8,
        words=(16,),
        source="ggml MXFP4 (gguf 0.19.0): elements j and j + 16 of a block share a byte, the first in the low nibble",
    ),
)
WORDS = (
    BitLayout(
        name="compressed_tensors_fp6",
        code_bits=6,
        tile=(4,),
        axes="k4 b6",
        order="k b",
        word_bits=8,
        words=(3,),
        source="compressed-tensors 0.20.1, compressors/mxfp6/helpers.py pack_fp6_to_uint8: from the low bit on",
    ),
    BitLayout(
        name="awq_int32",
        code_bits=4,
        tile=(8,),
        axes="s4 d2 b4",
        order="d s b",
        word_bits=32,
        words=(1,),
        source="AutoAWQ 0.2.9, modules/linear/gemm.py: nibble p of an int32 has column (0, 2, 4, 6, 1, 3, 5, 7)[p]",
    ),
    BitLayout(
        name="hawq_v3_int4",
        code_bits=4,
        tile=(8,),
        axes="k8 b4",
        order="~k b",
        word_bits=32,
        words=(1,),
        source="HAWQ 1616df6, tvm_benchmark/hawq_utils_resnet50.py: element i of 8 at bit 4 (7 - i) of an int32; a rest"
        " of fewer than 8, which it loses, is refused",
    ),
    *(_dense(f"gptq_qweight_{n}bit", n, f"{_GPTQ}: qweight, int32 along K of (K, N)", down=True) for n in (2, 3, 4, 8)),
    *(_dense(f"gptq_qzeros_{n}bit", n, f"{_GPTQ}: qzeros, int32 along N of (groups, N)") for n in (2, 3, 4, 8)),
    *(
        _dense(f"compressed_tensors_{n}bit", n, f"{_COMPRESSED} plus {1 << n >> 1}", offset=1 << n >> 1)
        for n in (2, 3, 4, 8)
    ),
)

_PLANE = BitLayout(
    name="abq_plane",
    code_bits=1,
    tile=(32,),
    axes="k32",
    order="~k",
    word_bits=32,
    words=(1,),
    source="ABQ-LLM de2e849e, engine/common/pack.cu l.18-62: element 0 of 32 in bit 31, element 31 in bit 0",
)


def _planes(bits: int) -> SplitLayout:
    return SplitLayout(
        name=f"abq_planes_{bits}bit",
        fields=tuple(Field(low=low, layout=_PLANE) for low in range(bits)),
        source=f"{_PLANE.source}; plane b holds bit b of all codes",
    )


PLANES = tuple(_planes(bits) for bits in range(1, 9))
