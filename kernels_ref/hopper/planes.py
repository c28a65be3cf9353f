"""Weights as the kernel streams them: tile by tile, in the order in which threads decode them.

A unit is ``rows`` weight rows times ``depth`` elements of K, and lies in one run of memory. Inside, each warpgroup's
64 x 128 blocks come one after the other, K innermost; in a block, thread ``t`` reads 16 bytes at ``512 j + 4 t`` words
for each ``j``, so that no load of shared memory has a conflict. The words of a thread are those of the planes
(`decoder.Decoder`), low bits first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels_ref.hopper import fragments
from kernels_ref.hopper.decoder import Decoder, Plane
from kernels_ref.hopper.fragments import CHUNK, ROWS, THREADS
from kernels_ref.hopper.traced import jnp

#: words of a line: a warpgroup reads four lines at once
LINE = 128


def lines(decoder: Decoder) -> int:
    """Lines of a 64 x 128 block."""
    return 2 * decoder.bits


def pack_planes(codes: Any, decoder: Decoder, rows: int, depth: int) -> Any:
    """Codes (N, K) to words (units, lines, 128), arrays of NumPy or of JAX; N and K are whole tiles and steps."""
    xp: Any = np if isinstance(codes, np.ndarray) else jnp
    blocks = _blocks(codes, rows, depth)
    flat = blocks.reshape(-1, ROWS * CHUNK)[:, _order(decoder)]
    own = xp.concatenate([_pack(flat, plane, xp) for plane in decoder.planes], axis=1)  # (blocks, words, threads)
    quads = own.reshape(len(own), -1, 4, THREADS).swapaxes(2, 3)
    return quads.reshape(blocks.shape[0] * blocks.shape[1], -1, LINE)


def unpack_planes(words: Any, decoder: Decoder, rows: int, depth: int, shape: tuple[int, int]) -> NDArray[np.uint32]:
    """The codes (N, K) that `pack_planes` took."""
    n, k = shape
    own = np.asarray(words, np.uint32).reshape(-1, decoder.bits // 2, THREADS, 4).swapaxes(2, 3)
    own = own.reshape(len(own), 2 * decoder.bits, THREADS)
    fields, first = 0, 0
    for plane in decoder.planes:
        count = 2 * len(plane.bits)
        fields = fields | _unpack(own[:, first : first + count], plane)
        first += count
    flat = np.empty((len(own), ROWS * CHUNK), np.uint32)
    flat[:, _order(decoder)] = fields
    blocks = flat.reshape(n // rows, k // depth, rows // ROWS, depth // CHUNK, ROWS, CHUNK)
    return blocks.transpose(0, 2, 4, 1, 3, 5).reshape(n, k)


def _blocks(codes: Any, rows: int, depth: int) -> Any:
    """(tiles, steps, warpgroups, chunks, 64, 128)."""
    n, k = codes.shape
    split = codes.reshape(n // rows, rows // ROWS, ROWS, k // depth, depth // CHUNK, CHUNK)
    return split.transpose(0, 3, 1, 4, 2, 5)


def _order(decoder: Decoder) -> NDArray[np.int64]:
    """Elements of a block by (register of lanes, thread, lane): operands of 8 bits may be made from pairs of 16."""
    if decoder.lane == 16 and decoder.finish.value == "requantise":
        bytes_ = fragments.places(8).reshape(-1, THREADS, 2, 2)
        return bytes_.swapaxes(1, 2).reshape(-1, THREADS, 2)
    return fragments.places(decoder.lane)


def _pack(codes: Any, plane: Plane, xp: Any) -> Any:
    """(blocks, registers, threads, lanes) to (blocks, words, threads)."""
    blocks, _, threads, lanes = codes.shape
    fields = xp.asarray(_spread(plane))[codes].reshape(blocks, -1, len(plane.rotations), threads, lanes)
    words = xp.zeros((blocks, fields.shape[1], threads), xp.uint32)
    for r, rotation in enumerate(plane.rotations):
        for lane in range(lanes):
            left = (plane.lane * lane - rotation) % 32
            field = fields[:, :, r, :, lane]
            words = words | (field << xp.uint32(left)) | (field >> xp.uint32(32 - left) if left else xp.uint32(0))
    return words


def _spread(plane: Plane) -> NDArray[np.uint32]:
    """The bits of every code of at most 8 bits, at their places in lane 0."""
    codes = np.arange(256, dtype=np.uint32)
    bits = [((codes >> bit) & 1) << place for bit, place in zip(plane.bits, plane.places, strict=True)]
    return np.bitwise_or.reduce(np.stack(bits)).astype(np.uint32)


def _unpack(words: NDArray[np.uint32], plane: Plane) -> NDArray[np.uint32]:
    """The inverse: the plane's bits of the codes."""
    lanes = 32 // plane.lane
    blocks, count, threads = words.shape
    fields = np.zeros((blocks, count, len(plane.rotations), threads, lanes), np.uint32)
    for r, rotation in enumerate(plane.rotations):
        for lane in range(lanes):
            for bit, place in zip(plane.bits, plane.places, strict=True):
                at = (place + plane.lane * lane - rotation) % 32
                fields[:, :, r, :, lane] |= ((words >> np.uint32(at)) & np.uint32(1)) << np.uint32(bit)
    return fields.reshape(blocks, -1, threads, lanes)
