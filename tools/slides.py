"""Make the slides: python -m tools.slides [--pdf] [NAME ...]      (`make slides`, `make pdf`)

Each notebook becomes a reveal.js deck in _site/slides, from its stored outputs: nothing is run.
A deck opens from disk and asks nobody for anything: reveal.js, MathJax and the fonts lie beside it.

What a cell becomes is its slide type (JupyterLab: Property Inspector).  Beyond that:

- A line <!-- TYPE --> in a Markdown cell starts a part with a type of its own.  TYPE is slide,
  subslide, fragment, notes, skip, or continue (on with the slide, after notes).
- A heading ## starts a slide wherever it stands.
- Hints and solutions (<details>) go to the speaker notes; a summary that asks stays, as a bullet.
- A code cell ends on the slide where it starts to draw, and leaves out its asserts.  What it prints
  comes as a fragment, what it draws as a slide of its own; code of more than 18 lines is split
  between statements or methods.  The tags view and remove-input leave the code out.
- A quiz gives a slide for each question.
"""

import argparse
import ast
import re
import shutil
import sys
from itertools import groupby
from pathlib import Path

import matplotlib
import nbformat
from bs4 import BeautifulSoup
from nbconvert.exporters import SlidesExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from pygments.formatters import HtmlFormatter

from tools.npm import PackageError, package

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_site/slides"
TEMPLATES = ROOT / "tools/templates"
REVEAL, MATHJAX = "reveal.js@5.2.1", "mathjax@3.2.2"
MOST_LINES, WITH_OUTPUT = 18, 21  # lines of code on a slide; lines of code and of what it prints
PART = re.compile(r"^<!-- (slide|subslide|fragment|notes|skip|continue) -->\n?", re.MULTILINE)
HEADING = re.compile(r"(?<=\n)(?=## )")
CLOSED = re.compile(r"<details><summary>(.*?)</summary>.*?</details>\n?", re.DOTALL)
DRAWING = {"plt", "show", "show_heatmaps", "heatmap", "curve", "ax", "axes", "figure"}
DRAWING |= {"slider", "typed"}

# --- from cells to slides ----------------------------------------------------------------------


def deck(notebook):
    """The notebook with the pieces of its slides for cells, each with its slide type."""
    pieces = []
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if cell.cell_type == "markdown":
            pieces += markdown_pieces(cell.source, kind)
        elif cell.cell_type == "code" and kind != "skip":
            pieces += code_pieces(cell, kind)
    notebook.cells = with_running_titles(notes_last(pieces))
    notebook.metadata["title"] = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    return notebook


def piece(cell, kind):
    cell.metadata["slideshow"] = {"slide_type": kind}
    return cell


def kind_of(cell):
    return cell.metadata["slideshow"]["slide_type"]


def markdown_pieces(source, kind):
    """The parts of a Markdown cell; its hints, solutions and answers become notes."""
    first, *others = PART.split(HEADING.sub("<!-- slide -->\n", source))
    parts = [(kind, first), *zip(others[::2], others[1::2], strict=True)]
    for kind, text in parts:
        kind = "-" if kind == "continue" else kind
        closed = [match[0] for match in CLOSED.finditer(text)]
        text = CLOSED.sub(lambda m: f"- {m[1]}\n" if m[1].endswith("?") else "", text).strip()
        if text and kind != "skip":
            text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.html)", text)
            yield piece(new_markdown_cell(text), kind)
        for answer in closed if kind != "skip" else []:
            yield piece(new_markdown_cell(re.sub(r"</?(details|summary)>", "", answer)), "notes")


def code_pieces(cell, kind):
    """The code that is worth a look, page by page, and then what came out."""
    tags = cell.metadata.get("tags", [])
    if cell.source.startswith("quiz("):
        yield from quiz_pieces(cell.outputs[0].data["text/html"])
        return
    code = "" if {"view", "remove-input"} & set(tags) else worth_showing(cell.source)
    pages = pages_of(code)
    for page in pages:
        yield piece(new_code_cell(page), kind)
        kind = "subslide"
    room = WITH_OUTPUT - pages[-1].count("\n") - 1 if pages else 0
    for number, output in enumerate(merged(cell.outputs)):
        drawn = "text/html" in output.get("data", {})
        if pages or number:
            fits = not drawn and number == 0 and output.text.count("\n") <= room
            kind = "fragment" if fits else "subslide"
        yield piece(new_code_cell("", outputs=[output]), kind)


def merged(outputs):
    """The outputs with what was printed, in however many goes, as one text."""
    for drawn, group in groupby(outputs, lambda output: "text/html" in output.get("data", {})):
        if drawn:
            yield from group
        else:
            texts = [o.text if o.output_type == "stream" else o.data["text/plain"] for o in group]
            yield new_output("stream", text="\n".join(text.rstrip("\n") for text in texts) + "\n")


def quiz_pieces(page):
    """A slide for each question of a quiz, under the title of the quiz."""
    page = BeautifulSoup(page, "html.parser")
    title, kind = page.p.get_text(), "slide"
    for number, item in enumerate(page.find_all("li"), start=1):
        question = str(item.contents[0])
        answers = "".join(str(answer) for answer in item.find_all("details"))
        metadata = {"running_title": title}
        text = f"### {number}. {question}\n\n{answers}"
        yield piece(new_markdown_cell(text, metadata=metadata), kind)
        kind = "subslide"


