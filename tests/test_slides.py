"""How cells become slides; the slides themselves are measured in tests/browser."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import npm, slides
from tools.store import WIDGET

PATHS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def cell_of(kind, source, cell_type="markdown", tags=(), outputs=()):
    metadata = {"slideshow": {"slide_type": kind}, "tags": list(tags)}
    if cell_type == "markdown":
        return new_markdown_cell(source, metadata=metadata)
    return new_code_cell(source, metadata=metadata, outputs=list(outputs))


def deck_of(*cells):
    """[(slide type, text)] of the deck that these cells, after a title, become."""

    def text(piece):
        shown = piece.source or "".join(o.get("text", "figure") for o in piece.get("outputs", []))
        return "\n\n".join(filter(None, [piece.metadata.get("headline"), shown]))

    title = cell_of("slide", "# Title")
    pieces = slides.deck(new_notebook(cells=[title, *cells])).cells[1:]
    return [(slides.kind_of(piece), text(piece)) for piece in pieces]


def printed(text):
    return new_output("stream", text=text)


def drawn():
    return new_output("display_data", {"text/html": "<figure></figure>", "text/plain": "figure"})


def test_a_marker_starts_a_part_and_notes_come_last():
    text = "One.\n\n<!-- notes -->\nSay it.\n\n<!-- continue -->\nTwo.\n\n<!-- subslide -->\nThree."
    assert deck_of(cell_of("slide", text)) == [
        ("slide", "One."),
        ("-", "Two."),
        ("notes", "Say it."),
        ("subslide", "Three."),
    ]


def test_a_heading_starts_a_slide_wherever_it_stands():
    assert deck_of(cell_of("subslide", "Rest.\n\n## 2. New\n\nText.\n\n### Part")) == [
        ("subslide", "Rest."),
        ("slide", "2. New\n\nText.\n\n### Part"),
    ]


def test_solutions_go_to_the_notes_and_links_lead_to_decks():
    text = "Ask [01](01_x.ipynb).\n<details><summary>Hint</summary>\n\nThink.\n</details>"
    (kind, shown), (_, note) = deck_of(cell_of("subslide", text))
    assert (kind, shown) == ("subslide", "Ask [01](01_x.html).")
    assert "Think." in note and "<details>" not in note


def test_closed_questions_stay_and_their_answers_go_to_the_notes():
    text = "".join(
        f"<details><summary>{asked}?</summary>\nBecause of {asked}.\n</details>\n" for asked in "ab"
    )
    shown, (_, note) = deck_of(cell_of("slide", text))
    assert shown == ("slide", "- a?\n- b?")
    assert " ".join(note.split()) == "a? Because of a. b? Because of b."


def test_outside_a_lecture_code_is_shown_and_then_what_it_puts_out():
    cell = cell_of("subslide", "print(1)\nshow(ax)", "code", outputs=[printed("1\n"), drawn()])
    assert deck_of(cell) == [
        ("subslide", "print(1)\nshow(ax)"),
        ("fragment", "1\n"),
        ("-", "figure"),
    ]


@pytest.mark.parametrize("tag", ["view", "remove-input"])
def test_a_view_shows_no_code(tag):
    cell = cell_of("subslide", "x = 1", "code", [tag], [drawn()])
    assert deck_of(cell) == [("subslide", "figure")]


def test_each_question_of_a_quiz_is_a_slide_of_the_appendix_and_exercises_are_there():
    page = "<p><b>T</b></p><ol><li>Q1<details><summary>a</summary>b</details></li><li>Q2</li></ol>"
    output = new_output("display_data", {"text/html": page, "text/plain": ""})
    quiz = cell_of("slide", 'quiz("x")', "code", outputs=[output])
    got = deck_of(quiz, cell_of("slide", "## Last"), cell_of("slide", "## Exercises\n\nDo."))
    assert [text.split("\n")[0] for _, text in got] == [
        "Last",
        "# Appendix",
        "1. Q1",
        "2. Q2",
        "Exercises",
    ]
    assert "<summary>a</summary>" in got[2][1]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_marker_is_known(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for marker in re.findall(r"<!--.*?-->", cell.source, re.DOTALL):
            assert slides.PART.match(marker), marker


def test_a_missing_npm_is_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(npm.PackageError, match=r"reveal.js@5.2.1 is fetched by npm"):
        npm.package("reveal.js@5.2.1", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_package_with_another_sha512_is_refused_and_leaves_nothing(monkeypatch, tmp_path):
    """A fake npm packs one file."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/npm").write_text(f"#!/bin/sh\ncp '{tmp_path}/x.tgz' .\n")
    (tmp_path / "bin/npm").chmod(0o755)
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        archive.add(__file__, "package/file")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    for spec in ("mathjax@3.2.2", "unknown@1.0.0"):
        with pytest.raises(npm.PackageError, match=f"{spec} came with a sha512 that is not in"):
            npm.package(spec, tmp_path / "npm")
    assert not list((tmp_path / "npm").iterdir())
    right = hashlib.sha512((tmp_path / "x.tgz").read_bytes()).digest()
    monkeypatch.setitem(npm.SHA512, "mathjax@3.2.2", base64.b64encode(right).decode())
    assert (npm.package("mathjax@3.2.2", tmp_path / "npm") / "file").is_file()


