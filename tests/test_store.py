"""tools/store.py runs a notebook and stores what a reader without a kernel can see."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import store


@pytest.fixture
def stored(tmp_path, capsys):
    """A function that stores a notebook of these cells: exit code, outputs, what was said."""

    def store_it(*sources):
        metadata = {"tags": ["kept"]}
        cells = [new_code_cell(source, metadata=metadata) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
        path = tmp_path / "a.ipynb"
        nbformat.write(notebook, path)
        code = store.main([str(path)])
        after = nbformat.read(path, as_version=4)
        assert [(c.id, c.source, c.metadata) for c in after.cells] == [
            (c.id, c.source, c.metadata) for c in cells
        ]
        return code, [cell.outputs for cell in after.cells], capsys.readouterr().out

    return store_it


TYPED = """
import matplotlib.pyplot as plt
from d2lmini.views import typed
typed(lambda text: plt.figure(), label="text", value="a", caption="a figure", alt=str)
"""
BARE = "import ipywidgets\nipywidgets.Text()"
NOISY = "import sys\nfrom tqdm import tqdm\nlist(tqdm([1]))\nprint('loud', file=sys.stderr)"


def test_outputs_are_stored_and_of_a_widget_the_page_that_stands_for_it(stored):
    code, ((field, figure), (printed,)), said = stored(TYPED, "print(6 * 7)")
    assert (code, printed.text) == (0, "42\n") and said.endswith("a.ipynb: stored\n")
    assert set(field.data) == set(figure.data) == {"text/html", "text/plain"}
    assert "run this cell" in field.data["text/html"]
    assert "<figcaption>a figure</figcaption>" in figure.data["text/html"]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("1 / 0", "ZeroDivisionError"),
        (NOISY, "stderr: 'loud\\n'"),  # and no progress bar
        (BARE, "a widget without a page that stands for it: 'import ipywidgets"),
    ],
)
def test_what_must_not_be_stored_leaves_the_file_as_it_was(stored, source, fault):
    code, outputs, said = stored("print(1)", source)
    assert (code, outputs) == (1, [[], []])
    assert "a.ipynb: not stored" in said and fault in said


def test_without_a_notebook_it_says_what_it_does(capsys):
    assert store.main([]) == 2
    assert "python -m tools.store NOTEBOOK" in capsys.readouterr().out
