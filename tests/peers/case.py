"""One comparison: inputs, a format, a policy, and what our side makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from peers.adapters.peer import Codes, Policy, Values

import reference
from formats import FloatSpec, Format
from kernels_ref import landmarks
from reference import exact

Mask = np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Inputs of one dtype on their way into one format."""

    values: Values
    spec: Format
    policy: Policy

    def judged(self, values: Values | None = None, *, spec: Format | None = None, **changes: Any) -> Codes:
        """The golden model's codes; arguments replace the case's own values, format or policy fields."""
        values = self.values if values is None else values
        policy = replace(self.policy, **changes)
        drawn = {}
        if policy.random_bits is not None:
            bits = np.full(values.shape, policy.random_bits, np.uint32)
            drawn = {"random_bits": bits, "random_bit_count": policy.random_bit_count}
        return reference.encode(
            values,
            spec or self.spec,
            rounding=policy.rounding,
            saturation=policy.saturation,
            nan=policy.nan,
            **drawn,
        ).astype(np.uint32)

    def judge(self, index: int) -> int:
        """The exact judge on one input."""
        policy = self.policy
        return exact.encode(
            float(self.doubles[index]),
            self.spec,
            rounding=policy.rounding,
            saturation=policy.saturation,
            nan=policy.nan,
            random_bits=policy.random_bits,
            random_bit_count=policy.random_bit_count,
        )

    @property
    def doubles(self) -> Values:
        """The values as float64, which holds them all; NaNs are quiet."""
        with np.errstate(invalid="ignore"):
            return np.where(self.is_nan, np.nan, self.values.astype(np.float64))

    @property
    def singles(self) -> Values:
        """The values rounded to float32: where a conversion stops over."""
        with np.errstate(all="ignore"):
            return self.values.astype(np.float32)

    @property
    def is_nan(self) -> Mask:
        return landmarks.is_nan(self.values)

    @property
    def is_negative(self) -> Mask:
        """The sign bit, of NaNs and zeros too."""
        width = 8 * self.values.dtype.itemsize
        return self.values.view(f"u{self.values.dtype.itemsize}") >> (width - 1) == 1

    def to_nan(self, codes: Codes) -> Mask:
        """Where codes are NaNs of the format; words beyond its codes are not."""
        if not isinstance(self.spec, FloatSpec) or self.spec.nan_code is None:
            return np.zeros(codes.shape, bool)
        known = codes < 1 << self.spec.bits
        return known & np.isnan(reference.decode(np.where(known, codes, 0).astype(np.uint32), self.spec))

    def canonical(self, codes: Codes) -> Codes:
        """The codes with every NaN written as the format's canonical one."""
        codes = codes.astype(np.uint32)
        return np.where(self.to_nan(codes), self.spec.nan_code, codes) if isinstance(self.spec, FloatSpec) else codes
