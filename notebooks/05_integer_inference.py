# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Inference in integers
#
# From one accumulator to a network of ImageNet, without a float between the input's integers and the output's. Every
# layer ends in the same question: how does a sum of products, times a ratio of scales, become eight bits? Systems
# answer it differently, by one in many places. Conclusions are asserted: if one stops being true, this notebook stops.

# %%
from fractions import Fraction

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.ticker import MultipleLocator

import formats
from analysis.metrics import snr_db
from analysis.networks.calibration import calibrate
from analysis.networks.digits import digits
from analysis.networks.digits_resnet import trained
from analysis.networks.efficientnet_comparison import integer_efficientnet
from analysis.networks.efficientnet_lite0 import efficientnet_lite0
from analysis.networks.float_network import fold
from analysis.networks.float_run import float_trace, run_float
from analysis.networks.pictures import EVALUATED, HELD_OUT, pictures
from analysis.networks.quantised import quantise
from analysis.networks.schemes import scheme
from formats.integer_only.multipliers import DyadicRule, dyadic_rule
from kernels_ref.integer import sigmoid_tflite as in_jax
from kernels_ref.integer.audit import audit
from kernels_ref.integer.network import compile_network
from reference.integer import dequantise, quantise_input, requantise, run, trace
from reference.integer.sigmoid_tflite import sigmoid

plt.rcParams.update({"figure.dpi": 120, "axes.grid": True, "grid.alpha": 0.25, "axes.titlelocation": "left"})

# %% [markdown]
# ## One number
#
# A ratio of scales becomes a dyadic number $b / 2^c$: an integer product and a shift. TensorFlow Lite's multiplier has
# 31 bits. A quarter of 1 is then exact, and still becomes 1, because TFLite's default build rounds twice.

# %%
pair = dyadic_rule("tflite").pair(0.25)
print(
    f"0.25 is {pair.multiplier} / 2^{pair.shift}, exactly: {Fraction(pair.multiplier, 2**pair.shift) == Fraction(1, 4)}"
)
RULES = ("tflite_double_rounding", "tflite_single_rounding", "tvm_tonearest", "tvm_truncate", "onnx_qlinear")
x = np.array([-138, -69, -2, -1, 1, 2, 69, 138], np.int32)
zoo = pd.DataFrame({rule: requantise(x, 0.25, rule=rule, fmt="int8") for rule in RULES}, x).T
display(
    zoo.assign(**{"arithmetic": ["floats" if formats.requantiser(rule).is_float else "integers" for rule in RULES]})
)
assert zoo.loc["tflite_double_rounding", 1] == 1
assert zoo.loc["tflite_single_rounding", 1] == 0

# %% [markdown]
# ## How many bits a multiplier needs
#
# With $n$ bits the ratio is off by $2^{-n}$ of itself at most. That moves a result where the product comes closer to a
# half than the error: for sums of 16 bits one result in fifteen with 8 bits, one in two thousand with 15, and with 31
# none is seen.

# %%
rng = np.random.default_rng(0)
ratios = 2.0 ** rng.uniform(-9, -8, 400)
sums = rng.integers(-(2**15), 2**15, 2000)
exact = np.array([[round(Fraction(r) * s) for s in sums.tolist()] for r in ratios[:40].tolist()])
BITS = np.arange(4, 32)
worst, moved = [], []
for bits in BITS.tolist():
    rule = DyadicRule(name=f"{bits} bits", multiplier_bits=bits, exponents=(-31, 31), source="this notebook")
    pairs = [rule.pair(ratio) for ratio in ratios.tolist()]
    made = [Fraction(p.multiplier, 2**p.shift) for p in pairs]
    worst.append(max(float(abs(m / Fraction(r) - 1)) for m, r in zip(made, ratios.tolist(), strict=True)))
    b, c = (np.array([getattr(p, name) for p in pairs[:40]])[:, None] for name in ("multiplier", "shift"))
    moved.append(float((((sums * b + (1 << (c - 1))) >> c) != exact).mean()))