def test_an_unknown_notebook_is_told_in_one_line():
    command = [sys.executable, "-m", "tools.slides", "99"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PATHS[0].parents[1])
    assert (done.returncode, done.stderr) == (2, "no notebook starts with 99\n")


# --- the slides of a lecture -------------------------------------------------------------------

FIGURE = "<figure><img alt='bars'><figcaption>Figure 3. Two bars. The left is high.</figcaption>"


def shown_by(*cells):
    """[(headline, {column: texts})] of the slides that these cells, after a title, become."""
    found, column = [], None
    for piece in slides.deck(new_notebook(cells=[cell_of("slide", "# T"), *cells])).cells[1:]:
        if slides.kind_of(piece) in ("slide", "subslide"):
            found.append((piece.metadata.get("headline"), {}))
        column = (
            "notes" if slides.kind_of(piece) == "notes" else piece.metadata.get("column", column)
        )
        outputs = [o.get("text") or o.data["text/html"] for o in piece.get("outputs", [])]
        step = piece.metadata.get("step")
        words = "".join([piece.source, *outputs]) + (f" @{step}" if step is not None else "")
        found[-1][1].setdefault(column, []).append(words)
    return found


def figure_cell(kind, *tags):
    output = new_output("display_data", {"text/html": FIGURE + "</figure>", "text/plain": ""})
    return cell_of(kind, "curve(x)", "code", tags, [output])


def test_a_marker_with_a_headline_starts_a_slide_and_readers_see_none_of_it():
    text = "<!-- slide: It holds.\nSay $x$.\n\n```python\nx = 1\n```\n-->\nRead.\n"
    text += "<!-- notes: 3 min. Ask. -->\nMore."
    assert shown_by(cell_of("notes", text)) == [
        (
            "It holds.",
            {
                "text": ["Say $x$.\n\n```python\nx = 1\n```\n\nRead."],
                "notes": ["3 min. Ask.\n\nMore."],
            },
        )
    ]


def test_a_figure_stands_beside_the_sentence_it_proves_and_again_where_it_is_named():
    picture = FIGURE.replace(" The left is high.", "") + "</figure>"
    again = "<!-- slide: Again -->\nFirst.\n<!-- fragment -->\nThen.\n<!-- figure: 3 -->"
    assert shown_by(
        cell_of("-", "<!-- slide: Once -->\nText."), figure_cell("-"), cell_of("-", again)
    ) == [
        ("Once", {"text": ["Text."], "picture": [picture]}),
        ("Again", {"text": ["First.", "Then. @0"], "picture": [picture + " @0"]}),
    ]


def test_a_figure_that_is_not_stored_is_told(capsys):
    assert shown_by(cell_of("-", "<!-- slide: A -->\nText.\n<!-- figure: 9 -->")) == [
        ("A", {"text": ["Text."]})
    ]
    assert capsys.readouterr().err == ", cell 2: Figure 9 has not been stored: run the notebook\n"


def test_on_a_slide_with_a_headline_a_cell_adds_what_it_puts_out_and_an_answer_as_a_fragment():
    asked = cell_of("-", "<!-- slide: What will it print? -->\n**Predict.**")
    answer = cell_of("-", "print(1)", "code", ["hide-output"], [printed("1\n")])
    assert shown_by(asked, answer) == [
        ("What will it print?", {"text": ["**Predict.**", "1\n @0"]})
    ]


