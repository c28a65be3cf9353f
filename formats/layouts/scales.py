"""Layouts of published systems for scales: whole codes in another order, one to a word."""

from __future__ import annotations

from formats.layouts.bits import BitLayout

_MARLIN = "MARLIN 2f6d7c10, marlin/__init__.py l.38-140"
_QQQ = "QQQ 54c5c990, QQQ/gptq/qlinear/qlinear_marlin.py _get_perms"


def _along_columns(name: str, bits: int, axes: str, order: str, columns: int, source: str) -> BitLayout:
    return BitLayout(
        name=name,
        code_bits=bits,
        tile=(columns,),
        axes=f"{axes} b{bits}",
        order=f"{order} b",
        word_bits=bits,
        words=(columns,),
        source=source,
    )


# scale 8 j + i of 64 goes to 8 i + j; scale 8 a + 2 i + p of 32 goes to 8 i + 2 a + p
_BY_GROUP = "j8 i8", "i j", 64
_BY_COLUMN = "a4 i4 p2", "i a p", 32

SCALES = (
    _along_columns("marlin_scales_group", 16, *_BY_GROUP, f"{_MARLIN}: float16 scales of groups, (K/group, N)"),
    _along_columns("marlin_scales_channel", 16, *_BY_COLUMN, f"{_MARLIN}: float16 scales of columns, (1, N)"),
    _along_columns("qqq_scales_group", 16, *_BY_GROUP, f"{_QQQ}: float16 scales of groups over those of columns"),
    _along_columns("qqq_scales_channel", 32, *_BY_COLUMN, f"{_QQQ}: float32 scales of columns"),
    _along_columns(
        "dgq_o8_alpha",
        32,
        "i8 h2 j8",
        "h i j",
        128,
        "DGQ 141eef7e, dgq/models/linear.py W4A8B8O8Linear: float32 factors of int8 output channels",
    ),
    # rows 32 a + r and columns c: byte 16 r + 4 a + c of a tile
    BitLayout(
        name="block_scales_128x4",
        code_bits=8,
        tile=(128, 4),
        axes="a4 r32 c4 b8",
        order="r a c b",
        word_bits=8,
        words=(1, 512),
        source="cuBLAS, block scaling factors: E8M0 codes of MXFP8 or E4M3 of NVFP4; torchao 0.18.0 to_blocked",
    ),
)
