"""What every notebook of the course must hold; nbval runs them, this reads them."""

import ast
import dis
import inspect
import json
import math
import re
from collections import Counter
from pathlib import Path
from types import CodeType

import nbformat
import numpy as np
import pytest
import torch

from d2lmini import learn
from tools import quote
from tools.store import WIDGET

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
TAGS = {"exercise", "view", "remove-input", "hide-output", "real-data", "raises-exception"} | {
    "nbval-ignore-output",
    "nbval-skip",
}

every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def tags(cell):
    return cell.metadata.get("tags", [])


def code_cells(name):
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]


def outputs(name):
    for cell in code_cells(name):
        for output in cell.outputs:
            yield output, output.get("data", {})


def text_of(name):
    return "\n".join(c.source for c in NOTEBOOKS[name].cells if c.cell_type == "markdown")


def test_there_are_notebooks_and_the_readme_links_each_or_says_that_it_is_to_come():
    readme = (ROOT / "README.md").read_text()
    assert PATHS
    for path in PATHS:
        to_come = re.search(rf"^\| {path.name[:2]} .*\| to come \|$", readme, re.MULTILINE)
        assert f"(notebooks/{path.name})" in readme or to_come, path.name


@every_notebook
def test_it_was_run_once_from_top_to_bottom(name):
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_it_stores_no_error_and_no_warning(name):
    for output, _ in outputs(name):
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.get("text")


@every_notebook
def test_it_says_what_for_and_how_long_and_sums_up(name):
    first = NOTEBOOKS[name].cells[0].source
    assert first.startswith("# ")
    for part in ("**Question.**", "**You will be able to**", "**You need**", "**Time.**"):
        assert part in first, part
    assert re.search(r"^## Summary$", text_of(name), re.MULTILINE)


@every_notebook
def test_every_figure_has_an_alt_text(name):
    for _, data in outputs(name):
        assert not [kind for kind in data if kind.startswith("image/")], "use plot.show"
        for image in re.findall(r"<img\b[^>]*>", data.get("text/html", "")):
            assert re.search(r'alt="[^"]{10,}', image), image[-200:]
    for image in re.findall(r"!\[(.*?)\]\(", text_of(name)):
        assert len(image) >= 10, "a picture in Markdown needs an alt text too"


@every_notebook
def test_its_quotes_are_equal_to_their_source(name):
    for cell, target in quote.quoted_cells(NOTEBOOKS[name]):
        assert cell.source == quote.quote(target), f"{target}: run python -m tools.quote"


@every_notebook
def test_it_is_of_a_size_to_read(name):
    notebook, path = NOTEBOOKS[name], ROOT / "notebooks" / f"{name}.ipynb"
    assert len(notebook.cells) <= (80 if name.startswith("15") else 70)
    assert path.stat().st_size < 1.5e6
    for cell in code_cells(name):
        lines = [line for line in cell.source.split("\n") if line.strip()]
        assert len(lines) <= 32, cell.source[:80]


@every_notebook
def test_its_cell_ids_are_unique_and_kept(name):
    notebook = NOTEBOOKS[name]
    assert (notebook.nbformat, notebook.nbformat_minor >= 5) == (
        4,
        True,
    )  # ids are part of the file
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@every_notebook
def test_it_holds_no_times_and_no_widget(name):
    """A stored widget without its kernel is an error message: run python -m tools.store."""
    notebook = NOTEBOOKS[name]
    assert "widgets" not in notebook.metadata
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert not any(WIDGET in data for _, data in outputs(name))


@every_notebook
def test_its_tags_are_known_and_what_may_differ_is_followed_by_a_band(name):
    cells = code_cells(name)
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        unknown = [t for t in tags(cell) if t not in TAGS and not t.startswith("quote:")]
        assert not unknown, unknown
        if "real-data" in tags(cell):
            assert "nbval-ignore-output" in tags(cell)
        if "nbval-ignore-output" in tags(cell):
            bands = cell.source + after.source if after else cell.source
            assert "assert" in bands, f"no band after: {cell.source[:80]}"


@every_notebook
def test_its_cells_fetch_nothing(name):
    for cell in code_cells(name):
        assert not re.search(r"https?://|urlopen|requests\.|%pip|!pip|!wget|!curl", cell.source)


