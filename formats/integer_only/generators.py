"""Counter-based random generators, as data: a word is a function of key and counter, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass

#: what words are drawn for: the key is (seed, step), the counter (element, 256 * place in this list + part)
STREAMS = ("weights", "order", "loss", "perturbation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threefry:
    """Threefry-2x32: two 32-bit words from a key and a counter of two words each.

    All arithmetic is modulo ``2^32``. With ``k2 = k0 ^ k1 ^ parity``: ``(x0, x1) = (c0 + k0, c1 + k1)``; then, for
    ``i = 0, 1, ...`` up to ``rounds - 1``: ``x0 += x1``, ``x1 = rotate_left(x1, rotations[i mod 8]) ^ x0``, and after
    every fourth round, as ``n = (i + 1) / 4``: ``x0 += k[n mod 3]`` and ``x1 += k[(n + 1) mod 3] + n``.

    >>> THREEFRY_2X32.rounds, hex(THREEFRY_2X32.parity)
    (20, '0x1bd11bda')
    """

    name: str
    rounds: int
    rotations: tuple[int, ...]
    parity: int
    source: str

    def __post_init__(self) -> None:
        if self.rounds % 4 or len(self.rotations) != 8:
            raise ValueError(
                f"{self.name}: rounds={self.rounds} must be a multiple of 4, and rotations has "
                f"{len(self.rotations)} numbers, which must be 8"
            )


THREEFRY_2X32 = Threefry(
    name="threefry_2x32",
    rounds=20,
    rotations=(13, 15, 26, 6, 17, 29, 16, 24),
    parity=0x1BD11BDA,
    source="Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011); the generator of jax.random",
)
