"""Make the slides: python -m tools.slides [--pdf] [NAME ...]      (`make slides`, `make pdf`)

Each notebook becomes a reveal.js deck in _site/slides, from its stored outputs: nothing is run.
A deck opens from disk and asks nobody for anything: reveal.js, MathJax and the fonts lie beside it.

A line <!-- TYPE --> in a Markdown cell starts a part of another type; what stands before it has the
slide type of the cell (JupyterLab: Property Inspector).  <!-- TYPE: text --> carries text, of any
number of lines, that readers of the notebook do not see.

- slide: HEADLINE starts a slide of a lecture.  The headline is a sentence and says what the slide
  shows; further lines of the marker, and the text below it, are its text.
- fragment: what follows appears at the next key press.
- figure: N puts Figure N on the slide, from whichever cell: one figure may prove several sentences.
- notes: for the lecturer.  Where a part begins they start with "8 min.", the time for all of it.
- continue: on with the slide after notes.  skip: not in the deck.
- A heading ## right before a slide names its part, above each of its slides.
- A code cell of type - adds to the slide what it draws or else prints, not its code; with the tag
  hide-output, which marks the answer to a prediction, as a fragment.  Cells of other types are left
  out of the deck (live slides, RISE, show them).  Code that is the idea stands in a marker, as a
  fenced block of lines that are in the notebook, with ... for what is left out between them.

Where there is a picture it stands beside the text, or below it if it is wide.  Of its caption the
first sentence is left.  Quizzes, exercises and further reading become an appendix.

The rest is for cells that no slide: HEADLINE governs.  A heading ## starts a slide, with a column
of its own in the overview; hints and solutions (<details>) go to the notes, a summary that asks
stays as a bullet.  A code cell shows its code, but with the tags view and remove-input, and at the
next key press what it puts out.

A notebook need not be as tools.store left it: what a page cannot show is dropped if it says nothing
without a kernel (stderr, widgets), and else told in a line with notebook, cell and reason.
"""

import argparse
import base64
import html
import re
import shutil
import sys
from contextlib import contextmanager
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import matplotlib
import nbformat
from bs4 import BeautifulSoup
from nbconvert.exporters import SlidesExporter
from nbconvert.filters import markdown2html
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from pygments.formatters import HtmlFormatter

from tools.npm import PackageError, package
from tools.store import WIDGET

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_site/slides"
TEMPLATES = ROOT / "tools/templates"
REVEAL, MATHJAX = "reveal.js@5.2.1", "mathjax@3.2.2"
TYPES = "slide|subslide|fragment|notes|skip|continue|figure"
PART = re.compile(  # a fence, inside which nothing starts; a marker; a heading
    rf"^(?P<fence>```|~~~).*?^(?P=fence)|^<!-- (?P<kind>{TYPES})(:\s(?P<said>.*?))?\s*-->\n?"
    r"|(?<=\n)(?=## )",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r"^(!\[[^\]]*\]\([^)]*\))$", re.MULTILINE)  # alone in its lines
ATTACHED = re.compile(r"!\[[^\]]*\]\(attachment:([^)\s]+)[^)]*\)")
CLOSED = re.compile(r"<details><summary>(.*?)</summary>.*?</details>\n?", re.DOTALL)
CAPTION = re.compile(r"(<figcaption>Figure \d+\. [^<]*?[.?!]) [A-Z][^<]*")
APPENDIX = {"Exercises", "Further reading"}

# --- from cells to slides ----------------------------------------------------------------------


def told(place, reason):
    print(f"{place}: {reason}", file=sys.stderr)


