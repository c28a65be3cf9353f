"""NVIDIA ModelOpt's MXFP4 and NVFP4 beside the rules that name them, and where they differ."""

from __future__ import annotations

import re
import sys
import warnings

import numpy as np
import pytest
from block_inputs import rows
from stand_ins import StandIns

import reference
from reference.blocks import quantize_blocks

pytestmark = pytest.mark.peers

#: what its package imports elsewhere than in these conversions
ABSENT = ("omegaconf", "huggingface_hub", "pulp")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def qtensor(torch):
    pytest.importorskip("modelopt")
    with warnings.catch_warnings(), StandIns(*ABSENT):
        warnings.simplefilter("ignore")  # it warns of packages and GPUs that are not there
        stands_in = sys.modules.setdefault("regex", re) is re  # for the patterns of its names of layers
        from modelopt.torch.quantization.qtensor import mxfp4_tensor, nvfp4_tensor
    if stands_in:
        del sys.modules["regex"]
    return mxfp4_tensor.MXFP4QTensor, nvfp4_tensor.NVFP4QTensor


def test_mxfp4(torch, qtensor):
    x = rows(32)
    packed, scales = qtensor[0].quantize(torch.from_numpy(x.copy()), 32)
    ours = quantize_blocks(x, "mxfp4", rule="modelopt_mxfp4")
    np.testing.assert_array_equal(ours.scales, scales.numpy().reshape(ours.scales.shape))
    codes = reference.unpack(packed._quantized_data.numpy(), "4bit_low_first").reshape(x.shape)
    np.testing.assert_array_equal(ours.codes, codes)


@pytest.mark.parametrize("exponent", range(-60, 61, 20))
def test_nvfp4(torch, qtensor, exponent):
    x = rows(16, seed=2, least=-24, most=1) * np.float32(2.0**exponent)
    packed, scales, second = qtensor[1].quantize(torch.from_numpy(x.copy()), 16)
    ours = quantize_blocks(x, "nvfp4", rule="modelopt_nvfp4")
    assert ours.second == second.numpy()
    np.testing.assert_array_equal(ours.scales, scales.view(torch.uint8).numpy())
    codes = reference.unpack(packed._quantized_data.numpy(), "4bit_low_first").reshape(x.shape)
    np.testing.assert_array_equal(ours.codes, codes)


def test_zeros_have_the_sign_bit_in_mxfp4_alone(torch, qtensor):
    x = np.zeros((1, 32), np.float32)
    x[0, 0] = 1
    assert qtensor[0].quantize(torch.from_numpy(x.copy()), 32)[0]._quantized_data[0, 1] == 0x88
    assert qtensor[1].quantize(torch.from_numpy(x.copy()), 16)[0]._quantized_data[0, 1] == 0
    assert quantize_blocks(x, "mxfp4", rule="modelopt_mxfp4").codes[0, 2] == 8
    assert quantize_blocks(x, "nvfp4", rule="modelopt_nvfp4").codes[0, 2] == 0
