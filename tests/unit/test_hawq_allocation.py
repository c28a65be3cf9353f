"""HAWQ-V3's integer linear programme: its published allocations, brute force, and what every solution keeps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from analysis.hawq import allocation as programme
from analysis.hawq.allocation import allocate
from analysis.hawq.layers import Cost, Layer, interpolated, objective, total
from analysis.hawq.published import FRACTIONS, TIES, problem
from analysis.hawq.published import reproduction as uncached

HALF = Fraction(1, 2)
reproduction = cache(uncached)

#: optimal objectives, from a solution apart from this code
OPTIMA = {
    ("resnet18", "size"): (-1.274272537, -1.233207199, -1.189413550),
    ("resnet18", "bops"): (-1.227748430, -1.092023805, -0.847289120),
    ("resnet18", "latency"): (-1.227748430, -1.105039334, -0.847289120),
}


def brute_force(layers, limits, ties):
    """The least objective of all allocations within the limits, in integers: exact. None where there is none."""
    free = [i for i in range(len(layers)) if not any(i in tie[1:] for tie in ties)]
    owner = [next((tie[0] for tie in ties if i in tie), i) for i in range(len(layers))]
    groups = [[i for i in range(len(layers)) if owner[i] == one] for one in free]

    def sums(numbers, base, denominator):
        """Totals of all allocations, bit g of the index for 8 bits in group g."""
        found = np.array([int(base * denominator)])
        for group in groups:
            found = np.concatenate([found, found + int(sum(numbers[i] for i in group) * denominator)])
        return found

    def scaled(numbers):
        return int(np.lcm.reduce([number.denominator for number in numbers]))

    gains = [layer.sensitivity(8) - layer.sensitivity(4) for layer in layers]
    scale = scaled(gains)
    objectives = sums(gains, Fraction(0), scale)
    allowed = np.ones(len(objectives), bool)
    for cost, limit in limits.items():
        extra = [layer.cost(cost, 8) - layer.cost(cost, 4) for layer in layers]
        base = total(layers, cost, [4] * len(layers))
        denominator = scaled([*extra, base])
        allowed &= sums(extra, base, denominator) <= limit * denominator
    return Fraction(int(objectives[allowed].min()), scale) if allowed.any() else None


def random_layers(rng, count):
    return tuple(
        Layer(
            name=f"layer{i}",
            mean_trace=Fraction(int(rng.integers(1, 1000)), 1000),
            error4=Fraction(int(rng.integers(100, 1000)), 100),
            error8=Fraction(int(rng.integers(0, 100)), 100),
            parameters=Fraction(int(rng.integers(1, 500))),
            operations=Fraction(int(rng.integers(1, 500))),
            latency4=Fraction(int(rng.integers(1, 50)), 100),
            latency8=Fraction(int(rng.integers(40, 100)), 100),
        )
        for i in range(count)
    )


@pytest.mark.parametrize("name", TIES)
def test_published_allocations(name):
    different = [(one.cost.value, one.f) for one in reproduction(name) if not one.equal]
    assert different == ([] if name == "resnet18" else [("size", Fraction(1, 4))])


def test_the_one_that_differs_is_better_than_published():
    one = next(one for one in reproduction("resnet50") if not one.equal)
    layers = problem("resnet50").layers
    limit = interpolated(layers, "size", one.f)
    changed = [i for i, (a, b) in enumerate(zip(one.published, one.optimum.bits, strict=True)) if a != b]
    assert [(layers[i].name, one.published[i], one.optimum.bits[i]) for i in changed] == [
        ("stage3.unit6.quant_convbn1", 4, 8)
    ]
    assert (round(float(one.published_objective), 6), round(float(one.optimum.objective), 6)) == (-0.823226, -0.831387)
    assert [float(total(layers, "size", bits)) for bits in (one.published, one.optimum.bits)] == [14.467072, 14.598144]
    assert float(limit) == 14.65344


def test_optimal_objectives_and_bits():
    for (name, cost), values in OPTIMA.items():
        found = [one for one in reproduction(name) if one.cost.value == cost]
        assert tuple(round(float(one.optimum.objective), 9) for one in found) == values
    strings = {(one.cost.value, one.f): str(one.optimum) for one in reproduction("resnet18")}
    assert strings["size", HALF] == "2222222222222221211".replace("1", "4").replace("2", "8")
    assert strings["bops", HALF] == "2221222212221111111".replace("1", "4").replace("2", "8")
    assert strings["latency", HALF] == "2222212212221121211".replace("1", "4").replace("2", "8")


def test_published_allocations_are_within_their_limits_and_tied():
    for name in TIES:
        table = problem(name)
        for (cost, f), bits in table.bits.items():
            assert total(table.layers, cost, bits) <= interpolated(table.layers, cost, f)
            assert all(bits[a] == bits[b] for a, b in table.ties)


def test_a_changed_table_is_noticed():
    """The reproduction depends on its numbers: with a trace ten times as large that layer gets 8 bits."""
    table = problem("resnet18")
    layers = [replace(one, mean_trace=one.mean_trace * (10 if i == 18 else 1)) for i, one in enumerate(table.layers)]
    found = [allocate(layers, {cost: interpolated(layers, cost, f)}, ties=table.ties).bits for cost, f in table.bits]
    assert {bits[18] for bits in table.bits.values()} == {4}
    assert 8 in {bits[18] for bits in found}
    assert sum(a != b for a, b in zip(found, table.bits.values(), strict=True)) == 8


@pytest.mark.parametrize("cost", Cost)
@pytest.mark.parametrize("f", FRACTIONS)
def test_resnet18_by_brute_force(cost, f):
    table = problem("resnet18")
    limits = {cost: interpolated(table.layers, cost, f)}
    found = allocate(table.layers, limits, ties=table.ties)
    assert found.objective == brute_force(table.layers, limits, table.ties)


def test_resnet18_with_three_limits_at_once():
    table = problem("resnet18")
    for f in FRACTIONS:
        limits = {cost: interpolated(table.layers, cost, f) for cost in Cost}
        found = allocate(table.layers, limits, ties=table.ties)
        assert found.objective == brute_force(table.layers, limits, table.ties)
        alone = [allocate(table.layers, {cost: limits[cost]}, ties=table.ties).objective for cost in Cost]
        assert found.objective >= max(alone)
        assert all(total(table.layers, cost, found.bits) <= limit for cost, limit in limits.items())


def test_random_problems_by_brute_force():
    rng = np.random.default_rng(0)
    infeasible = 0
    for _ in range(150):
        count = int(rng.integers(1, 11))
        layers = random_layers(rng, count)
        order = [int(i) for i in rng.permutation(count)]
        ties = [sorted(order[:2]), sorted(order[2:5])] if count >= 5 else []
        chosen = rng.permutation(list(Cost))[: rng.integers(1, 4)]
        limits = {cost: interpolated(layers, cost, Fraction(int(rng.integers(-20, 110)), 100)) for cost in chosen}
        best = brute_force(layers, limits, ties)
        if best is None:
            infeasible += 1
            with pytest.raises(ValueError, match="no allocation"):
                allocate(layers, limits, ties=ties)
        else:
            found = allocate(layers, limits, ties=ties)
            assert found.objective == best == objective(layers, found.bits)
            assert all(total(layers, cost, found.bits) <= limit for cost, limit in limits.items())
            assert all(len({found.bits[i] for i in tie}) == 1 for tie in ties)
    assert 20 < infeasible < 130


@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize("cost", Cost)
def test_a_looser_limit_is_never_worse(name, cost):
    table = problem(name)
    previous = None
    for f in range(0, 11):
        limit = interpolated(table.layers, cost, Fraction(f, 10))
        found = allocate(table.layers, {cost: limit}, ties=table.ties)
        assert previous is None or found.objective <= previous
        assert all(found.bits[a] == found.bits[b] for a, b in table.ties)
        previous = found.objective
    assert set(found.bits) == {8}


def test_the_ends():
    table = problem("resnet50")
    tight = allocate(table.layers, {"bops": interpolated(table.layers, "bops", 0)})
    assert set(tight.bits) == {4}
    assert tight.objective == 0
    assert set(allocate(table.layers, {"bops": interpolated(table.layers, "bops", 1)}).bits) == {8}


def test_ties_that_share_a_layer_are_one():
    layers = random_layers(np.random.default_rng(1), 6)
    for f in range(1, 10):
        limit = interpolated(layers, "size", Fraction(f, 10))
        found = allocate(layers, {"size": limit}, ties=[(0, 1), (4, 5), (1, 5)])
        assert len({found.bits[i] for i in (0, 1, 4, 5)}) == 1
        assert found.objective == brute_force(layers, {"size": limit}, [(0, 1, 4, 5)])


def test_a_limit_that_rounding_would_pass_is_kept(monkeypatch):
    """A byte in 2^60: binary64 and the solver's tolerance take both for equal, the exact check does not."""
    layers = random_layers(np.random.default_rng(2), 5)
    eights = total(layers, "size", [8] * 5)
    excluded = []
    exclude = programme._Programme.exclude
    monkeypatch.setattr(
        programme._Programme, "exclude", lambda self, bits: (excluded.append(bits), exclude(self, bits))
    )
    assert set(allocate(layers, {"size": eights}).bits) == {8}
    assert excluded == []
    limits = {"size": eights - Fraction(1, 2**60)}
    found = allocate(layers, limits)
    assert excluded[0] == (8,) * 5
    assert found.objective == brute_force(layers, limits, [])
    assert total(layers, "size", found.bits) < eights


