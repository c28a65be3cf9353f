"""`assay doctor`: probes measure, answer within their vocabulary, and can answer otherwise; the self-check can fail."""

from __future__ import annotations

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import kernels_ref
import reference
from analysis.cli import app
from analysis.doctor import (
    Examination,
    Finding,
    Probe,
    examination,
    examine,
    isolated,
    machine,
    numpy_casts,
    render,
    self_check,
    xla_arithmetic,
    xla_casts,
)
from analysis.doctor.finding import FAILED
from kernels_ref import mosaic

PROBES = (*examination.ON_HOST, *examination.ON_DEVICE)


@pytest.fixture(scope="module")
def found():
    return examine()


@pytest.fixture(scope="module")
def answers(found):
    return {(f.group, f.name): f.answer for f in found.findings}


def ident(probe):
    return f"{probe.group}: {probe.name}"


@pytest.mark.parametrize("probe", PROBES, ids=ident)
def test_a_probe_answers_once_a_backend_within_its_vocabulary(probe, found):
    here = [f for f in found.findings if (f.group, f.name) == (probe.group, probe.name)]
    expected = list(machine.backends()) if probe in examination.ON_DEVICE else [""]
    assert [f.backend for f in here] == expected
    for f in here:
        assert f.answer in probe.answers, f
        assert f.meaning == probe.answers[f.answer]
        assert f.detail


def test_probes_have_names_of_their_own():
    assert len({ident(probe) for probe in PROBES}) == len(PROBES) >= 25


def test_the_machine_is_described(found):
    facts = {f.name: f.answer for f in found.findings if f.group == "machine"}
    assert facts["Python"] == sys.version.split()[0]
    assert facts["jax"] == jax.__version__
    assert facts["numpy"] == np.__version__
    assert {"jaxlib", "ml_dtypes", "threads", "cpu backend"} <= facts.keys()
    assert facts["64-bit types in JAX"] == ("on" if jnp.zeros(()).dtype == "float64" else "off")


def test_subnormal_answers_agree_with_other_experiments(answers):
    """Halving and doubling 2^-126 loses it where subnormals are flushed; NumPy's answer is read off its own result."""
    x = np.full(8, 2.0**-126, np.float32)
    halved = x / np.float32(2)
    survives = bool((halved.astype(np.float64) == 2.0**-127).all())
    name = "float32 subnormals in sums and products"
    assert answers["NumPy and ml_dtypes", name] == ("kept" if survives else "flushed")
    in_jax = np.asarray(jax.jit(lambda v, h: (v * h) + (v * h))(x, np.full(8, 0.5, np.float32)))
    survives = bool((in_jax == x).all())
    assert answers["XLA arithmetic", name] == ("kept" if survives else "flushed")


def test_contraction_agrees_with_another_experiment(answers):
    a = np.full(5, 1 + 2.0**-13, np.float32)
    rest = np.asarray(jax.jit(lambda x, y, z: x * y - z)(a, a, np.full(5, 1 + 2.0**-12, np.float32)))
    assert answers["XLA arithmetic", "a * b + c"] == {0.0: "two roundings", 2.0**-26: "fused"}[float(rest[0])]


def test_mosaic_is_found_where_jax_is_new_enough(answers):
    expected = "equal" if jax.__version_info__ >= (0, 11, 2) else "absent"
    assert answers["self-check", "Mosaic GPU kernel, interpreted"] == expected


def in_numpy(function, *arguments):
    return np.asarray(function(*arguments))


def in_double(function, *arguments):
    return np.asarray(function(*(a.astype(np.float64) for a in arguments))).astype(np.float32)