def test_a_section_that_starts_with_a_lecture_slide_has_no_slide_of_its_own():
    section = cell_of("slide", "## 2. Widths\n\n<!-- subslide: Wide is smooth -->\nText.")
    *_, first = slides.deck(new_notebook(cells=[cell_of("slide", "# T"), section])).cells
    assert (slides.kind_of(first), first.metadata["section"]) == ("slide", "2. Widths")
    assert first.metadata["headline"] == "Wide is smooth"


def test_a_picture_alone_in_its_lines_is_a_picture():
    cell = cell_of("slide", "Text.\n\n![two\nlines](a.png)\n\nRest ![in](b.png).")
    assert shown_by(cell) == [
        (None, {"text": ["Text.", "Rest ![in](b.png)."], "picture": ["![two\nlines](a.png)"]})
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_code_that_only_the_slides_show_stands_in_the_notebook(path):
    cells = nbformat.read(path, as_version=4).cells
    code = {line.strip() for c in cells if c.cell_type == "code" for line in c.source.split("\n")}
    for cell in cells:
        for marker in re.findall(r"<!--.*?-->", cell.source, re.DOTALL):
            for fence in re.findall(r"```python\n(.*?)```", marker, re.DOTALL):
                for line in map(str.strip, fence.split("\n")):
                    assert not line or line == "..." or line in code, line


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_lecture_takes_an_hour_and_its_notes_say_what_is_said_and_how_long(path):
    found = []  # section, headline, notes
    for piece in slides.deck(nbformat.read(path, as_version=4)).cells:
        if "appendix" in piece.metadata.get("look", ""):
            break
        if slides.kind_of(piece) in ("slide", "subslide"):
            found.append([piece.metadata["section"], piece.metadata.get("headline"), ""])
        elif slides.kind_of(piece) == "notes":
            found[-1][2] = piece.source
    assert not [headline for _, headline, notes in found if not notes]
    times = [(part, int(n)) for part, _, notes in found for n in re.findall(r"^(\d+) min\.", notes)]
    assert [part for part, _, _ in found if part not in dict(times)] == []
    assert 50 <= sum(minutes for _, minutes in times) <= 60, times


# --- notebooks as people saved them ------------------------------------------------------------

PNG = "iVBORw0KGgo="  # its first bytes will do


@pytest.fixture
def make(monkeypatch, tmp_path, capsys):
    """A function that makes the slides of a.ipynb, beside other files: exit code, page, stderr."""
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.setattr(slides, "SITE", tmp_path / "_site/slides")
    monkeypatch.setattr(slides, "assets", lambda folder: folder.mkdir(parents=True))

    def make_it(*cells, metadata=None, **others):
        (tmp_path / "notebooks").mkdir()
        notebook = new_notebook(cells=[cell_of("slide", "# T"), *cells], metadata=metadata or {})
        nbformat.write(notebook, tmp_path / "notebooks/a.ipynb")
        for name, text in others.items():
            (tmp_path / f"notebooks/{name}.ipynb").write_text(text)
        code = slides.main([])
        page = tmp_path / "_site/slides/a.html"
        return code, page.read_text() if page.exists() else None, capsys.readouterr().err

    return make_it


def code_with(*outputs, source="f()"):
    return cell_of("subslide", source, "code", outputs=outputs)


def test_cleared_outputs_leave_text_and_code(make):
    code, page, said = make(code_with(source='quiz("x")'), code_with(source="g()"))
    assert (code, said) == (0, "a.ipynb, cell 2: the quiz has no output: run the notebook\n")
    assert ">g<" in page


def test_a_stored_error_is_told_in_its_last_line(make):
    error = new_output("error", ename="ValueError", evalue="x < y", traceback=["many", "lines"])
    code, page, said = make(code_with(error))
    assert (code, said) == (0, "")
    assert "ValueError: x &lt; y" in page and "many" not in page


@pytest.mark.parametrize("source", ["%matplotlib inline", "!ls here", "f?", "def broken("])
def test_what_is_no_python_is_shown_as_it_is(make, source):
    code, page, said = make(code_with(source=source + "\n1 + 1"))
    assert (code, said) == (0, "")
    assert source.split()[-1].strip("?(") in page


def test_a_pasted_picture_is_shown_and_a_lost_one_is_told(make):
    cell = cell_of("slide", "![kept](attachment:a.png)\n\n## Rest\n\n![lost](attachment:b.png)")
    cell.attachments = {"a.png": {"image/png": PNG}}
    code, page, said = make(cell)
    assert f'src="data:image/png;base64,{PNG}"' in page and "Rest" in page
    assert (code, said) == (0, "a.ipynb, cell 2: the picture b.png is not in the cell\n")


@pytest.mark.parametrize("cells", [[], [new_code_cell("")]])
def test_an_empty_notebook_stops_no_other(make, cells):
    code, page, said = make(Untitled=nbformat.writes(new_notebook(cells=cells)))
    assert (code, said) == (0, "Untitled.ipynb: nothing to show\n")
    assert "<h1>T</h1>" in page


def test_a_notebook_without_a_title_bears_the_name_of_its_file(make, tmp_path):
    code, _, said = make(mine=nbformat.writes(new_notebook(cells=[code_with(source="h()")])))
    assert (code, said) == (0, "")
    assert "<h1>mine</h1>" in (tmp_path / "_site/slides/mine.html").read_text()


def test_a_file_that_is_no_notebook_is_told_in_one_line_and_stops_no_other(make):
    code, page, said = make(broken="<<<<<<< HEAD\n{}")
    assert code == 1 and page
    assert re.fullmatch("broken.ipynb: not a notebook: [^\n]+\n", said)


def test_a_folder_that_cannot_be_written_is_told_in_one_line(make, tmp_path):
    (tmp_path / "_site").write_text("a file in the way, since root may write everywhere")
    code, page, said = make()
    assert (code, page) == (1, None)
    assert re.fullmatch("the slides cannot be written: [^\n]+\n", said)


def test_assets_can_be_written_again_where_their_sources_are_read_only(monkeypatch, tmp_path):
    names = ["dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "es5/tex-svg-full.js"]
    names += ["LICENSE", "dist/theme/fonts/source-sans-pro/LICENSE"]
    for name in names:
        (tmp_path / "npm" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "npm" / name).touch(mode=0o444)
    monkeypatch.setattr(slides, "package", lambda spec: tmp_path / "npm")
    slides.assets(tmp_path / "to")
    files = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert len(files) > 10 and all(path.stat().st_mode & 0o200 for path in files)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"image/png": PNG, "text/plain": "<Figure>"}, f"data:image/png;base64,{PNG}"),
        ({"image/svg+xml": "<svg>1</svg>", "text/plain": "<SVG>"}, "data:image/svg+xml;base64,"),
        ({"text/markdown": "**loud**", "text/plain": "<Markdown>"}, "<strong>loud</strong>"),
        ({"text/latex": "$x$", "text/plain": "<Math>"}, "$x$"),
        ({WIDGET: {}, "text/html": "<figure>f</figure>", "text/plain": "B()"}, "<figure>f<"),
    ],
)
def test_the_best_of_an_output_is_shown(make, data, shown):
    state = {WIDGET.replace("-view", "-state"): {"state": {}, "version_major": 2}}
    output = new_output("display_data", data)
    code, page, said = make(code_with(output), metadata={"widgets": state})
    assert (code, said) == (0, "")
    assert shown in page and data["text/plain"].replace("<", "&lt;") not in page


def test_an_output_of_an_unknown_kind_is_told(make):
    code, _, said = make(code_with(new_output("display_data", {"application/json": {}})))
    assert (code, said) == (0, "a.ipynb, cell 2: an output that is only application/json\n")


def test_progress_bars_and_widgets_that_need_a_kernel_are_dropped(make):
    bars = new_output("stream", name="stderr", text="10%\r20%\r" * 500)
    written_over = printed("50%\r99%\rdone\n")
    widget = new_output("display_data", {WIDGET: {}, "text/plain": "HBox(x)"})
    code, page, said = make(code_with(bars, written_over, widget))
    assert (code, said) == (0, "")
    assert "done" in page and "%" not in page.partition("<body>")[2] and "HBox" not in page


def test_what_looks_like_a_heading_or_a_marker_in_fenced_code_starts_nothing():
    text = "Look:\n\n```\n## shell\n<!-- notes -->\n```\n\n<!-- notes -->\nSay it."
    (kind, shown), (noted, note) = deck_of(cell_of("slide", text))
    assert (kind, shown) == ("slide", text.partition("\n\n<!-- notes -->\nSay")[0])
    assert (noted, note) == ("notes", "Say it.")