def worth_showing(source):
    """The source up to the first statement that draws, for the picture is on the next slide, and
    without top-level asserts: they guard what the notebook claims and say nothing new."""
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        defines = isinstance(statement, (ast.FunctionDef, ast.ClassDef))
        if names & DRAWING and not defines:
            lines = lines[: statement.lineno - 1]
            break
        if only_asserts(statement):
            first, last = statement.lineno - 1, statement.end_lineno
            lines[first:last] = [None] * (last - first)
    return "\n".join(line for line in lines if line is not None).strip("\n")


def only_asserts(statement):
    loop = isinstance(statement, ast.For) and all(map(only_asserts, statement.body))
    return loop or isinstance(statement, ast.Assert)


def pages_of(source, most=MOST_LINES):
    """The source in pieces of at most `most` lines, cut between statements or methods."""
    source = re.sub(r"\n\n\n+", "\n\n", source.strip("\n"))
    lines = source.splitlines()
    pages = split(lines, list(cuts(ast.parse(source), lines)), most)
    return ["\n".join(page).strip("\n") for page in pages if page]


def split(lines, ends, most):
    """Lines in pages that end at one of `ends`, the last two of about the same length."""
    if len(lines) <= most or not ends:
        return [lines]
    fitting = [end for end in ends if end <= most] or ends[:1]
    last_two = [end for end in fitting if len(lines) - end <= most]
    cut = min(last_two, key=lambda end: abs(2 * end - len(lines)), default=fitting[-1])
    rest = [end - cut for end in ends if end > cut]
    return [lines[:cut], *split(lines[cut:], rest, most)]


def cuts(tree, lines):
    """The line numbers where a statement or a method starts, its comments and decorators too."""
    statements = []
    for statement in tree.body:
        statements.append(statement)
        if isinstance(statement, ast.ClassDef):
            statements += [s for s in statement.body[1:] if isinstance(s, ast.FunctionDef)]
    for statement in statements:
        decorators = getattr(statement, "decorator_list", [])
        line = min([statement.lineno, *(d.lineno for d in decorators)]) - 1
        while line and lines[line - 1].lstrip().startswith("#"):
            line -= 1
        if line:
            yield line


def notes_last(pieces):
    """The notes of a slide as one piece at its end, where the speaker view looks for them."""
    slides = []
    for cell in pieces:
        if not slides or kind_of(cell) in ("slide", "subslide"):
            slides.append(([], []))
        slides[-1][kind_of(cell) == "notes"].append(cell)
    for shown, notes in slides:
        yield from shown
        if notes:
            yield piece(new_markdown_cell("\n\n".join(n.source for n in notes)), "notes")


def with_running_titles(pieces):
    """Give each slide that has no heading of its own the heading it stands under."""
    title = ""
    pieces = list(pieces)
    for cell in pieces:
        heading = re.match(r"##? (.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading and kind_of(cell) != "notes":
            title = heading[1]
        elif kind_of(cell) in ("slide", "subslide"):
            cell.metadata.setdefault("running_title", title)
    return pieces


# --- from slides to files ----------------------------------------------------------------------


def assets(folder):
    """Put what the decks load, each with its licence, into the folder."""
    reveal, mathjax = package(REVEAL), package(MATHJAX)
    sans = reveal / "dist/theme/fonts/source-sans-pro"
    mono = Path(matplotlib.get_data_path()) / "fonts/ttf"
    parts = {
        "reveal": (reveal, "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE"),
        "mathjax": (mathjax, "es5/tex-svg-full.js", "LICENSE"),
        "source-sans-pro": (sans, *[font.name for font in sans.glob("*.woff")], "LICENSE"),
        "dejavu": (mono, "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "LICENSE_DEJAVU"),
        "": (TEMPLATES / "deck", "deck.css", "deck.js"),
    }
    for part, (source, *names) in parts.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(source / name, folder / part)
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    (folder / "code.css").write_text(colours, encoding="utf-8")


def write_deck(path, folder):
    """Write the deck of one notebook into the folder and return its path."""
    exporter = SlidesExporter(
        template_name="deck",
        extra_template_basedirs=[str(TEMPLATES)],
        embed_images=True,
        exclude_anchor_links=True,
    )
    notebook = deck(nbformat.read(path, as_version=4))
    resources = {"metadata": {"name": path.stem, "path": str(path.parent)}}
    page, _ = exporter.from_notebook_node(notebook, resources)
    target = folder / f"{path.stem}.html"
    target.write_text(page, encoding="utf-8")
    return target


def write_pdfs(decks):
    """Print each deck, one slide to a page, through headless Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise PackageError("a PDF is printed by chromium, which is not installed: see README.md")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        for path in decks:
            page.goto(path.as_uri() + "?print-pdf")
            page.wait_for_function("window.deckIsReady")
            page.wait_for_selector("html.print-pdf .pdf-page")
            page.pdf(path=path.with_suffix(".pdf"), prefer_css_page_size=True)
            print(path.with_suffix(".pdf").relative_to(ROOT))
        browser.close()


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pdf", action="store_true", help="print each deck too")
    parser.add_argument("names", nargs="*", help="notebooks, such as 01; all unless told")
    options = parser.parse_args(arguments)
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if options.names:
        paths = [p for p in paths if any(p.stem.startswith(name) for name in options.names)]
    if not paths:
        print(f"no notebook starts with {' or '.join(options.names)}", file=sys.stderr)
        return 2
    try:
        assets(SITE / "assets")
        decks = [write_deck(path, SITE) for path in paths]
        for path in decks:
            print(path.relative_to(ROOT))
        if options.pdf:
            write_pdfs(decks)
    except PackageError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
