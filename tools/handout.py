"""Make the course for a class: python -m tools.handout      (`make handout`)

build/handout/course is the course without its tests, and its notebooks are without outputs,
solutions and the lecturer's notes.  A check must know what is right: the files of notebooks/checks
are packed.  What is left out is in build/handout/answers.ipynb, with the answers of the quizzes.
"""

import base64
import re
import shutil
import zlib

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from d2lmini.learn import read_quiz
from tools.site import ROOT, units, without_comments

HANDOUT = ROOT / "build/handout"
FILES = ("README.md", "LICENSE", "Makefile", "environment.yml", "pyproject.toml")
FILES += ("requirements.lock", "requirements-site.lock")
FOLDERS = (
    "benchmarks",
    "d2lmini",
    "data",
    "notebooks/img",
    "notebooks/quizzes",
    "recipes",
    "tools",
)
CLOSED = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>\n?", re.DOTALL)


def posed(source):
    """The Markdown with its hints and questions, without comments, solutions and answers."""

    def left(closed):
        if closed[1] == "Hint":
            return closed[0]
        return "" if closed[1] == "Solution" else f"- {closed[1]}\n"

    return CLOSED.sub(left, without_comments(source))


def for_class(notebook):
    """The notebook as a class gets it, changed in place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = posed(cell.source)
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def packed(source):
    """Python source that runs as it did, but that nobody reads by accident."""
    text = base64.b85encode(zlib.compress(source.encode())).decode()
    return f"""# The cases of the exercises, packed because they say what is right.
import base64
import zlib

exec(zlib.decompress(base64.b85decode({text!r})))
"""


def answers(notebook):
    """The quizzes' right answers, and each text with something closed in it, opened: Markdown."""
    yield notebook.cells[0].source.split("\n")[0]
    for cell in notebook.cells:
        if quiz := re.match(r'quiz\("(\w+)"\)', cell.source):
            content = read_quiz(quiz[1])
            lines = [f"## {content['title']}\n"]
            for item in content["questions"]:
                (right,) = (answer for answer in item["answers"] if answer["right"])
                lines.append(f"1. {item['question']} **{right['text']}.** {right['why']}")
            yield "\n".join(lines)
        elif cell.cell_type == "markdown" and CLOSED.search(cell.source):
            yield CLOSED.sub(r"\n**\1**\n\2\n", without_comments(cell.source))


def write(folder):
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, folder / "course" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in FILES:
        shutil.copy(ROOT / name, folder / "course")
    (folder / "course/notebooks/checks").mkdir()
    book = new_notebook()
    for name in units():
        path = f"notebooks/{name}.ipynb"
        notebook = nbformat.read(ROOT / path, as_version=4)
        book.cells += map(new_markdown_cell, answers(notebook))
        nbformat.write(for_class(notebook), folder / "course" / path)
        checks = f"notebooks/checks/{name[:2]}.py"
        cases = packed((ROOT / checks).read_text(encoding="utf-8"))
        (folder / "course" / checks).write_text(cases, encoding="utf-8")
    nbformat.write(book, folder / "answers.ipynb")


if __name__ == "__main__":
    shutil.rmtree(HANDOUT, ignore_errors=True)
    write(HANDOUT)
    print(*sorted(path.relative_to(ROOT) for path in HANDOUT.iterdir()), sep="\n")
