"""Operands of dot products, random and adversarial, in families that aim at what matrix units do."""

from kernels_ref.dot_operands.drawing import (
    FLOAT_FAMILIES,
    INTEGER_FAMILIES,
    DotOperands,
    dot_families,
    dot_operands,
)

__all__ = ["FLOAT_FAMILIES", "INTEGER_FAMILIES", "DotOperands", "dot_families", "dot_operands"]