worst, moved = np.array(worst), np.array(moved)

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharex=True)
axes[0].semilogy(BITS, 2.0**-BITS, color="0.6", label="bound $2^{-n}$")
axes[0].semilogy(BITS, worst, "o", markersize=4, color="#1f4e9c", label="worst of 400 ratios")
axes[0].set(title="Error of the multiplier", xlabel="bits of the multiplier, $n$", ylabel="relative error")
axes[0].legend()
axes[1].semilogy(BITS[moved > 0], moved[moved > 0], "o-", markersize=4, color="#c2410c")
for bits, name in ((15, "TFLite, int16"), (24, "XNNPACK"), (31, "TFLite, TVM, HAWQ-V3")):
    axes[1].axvline(bits, color="0.6", linewidth=1, linestyle=":")
    style = {"rotation": 90, "fontsize": 8, "ha": "right", "va": "top", "transform": axes[1].get_xaxis_transform()}
    axes[1].text(bits - 0.15, 0.98, name, **style)
axes[1].set(title="Sums of 16 bits that round to another integer", xlabel="bits of the multiplier, $n$", ylabel="share")
axes[1].xaxis.set_major_locator(MultipleLocator(4))
plt.show()
assert (worst <= 2.0**-BITS).all()
assert moved[BITS == 8] > 0.05
assert moved[BITS == 15] < 1e-3
assert moved[BITS == 31] == 0

# %% [markdown]
# ## One function, two arithmetics
#
# An activation has no ratio, but the same question. LiteRT computes an int16 tanh with the scale $2^{-12}$ by lines
# between 256 entries if its reference kernels run, and by gemmlowp's fixed point if its optimised ones do; the file
# does not say which. Both are here, and equal to LiteRT's on all 65,536 inputs. They differ on 63 % of them.

# %%
q = np.arange(-(2**15), 2**15).astype(np.int16)
FORMS = {"lines": "lines between entries (reference)", "fixed_point": "16-bit fixed point (optimised)"}
found = {form: sigmoid(q, "tanh", 2**-12, form=form) for form in FORMS}
for form in FORMS:
    assert (np.asarray(in_jax.sigmoid(jnp.asarray(q), "tanh", 2**-12, form=form)) == found[form]).all()
figure, axes = plt.subplots(figsize=(11, 3.6), layout="constrained")
for (form, label), colour in zip(reversed(FORMS.items()), ("#f0a884", "#1f4e9c"), strict=True):
    error = (found[form] - 2**15 * np.tanh(q / 4096)).reshape(-1, 64)
    axes.fill_between(q[32::64] / 4096, error.min(axis=1), error.max(axis=1), color=colour, linewidth=0, label=label)
axes.set(title="Error of LiteRT's int16 tanh: least to greatest of 64 neighbours", xlabel="x", xlim=(-4, 4))
axes.set(ylabel="units of $2^{-15}$", ylim=(-13, 16))
axes.legend(loc="upper right", ncols=2)
plt.show()
differing = float((found["lines"] != found["fixed_point"]).mean())
print(f"{differing:.0%} of the inputs differ")
assert round(differing, 2) == 0.63

# %% [markdown]
# ## A network of digits
#
# A residual network for scikit-learn's digits, 78 thousand parameters, quantised as TFLite does: int8, scales of
# channels for weights, zero points for activations. The golden model in NumPy and the compiled one in JAX give the same
# integers, and the compiled one holds no operation on floats.

# %%
data = digits()
folded = fold(trained("float"))
ranges = calibrate(folded, [data.train_x])
network = quantise(folded, ranges, "tflite_int8")
given = quantise_input(data.held_out_x, network.nodes[0].out)
golden = run(network, given)
assert (np.asarray(compile_network(network)(given)) == golden).all()
report = audit(network)
assert report.integer_only
right = float((golden.argmax(axis=1) == data.held_out_y).mean())
print(f"{len(given)} pictures, {right:.2%} right; types in the compiled code: {', '.join(sorted(report.dtypes))}")
assert right > 0.99

