"""Second-level numbers as multipliers and divisors: equal values or a refusal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from block_cases import X

import formats
from formats.block_formats.named import block
from formats.block_formats.spec import Level
from reference.block_conversion import convert_blocks
from reference.blocks import BlockTensor, dequantize_blocks, quantize_blocks


class TestConversion:
    def tensor(self, fmt, second, scales=None):
        scales = np.arange(127, dtype=np.uint8) if scales is None else np.array(scales, np.uint8)
        codes = np.broadcast_to(np.arange(16, dtype=np.uint8), (len(scales), 16))
        return BlockTensor(spec=block(fmt), codes=codes, scales=scales[:, None], second=np.float32(second))

    @pytest.mark.parametrize(("a", "b"), [("nvfp4", "nvfp4_divisor"), ("nvfp4_divisor", "nvfp4")])
    def test_powers_of_two_convert(self, a, b):
        for exponent in range(-20, 21):
            tensor = self.tensor(a, 2.0**exponent)
            made = convert_blocks(tensor, b, dtype="float32")
            assert made.spec is block(b)
            assert float(made.second) == 2.0**-exponent
            np.testing.assert_array_equal(dequantize_blocks(made), dequantize_blocks(tensor))

    @pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
    def test_equal_or_refused(self, dtype):
        """Found numbers make every value equal; where one is refused, no number near the reciprocal does."""
        rng, converted = np.random.default_rng(7), 0
        for second in (2.0 ** rng.uniform(-8, 8, 60)).astype(np.float32):
            tensor = self.tensor("nvfp4", second)
            due = dequantize_blocks(tensor, dtype)
            near = (np.float32(1) / second).view(np.uint32) + np.arange(-6, 7).astype(np.uint32)
            works = [
                (dequantize_blocks(self.tensor("nvfp4_divisor", u), dtype) == due).all() for u in near.view(np.float32)
            ]
            if any(works):
                made = convert_blocks(tensor, "nvfp4_divisor", dtype=dtype)
                assert (dequantize_blocks(made, dtype) == due).all()
                converted += 1
            else:
                with pytest.raises(ValueError, match="element code"):
                    convert_blocks(tensor, "nvfp4_divisor", dtype=dtype)
        assert converted == 60 if dtype == "bfloat16" else 0 < converted < 20

    def test_only_scale_codes_in_use_must_agree(self):
        tensor = self.tensor("nvfp4", 0.3, scales=[0])
        assert convert_blocks(tensor, "nvfp4_divisor", dtype="float32").second == np.float32(1 / np.float32(0.3))

    def test_the_refusal_names_the_first_codes(self):
        match = r"makes nvfp4_divisor equal to nvfp4 with 0\.318\d* in float32: with 3\.14\d* element code 3 un"
        with pytest.raises(ValueError, match=match):
            convert_blocks(self.tensor("nvfp4", 0.31820539), "nvfp4_divisor", dtype="float32")

    def test_without_second_level_the_codes_must_mean_the_same(self):
        tensor = quantize_blocks(X[:16], "nvfp4_untied", rule="absmax")
        spec = replace(block("nvfp4_untied"), name="signed", scale=Level(format=formats.get("float8_e4m3fn")))
        with pytest.raises(ValueError, match="are not two conventions of one format"):
            convert_blocks(tensor, spec, dtype="float32")
        doubled = replace(block("mxfp4"), name="doubled", scale=Level(format=replace(formats.get("e8m0"), bias=126)))
        mx = quantize_blocks(X, "mxfp4", rule="floor")
        assert convert_blocks(mx, "mxfp4", dtype="float32").spec is block("mxfp4")
        with pytest.raises(ValueError, match=r"element code 1 under scale code 127 is 1\.0, not 0\.5"):
            convert_blocks(mx, doubled, dtype="float32")
