"""Integer-only training in JAX: whole epochs as compiled code without a float."""

from kernels_ref.integer.training.products import compare_products
from kernels_ref.integer.training.step import epoch, train_epoch

__all__ = ["compare_products", "epoch", "train_epoch"]
