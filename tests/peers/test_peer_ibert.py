"""I-BERT's constants as PyTorch computes them: the code divides numbers by tensors, which is a reciprocal first."""

from __future__ import annotations

import math
import random

import pytest

from formats.code_books.binary32 import single
from formats.integer_only.ibert_rules import exp_rule, gelu_rule, layer_norm_rule

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers


def scales(low, high, count):
    drawn = random.Random(1)
    return [single(math.exp(drawn.uniform(math.log(low), math.log(high)))) for _ in range(count)]


def test_exp_constants():
    for scale in scales(3e-5, 0.69, 3000):
        s, made = torch.tensor(scale, dtype=torch.float32), exp_rule("code").constants(scale)
        a, b, c = 0.35815147, 0.96963238 / 0.35815147, 1.0 / 0.35815147
        found = (torch.floor(-0.6931 / s), torch.floor(b / s), torch.floor(c / s**2))
        assert tuple(int(x) for x in found) == (-made.ln2, made.b, made.c)
        assert float(a * s**2 / 2**30) == float(made.out_scale)


def test_gelu_constants():
    for scale in scales(7e-5, 0.005, 3000):
        s, made = torch.tensor(scale, dtype=torch.float32) / 1.4142, gelu_rule("code").constants(scale)
        unit = s**2 * -0.2888 * 2**14
        found = (torch.floor(-1.769 / s), torch.floor((1 / -0.2888) / s**2), 1.0 // unit)
        assert tuple(int(x) for x in found) == (made.b, made.c, made.one)


def test_layer_norm_biases():
    drawn = random.Random(2)
    for _ in range(3000):
        gamma, beta, length = single(drawn.gauss(1, 0.4)), single(drawn.gauss(0, 0.5)), drawn.choice([3, 64, 384, 768])
        unit = torch.sqrt(torch.tensor(length, dtype=torch.float)) / 2**30
        found = torch.floor(torch.tensor(beta) / torch.tensor(gamma) / unit)
        assert int(found) == layer_norm_rule("code").bias(gamma, beta, length)
