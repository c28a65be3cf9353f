"""The notebooks: text that is a notebook, and that runs from top to bottom."""

from __future__ import annotations

import ast
import base64
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
#: the fewest pictures that each must draw
FIGURES = {"01_formats": 7, "02_error_and_snr": 9, "03_accumulation": 5, "04_blocks": 4, "05_integer_inference": 4}
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def execute(notebook, folder, monkeypatch):
    """Run all cells in ``folder``, by the Python that runs this test, whatever kernels are installed elsewhere."""
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    write_kernel_spec(folder / "kernels" / "python3")
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute()


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def complaints(notebook):
    """What cells printed to stderr, warnings above all."""
    return [output.text for output in outputs(notebook) if output.get("name") == "stderr"]


def pictures(notebook):
    data = [output.data["image/png"] for output in outputs(notebook) if "image/png" in output.get("data", {})]
    return [base64.b64decode(text) for text in data]


def test_every_notebook_is_known():
    assert [path.stem for path in NOTEBOOKS] == list(FIGURES)
    assert not list(FOLDER.rglob("*.ipynb")), "notebooks are kept as text, without their outputs"


@each
def test_is_a_percent_notebook_with_a_title(path):
    notebook = jupytext.read(path)
    header = notebook.metadata
    assert header["jupytext"]["text_representation"]["format_name"] == "percent"
    assert header["kernelspec"]["name"] == "python3"
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert {cell.cell_type for cell in notebook.cells} == {"markdown", "code"}


@each
def test_code_compiles_and_no_output_is_stored(path):
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert cells
    for cell in cells:
        ast.parse(cell.source, filename=path.name)
        assert cell.source.strip()
        assert not cell.outputs
        assert cell.execution_count is None


@each
def test_is_clean_for_ruff(path):
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.notebooks
@each
def test_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    notebook = execute(jupytext.read(path), tmp_path, monkeypatch)
    assert not complaints(notebook)
    found = pictures(notebook)
    assert len(found) >= FIGURES[path.stem]
    assert all(picture.startswith(PNG_MAGIC) for picture in found)


@pytest.mark.notebooks
def test_a_cell_that_fails_turns_it_red(tmp_path, monkeypatch):
    notebook = jupytext.reads("# %%\nanswer = 41\n\n# %%\nassert answer == 42, answer\n", fmt="py:percent")
    with pytest.raises(CellExecutionError, match="assert answer == 42") as caught:
        execute(notebook, tmp_path, monkeypatch)
    assert (caught.value.ename, caught.value.evalue) == ("AssertionError", "41")


@pytest.mark.notebooks
def test_a_warning_is_seen(tmp_path, monkeypatch):
    notebook = jupytext.reads("# %%\nimport warnings\n\nwarnings.warn('beware')\n", fmt="py:percent")
    (complaint,) = complaints(execute(notebook, tmp_path, monkeypatch))
    assert "beware" in complaint


@pytest.mark.notebooks
def test_the_kernel_is_this_python(tmp_path, monkeypatch):
    notebook = jupytext.reads("# %%\nimport sys\n\nprint(sys.executable)\n", fmt="py:percent")
    (output,) = outputs(execute(notebook, tmp_path, monkeypatch))
    assert output.text.strip() == sys.executable
