"""What is multiplied: matrices of float32, from a network or from a distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.accumulation.ball import largest
from analysis.accumulation.operands import Operands, chosen_format
from analysis.distributions import sample
from formats import Accumulator, FloatSpec, Format

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrices:
    """``x`` (M, K) and ``y`` (K, N), and where they come from."""

    x: Array
    y: Array
    description: str

    def quantised(self, accumulator: Accumulator, fmt: str | None) -> Operands:
        """Codes in the formats that the accumulator takes, or in ``fmt`` where it takes any.

        Formats of at most 8 bits get one scale a matrix, so that the largest magnitude becomes the largest value, as
        ``torch._scaled_mm`` is used; wider ones none. The scale is left out of the sums: errors scale with it.
        """
        a, b = (chosen_format(own, fmt, accumulator) for own in (accumulator.a, accumulator.b))
        return Operands.of(_scaled(self.x, a), _scaled(self.y, b), a, b)


def _scaled(x: Array, fmt: Format) -> Array:
    """In float32, as a kernel does it."""
    if fmt.bits > 8:
        return x
    unit = 2.0**-fmt.fraction_bits
    most = np.float32(largest(fmt) if isinstance(fmt, FloatSpec) else fmt.maximum * unit)
    absmax = np.abs(x).max()
    return x * (most / absmax) if absmax > 0 else x


def matrices(source: str, *, k: int, rows: int, columns: int, seed: int) -> Matrices:
    """``rows`` times ``columns`` sums of ``k`` products.

    * ``mlp``: activations times weights of Whisper tiny.en's encoder, K at most 6144: what the MLPs of its layers,
      one after the other, add to the residual stream. The sum over the 1536 hidden units of a layer is that layer's
      matrix product; a longer K goes on with the next layer, whose result joins the same stream.
    * ``gram``: activations with themselves, ``X^T X``, K tokens of the first layer's hidden units: the second moments
      that GPTQ and K-FAC need, a product in which K is the number of tokens by nature.
    * the name of a distribution (`analysis.distributions.sample`): both matrices are drawn from it.

    The encoder hears sounds made here (`speechlike`); rows and columns are spread evenly over what there is.

    Raises ``KeyError`` for an unknown source, ``ValueError`` for a size that it does not have.

    >>> matrices("normal", k=8, rows=2, columns=3, seed=0).y.shape
    (8, 3)
    """
    for name, size in (("k", k), ("rows", rows), ("columns", columns)):
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1")
    make = _SOURCES.get(source)
    if make is not None:
        return make(k, rows, columns, seed)
    x, y = sample(source, rows * k, 2 * seed), sample(source, k * columns, 2 * seed + 1)
    return Matrices(x=x.reshape(rows, k), y=y.reshape(k, columns), description=f"{source}, seed {seed}")


def _mlp(k: int, rows: int, columns: int, seed: int) -> Matrices:
    from analysis.accumulation import sound, whisper

    width = 1536
    last = whisper.layers() * width
    if k > last:
        raise ValueError(f"k={k} is more than the {last} hidden units of all layers")
    w = whisper.weights()
    used = -(-k // width)
    x = [part for part, _ in zip(whisper.hidden(sound.speechlike(seed)), range(used), strict=False)]
    y = [w[f"layer_{layer}/ffn/linear_1/weight"].T for layer in range(used)]
    return Matrices(
        x=_spread(np.concatenate(x, axis=1)[:, :k], rows, 0),
        y=_spread(np.concatenate(y)[:k], columns, 1),
        description=f"Whisper tiny.en, encoder layers 0 to {used - 1}: hidden units times weights, sound {seed}",
    )


def _gram(k: int, rows: int, columns: int, seed: int) -> Matrices:
    from analysis.accumulation import sound, whisper

    sounds = range(seed, seed + -(-k // 1500))
    x = np.concatenate([next(whisper.hidden(sound.speechlike(one))) for one in sounds])[:k]
    return Matrices(
        x=_spread(x, rows, 1).T,
        y=_spread(x, columns, 1),
        description=f"Whisper tiny.en, X^T X over {k} tokens of encoder layer 0, sounds {sounds[0]} to {sounds[-1]}",
    )


def _spread(x: Array, size: int, axis: int) -> Array:
    """So many rows or columns, evenly spaced."""
    if size > x.shape[axis]:
        raise ValueError(f"{size} {('rows', 'columns')[axis]} asked for, there are {x.shape[axis]}")
    return np.take(x, np.arange(size) * x.shape[axis] // size, axis=axis)


_SOURCES: dict[str, Callable[[int, int, int, int], Matrices]] = {"mlp": _mlp, "gram": _gram}
