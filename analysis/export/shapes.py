"""Shapes of the tensors of an integer-only network, and windows over pictures."""

from __future__ import annotations

from dataclasses import dataclass

from reference.integer.network import Network
from reference.integer.shapes import shapes

Shape = tuple[int, ...]
Padding = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Window:
    """A window of ``size`` rows and columns that moves by ``strides`` over a picture with ``padding``.

    >>> Window((3, 3), (2, 2), ((0, 1), (0, 1))).is_same((1, 8, 8, 4))
    True
    """

    size: Shape
    strides: tuple[int, int]
    padding: Padding

    def output(self, shape: Shape) -> Shape:
        """The shape of what comes out, for an input (batch, rows, columns, channels)."""
        rows, columns = (
            (shape[1 + axis] + sum(self.padding[axis]) - self.size[axis]) // self.strides[axis] + 1 for axis in (0, 1)
        )
        return (shape[0], rows, columns, shape[3])

    def is_valid(self) -> bool:
        """Whether there is no padding: TFLite's VALID."""
        return self.padding == ((0, 0), (0, 0))

    def is_same(self, shape: Shape) -> bool:
        """Whether this is TFLite's SAME: ``ceil(size / stride)`` places, the odd element of padding after."""
        return all(self.padding[axis] == self._same(shape[1 + axis], axis) for axis in (0, 1))

    def is_named(self, shape: Shape) -> bool:
        """Whether this is SAME or VALID."""
        return self.is_valid() or self.is_same(shape)

    def _same(self, length: int, axis: int) -> tuple[int, int]:
        size, stride = self.size[axis], self.strides[axis]
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        return total // 2, total - total // 2


def with_batch(network: Network, batch: int) -> dict[str, Shape]:
    """The shape of each node's output: (batch, rows, columns, channels) or (batch, features).

    >>> import formats
    >>> from reference.integer.network import Affine, Flatten, Input
    >>> affine = Affine(format=formats.get("int8"), scale=0.5)
    >>> x = Input(name="x", out=affine, shape=(2, 2, 3))
    >>> with_batch(Network(name="flat", nodes=(x, Flatten(name="y", inputs=("x",), out=affine))), 1)
    {'x': (1, 2, 2, 3), 'y': (1, 12)}
    """
    return {name: (batch, *shape) for name, shape in shapes(network).items()}
