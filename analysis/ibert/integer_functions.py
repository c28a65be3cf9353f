"""MiniLM's three functions by I-BERT's integers: quantised on the way in, multiplied by their scale on the way out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import reference.integer.ibert as ibert
from analysis.ibert.minilm import Floats, MiniLM
from formats.integer_only.ibert_rules import gelu_rule, layer_norm_rule

#: bits of the integers that go in, symmetric, with one scale for the tensor: of attention scores and of GELU's input
#: this project's choice (I-BERT gives its functions 32-bit accumulators); 22 before LayerNorm as in I-BERT's code
SCORE_BITS, GELU_BITS, NORMAL_BITS = 16, 16, 22
#: what I-BERT's code calibrates as the maximum of all exponentials; the greatest is exp(0), nearly 1
EXP_MAXIMUM = 1.0


def quantised(x: Floats, bits: int) -> tuple[NDArray[np.int32], float]:
    """Integers and their scale ``max |x| / (2^(bits-1) - 1)``; halves to even.

    >>> quantised(np.array([-1.0, 0.25, 1.0], np.float32), 8)[0].tolist()
    [-127, 32, 127]
    """
    scale = float(np.abs(x).max()) / ((1 << (bits - 1)) - 1)
    return np.rint(x.astype(np.float64) / scale).astype(np.int32), scale


@dataclass(frozen=True, slots=True)
class IntegerFunctions:
    """The functions by one form: ``code``, ``paper`` or ``safe``; LayerNorm, of which the paper has none, by ``safe``.

    >>> IntegerFunctions("safe").gelu(np.array([-1.0, 0.0, 4.0], np.float32)).round(1).tolist()
    [-0.20000000298023224, -0.0, 4.0]
    """

    form: str

    def softmax(self, x: Floats) -> Floats:
        """In units of 2^-8."""
        q, scale = quantised(x, SCORE_BITS)
        maximum = EXP_MAXIMUM if self.form == "code" else None
        return ibert.softmax(q, scale, rule=self.form, maximum=maximum).astype(np.float32) / np.float32(256)

    def gelu(self, x: Floats) -> Floats:
        """In its own scale, about that of 32-bit accumulators."""
        q, scale = quantised(x, GELU_BITS)
        magnitude = (1 << (GELU_BITS - 1)) - 1
        unit = gelu_rule(self.form).constants(scale, magnitude).out_scale
        return (ibert.gelu(q, scale, rule=self.form, magnitude=magnitude) * float(unit)).astype(np.float32)

    def layer_norm(self, x: Floats, gamma: Floats, beta: Floats) -> Floats:
        """With ``k`` from the tensor itself for the code's form; ``beta`` is added in floats, after the scale.

        As I-BERT adds it, divided by ``gamma`` and in integers, it does not fit int32 here: see `unfit_channels`.
        """
        q, _ = quantised(x, NORMAL_BITS)
        rule = "code" if self.form == "code" else "safe"
        shift = ibert.layer_norm_shift(q) if rule == "code" else None
        out = ibert.layer_norm(q, rule=rule, shift=shift)
        return (out * (math.sqrt(x.shape[-1]) / 2**30) * gamma + beta).astype(np.float32)


def unfit_channels(model: MiniLM) -> tuple[int, int]:
    """How many channels of all LayerNorms have a ``beta / gamma`` that is no int32, and how many channels there are.

    In units of ``sqrt(N) / 2^30``, of which results without ``beta`` have up to ``2^30`` already.
    """
    rule, unfit, count = layer_norm_rule("code"), 0, 0
    for name, gamma in model.weights.items():
        if name.endswith("LayerNorm.weight"):
            beta = model.weights[name.removesuffix("weight") + "bias"]
            numbers = [rule.bias(g, b, len(gamma)) for g, b in zip(gamma.tolist(), beta.tolist(), strict=True)]
            unfit += sum(not -(1 << 31) <= number < 1 << 31 for number in numbers)
            count += len(numbers)
    return unfit, count