# %% [markdown]
# What each layer keeps of the float network: the ratio of signal to error, after the activation, over 64 pictures.
# Convolutions lose some of it, a sum or an average brings some back, and the logits still have more than 25 dB.

# %%
exact_layers, integer_layers = float_trace(folded, data.held_out_x[:64]), trace(network, given[:64])
rows = []
for node in network.nodes:
    truth = np.asarray(exact_layers[node.name], np.float64)
    error = dequantise(integer_layers[node.name], node.out).reshape(truth.shape) - truth
    kind = type(node).__name__.lower()
    rows.append({"layer": node.name, "kind": kind, "snr_db": snr_db(float((truth**2).sum()), float((error**2).sum()))})
layers = pd.DataFrame(rows)
figure, axes = plt.subplots(figsize=(11, 4), layout="constrained")
axes.plot(layers.index, layers.snr_db, color="0.75", zorder=0)
for i, (kind, group) in enumerate(layers.groupby("kind", sort=False)):
    axes.plot(group.index, group.snr_db, "osD^vPX"[i % 7], color=f"C{i}", label=kind)
axes.set_xticks(layers.index, layers.layer, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
axes.set(title="What each layer keeps of the float network", ylabel="SNR, dB")
axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()
assert layers.snr_db.iloc[0] == layers.snr_db.max()
assert layers.snr_db.iloc[-1] > 25

# %% [markdown]
# Another rule gives other integers, and seldom another digit.

# %%
rows = {}
for rule in ("tflite_double_rounding", "tflite_single_rounding", "tvm_tonearest", "tvm_truncate"):
    logits = run(quantise(folded, ranges, scheme("tflite_int8", rule=rule)), given)
    rows[rule] = {
        "logits unlike the first's": f"{(logits != golden).mean():.1%}",
        "digits unlike the first's": int((logits.argmax(axis=1) != golden.argmax(axis=1)).sum()),
        "right": f"{(logits.argmax(axis=1) == data.held_out_y).mean():.2%}",
    }
rules = pd.DataFrame(rows).T
display(rules)
assert rules.iloc[0, 0] == "0.0%"
assert rules.iloc[:, 1].max() <= 3

# %% [markdown]
# ## A network of ImageNet
#
# EfficientNet-Lite0, 4.6 million parameters, published in float, quantised here with the ranges that three other
# pictures show. The picture is scikit-image's cat; class 282 is ImageNet's tiger cat.

# %%
big = integer_efficientnet("tflite_int8", calibration=(*HELD_OUT[:2], HELD_OUT[-1]))
(cat,) = [each for each in EVALUATED if each.name == "chelsea"]
pixels = pictures([cat])
integers = quantise_input(pixels, big.nodes[0].out)
golden = run(big, integers)
assert (np.asarray(compile_network(big)(integers)) == golden).all()
logits = {"float32": run_float(efficientnet_lite0(), pixels)[0], "integers": dequantise(golden, big.nodes[-1].out)[0]}
first = {name: int(each.argmax()) for name, each in logits.items()}
cosine = float(np.dot(*logits.values()) / np.prod([np.linalg.norm(each) for each in logits.values()]))
print(f"first classes {first}, cosine of the logits {cosine:.4f}")
assert first == {"float32": 282, "integers": 282}
assert cosine > 0.98

# %%
best = np.argsort(-logits["float32"])[:8]
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", width_ratios=(1, 2))
axes[0].imshow(np.clip(pixels[0] * 0.5 + 0.5, 0, 1))
axes[0].set(title="chelsea, 224 by 224", xticks=[], yticks=[])
axes[0].grid(visible=False)
for i, (name, each) in enumerate(logits.items()):
    axes[1].barh(
        np.arange(len(best)) + 0.4 * i - 0.2, each[best], height=0.38, color=("#1f4e9c", "#c2410c")[i], label=name
    )
axes[1].set_yticks(range(len(best)), best)
axes[1].set(title="The eight greatest logits of the float network", xlabel="logit", ylabel="class")
axes[1].set_axisbelow(True)
axes[1].invert_yaxis()
axes[1].legend(loc="lower right")
plt.show()
