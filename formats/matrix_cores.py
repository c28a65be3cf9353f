"""How AMD's matrix cores sum, as data. All of it is second hand: no recorded results were compared.

Sources: MMA-Sim (microsoft/MMA-Sim, arXiv 2511.10909) and MATLAB-tensor-core (arXiv 2512.07004), models CDNA1 to CDNA3.
They leave open the signs of zeros and which NaN is returned; here both follow IEEE 754 and `FloatSpec.nan_code`.
"RNE" is `Rounding.NEAREST_TIES_TO_EVEN`. A last step with fewer products is one filled up with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from formats.floating import FloatSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactSteps:
    """A chain of steps, each the exact sum of ``products`` products and ``c``, rounded once, RNE.

    Source: MATLAB-tensor-core, CDNA1; MMA-Sim at 7969d39.
    """

    products: int
    output: FloatSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseSteps:
    """A chain of steps: ``products`` products summed as by `formats.PairwiseSum`, then ``c`` is added; RNE each.

    ``flushes``: subnormal operands and ``c`` count as +0 (so does a ``c`` of -0), and every subnormal product or sum
    becomes a zero of its sign, after rounding.

    Source: MMA-Sim at 1727461, CDNA1 and CDNA2; MATLAB-tensor-core, CDNA2.
    """

    products: int
    output: FloatSpec
    flushes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedSteps:
    """A chain of steps: the products are summed at one alignment, ``c`` joins at another; CDNA3.

    ``M``, ``E`` and ``c`` are those of `formats.FusedSteps`, except that a zero ``c`` has the exponent of the smallest
    normal value. Products that are zero have none.

    1. Products are cut toward zero to multiples of ``2^(T - fraction_bits)``, ``T`` their largest ``E``, and summed.
       If ``interleaved``, those with even and odd k are summed apart, each with a ``T`` of its own, and the two sums
       are cut toward minus infinity to multiples of ``2^(T - fraction_bits)`` for the larger ``T``, and added.
    2. With ``X`` the larger of ``T`` and the exponent of ``c``, the sum is cut toward minus infinity to a multiple of
       ``2^(X - sum_bits)``, ``c`` to one of ``2^(X - fraction_bits)``; ``c`` counts as zero where its exponent is more
       than ``c_reach`` below ``X``.
    3. The two are added and rounded once, RNE.

    Special values come first, by IEEE 754. If there are none, products of at least ``2^(emax + 1)`` in magnitude count
    as infinities. Source: MMA-Sim at 1727461; a later version (735c9b7) cuts sums of FP8 products toward zero and
    always keeps ``c``.
    """

    products: int
    fraction_bits: int
    sum_bits: int
    output: FloatSpec
    interleaved: bool
    c_reach: int | None