def test_infeasible_limits_are_told():
    layers = problem("resnet18").layers
    message = (
        r"size at most 5, and the least possible is 5\.32\d+; latency at most 9, and the least possible is 3\.1486"
    )
    with pytest.raises(ValueError, match=message):
        allocate(layers, {"size": Fraction(5), "latency": Fraction(9)})


def test_wrong_use():
    layers = random_layers(np.random.default_rng(3), 3)
    with pytest.raises(ValueError, match="no limit; give one for at least one of size, bops, latency"):
        allocate(layers, {})
    with pytest.raises(ValueError, match="'energy' is not known; choose one of: size, bops, latency"):
        allocate(layers, {"energy": Fraction(1)})
    with pytest.raises(ValueError, match=r"tie \(0, 3\) must hold layers 0\.\.2"):
        allocate(layers, {"size": Fraction(1000)}, ties=[(0, 3)])
    with pytest.raises(KeyError, match="unknown network 'vgg'; known: resnet18, resnet50"):
        problem("vgg")
    with pytest.raises(ValueError, match="layer 'layer0': 6 bits; a layer has 4 or 8"):
        layers[0].sensitivity(6)
    unmeasured = Layer(
        name="c", mean_trace=HALF, error4=HALF, error8=HALF, parameters=HALF, operations=HALF, latency8=HALF
    )
    with pytest.raises(ValueError, match="layer 'c' has no latency at 4 bits; limit size or bops"):
        allocate([unmeasured], {"latency": Fraction(1)})
