"""Random words by counter: the same for every executor, and for any order of drawing them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formats.integer_only.generators import STREAMS
from reference.array.integer import training_random

Words = NDArray[np.uint32]


def random_words(seed: int, step: int, stream: str, part: int, size: int) -> tuple[Words, Words]:
    """Two uint32 words for each of ``size`` elements, by Threefry-2x32.

    The key is ``(seed, step)``, the counter ``(element, 256 * place of the stream + part)``: see
    `formats.integer_only.generators`. ``ValueError`` where a number is out of range or the stream unknown.

    >>> [hex(word[0]) for word in random_words(0, 0, "weights", 0, 1)]
    ['0x6b200159', '0x99ba4efe']
    """
    for name, number, bits in (("seed", seed, 32), ("step", step, 32), ("part", part, 8), ("size", size, 31)):
        if not 0 <= number < 1 << bits:
            raise ValueError(f"{name}={number} must lie in 0..2^{bits} - 1")
    if stream not in STREAMS:
        raise ValueError(f"stream={stream!r} is unknown; accepted: {', '.join(STREAMS)}")
    return training_random.words(seed, step, stream, part, size, np)


def permutation(seed: int, epoch: int, size: int) -> NDArray[np.intp]:
    """An order of ``size`` elements: sorted by their first words of the stream ``order``; equal ones keep their order.

    >>> permutation(1, 0, 6).tolist()
    [3, 2, 5, 1, 0, 4]
    """
    return np.argsort(random_words(seed, epoch, "order", 0, size)[0], kind="stable")
