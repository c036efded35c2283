"""What a class gets: nothing that tells an answer, and checks that work as in the course."""

import subprocess
import sys

import nbformat
import pytest
from test_notebooks import NOTEBOOKS, code_cells, exercises, text_of

from tools import handout
from tools.site import units

every_unit = pytest.mark.parametrize("name", units())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handout")
    handout.write(folder)
    return folder


@pytest.fixture(scope="module")
def book(folder):
    return source_of(nbformat.read(folder / "answers.ipynb", as_version=4))


def lines_of(text):
    return {line.strip() for line in text.splitlines() if len(line.strip()) >= 25}


def solutions_of(name):
    """The lines of a notebook that stand in its solutions and answers and nowhere else in it."""
    closed = [text for kind, text in handout.CLOSED.findall(text_of(name)) if kind != "Hint"]
    open_ones = [handout.posed(text_of(name)), *(cell.source for cell in code_cells(name))]
    return lines_of("\n".join(closed)) - lines_of("\n".join(open_ones))


def source_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


@every_unit
def test_no_line_of_a_solution_is_left_in_and_each_is_in_the_answer_book(folder, book, name):
    given = nbformat.read(folder / f"course/notebooks/{name}.ipynb", as_version=4)
    gone = solutions_of(name)
    assert gone and gone <= lines_of(source_of(NOTEBOOKS[name]))  # the measure sees them
    assert gone <= lines_of(book)
    for path in (folder / "course/notebooks").rglob("*.*"):
        if path.suffix in (".py", ".json"):
            assert not gone & lines_of(path.read_text(encoding="utf-8")), path
    assert not gone & lines_of(source_of(given))
    assert "Solution</summary>" not in source_of(given) and "<!--" not in source_of(given)
    assert source_of(given).count("<summary>Hint") == text_of(name).count("<summary>Hint")


@every_unit
def test_its_code_is_the_courses_and_has_not_been_run(folder, name):
    given = nbformat.read(folder / f"course/notebooks/{name}.ipynb", as_version=4)
    cells = [cell for cell in given.cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells] == [cell.source for cell in code_cells(name)]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert len(given.cells) == len(NOTEBOOKS[name].cells)


def test_checks_tell_right_from_wrong_in_the_folder_of_a_class(folder):
    """Each exercise of the course with its stub's nothing; the first with a right answer, too."""
    numbers = [case.values[1] for case in exercises() if case.values[0] in units()]
    roles = {"query": "decoder state", "keys": "encoder states", "values": "encoder states"}
    script = f"""
import inspect
from d2lmini import learn
assert str(learn.NOTEBOOKS) == {str(folder / "course/notebooks")!r}
for number in {numbers}:
    answers = [... for _ in inspect.signature(learn.find_exercise(number)).parameters]
    assert not any(result.passed for result in learn.grade(number, *answers)), number
learn.check("01.1", {roles | {"query": "encoder states"}})
learn.check("01.1", {roles})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder / "course", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "FAILED  the query" in done.stdout and done.stdout.endswith("3 of 3 passed: solved.\n")
