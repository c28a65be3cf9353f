"""``jnp`` and ``lax`` for bodies of kernels, whose values have no types that a checker could know."""

from __future__ import annotations

import importlib
from typing import Any

jnp: Any = importlib.import_module("jax.numpy")
lax: Any = importlib.import_module("jax.lax")