def deck(notebook, name=""):
    """The notebook with the pieces of its slides for cells; what is left out is told."""
    figures, pieces = stored_figures(notebook), []
    for number, cell in enumerate(notebook.cells, start=1):
        tell = partial(told, f"{name}, cell {number}")
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if cell.cell_type == "markdown":
            pieces += markdown_pieces(cell, kind, figures, tell)
        elif cell.cell_type == "code" and kind != "skip":
            starts = [p for p in pieces if kind_of(p) in ("slide", "subslide")]
            pieces += code_pieces(cell, kind, starts and "lecture" in starts[-1].metadata, tell)
    if pieces and not pieces[0].source.startswith("# "):
        pieces.insert(0, piece(new_markdown_cell(f"# {name.removesuffix('.ipynb')}"), "slide"))
    for title in pieces[:1]:
        title.metadata["look"] = "title"
        notebook.metadata["title"] = title.source.splitlines()[0].removeprefix("# ")
    notebook.metadata.pop("widgets", None)
    notebook.cells = [cell for slide in ordered(slides_of(pieces)) for cell in laid_out(slide)]
    return notebook


def piece(cell, kind, **metadata):
    cell.metadata.update(slideshow={"slide_type": kind}, **metadata)
    return cell


def kind_of(cell):
    return cell.metadata["slideshow"]["slide_type"]


