"""Order theory in JAX: poset filters and pooling with gradients, integer-valued networks."""

from kernels_ref.order.ivnn import run_ivnn
from kernels_ref.order.posets import poset_filter, poset_pool

__all__ = ["poset_filter", "poset_pool", "run_ivnn"]
