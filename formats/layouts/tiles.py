"""Layouts of published systems over tiles of weights: each thread of a kernel loads what it multiplies."""

from __future__ import annotations

from formats.layouts.bits import BitLayout

_MARLIN = "MARLIN 2f6d7c10, marlin/__init__.py l.38-140"
_QQQ = "QQQ 54c5c990, QQQ/gptq/qlinear/qlinear_marlin.py _get_perms"
_FT = "FasterTransformer df4a7534, cutlass_kernels/cutlass_preprocessors.cc l.139-545, for sm75 to sm89"

TILES = (
    # 16 rows of K and 64 columns of N: row 8a + 2s + d and column 16t + 8e + c; lane 4c + s has a word for each t
    BitLayout(
        name="marlin_int4",
        code_bits=4,
        tile=(16, 64),
        axes="a2 s4 d2 t4 e2 c8 b4",
        order="c s t d e a b",
        word_bits=32,
        words=(1, 128),
        source=f"{_MARLIN}: codes 0..15 of (K, N); words (K/16, 2N)",
    ),
    # the same with four rows in a run for each lane, as the 8-bit MMA takes them: row 4s + r, and 4s + 2q + d
    BitLayout(
        name="qqq_int4_channel",
        code_bits=4,
        tile=(16, 64),
        axes="s4 r4 t4 e2 c8 b4",
        order="c s t r ~e b",
        word_bits=32,
        words=(1, 128),
        source=f"{_QQQ}, group_size -1: two's complement codes of (K, N); run order 4, 0, 5, 1, 6, 2, 7, 3",
    ),
    BitLayout(
        name="qqq_int4_group",
        code_bits=4,
        tile=(16, 64),
        axes="s4 q2 d2 t4 e2 c8 b4",
        order="c s t d e q b",
        word_bits=32,
        words=(1, 128),
        source=f"{_QQQ}, group_size 128: codes 0..15 of (K, N); run order 0, 2, 4, 6, 1, 3, 5, 7",
    ),
    # 64 rows of K for each column n: row 32h + 8p + 2s + d, and 16h + 8p + 2s + d in int8
    BitLayout(
        name="fastertransformer_int4",
        code_bits=4,
        tile=(4, 64),
        axes="n4 h2 p4 s4 d2 b4",
        order="n h s d p b",
        word_bits=32,
        words=(1, 32),
        offset=8,
        source=f"{_FT}: two's complement codes of the transposed weight (N, K), plus 8",
    ),
    BitLayout(
        name="fastertransformer_int8",
        code_bits=8,
        tile=(2, 64),
        axes="n2 h4 p2 s4 d2 b8",
        order="n h s d p b",
        word_bits=32,
        words=(1, 32),
        offset=128,
        source=f"{_FT}: two's complement codes of the transposed weight (N, K), plus 128",
    ),
    BitLayout(
        name="awq_v2_int4",
        code_bits=4,
        tile=(4, 64),
        axes="n4 h2 p4 s4 d2 b4",
        order="n h s d p b",
        word_bits=16,
        words=(1, 64),
        source="llm-awq d6e797a4, awq/quantize/qmodule.py l.26-62: codes 0..15 of (N, K); words (N/4, K)",
    ),
)
