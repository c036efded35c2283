"""The course as people meet it: JupyterLab and an exported page, in a real browser.

`make test-browser` needs chromium on the PATH (Debian and Ubuntu: apt install chromium).
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pytest
from browsing import MINUTE, VIEWS, change_head, is_view, move_slider, move_view, stores_view
from playwright.sync_api import expect

from d2lmini.plot import FOLDED
from tools.store import store

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OTHERS = [path for path in NOTEBOOKS if not path.name.startswith("01_")]


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    return folder


@pytest.fixture(scope="session")
def lab(tmp_path_factory, lab_folder):
    """`make lab` on a copy of the notebooks; its address, with the token it prints."""
    home = tmp_path_factory.mktemp("home")  # a newcomer has no settings
    environment = os.environ | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    log = lab_folder / "lab.log"
    with open(log, "w") as output:
        server = subprocess.Popen(
            ["make", "lab", f"LAB_FOLDER={lab_folder}", "LAB_OPTIONS=--no-browser"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        for _ in range(120):
            found = re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text())
            if found or server.poll() is not None:
                break
            time.sleep(0.5)
        assert found, log.read_text()
        yield found[0]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def open_notebook(page, lab, path):
    """Show one notebook in the simple interface and wait until its kernel is connected."""
    base, _, token = lab.partition("/lab")
    token = re.search(r"token=(\w+)", token)[1]
    page.goto(f"{base}/doc/tree/notebooks/{path.name}?token={token}")
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=MINUTE)
    # The indicator in the toolbar says idle before there is a kernel, and a cell run then is lost.
    expect(page.get_by_text(re.compile(r"Python 3.* \| Idle"))).to_be_visible(timeout=MINUTE)
    page.wait_for_timeout(1000)


def menu(page, *path):
    for label in path[:-1]:
        page.get_by_role("menuitem", name=label, exact=True).click()
    page.get_by_role("menuitem", name=path[-1], exact=True).click()


def cell_of(page, index):
    """The cell with this number; JupyterLab draws a cell only once it is scrolled to."""
    cell = page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')
    for _ in range(60):
        if cell.count() and cell.is_visible():
            break
        page.mouse.move(640, 500)
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(100)
    cell.scroll_into_view_if_needed()
    return cell


def run_cell(page, cell):
    cell.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")


def exported(path, folder):
    """The notebook as a page, from its stored outputs."""
    subprocess.run(
        [ROOT / ".venv/bin/jupyter", "nbconvert", "--to", "html", "--output-dir", folder, path],
        check=True,
        capture_output=True,
    )
    return folder / f"{path.stem}.html"


def indices(path, wanted):
    cells = nbformat.read(path, as_version=4).cells
    return [i for i, cell in enumerate(cells) if wanted(cell)]


def test_the_lab_opens_at_the_first_notebook_without_news(page, lab):
    page.goto(lab)
    expect(page.locator(f".lm-TabBar-tab:has-text('{NOTEBOOKS[0].name}')").first).to_be_visible(
        timeout=MINUTE
    )
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=MINUTE)
    page.wait_for_timeout(3000)
    expect(page.get_by_text("Jupyter news")).to_have_count(0)
    assert not page.outside


def test_notebook_01_runs_from_top_to_bottom_and_its_slider_moves(page, lab):
    (path,) = (p for p in NOTEBOOKS if p.name.startswith("01_"))
    open_notebook(page, lab, path)
    code = indices(path, lambda cell: cell.cell_type == "code")
    menu(page, "Run", "Run All Cells")
    last = cell_of(page, code[-1])
    prompt = last.locator(".jp-InputPrompt")
    expect(prompt).to_have_text(f"[{len(code)}]:", timeout=4 * MINUTE)  # counted to the end
    assert page.locator(".jp-OutputArea-output[data-mime-type*='error']").count() == 0
    page.keyboard.press("Control+Home")
    page.locator(".jp-WindowedPanel-outer").evaluate("panel => panel.scrollTo(0, 0)")
    (view,) = indices(path, is_view)
    move_slider(cell_of(page, view), page)
    assert not page.outside


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_the_others_open_with_their_stored_outputs_and_their_views_move(page, lab, path):
    """Just the imports and the views are run: a view stands on the import cell alone."""
    open_notebook(page, lab, path)
    expect(page.locator(".jp-RenderedHTMLCommon h1").first).to_be_visible(timeout=MINUTE)
    imports = indices(path, lambda cell: cell.cell_type == "code")[0]
    views = indices(path, is_view)
    for index in [imports, *views] if views else []:
        run_cell(page, cell_of(page, index))
    for index in views:
        move_view(cell_of(page, index), page)
    assert not page.outside


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exported_page_opened_from_disk_answers_without_a_kernel(page, tmp_path, path):
    views = indices(path, stores_view)
    page.goto(exported(path, tmp_path).as_uri())
    expect(page.locator("h1").first).to_be_visible(timeout=MINUTE)
    assert page.locator("[data-alive]").count() == len(views) == page.locator(VIEWS).count()
    if views:
        move_view(page.locator("body"), page)
    assert page.locator("details").count() >= 10  # quizzes, hints and solutions


def is_folded(cell):
    return cell.metadata.get("jupyter", {}).get("outputs_hidden", False)


def test_an_answer_is_folded_and_opens_with_a_click_and_with_the_keyboard(page, lab):
    path = NOTEBOOKS[0]
    open_notebook(page, lab, path)
    drawn, printed = indices(path, is_folded)[:2]
    cell = cell_of(page, drawn)
    bar, output = cell.locator(".jp-OutputPlaceholder"), cell.locator(".jp-OutputArea-output")
    expect(bar).to_have_text(FOLDED.strip())
    expect(output).to_have_count(0)
    bar.click()
    expect(output.locator("figure img")).to_be_visible()
    expect(bar).to_have_count(0)

    cell = cell_of(page, printed)
    bar, output = cell.locator(".jp-OutputPlaceholder"), cell.locator(".jp-OutputArea-output")
    expect(bar).to_have_text(re.compile(r"^\D+:$"))
    expect(output).to_have_count(0)
    cell.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type("Expand Selected Outputs")
    page.keyboard.press("Enter")
    expect(output.first).to_be_visible()  # what is printed; a figure may follow
    expect(bar).to_have_count(0)
    assert not page.outside


TYPED = """
import matplotlib.pyplot as plt
from d2lmini.views import typed


