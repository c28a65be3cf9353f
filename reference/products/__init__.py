"""Products with quantised weights, one module for each of their steps; `reference.scaled_product` is their door."""