def stored_figures(notebook):
    """{number: output} of the figures whose captions begin with "Figure NUMBER."."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pages = [(o, str(o.get("data", {}).get("text/html"))) for o in outputs]
    found = [(re.search(r"<figcaption>Figure (\d+)\.", page), o) for o, page in pages]
    return {match[1]: output for match, output in found if match}


def parts(source, kind):
    """(slide type, what its marker says, text) of each part of a Markdown cell."""
    said, start = "", 0
    for match in PART.finditer(source):
        if not match["fence"]:
            yield kind, said, source[start : match.start()]
            kind, said, start = match["kind"] or "slide", match["said"] or "", match.end()
    yield kind, said, source[start:]


def markdown_pieces(cell, cell_kind, figures, tell):
    """The parts of a Markdown cell; its hints, solutions and answers become notes."""
    pictures = cell.get("attachments", {})
    for kind, said, text in parts(cell.source, cell_kind):
        if kind == "skip":
            continue
        metadata = {}
        if kind == "figure":
            if said in figures:
                yield piece(new_code_cell(outputs=[cut(figures[said])]), "-")
            else:
                tell(f"Figure {said} has not been stored: run the notebook")
            said = ""
        elif said and kind in ("slide", "subslide"):
            said, metadata["lecture"] = f"### {said}".replace("\n", "\n\n", 1), True
        kind = "-" if kind in ("continue", "figure") else kind
        text = f"{said}\n\n{text}".strip()
        for lost in set(ATTACHED.findall(text)) - set(pictures):
            tell(f"the picture {lost} is not in the cell")
        text = ATTACHED.sub(lambda match: match[0] if match[1] in pictures else "", text)
        text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.html)", text)
        closed = [match[0] for match in CLOSED.finditer(text)]
        text = CLOSED.sub(lambda m: f"- {m[1]}\n" if m[1].endswith("?") else "", text)
        for number, part in enumerate(filter(str.strip, PICTURE.split(text))):
            joins = number and kind != "notes"
            shown = new_markdown_cell(part.strip(), attachments=pictures)
            yield piece(shown, "-" if joins else kind, **metadata)
        for answer in closed:
            yield piece(new_markdown_cell(re.sub(r"</?(details|summary)>", "", answer)), "notes")


def code_pieces(cell, kind, lecture, tell):
    """What a code cell adds: on a slide of a lecture what came out, else its code before it."""
    tags = set(cell.metadata.get("tags", []))
    outputs = list(merged(what_shows(cell.outputs, tell)))
    if cell.source.startswith("quiz("):
        if outputs and "data" in outputs[0]:
            yield from quiz_pieces(outputs[0].data["text/html"])
        else:
            tell("the quiz has no output: run the notebook")
        return
    if lecture:
        pieces = [new_code_cell(outputs=[cut(o)]) for o in outputs if kind == "-"]
        pieces = list(filter(shows_picture, pieces)) or pieces
        for number, shown in enumerate(pieces):
            yield piece(shown, "fragment" if "hide-output" in tags and not number else "-")
        return
    if cell.source and not {"view", "remove-input"} & tags:
        yield piece(new_code_cell(cell.source), kind)
        kind = "fragment"
    for number, output in enumerate(outputs):
        yield piece(new_code_cell(outputs=[output]), "-" if number else kind)


def cut(output):
    """The output with the first sentence of its caption: the text beside it says the rest."""
    if "text/html" not in output.get("data", {}):
        return output
    return new_output("display_data", {"text/html": CAPTION.sub(r"\1", output.data["text/html"])})


def what_shows(outputs, tell):
    """What a page without a kernel can show of the outputs: pages (HTML) and printed texts."""
    for output in outputs:
        data = output.get("data", {})
        picture = next((kind for kind in data if kind.startswith("image/")), None)
        page = text = None
        if output.output_type == "error":
            text = f"{output.ename}: {output.evalue}"
        elif output.output_type == "stream":  # of what was written over only the last is left
            text = re.sub(r"[^\n]*\r(?!\n)", "", output.text) * (output.name != "stderr")
        elif "text/html" in data:
            page = data["text/html"]
        elif picture:
            content = "".join(data[picture].split())
            if picture == "image/svg+xml":
                content = base64.b64encode(data[picture].encode()).decode()
            page = f'<figure><img src="data:{picture};base64,{content}" alt="a picture"></figure>'
        elif "text/markdown" in data:
            page = markdown2html(data["text/markdown"])
        elif "text/latex" in data:
            page = f"<p>{html.escape(data['text/latex'])}</p>"
        elif WIDGET not in data:
            text = data.get("text/plain")
            if text is None:
                tell(f"an output that is only {' and '.join(data)}")
        if page:
            yield new_output("display_data", {"text/html": page})
        elif text:
            yield new_output("stream", text=text)


def merged(outputs):
    """The outputs with what was printed, in however many goes, as one text."""
    for printed, group in groupby(outputs, lambda output: "text" in output):
        if printed:
            text = "\n".join(output.text.rstrip("\n") for output in group)
            yield new_output("stream", text=text + "\n")
        else:
            yield from group


def quiz_pieces(page):
    """A slide for each question of a quiz, under the title of the quiz."""
    page = BeautifulSoup(page, "html.parser")
    title, kind = page.p.get_text(), "slide"
    for number, item in enumerate(page.find_all("li"), start=1):
        question = str(item.contents[0])
        answers = "".join(str(answer) for answer in item.find_all("details"))
        text = f"### {number}. {question}\n\n{answers}"
        yield piece(new_markdown_cell(text), kind, quiz=title)
        kind = "subslide"


def slides_of(pieces):
    """[pieces of a slide] each; the first bears its headline and the section it stands in."""
    slides, section = [], ""
    for cell in pieces:
        starts, text = kind_of(cell) in ("slide", "subslide"), cell.source
        heading = re.match(r"(#{1,4}) (.+)\n*", text) if cell.cell_type == "markdown" else None
        if not slides or starts:
            slides.append([cell])
            if heading and heading[1] in ("#", "##"):
                section = heading[2]
            cell.metadata["section"] = cell.metadata.get("quiz", section)
            if heading and heading[1] != "#":
                cell.metadata["headline"], cell.source = heading[2], text[heading.end() :]
        else:
            slides[-1].append(cell)
    return slides


def ordered(slides):
    """The slides of the lecture, and then the appendix.

    A section whose heading stands alone before a slide of the lecture is named above that slide.
    """
    main, appendix = [], []
    for slide, following in pairwise([*slides, None]):
        first, lecture = slide[0], "lecture" in slide[0].metadata
        if "quiz" in first.metadata or first.metadata["section"] in APPENDIX:
            appendix.append(slide)
        elif lecture:
            below = main and main[-1][0].metadata["section"] == first.metadata["section"]
            main.append([piece(first, "subslide" if below else "slide"), *slide[1:]])
        elif not (following and "lecture" in following[0].metadata and bare(slide)):
            main.append(slide)
    if appendix:
        text = "# Appendix\n\nQuizzes, exercises and further reading"
        main.append([piece(new_markdown_cell(text), "slide", section="", look="title appendix")])
    return [*main, *appendix]


def bare(slide):
    return len(slide) == 1 and not slide[0].source and not slide[0].get("outputs")


def laid_out(slide):
    """The pieces in two columns, texts and pictures, and then the notes."""
    notes = [cell for cell in slide if kind_of(cell) == "notes"]
    shown = [cell for cell in slide if kind_of(cell) != "notes"]
    step = None  # what follows a fragment appears with it
    for cell in shown:
        if kind_of(cell) == "fragment":
            step = 0 if step is None else step + 1
        cell.metadata["step"] = step
    pictures = [cell for cell in shown if shows_picture(cell)]
    texts = [c for c in shown if not shows_picture(c) and (c.source or c.get("outputs"))]
    columns = {"text": texts, "picture": pictures}
    if not texts and not pictures:
        columns["text"] = shown[:1]
    look = "lecture " * ("lecture" in shown[0].metadata) + "beside " * bool(texts and pictures)
    top = {"look": look} | shown[0].metadata
    piece(shown[0], "-")
    shown = [cell for column in columns.values() for cell in column]
    for name, column in columns.items():
        if column:
            column[0].metadata["column"], column[-1].metadata["column_end"] = name, True
    shown[0].metadata.update(top | {"step": shown[0].metadata["step"]})
    shown[-1].metadata["body_end"] = True
    yield from shown
    if notes:
        yield piece(new_markdown_cell("\n\n".join(n.source for n in notes)), "notes")


def shows_picture(cell):
    """Whether the piece is a picture: figures of outputs, or an image alone in Markdown."""
    pages = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
    return any("<img" in page for page in pages) or bool(PICTURE.fullmatch(cell.source))


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
            shutil.copyfile(source / name, folder / part / Path(name).name)
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    (folder / "code.css").write_text(colours, encoding="utf-8")


def write_deck(path, folder):
    """Write the deck of one notebook into the folder; return its path, None if it has no slides.

    Raises ValueError if the file cannot be read as a notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever comes
        raise ValueError(f"{path.name}: not a notebook: {str(error).splitlines()[0]}") from error
    notebook = deck(notebook, path.name)
    if not notebook.cells:
        told(path.name, "nothing to show")
        return None
    exporter = SlidesExporter(
        template_name="deck",
        extra_template_basedirs=[str(TEMPLATES)],
        embed_images=True,
        exclude_anchor_links=True,
    )
    resources = {"metadata": {"name": path.stem, "path": str(path.parent)}}
    page, _ = exporter.from_notebook_node(notebook, resources)
    target = folder / f"{path.stem}.html"
    target.write_text(page, encoding="utf-8")
    return target


@contextmanager
def chromium():
    """A headless browser that prints.  Raises PackageError if it is not installed."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise PackageError("a PDF is printed by chromium, which is not installed: see README.md")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def write_pdfs(decks):
    """Print each deck, one slide to a page."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        for path in decks:
            page.goto(path.as_uri() + "?print-pdf")
            page.wait_for_function("window.deckIsReady")
            page.wait_for_selector("html.print-pdf .pdf-page")
            page.pdf(path=path.with_suffix(".pdf"), prefer_css_page_size=True)
            print(path.with_suffix(".pdf").relative_to(ROOT))


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
    decks, wrong = [], False
    try:
        assets(SITE / "assets")
        for path in paths:
            try:
                decks.append(write_deck(path, SITE))
            except ValueError as problem:
                print(problem, file=sys.stderr)
                wrong = True
        decks = list(filter(None, decks))
        for path in decks:
            print(path.relative_to(ROOT))
        if options.pdf:
            write_pdfs(decks)
    except PackageError as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"the slides cannot be written: {problem}", file=sys.stderr)
        return 1
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
