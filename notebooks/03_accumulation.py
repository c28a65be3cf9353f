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
# # What a sum of products loses
#
# A matrix unit multiplies exactly and adds approximately. How approximately is a fact of the chip: the FP8 `wgmma` of
# an H100 keeps 13 bits below the largest term, with its leading bit 14, and cuts off the rest. Here are the bounds
# that follow from such facts, sums that come near them, and what is lost on the activations of a real network.
# Conclusions are asserted: if one stops being true, this notebook stops.
#
# $S = \sum_k |a_k b_k|$ is the measure of every error below: relative to $|\sum_k a_k b_k|$ itself, an error can be
# arbitrarily large where the terms cancel.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image, display

import formats
from analysis import plots
from analysis.accumulation import Operands, matrices, measure, pictures, witness, worst_case
from formats import Accumulator, Rounding, SequentialSum

plt.rcParams.update({"figure.dpi": 120, "axes.grid": True, "grid.alpha": 0.25, "axes.titlelocation": "left"})
FAST = "hopper.wgmma.k32.f32.e4m3.e4m3"
PROMOTED = f"{FAST}.promote128"
REWRITTEN = "hopper.mma.m16n8k32.f32.e4m3.e4m3"
NAMES = [FAST, PROMOTED, REWRITTEN, "blackwell.tcgen05.k32.f32.e4m3.e4m3", "fma.f32", "exact.f32"]

# %% [markdown]
# ## One large term
#
# $2^{16}$ and thousands of products just below $2^{16-13} = 8$. Each of them is cut to nothing, however many there
# are, so that the result stays what it was after the first term. Restarting the sum every 128 products and adding the
# parts in float32, as DeepSeek-V3 does (arXiv 2412.19437), loses only what shares a part with the large term.

# %%
first = witness(FAST, 4096)
shown = {name: measure(first, name) for name in (FAST, PROMOTED, REWRITTEN)}
display(pd.DataFrame({name: {"exact": m.exact.item(), "error": m.error.item()} for name, m in shown.items()}).T)
assert shown[FAST].exact + shown[FAST].error == 2**16
lost = {name: -m.error.item() for name, m in shown.items()}
assert lost[PROMOTED] < lost[FAST] / 30
assert lost[REWRITTEN] < lost[FAST] / 2**12

# %% [markdown]
# ## Bounds
#
# The worst case follows from the accumulator's record and K. It grows with the number of steps, unless the sum is
# promoted. A crowd of small terms behind a large one comes within a factor of four of it: the bound
# exaggerates no more than that.

# %%
ks = [32 << n for n in range(8)]
figure, axes = plt.subplots(figsize=(11, 4.8), layout="constrained")
for i, name in enumerate((FAST, PROMOTED, "hopper.wgmma.k16.f32.f16", "fma.f32")):
    operand = {"a": "bfloat16", "b": "bfloat16"} if name == "fma.f32" else {}
    bound = [float(worst_case(name, k).relative) for k in ks]
    found = [measure(witness(name, k, **operand), name) for k in ks]
    reached = [(np.abs(m.error) / m.magnitude).item() for m in found]
    axes.plot(ks, bound, ":", color=f"C{i}")
    axes.plot(ks, reached, "o-", color=f"C{i}", markersize=4, label=name)
    shares = np.array([(np.abs(m.error) / m.worst).item() for m in found])
    assert (shares <= 1).all()
    assert (shares >= 0.25).all(), (name, shares)
axes.set_xscale("log", base=2)
axes.set_yscale("log", base=2)
axes.set(xlabel="K, products in each sum", ylabel="|error| / S", title="The worst case (dots), and sums near it")
axes.legend(fontsize=9)
plt.show()
assert worst_case(PROMOTED, 4096).relative < worst_case(FAST, 4096).relative / 40

# %% [markdown]
# ## Real activations
#
# The encoder of Whisper tiny.en (Radford et al., arXiv 2212.04356) hears thirty seconds of a sound made here, in
# float32. What the MLPs of its first three layers add to the residual stream is one sum over their hidden units, of
# which the first 4096 are taken; up to K = 1536 it is the matrix product of the first layer itself. Activations and
# weights are rounded to E4M3, one scale a matrix. What that rounding costs is no part of the errors below: they are
# those of the sums alone.

# %%
real = matrices("mlp", k=4096, rows=16, columns=64, seed=0)
operands = real.quantised(formats.accumulator(FAST), None)
lengths = (128, 512, 1536, 4096)
measured = {(name, k): measure(operands.first(k), name) for name in NAMES for k in lengths}
table = pd.DataFrame([m.row() for m in measured.values()])
display(table.pivot(index="accumulator", columns="k", values="norm_rel").loc[NAMES].map("{:.1e}".format))
display(Image(plots.png(pictures.against_k(table)), width=1000))
assert (table["of_running"] <= 1).all()
assert (table["of_worst"] <= 1).all()

