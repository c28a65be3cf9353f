"""Small random integer-only networks: the golden model against the judge, at every node."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import inputs, networks

from reference.exact import integer_network as judge
from reference.integer.accumulator import accumulator_bound
from reference.integer.check import check
from reference.integer.network import Weighted
from reference.integer.ranges import integer_dtype
from reference.integer.run import run, trace
from reference.integer.shapes import shapes

SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)


@SETTINGS
@given(st.data())
def test_every_node_is_the_judges(data: st.DataObject) -> None:
    network = data.draw(networks())
    x = data.draw(inputs(network))
    found, sizes = trace(network, x), shapes(network)
    for example in range(len(x)):
        wanted = judge.trace(network, x[example].tolist())
        for name, integers in wanted.items():
            assert found[name][example].tolist() == integers, name
    for node in network:
        assert found[node.name].dtype == integer_dtype(node.out.format)
        assert found[node.name].shape == (len(x), *sizes[node.name])


@SETTINGS
@given(st.data())
def test_integers_and_accumulators_stay_within_their_bounds(data: st.DataObject) -> None:
    network = data.draw(networks())
    x = data.draw(inputs(network))
    limits, values, sums = check(network), trace(network, x), trace(network, x, accumulators=True)
    for name, (low, high) in limits.items():
        assert low <= int(values[name].min()) <= int(values[name].max()) <= high, name
    for name, total in sums.items():
        node = network[name]
        assert isinstance(node, Weighted)
        least, greatest = accumulator_bound(node, network[node.inputs[0]].out, limits=limits[node.inputs[0]])
        assert (least <= total).all()
        assert (total <= greatest).all()
    assert sorted(sums) == sorted(node.name for node in network if isinstance(node, Weighted))


@SETTINGS
@given(st.data())
def test_examples_of_a_batch_do_not_mix(data: st.DataObject) -> None:
    network = data.draw(networks(nodes=3))
    x = data.draw(inputs(network, batch=3))
    whole = run(network, x)
    assert all((run(network, x[[i]]) == whole[[i]]).all() for i in range(len(x)))
    assert run(network, x[:0]).shape == (0, *whole.shape[1:])
