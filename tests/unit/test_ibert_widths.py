"""How wide I-BERT's intermediates are: against every input of a range, and what the widths say of int32."""

from __future__ import annotations

import numpy as np
import pytest

from reference.exact import ibert as judge
from reference.integer.ibert import exp_widths, gelu_widths, layer_norm, layer_norm_widths, softmax, softmax_widths
from reference.integer.ibert.widths import signed_bits

RULES = ("paper", "code", "safe")


def widest(steps):
    return {name: max(signed_bits(found[name]) for found in steps) for name in steps[0]}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("scale", "least"), [(0.05, -700), (2**-6, -3000), (0.3, -40), (2**-18, -5)])
def test_exp_widths_are_attained(rule, scale, least):
    assert exp_widths(scale, rule, least=least) == widest([judge.exp(q, scale, rule) for q in range(least, 1)])


@pytest.mark.parametrize(("rule", "scale"), [("paper", 2**-5), ("code", 2**-8), ("safe", 2**-8), ("safe", 2**-17)])
def test_gelu_widths_are_attained(rule, scale):
    magnitude = min(round(6 / scale), 4000) if scale > 2**-10 else 6 << 17
    options = {"magnitude": magnitude} if rule == "safe" else {}
    q = range(-magnitude, magnitude + 1, 1 if magnitude <= 4000 else 173)
    found = widest([judge.gelu(x, scale, rule, **options) for x in (*q, magnitude)])
    stated = gelu_widths(scale, rule, magnitude=magnitude)
    if magnitude <= 4000:
        assert stated == found
    assert all(stated[name] >= bits for name, bits in found.items())


def test_what_int32_does_not_hold():
    """41 bits and a sign at S = 0.05 already, more for smaller scales; the safe forms stay within 32 at every scale."""
    assert exp_widths(0.05, "code", least=-500)["result"] == 42
    assert exp_widths(2**-10, "code", least=-500)["result"] > 50
    assert gelu_widths(2**-11, "paper", magnitude=6 << 11)["result"] == 41
    assert gelu_widths(2**-14, "code", magnitude=6 << 14)["result"] == 36
    assert layer_norm_widths(length=384, magnitude=1 << 21, shift=0)["variance"] == 54
    for scale in (0.5, 0.05, 2**-10, 2**-16, 2**-24, 1e-9):
        assert max(exp_widths(scale, "safe", least=-(1 << 31) + 1).values()) <= 32
        for length in (2, 512, 1 << 20):
            assert max(softmax_widths(scale, "safe", length=length, span=1 << 30).values()) <= 32
    for scale in (2**-10, 2**-16, 2**-24, 4e-9):
        assert max(gelu_widths(scale, "safe", magnitude=min(round(8 / scale), (1 << 31) - 1)).values()) <= 32


@pytest.mark.parametrize("rule", RULES)
def test_softmax_widths_bound_what_comes(rule):
    """A word of the stated width never wraps, and one bit less of the sum does."""
    options = {"rule": rule} | ({"maximum": 1.0} if rule == "code" else {})
    widths = softmax_widths(0.05, rule, length=16, span=200, maximum=1.0 if rule == "code" else None)
    rows = [np.random.default_rng(n).integers(-100, 100, 16).tolist() for n in range(20)] + [[0] * 16]
    for row in rows:
        due = softmax(row, 0.05, **options).tolist()
        assert judge.softmax(row, 0.05, wrap=max(widths.values()), **options) == due
    if rule != "code":
        with pytest.raises(ValueError, match="exponentials sum to"):
            softmax(rows[-1], 0.05, wrap=widths["sum"] - 1, **options)
    else:
        with pytest.raises(ValueError, match="wrap=42 must be at most 32"):
            softmax(rows[-1], 0.05, wrap=42, **options)


def test_layer_norm_widths_bound_what_comes():
    rng = np.random.default_rng(2)
    for length, magnitude, shift in ((8, 100, 0), (384, 5000, 0), (100, 1 << 21, 9)):
        q = rng.integers(-magnitude, magnitude + 1, (20, length)).astype(np.int32)
        widths = layer_norm_widths(length=length, magnitude=magnitude, shift=shift)
        bits = max(widths.values())
        assert bits <= 56
        right = layer_norm(q, rule="code", shift=shift)
        assert (layer_norm(q, rule="code", shift=shift, wrap=bits) == right).all()
