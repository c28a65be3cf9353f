"""Products of activations and quantised weights, and how kernels split them."""

from formats.products.named import scaled_product, scaled_products
from formats.products.record import Factor, ScaledProduct, Weight
from formats.products.stream_k import StreamK

__all__ = ["Factor", "ScaledProduct", "StreamK", "Weight", "scaled_product", "scaled_products"]
