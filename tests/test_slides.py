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

PATHS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def cell_of(kind, source, cell_type="markdown", tags=(), outputs=()):
    metadata = {"slideshow": {"slide_type": kind}, "tags": list(tags)}
    if cell_type == "markdown":
        return new_markdown_cell(source, metadata=metadata)
    return new_code_cell(source, metadata=metadata, outputs=list(outputs))


def deck_of(*cells):
    """[(slide type, text)] of the deck that these cells, after a title, become."""
    title = cell_of("slide", "# Title")
    pieces = slides.deck(new_notebook(cells=[title, *cells])).cells[1:]
    return [(slides.kind_of(p), p.source or p.outputs[0].get("text") or "figure") for p in pieces]


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
        ("slide", "## 2. New\n\nText.\n\n### Part"),
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


def test_code_ends_where_it_draws_and_what_it_prints_and_draws_follows():
    code = "x = 1\nassert x\nprint(x)\nprint(2)\nax = curve(x)\nshow(ax)"
    outputs = [printed("1\n"), printed("2\n"), drawn()]
    assert deck_of(cell_of("subslide", code, "code", outputs=outputs)) == [
        ("subslide", "x = 1\nprint(x)\nprint(2)"),
        ("fragment", "1\n2\n"),
        ("subslide", "figure"),
    ]


@pytest.mark.parametrize("tag", ["view", "remove-input"])
def test_a_view_shows_no_code(tag):
    cell = cell_of("subslide", "x = 1", "code", [tag], [drawn()])
    assert deck_of(cell) == [("subslide", "figure")]


def test_what_does_not_fit_under_its_code_has_a_slide_of_its_own():
    code = "\n".join(f"print({i})" for i in range(15))
    short, long = printed("1\n" * 6), printed("1\n" * 7)
    assert [kind for kind, _ in deck_of(cell_of("slide", code, "code", outputs=[short]))] == [
        "slide",
        "fragment",
    ]
    assert [kind for kind, _ in deck_of(cell_of("slide", code, "code", outputs=[long]))] == [
        "slide",
        "subslide",
    ]


def test_long_code_is_cut_between_methods_into_even_pages():
    methods = [f"    def f{i}(self):\n        # why\n        return {i}" for i in range(7)]
    source = "class A:\n    '''A.'''\n\n" + "\n\n".join(methods)
    pages = slides.pages_of(source)
    assert len(pages) == 2
    assert all(page.count("\n") < slides.MOST_LINES for page in pages)
    assert pages[1].startswith("    def f3")
    assert "\n\n".join(pages) == source


def test_each_question_of_a_quiz_is_a_slide():
    page = "<p><b>T</b></p><ol><li>Q1<details><summary>a</summary>b</details></li><li>Q2</li></ol>"
    output = new_output("display_data", {"text/html": page, "text/plain": ""})
    got = deck_of(cell_of("slide", 'quiz("x")', "code", outputs=[output]))
    assert [kind for kind, _ in got] == ["slide", "subslide"]
    assert got[0][1].startswith("### 1. Q1") and "<summary>a</summary>" in got[0][1]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_slide_has_at_most_eighteen_lines_of_code_and_every_marker_is_known(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for marker in re.findall(r"<!--.*?-->", cell.source):
            assert slides.PART.match(marker), marker
    for cell in slides.deck(notebook).cells:
        if cell.cell_type == "code":
            assert cell.source.count("\n") < slides.MOST_LINES, cell.source[:80]


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
