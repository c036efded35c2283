import json
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from ipywidgets import VBox, Widget
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

from d2lmini import views
from d2lmini.plot import FOLDED
from tools.store import WIDGET


@pytest.fixture
def page(monkeypatch):
    outputs = []
    monkeypatch.setattr(views, "display", lambda data, raw: outputs.append(data))

    def draw(value):
        ax = plt.figure(figsize=(2, 1)).subplots()
        ax.barh(["a"], [value])
        return ax

    views.slider(
        [0, 0.5, 1],
        draw,
        label="β",
        caption="a bar",
        alt=lambda value: f"a bar of {value} <!-- <script> </script> & more",
        start=1,
    )
    assert not plt.get_fignums()
    return outputs[0]["text/html"]


def carried(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])


def test_every_frame_is_carried_and_no_text_can_open_or_end_markup(page):
    data = carried(page)
    assert [frame["value"] for frame in data["frames"]] == ["0", "0.5", "1"]
    assert data["frames"][2]["alt"] == "a bar of 1 <!-- <script> </script> & more"
    assert "<" not in re.search(r'json">(.*?)</script>', page, re.S)[1]
    assert len({frame["src"] for frame in data["frames"]}) == 3


def test_without_scripts_the_start_is_shown_with_its_words(page):
    bare = re.sub(r"<script.*</script>", "", page, flags=re.S)
    assert carried(page)["frames"][1]["src"] in bare
    assert 'alt="a bar of 0.5 &lt;!-- &lt;script&gt; &lt;/script&gt; &amp; more"' in bare
    assert "<figcaption>a bar</figcaption>" in bare
    assert "<input" not in bare  # a slider that does nothing is worse than none


def test_a_view_asks_for_nothing_outside(page):
    assert not re.search(r"https?://|//[a-z]+\.[a-z]", page)


def test_a_start_that_is_none_of_the_positions_is_refused():
    with pytest.raises(ValueError, match="start=3 is not one of the 3 positions"):
        views.slider([1, 2, 3], None, label="x", caption="c", alt=str, start=3)


# --- the text field ---


@pytest.fixture
def typed(monkeypatch):
    """A text field that draws a bar as long as the number typed: field, problem, outputs."""
    seen = SimpleNamespace(outputs=[])

    def box(parts):
        seen.field, seen.problem = parts
        return VBox(parts)

    def display(data, raw, display_id=None):
        seen.outputs.append(data)
        return SimpleNamespace(update=lambda data, raw: seen.outputs.__setitem__(-1, data))

    monkeypatch.setattr(views, "VBox", box)
    monkeypatch.setattr(views, "display", display)

    def draw(text):
        length = float(text)
        ax = plt.figure(figsize=(2, 1)).subplots()
        ax.barh(["a"], [length])
        return ax

    views.typed(draw, label="length", value="0.5", caption="a <bar>", alt="a bar of {}".format)
    return seen


def page_of(typed):
    return typed.outputs[1]["text/html"]


def test_a_text_typed_brings_another_figure_with_its_words(typed):
    first = page_of(typed)
    typed.field.value = "0.7"
    assert 'alt="a bar of 0.7"' in page_of(typed)
    assert "<figcaption>a &lt;bar&gt;</figcaption>" in page_of(typed)
    assert re.search('src="(.*?)"', page_of(typed))[1] not in first
    assert not plt.get_fignums()


def test_a_text_that_cannot_be_drawn_is_told_in_one_line_and_the_figure_stays(typed):
    first = page_of(typed)
    typed.field.value = "<b>"
    told = "could not convert string to float: &#x27;&lt;b&gt;&#x27;"
    assert re.sub(r"<.*?>", "", typed.problem.value) == told
    assert page_of(typed) == first
    typed.field.value = "0.7"
    assert typed.problem.value == "" and page_of(typed) != first


def test_the_first_figure_is_an_output_of_its_own_and_a_line_says_how_to_get_the_field(typed):
    field, figure = typed.outputs
    assert WIDGET in field and WIDGET not in figure  # tools/store.py leaves it out
    assert field["text/html"] == f"{FOLDED}<p>{field['text/plain']}</p>"
    assert field["text/plain"].startswith("In JupyterLab, run this cell to type")
    assert figure["text/plain"] == "a <bar> [a bar of 0.5]"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_page_exported_with_the_state_of_widgets_shows_the_first_figure(typed):
    outputs = [new_output("display_data", data) for data in typed.outputs]
    notebook = new_notebook(cells=[new_code_cell(outputs=outputs)])
    notebook.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": Widget.get_manager_state()
    }
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert re.search('src=".*?"', page_of(typed))[0] in page


def test_a_first_text_that_cannot_be_drawn_is_an_error():
    with pytest.raises(ValueError, match="could not convert"):
        views.typed(float, label="x", value="one", caption="c", alt=str)