def draw(text):
    if not text.isalpha():
        raise ValueError(f"Letters are wanted, got {text!r}.")
    ax = plt.figure(figsize=(4, 2)).subplots()
    ax.bar(range(len(text)), [ord(letter) for letter in text])
    return ax


typed(draw, label="word", value="dog", caption="Letters.", alt=lambda text: f"bars of {text}")
"""


def stored_notebook(path, source):
    """A notebook of one cell, its outputs stored as those of the course are."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    nbformat.write(notebook, path)
    assert store(path) == []
    return path


@pytest.fixture
def typing(tmp_path):
    return stored_notebook(tmp_path / "typed.ipynb", TYPED)


def test_a_text_typed_and_entered_brings_another_figure(page, lab, lab_folder, typing):
    shutil.copy(typing, lab_folder / "notebooks")
    open_notebook(page, lab, typing)
    cell = cell_of(page, 0)
    output, image = cell.locator(".jp-Cell-outputWrapper"), cell.locator("figure img")
    expect(output).to_contain_text("run this cell to type")  # and no error of a widget
    expect(image).to_have_attribute("alt", "bars of dog")
    run_cell(page, cell)
    field = cell.get_by_label("word")
    expect(field).to_have_value("dog", timeout=MINUTE)
    expect(output).not_to_contain_text("run this cell to type")
    before = image.get_attribute("src")
    field.fill("horse")
    field.press("Enter")
    expect(image).to_have_attribute("alt", "bars of horse", timeout=MINUTE)
    after = image.get_attribute("src")
    assert after != before
    field.fill("4 <dogs>")
    field.press("Enter")
    expect(cell.get_by_role("alert")).to_have_text(
        "Letters are wanted, got '4 <dogs>'.", timeout=MINUTE
    )
    assert image.get_attribute("src") == after
    assert not page.outside


HEADS = """
import torch
from d2lmini.explorer import HeadWeights, type_heads


def look(text):
    words = text.split()
    if len(words) < 2:
        raise ValueError(f"Two words are wanted, got {text!r}.")
    return {"encoder": HeadWeights(words, words, torch.rand(2, 2, len(words), len(words)))}


type_heads(look, label="words", value="a dog", caption="Heads.", alt="a heat map of two words")
"""


@pytest.fixture
def typing_heads(tmp_path):
    return stored_notebook(tmp_path / "heads.ipynb", HEADS)


def test_a_text_typed_brings_its_own_heads_alive(page, lab, lab_folder, typing_heads):
    shutil.copy(typing_heads, lab_folder / "notebooks")
    open_notebook(page, lab, typing_heads)
    cell = cell_of(page, 0)
    run_cell(page, cell)
    field = cell.get_by_role("textbox", name="words")
    alive = cell.locator("figure.d2l-heads[data-alive]")
    expect(field).to_have_value("a dog", timeout=MINUTE)
    expect(alive.get_by_role("combobox", name="sentence")).to_contain_text("a dog", timeout=MINUTE)
    field.fill("the dog sleeps now")
    field.press("Enter")
    expect(alive.get_by_role("combobox", name="sentence")).to_contain_text(
        "the dog sleeps now", timeout=MINUTE
    )
    assert alive.count() == 1
    change_head(alive, page)
    field.fill("dog")
    field.press("Enter")
    expect(cell.get_by_role("alert")).to_have_text("Two words are wanted, got 'dog'.")
    expect(alive.get_by_role("combobox", name="sentence")).to_contain_text("the dog sleeps now")
    assert not page.outside


def test_without_a_kernel_a_page_shows_the_first_figure_of_a_text_field(page, typing):
    page.goto(exported(typing, typing.parent).as_uri())
    expect(page.locator("figure img")).to_have_attribute("alt", "bars of dog")
    expect(page.get_by_text("run this cell to type")).to_be_visible()
    assert page.get_by_text("VBox(").count() == 0


def test_live_slides_show_a_cell_and_run_it(page, lab):
    """jupyterlab-rise: the same notebook as slides with a kernel, without a word to outside."""
    base, _, token = lab.partition("/lab")
    token = re.search(r"token=(\w+)", token)[1]
    (path,) = (p for p in NOTEBOOKS if p.name.startswith("01_"))
    page.goto(f"{base}/rise/notebooks/{path.name}?token={token}")
    title = page.locator(".reveal section.present h1")
    expect(title).to_contain_text("Attention pooling", timeout=MINUTE)
    page.keyboard.press("Space")
    quiz = page.locator(".reveal section.present:not(.stack) .jp-CodeCell")
    expect(quiz).to_be_visible(timeout=MINUTE)
    answer = quiz.locator(".jp-OutputArea-output").first
    quiz.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("print(6 * 7)")
    for _ in range(20):  # what is run before the kernel is connected is lost
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(3000)
        if answer.count() and "42" in answer.inner_text():
            break
        quiz.locator(".jp-InputArea-editor").click()
    expect(answer).to_have_text("42")
    assert not page.outside
