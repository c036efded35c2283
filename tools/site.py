"""Make the course a website: python -m tools.site [--pdf]      (`make site`, `make pdf`)

Sphinx, with myst-nb and sphinx-book-theme, makes pages in _site from the stored outputs of the
notebooks that README's map links: nothing is run.  A page opens from disk and asks nobody for
anything; MathJax and the fonts are those of the decks, which lie beside it in _site/slides.
With --pdf each is printed as well, and the PDFs of decks and pages are linked.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from tools.slides import chromium

ROOT = Path(__file__).resolve().parents[1]
SITE, BUILD = ROOT / "_site", ROOT / "build/pages"
SOURCE = BUILD / "source"
TEMPLATES = ROOT / "tools/templates/site"
PAPER = {"format": "A4", "print_background": True}
PAPER["margin"] = dict.fromkeys(("top", "bottom", "left", "right"), "15mm")
OPEN = "document.querySelectorAll('details.hide').forEach((answer) => { answer.open = true })"
ROW = re.compile(r"^\| \[.*\]\(notebooks/(\w+)\.ipynb\) \| .* \| (.*) \|$", re.MULTILINE)
# What pages are made from beside the notebooks, and what they link.
FILES = ("README.md", "LICENSE")
FOLDERS = ("notebooks/img", "benchmarks", "d2lmini", "data", "recipes", "tools")


def units():
    """{name of the notebook: minutes that it runs} for each that README's map links."""
    return dict(ROW.findall((ROOT / "README.md").read_text(encoding="utf-8")))


def without_comments(source):
    """The Markdown without its comments, which make the slides and hold the lecturer's notes."""
    return re.sub(r"<!--.*?-->\n?", "", source, flags=re.DOTALL)


def links(name, root, pdf):
    """To what a unit has beside its text, from a page that is `root` away from the start page."""
    kinds = {f"slides/{name}.html": "Slides", f"notebooks/{name}.ipynb": "Notebook"}
    if pdf:
        kinds |= {f"slides/{name}.pdf": "Slides, PDF", f"notebooks/{name}.pdf": "Text, PDF"}
    return " · ".join(
        f'<a href="{root}{file}"{" download" * file.endswith("ipynb")}>{kind}</a>'
        for file, kind in kinds.items()
    )


def page(name, pdf):
    """The notebook as its page is made from, with links below the title."""
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            source = without_comments(cell.source)
            # Between blank lines what is closed is Markdown too, formulas and all.
            source = source.replace("</summary>", "</summary>\n\n")
            cell.source = source.replace("</details>", "\n\n</details>")
    title, text = notebook.cells[0].source.split("\n", 1)
    notebook.cells[0].source = f"{title}\n\n{links(name, '../', pdf)}\n{text}"
    return notebook


def syllabus(pages, pdf):
    """A table of the units: {name: notebook} -> Markdown."""
    lines = ["| unit | question | minutes to run | beside the text |", "|---|---|---:|---|"]
    for name, minutes in units().items():
        title, text = pages[name].cells[0].source.split("\n", 1)
        question = re.search(r"\*\*Question\.\*\* (.*?)\n\n", text, re.DOTALL)[1].replace("\n", " ")
        unit = f"[{title.removeprefix('# ')}](notebooks/{name}.ipynb)"
        lines.append(f"| {unit} | {question} | {minutes} | {links(name, '', pdf)} |")
    return "\n".join(lines)


def results():
    """A table of what the cards measure on test data -> Markdown."""
    lines = ["| card | made by | measures on the test data |", "|---|---|---|"]
    for path in sorted((ROOT / "data/checkpoints").glob("*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        measures = card.get("metrics", {}).get("test", {}).items()
        numbers = [(name, value) for name, value in measures if isinstance(value, int | float)]
        said = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers]
        if said:
            link = f"[{path.stem}](data/checkpoints/{path.name})"
            lines.append(f"| {link} | `{card['command']}` | {', '.join(said)} |")
    return "\n".join(lines)


def write_source(pdf):
    """Lay out what Sphinx reads: the files as they are in the course, and prepared notebooks."""
    shutil.rmtree(BUILD, ignore_errors=True)
    for name in FOLDERS:
        weights = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(ROOT / name, SOURCE / name, ignore=weights)
    for name in FILES:
        shutil.copy(ROOT / name, SOURCE)
    pages = {name: page(name, pdf) for name in units()}
    for name, notebook in pages.items():
        nbformat.write(notebook, SOURCE / f"notebooks/{name}.ipynb")
    start = (TEMPLATES / "index.md").read_text(encoding="utf-8")
    for place, table in (("SYLLABUS", syllabus(pages, pdf)), ("RESULTS", results())):
        start = start.replace(f"\n{place}\n", f"\n{table}\n")
    (SOURCE / "index.md").write_text(start, encoding="utf-8")


def write_pdfs(pages):
    """Print each page, with the answers to its predictions open."""
    with chromium() as browser:
        tab = browser.new_page()
        for path in pages:
            tab.goto(path.as_uri(), timeout=0)
            tab.evaluate("window.MathJax && MathJax.startup.promise")
            tab.evaluate(OPEN)
            tab.pdf(path=path.with_suffix(".pdf"), **PAPER)
            print(path.with_suffix(".pdf").relative_to(ROOT))


def main(arguments):
    pdf = arguments == ["--pdf"]
    write_source(pdf)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", TEMPLATES]
    done = subprocess.run([*command, "-d", BUILD / "doctrees", SOURCE, BUILD / "html"])
    shutil.copytree(SOURCE, SITE, dirs_exist_ok=True)  # what the decks link
    shutil.copytree(BUILD / "html", SITE, dirs_exist_ok=True)
    for name in units():
        shutil.copy(ROOT / f"notebooks/{name}.ipynb", SITE / "notebooks")
    print(f"{(SITE / 'index.html').relative_to(ROOT)}: {len(units())} units")
    if pdf:
        write_pdfs(SITE / f"notebooks/{name}.html" for name in units())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