# %%
last = [measured[name, 4096] for name in NAMES]
display(Image(plots.png(pictures.distribution(last)), width=1000))
rows = table[table["k"] == 4096].set_index("accumulator")
display(rows[["norm_rel", "rel_p50", "rms", "sum_p99", "sum_max", "running_bound", "worst_bound"]])
print(f"14 bits: {rows.norm_rel[FAST]:.2%} of the result; promoted every 128: {rows.norm_rel[PROMOTED]:.3%}")
print(f"promotion buys a factor of {rows.norm_rel[FAST] / rows.norm_rel[PROMOTED]:.0f}")
assert rows.norm_rel[FAST] > 1e-3
assert rows.norm_rel[PROMOTED] < rows.norm_rel[FAST] / 8
assert rows.norm_rel[[REWRITTEN, "fma.f32"]].max() < rows.norm_rel[PROMOTED] / 100
assert rows.norm_rel["exact.f32"] == rows.norm_rel.min()

# %% [markdown]
# The bound from the operands is some ten times the largest error: a cut toward zero takes from positive and from
# negative terms alike, and the bound reckons with neither helping the other. It is again more than ten times better
# than the worst case, which must reckon with a large first term.

# %%
fp8 = rows.loc[[FAST, PROMOTED]]
assert (fp8.running_bound / fp8.sum_max).between(5, 30).all()
assert (fp8.worst_bound / fp8.running_bound > 10).all()

# %% [markdown]
# ### How often to promote
#
# Every promotion is an addition outside the matrix unit. Fewer products between two of them lose less, down to what
# one part loses by itself.

# %%
intervals = [32, 64, 128, 256, 512, 1024, 2048, 4096]
found = [measure(operands, f"{FAST}.promote{every}") for every in intervals]
rms = [m.row()["rms"] for m in found]
figure, axes = plt.subplots(figsize=(11, 4.4), layout="constrained")
axes.plot(intervals, rms, "o-", label="measured, rms")
axes.plot(intervals, [m.row()["running_bound"] for m in found], "s:", label="bound from the operands")
axes.plot(intervals, [float(worst_case(m.accumulator, 4096).relative) for m in found], "^:", label="worst case")
axes.set_xscale("log", base=2)
axes.set_yscale("log", base=2)
axes.set_xticks(intervals, [f"{n}" for n in intervals])
axes.set(xlabel="products between promotions", ylabel="error / S", title="K = 4096: what promotion buys back")
axes.legend()
plt.show()
np.testing.assert_array_equal(found[-1].error, measured[FAST, 4096].error)
assert (np.diff(rms) > 0).all(), rms

# %% [markdown]
# ## Stochastic rounding
#
# Add $2^{-4}$ four thousand times in bfloat16, which has 8 bits. From 16 on a term is half a unit in the last place:
# to nearest even, the sum stands still. Rounded up with a probability that is the fraction lost, it goes on and is
# right on average; the random bits are an argument, so that this too is a deterministic function.

# %%
summation = SequentialSum(
    output=formats.get("bfloat16"), rounding=Rounding.STOCHASTIC_B, fused=True, random_bit_count=16
)
stochastic = Accumulator(name="fma.bf16, stochastic", summation=summation, source="this notebook")
same = Operands.of(np.ones((1, 4096)), np.full((4096, 32), 2.0**-4), "bfloat16", "bfloat16")
places = [64 << n for n in range(7)]
nearest = np.array([(m.exact + m.error)[0] for m in (measure(same.first(k), "fma.bf16") for k in places)])
random = np.array([(m.exact + m.error)[0] for m in (measure(same.first(k), stochastic, seed=1) for k in places)])
figure, axes = plt.subplots(figsize=(11, 4.6), layout="constrained")
axes.plot(places, random, color="C0", alpha=0.25, linewidth=0.8)
axes.plot(places, random.mean(axis=1), "o-", color="C0", label="stochastic: 32 sums, and their mean")
axes.plot(places, nearest[:, 0], "s-", color="C3", label="to nearest even")
axes.plot(places, np.array(places) / 16, "--", color="black", label="exact")
axes.set(xlabel="terms added", ylabel="sum (no unit)", title="bfloat16: one stands still, the other does not")
axes.legend()
plt.show()
assert (nearest[places.index(256) :] == 16).all()
deviation = (4096 / 4) ** 0.5  # each addition: at most 1/4 of a squared unit, which is at most 1
assert abs(random[-1].mean() - 256) < 4 * deviation / 32**0.5
assert np.abs(random[-1] - 256).max() < 6 * deviation