@every_notebook
def test_its_links_to_files_resolve(name):
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(name))
    links += re.findall(r'(?:href|src)="([^"]+)"', text_of(name))
    for link in links:
        if not re.match(r"https?:|#|data:|mailto:", link):
            target = ROOT / "notebooks" / link.split("#")[0]
            assert target.exists(), link


def test_links_of_the_readme_resolve():
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text()):
        assert re.match(r"https?:|#", link) or (ROOT / link.split("#")[0]).exists(), link


# --- definitions ---


def defined_in(source):
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)]


def test_no_name_is_defined_in_two_notebooks_or_beside_the_package():
    places = {}
    for name in NOTEBOOKS:
        for cell in code_cells(name):
            if not any(t.startswith("quote:") for t in tags(cell)):
                for defined in defined_in(cell.source):
                    places.setdefault(defined, set()).add(name)
    for path in (ROOT / "d2lmini").rglob("*.py"):
        for defined in defined_in(path.read_text()):
            places.setdefault(defined, set()).add(path.name)
    twice = {n: where for n, where in places.items() if len(where) > 1}
    in_notebooks = {n: w for n, w in twice.items() if not all(p.endswith(".py") for p in w)}
    assert not in_notebooks


# --- quizzes ---


QUIZZES = sorted(path.stem for path in (ROOT / "notebooks/quizzes").glob("*.json"))


@pytest.mark.parametrize("quiz", QUIZZES)
def test_every_quiz_is_valid_and_shown_in_its_notebook(quiz):
    assert len(learn.read_quiz(quiz)["questions"]) >= 5
    shown = [
        name
        for name in NOTEBOOKS
        if any(f'quiz("{quiz}")' in cell.source for cell in code_cells(name))
    ]
    assert [name[:2] for name in shown] == [quiz[:2]]


def hints(answers):
    """What may give the right one of these answers away: its length, its place."""
    lengths = [len(answer["text"]) for answer in answers]
    place = [answer["right"] for answer in answers].index(True)
    others = lengths[:place] + lengths[place + 1 :]
    if lengths[place] > max(others):
        yield "the longest"
    if lengths[place] < min(others):
        yield "the shortest"
    yield f"number {place + 1}"


@pytest.mark.parametrize("quizzes", [[quiz] for quiz in QUIZZES] + [QUIZZES], ids=str)
def test_the_right_answer_is_the_longest_the_shortest_or_in_one_place_by_chance_alone(quizzes):
    """At most one standard deviation more often than among answers drawn blindly."""
    questions = [q["answers"] for quiz in quizzes for q in learn.read_quiz(quiz)["questions"]]
    chances = [1 / len(answers) for answers in questions]
    most = sum(chances) + sum(p * (1 - p) for p in chances) ** 0.5
    found = Counter(hint for answers in questions for hint in hints(answers))
    assert not {hint: n for hint, n in found.items() if n > most}, f"at most {most:.1f}"


@every_notebook
def test_it_has_a_quiz_before_and_after(name):
    source = "\n".join(cell.source for cell in code_cells(name))
    for when in ("before", "after"):
        assert f'quiz("{name[:2]}_{when}")' in source


# --- exercises ---


def globals_used(nodes):
    """The names that these statements look up outside their own functions."""
    queue, used = [compile(ast.Module(nodes, []), "<names>", "exec")], set()
    while queue:
        code = queue.pop()
        queue += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        used |= {
            step.argval
            for step in dis.get_instructions(code)
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL")
        }
    return used


