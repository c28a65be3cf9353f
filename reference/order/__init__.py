"""Order theory on NumPy arrays: poset filters and pooling, integer-valued networks."""

from reference.order.ivnn import bound, run_ivnn
from reference.order.posets import poset_filter, poset_pool, poset_pool_gradient

__all__ = ["bound", "poset_filter", "poset_pool", "poset_pool_gradient", "run_ivnn"]
