"""How the products of a dot product are summed, as data: one record for each kind of accumulator.

Every record says what becomes of ``c + sum over k of a[k] * b[k]``, K in order from 0. Products are exact unless the
record says otherwise. "RNE" is `Rounding.NEAREST_TIES_TO_EVEN`, "RZ" `Rounding.TOWARD_ZERO`.
"""

from __future__ import annotations

from dataclasses import dataclass

from formats.floating import FloatSpec
from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from formats.policy import Rounding, Saturation


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactSum:
    """The exact sum, rounded once (a Kulisch accumulator, wide enough for every sum).

    An exact zero is +0, except that a sum of nothing but zeros of one sign keeps that sign (IEEE 754-2019, 6.3);
    in TOWARD_NEGATIVE other exact zeros are -0. Overflow under SAT_NONE.
    """

    output: FloatSpec
    rounding: Rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialSum:
    """``s = round(s + p)`` from ``s = c``, where ``p = round(a * b)``; ``p = a * b`` unrounded if ``fused`` (an FMA).

    A stochastic ``rounding`` draws one number for each addition, none for the product, which must be ``fused``.
    """

    output: FloatSpec
    rounding: Rounding
    fused: bool
    #: random bits of a stochastic rounding
    random_bit_count: int | None = None

    def __post_init__(self) -> None:
        if self.rounding.is_stochastic and not self.fused:
            raise ValueError(f"SequentialSum: rounding={self.rounding.value!r} needs fused=True")
        if self.rounding.is_stochastic != (self.random_bit_count is not None):
            raise ValueError("SequentialSum: random_bit_count goes with a stochastic rounding, and only with one")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseSum:
    """Rounded products, summed in a tree: 0 with 1, 2 with 3 ...; an odd last term passes up; ``c`` is added last."""

    output: FloatSpec
    rounding: Rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedSteps:
    """A chain of fused steps, each a sum of ``products`` products and ``c`` cut at one place: a matrix unit.

    1. An operand is ``m * 2^(e - p)``: ``m`` its integer significand, ``p`` its fraction bits, ``e`` its exponent, that
       of the smallest normal for subnormals (which are not normalised). A product is ``M * 2^(E - p_a - p_b)`` with
       ``M = m_a m_b``, ``E = e_a + e_b``; ``c`` is one more term.
    2. ``T`` is the largest ``E`` of the terms with ``M != 0``, at least ``floor``.
    3. Each term is cut to a multiple of ``2^(T - fraction_bits)`` toward zero; the sum of these is exact.
    4. It is rounded to ``output`` with ``kept_bits`` fraction bits (subnormals: the quantum of the smallest normal).
       Overflow gives infinity. Zero is always +0.
    5. NaN operands, infinity * 0 and infinities of both signs give NaN, which is `nan_code`; else infinity wins.

    A last step with fewer products is one filled up with zeros. Source: Khattak and Mikaitis, Accurate Models of
    NVIDIA Tensor Cores, arXiv 2512.07004; MMA-Sim, arXiv 2511.10909.
    """

    #: products that one step sums
    products: int
    #: fraction bits kept below the largest exponent
    fraction_bits: int
    #: the least alignment exponent
    floor: int
    output: FloatSpec
    #: fraction bits of the result; fewer than the output's are stored with zeros below
    kept_bits: int
    #: RZ or RNE
    rounding: Rounding

    @property
    def nan_code(self) -> int:
        """The NaN that a unit returns: every bit below the sign."""
        return (1 << (self.output.bits - 1)) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HalvedSteps:
    """An instruction that its assembler rewrites: two chained steps, then one addition in the output format.

    Operands are first widened to float16, which has all their values: subnormals of E4M3 become normal, and their
    exponent ``e`` in the step is that of the leading bit. Of every ``2 * step.products`` elements the step first sums
    those with ``k mod 4`` in {0, 1} from +0, then those in {2, 3} on top of that; ``c`` is added last, RNE, a NaN
    being the step's ``nan_code``. So FP8 ``mma.sync`` runs on sm_90 and sm_100: conversions, two HMMAs, an FADD or
    HADD2 (SASS of ptxas 13.0; NVIDIA/cutlass issue 1986).
    """

    step: FusedSteps


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotedSum:
    """``inner`` restarted from +0 every ``every`` elements; its results are added to ``c`` in K order, RNE.

    The additions are in the output format of ``inner``, with its NaN; the last part may be short. Source:
    DeepSeek-V3, arXiv 2412.19437, section 3.3.2 (every 128); ``torch._scaled_mm(use_fast_accum=False)``; Triton's
    ``max_num_imprecise_acc``.
    """

    inner: FusedSteps | HalvedSteps | SequentialSum | PairwiseSum
    every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerSum:
    """Two's complement sums of ``bits`` bits: exact inside a step of ``products``, then wrapped or clamped.

    ``products=None`` is one step of the whole K. Source: PTX ISA, mma and wgmma, ``.satfinite``.
    """

    bits: int
    saturation: Saturation
    products: int | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32:
            raise ValueError(f"IntegerSum: bits={self.bits} must lie in 2..32")
        if self.saturation not in (Saturation.WRAP, Saturation.SAT_FINITE):
            raise ValueError(f"IntegerSum: saturation={self.saturation.value!r} must be wrap or sat_finite")


Unpromoted = (
    ExactSum
    | SequentialSum
    | PairwiseSum
    | FusedSteps
    | HalvedSteps
    | IntegerSum
    | ExactSteps
    | PairwiseSteps
    | JoinedSteps
)
Summation = Unpromoted | PromotedSum


def unpromoted(summation: Summation) -> Unpromoted:
    """The sum that a `PromotedSum` restarts; any other is itself."""
    return summation.inner if isinstance(summation, PromotedSum) else summation
