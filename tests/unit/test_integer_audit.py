"""The audit finds every float, wherever it hides, and names its node."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from integer_cases import every_node
from jax import Array, lax

from kernels_ref.integer import network as executors
from kernels_ref.integer.audit import OPAQUE, audit
from kernels_ref.integer.network import compile_network, executor

INTEGER_RULES = ("tflite_double_rounding", "tflite_single_rounding", "hawq_v3_tvm", "tvm_tonearest")
FLOAT_TYPE = re.compile(r"\b(?:f16|bf16|f32|f64|f8\w*|c64|c128)\[")


@pytest.mark.parametrize("rule", INTEGER_RULES)
def test_a_network_of_integer_rules_is_integer_only(rule: str) -> None:
    found = audit(every_node(0, rule))
    found.check()
    assert found.integer_only
    assert found.floats == found.opaque == found.nodes() == ()
    assert not any("float" in name or "complex" in name for name in found.dtypes)
    assert found.equations == sum(found.primitives.values()) > 50
    assert found.primitives["dot_general"] >= 3
    assert found.primitives["conv_general_dilated"] >= 1


def test_the_compiled_code_has_no_float_either() -> None:
    network = every_node(0)
    x = jnp.zeros((4, 8, 8, 3), jnp.int8)
    text = jax.jit(lambda x: executor(network)(x)["logits"]).lower(x).compile().as_text()
    assert text
    assert not FLOAT_TYPE.search(text)
    floats = jax.jit(lambda x: (x * 0.3).astype(jnp.int8)).lower(x).compile().as_text()
    assert floats
    assert FLOAT_TYPE.search(floats)


def test_a_rule_of_floats_is_found_in_each_of_its_nodes() -> None:
    found = audit(every_node(0, "onnx_qlinear"))
    assert not found.integer_only
    assert {"stem", "depthwise", "main", "pixels", "joined", "moved", "logits"} == set(found.nodes())
    assert {"float32"} == {name for name in found.dtypes if "float" in name}
    with pytest.raises(ArithmeticError, match=r"of \d+ equations are not of integers: stem: "):
        found.check()


def test_the_audit_of_a_compiled_network_is_that_of_the_network() -> None:
    network = every_node(1)
    whole = audit(network)
    compiled = audit(compile_network(network), (1, 8, 8, 3), np.int8)
    assert compiled.integer_only
    # one call of a compiled function around the same equations
    assert compiled.equations == whole.equations + 1


def branch(x: Array) -> Array:
    return lax.cond(x[0] > 0, lambda x: x, lambda x: (x * 1.5).astype(jnp.int32), x)


def choice(x: Array) -> Array:
    return lax.switch(x[0] & 1, [lambda x: x, lambda x: jnp.sqrt(x.astype(jnp.float32)).astype(jnp.int32)], x)


def loop(x: Array) -> Array:
    return lax.scan(lambda c, v: (c + v, (v / 2).astype(jnp.int32)), jnp.int32(0), x)[1]


def condition(x: Array) -> Array:
    return lax.while_loop(lambda x: x.sum() < jnp.float32(3.5), lambda x: x + 1, x)


def derivative(x: Array) -> Array:
    half = jax.custom_jvp(lambda x: (x * jnp.bfloat16(0.5)).astype(jnp.int32))
    half.defjvp(lambda x, t: (half(*x), t[0]))
    return half(x)


def nested(x: Array) -> Array:
    inner = jax.jit(lambda x: jax.vmap(lambda v: (v.astype(jnp.float16) + 1).astype(jnp.int32))(x))
    return jax.jit(lambda x: inner(x) + 1)(x)


def constant(x: Array) -> Array:
    table = jnp.array([0.5, 2.5])
    return x + table[0].astype(jnp.int32)


PLANTED = [branch, choice, loop, condition, derivative, nested, constant]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda f: f.__name__)
def test_planted_floats_are_found(planted: Callable[[Array], Array]) -> None:
    def scoped(x: Array) -> Array:
        with jax.named_scope("before"):
            y = x + 1
        with jax.named_scope("here/too"):
            return planted(y)

    found = audit(scoped, (4,), "int32")
    assert not found.integer_only
    assert found.nodes() == ("here/too",)
    assert any("float" in name for f in found.floats for name in (*f.inputs, *f.outputs))


def test_a_float_planted_in_one_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = executors.evaluate

    def faulty(node: Any, inputs: Any, sources: Any) -> Array:
        y = honest(node, inputs, sources)
        return (y.astype(jnp.float32) * 1).astype(y.dtype) if node.name == "depthwise" else y

    monkeypatch.setattr(executors, "evaluate", faulty)
    network = every_node(2)
    found = audit(network)
    assert found.nodes() == ("depthwise",)
    assert len(found.floats) == 3
    with pytest.raises(ArithmeticError, match=r"^3 of \d+ equations"):
        found.check()


def test_floats_that_no_equation_has_are_found_at_the_ends() -> None:
    found = audit(lambda x: x, (3,), "float32")
    assert [f.primitive for f in found.floats] == ["argument", "result"]
    assert not audit(lambda x: np.float32(1), (3,), "int32").integer_only
    assert not audit(lambda x: x, (3,), "complex64").integer_only


def test_what_cannot_be_looked_into_is_no_proof() -> None:
    def hidden(x: Array) -> Array:
        with jax.named_scope("hidden"):
            return jax.pure_callback(lambda x: (x * 0.5).astype(np.int32), jax.ShapeDtypeStruct((3,), jnp.int32), x)

    found = audit(hidden, (3,), "int32")
    assert not found.floats
    assert [(f.node, f.primitive) for f in found.opaque] == [("hidden", "pure_callback")]
    assert found.opaque[0].primitive in OPAQUE
    assert not found.integer_only


def test_counts_are_those_of_the_equations() -> None:
    found = audit(lambda x: (x + x) * x - (x > 2), (3,), "int16")
    assert found.primitives == {"add": 1, "mul": 1, "gt": 1, "convert_element_type": 1, "sub": 1}
    assert found.equations == 5
    assert found.dtypes == {"int16": 12, "bool": 2}


def test_shape_and_dtype_are_asked_of_callables_only() -> None:
    with pytest.raises(TypeError, match="needs the shape and the dtype"):
        audit(lambda x: x)
    with pytest.raises(TypeError, match="for a callable only"):
        audit(every_node(0), (1,), "int8")