@pytest.mark.parametrize(
    ("measure", "executor", "answer"),
    [
        (xla_arithmetic.contraction, in_numpy, "two roundings"),
        (xla_arithmetic.contraction, in_double, "fused"),
        (xla_arithmetic.reassociation, in_numpy, "kept"),
        (xla_arithmetic.reassociation, lambda f, x: x * (np.float32(0.1) * np.float32(0.7)), "reassociated"),
        (xla_arithmetic.reassociation, in_double, "other"),
        (xla_arithmetic.division, in_numpy, "divided"),
        (xla_arithmetic.division, lambda f, x: x * (np.float32(1) / np.float32(3)), "reciprocal"),
        (xla_arithmetic.subnormals_compared, in_numpy, "kept"),
        (xla_arithmetic.subnormals_compared, lambda f, x: f(x * 0), "flushed"),
        (xla_arithmetic.subnormals_as_bits, lambda f, x: x.view(np.uint32), "kept"),
        (xla_arithmetic.subnormals_as_bits, lambda f, x: (x * 0).view(np.uint32), "flushed"),
        (xla_arithmetic.excess_precision, lambda f, x: x, "removed"),
        (xla_arithmetic.bfloat16_sum, lambda f, x, y: np.full(1, 1.0), "every step"),
        (xla_arithmetic.bfloat16_sum, lambda f, x, y: np.full(1, 1.0078125), "no step"),
        (xla_arithmetic.matrix_product, lambda f, x, y: x @ y, "float32"),
        (xla_arithmetic.matrix_product, lambda f, x, y: np.float16(x - 2.0**-12) @ y, "narrowed"),
        (xla_arithmetic.integer_division, lambda f, a, b: a // np.where(b == 0, 1, b).astype(np.int64), "floor"),
        (xla_casts.to_float8, lambda f, x: np.array([0x7E, 0x7E]), "saturates"),
        (xla_casts.zero_to_e8m0, lambda f, x: np.array([0x00]), "2^-127"),
        (xla_casts.tie_to_e8m0, lambda f, x: np.array([0x80]), "even code"),
        (xla_casts.folded_float4, lambda f, *x: np.array([6.0]), "equal"),
        (xla_casts.folded_float4, lambda f, *x: np.array([6.0 * len(x)]), "differs"),
        (xla_casts.float64_to_bfloat16, lambda f, *x: np.array([1.0078125]), "once"),
        (xla_casts.float64_to_bfloat16, lambda f, *x: np.array([1.0]), "twice"),
        (xla_casts.float64_to_bfloat16, lambda f, *x: np.array([1.0 if x else 1.0078125]), "differs when folded"),
    ],
)
def test_a_probe_answers_otherwise_on_another_machine(measure, executor, answer, monkeypatch):
    """Executors that stand for other compilers: each answer is one that the measurement can give."""
    module = xla_casts if measure.__module__.endswith("casts") else xla_arithmetic
    monkeypatch.setattr(module, "compiled", executor)
    assert measure()[0] == answer


def exact_sum(function, x, y):
    return {"multiply": np.multiply, "add": np.add, "subtract": np.subtract}[function.__name__](x, y)


def flushing_sum(function, x, y):
    def flush(v):
        return np.where(np.abs(v) < 2.0**-126, 0, v).astype(np.float32)

    return flush(exact_sum(function, flush(x), flush(y)))


@pytest.mark.parametrize(
    ("executor", "answer"),
    [
        (exact_sum, "kept"),
        (flushing_sum, "flushed"),
        (lambda f, x, y: (flushing_sum if f.__name__ == "add" else exact_sum)(f, x, y), "mixed"),
    ],
)
def test_subnormals_kept_flushed_and_mixed(executor, answer, monkeypatch):
    monkeypatch.setattr(xla_arithmetic, "compiled", executor)
    assert xla_arithmetic.subnormals()[0] == answer


@pytest.mark.parametrize(
    ("judged", "answer"),
    [
        (numpy_casts.overflow([0x7F, 0xFF]), "NaN"),
        (numpy_casts.overflow([0x7E, 0x7F]), "mixed"),
        (numpy_casts.integers(127, 7), "clamps"),
        (numpy_casts.integers(44, 7), "mixed"),
        (numpy_casts.e8m0_zero(0xFF), "NaN"),
        (numpy_casts.e8m0_zero(0x01), "other"),
        (numpy_casts.e8m0_tie(0x81), "up"),
    ],
)
def test_casts_are_judged_by_their_codes(judged, answer):
    assert judged[0] == answer


def test_a_probe_that_raises_is_a_finding():
    def measure():
        raise RuntimeError("no\nsuch type")

    finding = Probe(group="g", name="n", answers={"yes": ""}, measure=measure).run("cpu")
    assert (finding.answer, finding.detail, finding.backend) == (FAILED, "RuntimeError: no such type", "cpu")


def test_an_answer_outside_the_vocabulary_is_a_defect():
    probe = Probe(group="g", name="n", answers={"yes": "", "no": ""}, measure=lambda: ("maybe", ""))
    with pytest.raises(ValueError, match="probe 'n' answered 'maybe'; its answers are: yes, no"):
        probe.run()


def flipped(function):
    """One wrong bit in the last result but one (the last code is often a NaN, which a bit leaves a NaN)."""

    def sabotaged(*args, **kwargs):
        result = np.array(function(*args, **kwargs))
        words = result.view(f"u{result.dtype.itemsize}")
        words[-2] ^= 1
        return result

    return sabotaged


def verdict(name):
    (probe,) = (probe for probe in (*self_check.HOST, *self_check.DEVICE) if probe.name == name)
    return probe.run()


@pytest.mark.parametrize(
    ("owner", "verb", "executor"),
    [
        (reference, "encode", "NumPy, short arrays"),
        (reference, "encode", "NumPy, long arrays"),
        (reference, "decode", "NumPy, short arrays"),
        (kernels_ref, "encode", "JAX"),
        (kernels_ref, "decode", "JAX"),
    ],
)
def test_the_self_check_notices_one_wrong_bit(owner, verb, executor, monkeypatch):
    assert verdict(executor).answer == "equal"
    monkeypatch.setattr(owner, verb, flipped(getattr(owner, verb)))
    finding = verdict(executor)
    assert finding.answer == "differs"
    wrong, total = (int(part.replace(",", "")) for part in finding.detail.split(" results")[0].split(" of "))
    assert 0 < wrong <= len(self_check.POLICIES)
    assert total > 10_000
    assert f"; first: {verb} float8_e4m3fn of" in finding.detail


@pytest.mark.skipif(jax.__version_info__ < (0, 11, 2), reason="Mosaic GPU needs jax 0.11.2")
def test_the_self_check_notices_a_wrong_kernel(monkeypatch):
    monkeypatch.setattr(mosaic, "encode", flipped(mosaic.encode))
    assert verdict("Mosaic GPU kernel, interpreted").answer == "differs"


def examination_of(*results):
    findings = (Finding(group="self-check", name="n", backend="", answer=a, detail="", meaning="") for a in results)
    return Examination(findings=tuple(findings))


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        (["equal", "equal"], True),
        (["equal", "absent"], True),
        (["equal", "differs"], False),
        (["equal", FAILED], False),
        (["absent"], False),
        ([], False),
    ],
)
def test_it_holds_only_if_something_was_checked_and_equal(results, holds):
    assert examination_of(*results).holds is holds


