"""The judge of whole steps of integer training: the generator, the perturbation, NITI and ElasticZO-INT8."""

from __future__ import annotations

from collections.abc import Sequence

from formats.integer_only.generators import STREAMS, THREEFRY_2X32, Threefry
from formats.integer_only.training import BlockExponentRule, StepRule, ZerothOrderRule
from reference.exact.integer_training import (
    Matrix,
    clip,
    loss_gradient,
    loss_sign,
    multiply,
    narrow,
    narrow_gradient,
    octaves,
    shift_right,
    transpose,
)

_WORD = 1 << 32


def threefry(key: tuple[int, int], counter: tuple[int, int], generator: Threefry) -> tuple[int, int]:
    """Two words, by the definition of `formats.integer_only.generators.Threefry`.

    >>> from formats.integer_only.generators import THREEFRY_2X32
    >>> [hex(word) for word in threefry((0, 0), (0, 0), THREEFRY_2X32)]
    ['0x6b200159', '0x99ba4efe']
    """
    k = (*key, key[0] ^ key[1] ^ generator.parity)
    x0, x1 = (counter[0] + k[0]) % _WORD, (counter[1] + k[1]) % _WORD
    for i in range(generator.rounds):
        x0 = (x0 + x1) % _WORD
        r = generator.rotations[i % 8]
        x1 = (x1 * 2**r % _WORD + x1 // 2 ** (32 - r)) ^ x0
        if (i + 1) % 4 == 0:
            n = (i + 1) // 4
            x0, x1 = (x0 + k[n % 3]) % _WORD, (x1 + k[(n + 1) % 3] + n) % _WORD
    return x0, x1


def words(seed: int, step: int, stream: str, part: int, size: int) -> list[tuple[int, int]]:
    """Two words for each of ``size`` elements: see `formats.integer_only.generators.STREAMS`."""
    second = 256 * STREAMS.index(stream) + part
    return [threefry((seed, step), (element, second), THREEFRY_2X32) for element in range(size)]


def perturbation(pair: tuple[int, int], rule: ZerothOrderRule) -> int:
    """``m * u`` from two words, by their upper halves."""
    if pair[0] // 2**16 < rule.zeros:
        return 0
    return pair[1] // 2**16 * (2 * rule.greatest + 1) // 2**16 - rule.greatest


def perturbed(theta: Matrix, z: Matrix, sign: int) -> Matrix:
    """``clip(theta + sign * z)``, from the stored weights.

    >>> perturbed([[120, -3, -127, 55]], [[7, 0, -5, 3]], 1)
    [[127, -3, -127, 58]]
    """
    return [[clip(w + sign * d) for w, d in zip(*rows, strict=True)] for rows in zip(theta, z, strict=True)]


def zeroth_order_step(z: int, sign: int, rule: ZerothOrderRule) -> int:
    """``shift(g z)``: what is taken from a weight."""
    return shift_right(sign * z, rule.update_shift, rule.rounding) if rule.update_shift else clip(sign * z)


def forward(
    weights: Sequence[Matrix], exponents: Sequence[int], x: Matrix, exponent: int, rule: BlockExponentRule
) -> tuple[list[Matrix], int]:
    """The input of every layer, then the logits, and the exponent of the logits."""
    values = [x]
    for layer, weight in enumerate(weights):
        q, growth = narrow(multiply(values[-1], transpose(weight)), rule)
        exponent += exponents[layer] + growth
        last = layer == len(weights) - 1
        values.append(q if last else [[max(v, 0) for v in row] for row in q])
    return values, exponent


def backward(weights: Sequence[Matrix], values: Sequence[Matrix], error: Matrix, rule: StepRule) -> dict[int, Matrix]:
    """Gradients of the weights of layers ``rule.first`` and later, by layer."""
    gradients: dict[int, Matrix] = {}
    for layer in reversed(range(rule.first, len(weights))):
        accumulator = multiply(transpose(error), values[layer])
        gradients[layer] = narrow_gradient(accumulator, rule.gradient_bits, rule.gradient_rounding)
        propagated, _ = narrow(multiply(error, weights[layer]), rule.block)
        error = [
            [e if v > 0 else 0 for e, v in zip(*rows, strict=True)]
            for rows in zip(propagated, values[layer], strict=True)
        ]
    return gradients


def updated(theta: Matrix, gradient: Matrix) -> Matrix:
    """``clip(theta - gradient)``."""
    return [[clip(w - g) for w, g in zip(*rows, strict=True)] for rows in zip(theta, gradient, strict=True)]


def step(
    weights: Sequence[Matrix],
    exponents: Sequence[int],
    x: Matrix,
    exponent: int,
    target: Sequence[int],
    rule: StepRule,
    *,
    seed: int,
    count: int,
) -> tuple[list[Matrix], int]:
    """The weights after step number ``count``, and the sign of ``L+ - L-``, 0 without a zeroth order."""
    moves: dict[int, Matrix] = {}
    sign = 0
    if rule.zeroth_order is not None:
        directions = [_direction(weights[part], rule.zeroth_order, seed, count, part) for part in range(rule.first)]
        sides: list[Matrix] = []
        for side in (1, -1):
            moved = [perturbed(w, z, side) for w, z in zip(weights, directions, strict=False)]
            values, e = forward([*moved, *weights[rule.first :]], exponents, x, exponent, rule.block)
            sides.append(octaves(values[-1], e, rule.loss.multiplier))
        sign = loss_sign(sides[0], sides[1], target)
        for part, z in enumerate(directions):
            moves[part] = [[zeroth_order_step(d, sign, rule.zeroth_order) for d in row] for row in z]
    if rule.first < len(weights):
        values, e = forward(weights, exponents, x, exponent, rule.block)
        drawn = words(seed, count, "loss", 0, len(x) * len(values[-1][0]))
        random = _rows([first % (1 << rule.loss.shift) for first, _ in drawn], len(values[-1][0]))
        moves |= backward(weights, values, loss_gradient(values[-1], e, target, random, rule.loss), rule)
    return [updated(weight, moves[layer]) for layer, weight in enumerate(weights)], sign


def _direction(theta: Matrix, rule: ZerothOrderRule, seed: int, count: int, part: int) -> Matrix:
    drawn = words(seed, count, "perturbation", part, len(theta) * len(theta[0]))
    return _rows([perturbation(pair, rule) for pair in drawn], len(theta[0]))


def _rows(values: Sequence[int], width: int) -> Matrix:
    return [list(values[i : i + width]) for i in range(0, len(values), width)]
