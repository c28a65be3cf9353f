"""Matrix kernels for Hopper GPUs.

>>> from kernels_ref.hopper import Variant
>>> Variant().stages
4
"""

from kernels_ref.hopper.packed import PackedWeights, pack_weights
from kernels_ref.hopper.scaled_matmul import scaled_matmul, streamed
from kernels_ref.hopper.variant import Variant

__all__ = ["PackedWeights", "Variant", "pack_weights", "scaled_matmul", "streamed"]
