"""How many bits every intermediate of I-BERT's functions needs, signed, for a scale and a range of inputs."""

from __future__ import annotations

from math import isqrt

from formats.integer_only.ibert import ExpRule, GeluRule, SoftmaxRule
from formats.integer_only.ibert_rules import exp_rule, gelu_rule, softmax_rule
from reference.exact import ibert as judge


def signed_bits(x: int) -> int:
    """The least ``n`` with ``-2^(n-1) <= x < 2^(n-1)``.

    >>> signed_bits(127), signed_bits(-128), signed_bits(128)
    (8, 8, 9)
    """
    return (~x if x < 0 else x).bit_length() + 1


def exp_widths(scale: float, rule: str | ExpRule, *, least: int) -> dict[str, int]:
    """Bits of each step of i-exp for ``q`` of ``least..0``; attained, since steps are monotone between seams.

    >>> exp_widths(0.05, "code", least=-500)["result"], exp_widths(0.05, "paper", least=-500)["result"]
    (42, 12)
    """
    record = exp_rule(rule)
    made = record.constants(scale)
    seam = -(made.ln2 - 1) << made.input_shift
    return _widest([judge.exp(q, scale, record) for q in {0, max(least, seam), least}])


def softmax_widths(
    scale: float, rule: str | SoftmaxRule, *, length: int, span: int, maximum: float | None = None
) -> dict[str, int]:
    """Bits of each step of i-softmax for rows of ``length`` integers whose difference is at most ``span``.

    Those of i-exp, then, attained by a row of equal numbers, ``exponential`` (as it is summed), ``sum``, and
    ``dividend`` (``2^8 e``) or ``reciprocal`` and ``product`` (bounds: ``2^32`` over the least sum, and ``2^32``).

    >>> softmax_widths(2**-10, "paper", length=512, span=4096)["sum"]
    32
    """
    record = softmax_rule(rule)
    steps = exp_widths(scale, record.exp, least=-span)
    top = judge.exp(0, scale, record.exp)["result"]
    if record.requantised_bits is not None:
        top = judge.requantised(top, scale, record, maximum or 1.0)
        steps["exponential"], steps["sum"] = signed_bits(top), signed_bits(top * length)
        power = 1 << (record.reciprocal_bits or 0)
        return steps | {"reciprocal": signed_bits(power // top), "product": signed_bits(top * (power // top))}
    top >>= record.sum_shift(scale, length)
    steps["exponential"], steps["sum"] = signed_bits(top), signed_bits(top * length)
    return steps | {"dividend": signed_bits(top << record.output_bits)}


def gelu_widths(scale: float, rule: str | GeluRule, *, magnitude: int) -> dict[str, int]:
    """Bits of each step of i-GELU for ``|q| <= magnitude``; attained, since steps are monotone between landmarks.

    >>> [gelu_widths(2**-11, rule, magnitude=6 << 11)["result"] for rule in ("code", "paper")]
    [27, 41]
    """
    record = gelu_rule(rule)
    made = record.constants(scale, magnitude)
    end = min(-made.b << made.input_shift, magnitude)
    points = {0, 1, end, end - 1, magnitude, (magnitude + end) // 2, 1 << made.input_shift}
    chosen = {sign * q for q in points if 0 <= q <= magnitude for sign in (1, -1)}
    bits = None if record.word_bits is None else magnitude
    return _widest([judge.gelu(q, scale, record, magnitude=bits) for q in chosen])


def layer_norm_widths(*, length: int, magnitude: int, shift: int, least_sd: int = 1) -> dict[str, int]:
    """Bounds of the bits of each step of LayerNorm for ``|q| <= magnitude`` and ``sd >= least_sd``.

    ``v`` and ``F`` are counted signed here; unsigned they need one bit less. ``product``: ``y F``, by ``|y| <= sqrt(v)
    < sd + 2^shift``.

    >>> layer_norm_widths(length=384, magnitude=1 << 21, shift=0)["variance"]
    54
    >>> layer_norm_widths(length=384, magnitude=1 << 21, shift=12)["variance"]
    30
    """
    y = 2 * magnitude
    narrow = -(-y >> shift)
    variance = length * narrow * narrow
    return {
        "sum": signed_bits(-length * magnitude),
        "centred": signed_bits(y),
        "shifted": signed_bits(-narrow),
        "variance": signed_bits(variance),
        "sd": signed_bits(isqrt(variance) << shift),
        "factor": signed_bits((1 << 31) // least_sd),
        "product": signed_bits((1 << 31) // least_sd * min(y, least_sd + (1 << shift) - 1)),
    }


def _widest(steps: list[dict[str, int]]) -> dict[str, int]:
    return {name: max(signed_bits(found[name]) for found in steps) for name in steps[0]}