def bound_by(node):
    """The names that a top-level statement gives a meaning."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if not isinstance(node, ast.Assign):
        return set()
    return {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def what_the_notebook_gives(name, source):
    """A namespace with what `source` uses of the notebook's imports, functions and data.

    Only the first binding of each name that is needed is run, so no training.
    """
    bindings = {}
    for cell in code_cells(name):
        if "exercise" not in tags(cell):
            for node in ast.parse(cell.source).body:
                for bound in bound_by(node):
                    bindings.setdefault(bound, node)
    needed, queue = [], ast.parse(source).body
    while queue:
        for used in globals_used([queue.pop()]):
            node = bindings.get(used)
            if node is not None and node not in needed:
                needed.append(node)
                queue.append(node)
    order = list(dict.fromkeys(bindings.values()))
    namespace = {}
    for node in sorted(needed, key=order.index):
        exec(compile(ast.Module([node], []), "<notebook>", "exec"), namespace)
    return namespace


def exercises():
    """(notebook, number of the exercise, stub, solution) for each cell tagged exercise."""
    for name, notebook in NOTEBOOKS.items():
        for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
            if "exercise" in tags(cell):
                number = re.search(r'check\(\s*"([\d.]+)"', cell.source)[1]
                solution = re.search(
                    r"<summary>Solution</summary>.*?```python\n(.*?)```", before.source, re.DOTALL
                )
                assert solution, f"{number} has no solution"
                assert "<summary>Hint</summary>" in before.source, f"{number} has no hint"
                yield pytest.param(name, number, cell.source, solution[1], id=number)


every_exercise = pytest.mark.parametrize(("name", "number", "stub", "solution"), list(exercises()))


@pytest.fixture
def one_thread():
    """For work in very small pieces, where threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def answers_in(name, stub, answer):
    """The answers that check(...) is given when `answer` stands in the place of the cell `stub`."""
    *_, call = ast.parse(stub).body
    namespace = what_the_notebook_gives(name, answer)
    exec(answer, namespace)
    arguments = call.value.args[1:]
    return [eval(compile(ast.Expression(a), "<check>", "eval"), namespace) for a in arguments]


def without_check(stub):
    *body, _ = ast.parse(stub).body
    return ast.unparse(ast.Module(body, []))


@every_exercise
def test_the_stub_fails_its_check_and_the_solution_passes_it(name, number, stub, solution):
    assert number.startswith(name[:2] + ".")
    empty = learn.grade(number, *answers_in(name, stub, without_check(stub)))
    assert empty and not any(r.passed or r.attempted for r in empty)
    solved = learn.grade(number, *answers_in(name, stub, solution))
    assert all(r.passed for r in solved), [(r.case.given, r.got) for r in solved if not r.passed]


@every_exercise
def test_its_check_refuses_what_is_wrong_and_takes_what_is_right(
    name, number, stub, solution, one_thread
):
    exercise = learn.find_exercise(number)
    wrong, right = (exercise.__globals__[f"{kind}_{number[3:]}"] for kind in ("wrong", "right"))
    assert len(wrong) >= 3 and len(right) >= 1
    parameters = list(inspect.signature(exercise).parameters)
    solved = {}
    if len(parameters) > 1:
        solved = dict(zip(parameters, answers_in(name, stub, solution), strict=True))

    def results_of(answer):
        answers = solved | answer if solved else {parameters[0]: answer}
        return learn.grade(number, *answers.values())

    for title, answer in wrong.items():
        failed = [r.got for r in results_of(answer) if r.attempted and not r.passed]
        assert failed, f"{title!r} is accepted"
        assert not [got for got in failed if got.startswith("NameError")], title
    for title, answer in right.items():
        failed = [(r.case.given, r.got) for r in results_of(answer) if not r.passed]
        assert not failed, title


ODD = [None, 3, "x", [], {}, np.arange(3), torch.ones(2, 3), math.nan, lambda *a: np.arange(3)]


@every_exercise
def test_no_answer_raises_out_of_its_check(name, number, stub, solution, one_thread):
    parameters = inspect.signature(learn.find_exercise(number)).parameters
    for answer in ODD:
        learn.check(number, *[answer for _ in parameters])


@every_notebook
def test_it_has_five_exercises_and_uses_every_check(name):
    cells = [cell.source for cell in code_cells(name) if "exercise" in tags(cell)]
    used = re.findall(r'check\(\s*"([\d.]+)"', "\n".join(cells))
    assert len(used) >= 5 and len(set(used)) == len(used)
    checks = (ROOT / "notebooks/checks" / f"{name[:2]}.py").read_text()
    written = re.findall(r"^def exercise_(\d+)", checks, re.MULTILINE)
    assert sorted(f"{name[:2]}.{n}" for n in written) == sorted(used)


def test_notebooks_are_json_that_git_can_compare():
    """One space of indentation and real letters, as Jupyter writes them."""
    for path in PATHS:
        content = json.loads(path.read_text())
        assert path.read_text() == json.dumps(content, indent=1, ensure_ascii=False) + "\n"
