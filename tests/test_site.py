"""What the pages are made from: the start page has each unit, and numbers from the cards alone."""

import pytest

from d2lmini import checkpoint
from tools import site

UNITS = site.units()


@pytest.fixture(scope="module")
def pages():
    return {name: site.page(name, pdf=False) for name in UNITS}


def test_the_syllabus_has_each_unit_of_readmes_map(pages):
    rows = site.syllabus(pages, pdf=True).splitlines()[2:]
    for (name, minutes), row in zip(UNITS.items(), rows, strict=True):
        assert f"](notebooks/{name}.ipynb) | " in row and f"? | {minutes} | " in row
        for file in (f"slides/{name}.html", f"slides/{name}.pdf", f"notebooks/{name}.pdf"):
            assert f'href="{file}"' in row
        assert f'href="notebooks/{name}.ipynb" download' in row
    assert ".pdf" not in site.syllabus(pages, pdf=False)


def test_results_are_those_of_the_cards():
    rows = {row.split("]")[0].removeprefix("| ["): row for row in site.results().splitlines()[2:]}
    for path in checkpoint.FOLDER.glob("*.safetensors"):
        for name, value in checkpoint.card(path.stem)["metrics"]["test"].items():
            assert f"{name.replace('_', ' ')} {value:.4g}" in rows[path.stem]


def test_a_page_starts_with_its_links_and_holds_no_comment(pages):
    for name, notebook in pages.items():
        first = notebook.cells[0].source.splitlines()
        assert first[0].startswith("# ") and f'href="../slides/{name}.html"' in first[2]
        assert not any("<!--" in c.source for c in notebook.cells if c.cell_type == "markdown")