def test_what_a_child_process_ended_in():
    lines = isolated.read(
        '{"plugins": {}}\nnoise\n{"begin": "a"}\n{"end": "a", "outcome": "works"}\n{"begin": "b"}\n', "aborts"
    )
    assert lines[-1] == {"end": "b", "outcome": "aborts"}
    assert isolated.read("", "aborts") == ()


@pytest.mark.parametrize(
    ("last", "outcome"), [("import os; os.abort()", "aborts"), ("import time; time.sleep(60)", "hangs")]
)
def test_a_child_process_that_dies_or_hangs_is_a_finding(last, outcome, tmp_path, monkeypatch):
    script = tmp_path / "child.py"
    script.write_text(
        "import json, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"print(json.dumps({{'begin': 'a cast'}}), flush=True)\n{last}\n"
    )
    monkeypatch.setattr(isolated, "_SCRIPT", script)
    monkeypatch.setattr(isolated, "_TIMEOUT", 3.0)
    lines = isolated.child_lines.__wrapped__()
    assert lines == ({"begin": "a cast"}, {"end": "a cast", "outcome": outcome})
    monkeypatch.setattr(isolated, "child_lines", lambda: lines)
    assert isolated.float6() == (outcome, f"a cast: {outcome}")
    assert isolated.plugins()[0] == "JAX does not start"


@pytest.mark.parametrize(
    ("installed", "errors", "platforms", "answer"),
    [
        ([], [], ["cpu"], "none installed"),
        (["xla_cuda13"], [], ["cpu", "gpu"], "live"),
        (["xla_cuda13"], [], ["cpu"], "idle"),
        (["xla_cuda13"], ["Unable to load cuDNN."], ["cpu"], "broken"),
    ],
)
def test_plugins_are_told_apart(installed, errors, platforms, answer, monkeypatch):
    line = {"plugins": {"installed": installed, "errors": errors, "platforms": platforms}}
    monkeypatch.setattr(isolated, "child_lines", lambda: (line,))
    found, detail = isolated.plugins()
    assert found == answer
    assert all(error in detail for error in errors)


def run(monkeypatch, found, *arguments):
    monkeypatch.setattr(examination, "ON_HOST", ())
    monkeypatch.setattr(examination, "ON_DEVICE", found)
    return CliRunner().invoke(app, ["doctor", *arguments], env={"COLUMNS": "80", "TERM": "dumb"})


def probe_of(answer):
    vocabulary = {"equal": "good", "differs": "bad"}
    return (Probe(group="self-check", name="demo", answers=vocabulary, measure=lambda: (answer, "measured")),)


def test_json_parses_and_has_a_stable_schema(monkeypatch):
    result = run(monkeypatch, probe_of("equal"), "--json")
    content = json.loads(result.stdout)
    assert set(content) == {"holds", "findings"}
    assert content["holds"] is True
    for finding in content["findings"]:
        assert set(finding) == {"group", "name", "backend", "answer", "detail", "meaning"}
    assert content["findings"][-1]["answer"] == "equal"


@pytest.mark.parametrize(("answer", "code", "word"), [("equal", 0, "HOLDS"), ("differs", 1, "FAILS")])
def test_exit_code_and_verdict(answer, code, word, monkeypatch):
    result = run(monkeypatch, probe_of(answer))
    assert result.exit_code == code
    assert word in result.stdout


def test_output_fits_eighty_columns(found):
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(render(found))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].strip().startswith("HOLDS")


def test_progress_names_what_is_measured(monkeypatch):
    heard = []
    monkeypatch.setattr(examination, "ON_HOST", ())
    monkeypatch.setattr(examination, "ON_DEVICE", probe_of("equal"))
    examine(heard.append)
    assert heard == [f"demo ({backend})" for backend in machine.backends()]
