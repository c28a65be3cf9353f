"""THE SAME ON AN ACCELERATOR: JAX executors, Pallas kernels, and the verifier that judges kernels.

>>> import kernels_ref, jax.numpy as jnp
>>> kernels_ref.encode(jnp.float32(0.1), "e3m2", rounding="toward_zero", saturation="sat_finite").item()
1
"""

from kernels_ref.codec import decode, encode
from kernels_ref.contract import EncodeContract, encode_contract
from kernels_ref.gradient import Gradient, round_to
from kernels_ref.packing import pack, unpack
from kernels_ref.report import Report
from kernels_ref.requantise import requantise
from kernels_ref.verifier import verify

__all__ = [
    "EncodeContract",
    "Gradient",
    "Report",
    "decode",
    "encode",
    "encode_contract",
    "pack",
    "requantise",
    "round_to",
    "unpack",
    "verify",
]
