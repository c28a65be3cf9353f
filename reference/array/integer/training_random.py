"""A counter-based generator in 32-bit words, and integers drawn from it, once for NumPy and jax.numpy."""

from __future__ import annotations

from formats.integer_only.generators import STREAMS, THREEFRY_2X32, Threefry
from reference.array.carrier import Array, Namespace


def threefry(key: tuple[Array, Array], counter: tuple[Array, Array], generator: Threefry) -> tuple[Array, Array]:
    """Two arrays of uint32 words; key and counter are uint32 arrays that broadcast, with one axis at least."""
    word = counter[0].dtype.type
    keys = (*key, key[0] ^ key[1] ^ word(generator.parity))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for i in range(generator.rounds):
        x0 = x0 + x1
        turn = generator.rotations[i % 8]
        x1 = ((x1 << word(turn)) | (x1 >> word(32 - turn))) ^ x0
        if i % 4 == 3:
            n = (i + 1) // 4
            x0, x1 = x0 + keys[n % 3], x1 + keys[(n + 1) % 3] + word(n)
    return x0, x1


def words(
    seed: Array | int, step: Array | int, stream: str, part: int, size: int, xp: Namespace
) -> tuple[Array, Array]:
    """Two words for each of ``size`` elements: key ``(seed, step)``, counter ``(element, 256 * stream + part)``."""
    key = xp.asarray([seed], dtype=xp.uint32), xp.reshape(xp.asarray(step, dtype=xp.uint32), (1,))
    second = xp.full(size, 256 * STREAMS.index(stream) + part, dtype=xp.uint32)
    return threefry(key, (xp.arange(size, dtype=xp.uint32), second), THREEFRY_2X32)


def uniform(word: Array, greatest: int, xp: Namespace) -> Array:
    """Integers of ``-greatest..greatest`` as int32: ``floor(h (2 greatest + 1) / 2^16) - greatest``, with ``h`` the
    upper half of the word. Their probabilities differ by at most ``2^-16``.
    """
    span = word.dtype.type(2 * greatest + 1)
    half = word.dtype.type(16)
    return (((word >> half) * span) >> half).astype(xp.int32) - greatest


def perturbation(pair: tuple[Array, Array], zeros: int, greatest: int, xp: Namespace) -> Array:
    """int32 ``m * u``: ``m`` is 0 where the upper half of the first word is below ``zeros``; ``u`` from the second."""
    kept = (pair[0] >> pair[0].dtype.type(16)) >= pair[0].dtype.type(zeros) if zeros < 1 << 16 else pair[0] < pair[0]
    return xp.where(kept, uniform(pair[1], greatest, xp), 0)
