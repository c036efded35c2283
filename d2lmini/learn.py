"""Learning aids: quizzes that explain every answer, and checks that say what an answer gets wrong.

Quizzes are in notebooks/quizzes/NAME.json, the cases of exercise NN.k in notebooks/checks/NN.py
as a generator exercise_k(*answers) that yields a Case for each thing it tries.  Beside it are
wrong_k, answers that the cases must refuse, and right_k, answers in other forms that they must
take, as {what it does: answer}.  Where an exercise has several answers, such an answer is itself a
dictionary {parameter of exercise_k: answer}; the rest comes from the solution.
"""

import cmath
import functools
import html
import importlib.util
import inspect
import json
import linecache
import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Number, Real
from pathlib import Path
from typing import Any

import torch
from IPython.display import display
from torch import Tensor

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

# --- quizzes -----------------------------------------------------------------------------------


def read_quiz(name: str) -> dict:
    """The quiz notebooks/quizzes/NAME.json: {"title", "questions": [{"question", "answers"}]},
    where each answer has "text", "right" and "why", and one answer of each question is right.

    Raises FileNotFoundError, listing the quizzes, or ValueError, naming the faulty question.
    """
    path = NOTEBOOKS / "quizzes" / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json")))
        raise FileNotFoundError(f"there is no quiz {name!r}; there are: {known}")
    quiz = json.loads(path.read_text(encoding="utf-8"))
    if not quiz.get("title") or not quiz.get("questions"):
        raise ValueError(f"quiz {name}: a title and questions are wanted, got {sorted(quiz)}")
    for number, item in enumerate(quiz["questions"], start=1):
        answers = item.get("answers", [])
        incomplete = [a for a in answers if not (a.get("text") and a.get("why") and "right" in a)]
        if not item.get("question") or len(answers) < 2 or incomplete:
            raise ValueError(
                f"quiz {name}, question {number}: a question and two or more answers with text, "
                f"right and why are wanted, got {incomplete or item}"
            )
        if sum(a["right"] for a in answers) != 1:
            raise ValueError(f"quiz {name}, question {number}: exactly one answer must be right")
    return quiz


def quiz(name: str) -> None:
    """Show a quiz as plain HTML: open an answer to see whether it is right, and why."""
    content = read_quiz(name)
    show_questions(content["title"], content["questions"])


def show_questions(title: str, questions: list[dict]) -> None:
    """Show questions, of one quiz or of several, under a title, as quiz does."""
    page, text = [f"<p><b>{html.escape(title)}</b></p><ol>"], [title]
    for item in questions:
        page.append(f"<li>{html.escape(item['question'])}")
        text.append(item["question"])
        for answer in item["answers"]:
            verdict = "Right." if answer["right"] else "Not quite."
            page.append(
                f"<details><summary>{html.escape(answer['text'])}</summary>"
                f"<blockquote><b>{verdict}</b> {html.escape(answer['why'])}</blockquote></details>"
            )
            text.append(f"  - {answer['text']}")
        page.append("</li>")
    page.append("</ol>")
    display({"text/html": "".join(page), "text/plain": "\n".join(text)}, raw=True)


# --- exercises ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Between:
    """A wanted number that may lie anywhere from low to high."""

    low: float
    high: float

    def __str__(self):
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Case:
    """One thing a check tries: on input `given`, `got()` should be `want` (a value or Between)."""

    given: str
    got: Callable[[], Any]
    want: Any
    hint: str


@dataclass(frozen=True)
class Result:
    """The outcome of a case.  attempted is False if the stub was left unchanged."""

    case: Case
    passed: bool
    attempted: bool
    expected: str
    got: str


def check(name: str, *answers) -> None:
    """Try the answers to exercise "NN.k" and print what passed, what failed, and why."""
    results = grade(name, *answers)
    if not any(result.attempted for result in results):
        print(
            f"Exercise {name}: nothing to check yet. Replace ... with an answer that is returned."
        )
        return
    print(f"Exercise {name}")
    for result in results:
        print(f"  {'passed' if result.passed else 'FAILED'}  {result.case.given}")
        if not result.passed:
            print(f"            expected  {result.expected}")
            print(f"            got       {result.got}")
            print(f"            hint      {result.case.hint}")
    passed = sum(result.passed for result in results)
    print(f"  {passed} of {len(results)} passed{'.' if passed < len(results) else ': solved.'}")


def grade(name: str, *answers) -> list[Result]:
    """Try the answers to exercise "NN.k"; return a Result for each of its cases.

    Raises ValueError if there is no such exercise or it wants another number of answers.
    """
    exercise = find_exercise(name)
    wanted = list(inspect.signature(exercise).parameters)
    if len(answers) != len(wanted):
        raise ValueError(
            f'check("{name}", {", ".join(wanted)}) takes {len(wanted)}, got {len(answers)} answers'
        )
    return [try_case(case) for case in exercise(*map(watched, answers))]


class NothingReturned(Exception):
    """The reader's function returned None or ...: it is a stub, or a return is missing."""


def watched(answer):
    """The answer; a function is wrapped to raise NothingReturned if it returns nothing and
    ValueError if it changes a tensor that it was given."""
    if not inspect.isfunction(answer):
        return answer

    @functools.wraps(answer)
    def watch(*arguments, **options):
        tensors = [given for given in arguments if isinstance(given, Tensor)]
        before = [given.clone() for given in tensors]
        result = answer(*arguments, **options)
        if not all(map(torch.equal, tensors, before)):
            raise ValueError("an argument was changed in place; it belongs to the caller")
        if result is None or result is ...:
            raise NothingReturned
        return result

    return watch


def find_exercise(name: str) -> Callable:
    notebook, _, number = name.partition(".")
    path = NOTEBOOKS / "checks" / f"{notebook}.py"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("[0-9]*.py")))
        raise ValueError(f"no exercise {name!r}: there are checks for notebooks {known}")
    spec = importlib.util.spec_from_file_location(f"checks_{notebook}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    exercise = getattr(module, f"exercise_{number}", None)
    if exercise is None:
        prefix = "exercise_"
        known = [
            f"{notebook}.{n.removeprefix(prefix)}" for n in vars(module) if n.startswith(prefix)
        ]
        raise ValueError(f"no exercise {name!r}: there are {', '.join(known)}")
    return exercise


def try_case(case: Case) -> Result:
    try:
        got = case.got()
        if got is None or got is ...:
            raise NothingReturned
        return Result(case, agrees(got, case.want), True, *told_apart(case.want, got))
    except (NothingReturned, NotImplementedError):
        attempted, got = False, "nothing (None): is a return missing?"
    except Exception as error:
        reason = str(error).partition("\n")[0]
        attempted, got = True, f"{type(error).__name__}: {reason}{place_of(error)}"
    return Result(case, False, attempted, describe(case.want), got)


def place_of(error: Exception) -> str:
    """The line of the reader's own cell that raised error, if any."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if "ipykernel" in frame.filename or frame.filename.startswith("<"):
            line = linecache.getline(frame.filename, frame.lineno).strip()
            return f", at line {frame.lineno} of your cell: {line}" if line else ""
    return ""


def agrees(got, want) -> bool:
    """Whether an answer is right, in whatever form: numbers of any type and tensors or arrays of
    one element (relative tolerance 1e-4, absolute 1e-5), "no" for False, a list for a tuple, small
    letters for capitals.  Tensors must have the same shape."""
    if isinstance(want, Tensor) and want.dim():
        if not isinstance(got, Tensor) or got.shape != want.shape:
            return False
        if (got.dtype == torch.bool) != (want.dtype == torch.bool):  # 0 and 1 are no mask
            return False
        return torch.allclose(got.detach().double(), want.double(), rtol=1e-4, atol=1e-5)
    if isinstance(want, tuple):
        same_length = isinstance(got, (tuple, list)) and len(got) == len(want)
        return same_length and all(map(agrees, got, want))
    got, want = plain(got), plain(want)
    if isinstance(want, str):
        return isinstance(got, str) and got.strip().casefold() == want.casefold()
    if isinstance(want, bool) and isinstance(got, str):
        got = {"yes": True, "true": True, "no": False, "false": False}.get(got.strip().casefold())
    if isinstance(want, (Between, Number)) and not isinstance(got, Number):
        return False
    if isinstance(want, Between):
        return want.low <= got <= want.high
    if isinstance(want, Number) and not isinstance(want, bool):
        return cmath.isclose(got, want, rel_tol=1e-4, abs_tol=1e-5)
    return bool(got == want)


def plain(x):
    """A tensor or array of one element as its value; anything else as it is."""
    return x.item() if hasattr(x, "item") and math.prod(x.shape) == 1 else x


def told_apart(want, got) -> tuple[str, str]:
    """What was expected and what was got, each in one line and never alike if they differ."""
    expected, answer = describe(want), describe(got, want)
    if expected != answer:
        return expected, answer
    return in_full(want), in_full(got)


def in_full(value) -> str:
    """A value with its type and all its digits."""
    numbers = value.tolist() if isinstance(value, Tensor) else value
    return f"{type(value).__name__} {' '.join(repr(numbers).split())}"


def describe(value, want=None) -> str:
    """A value in one short line; for a wrong tensor also the largest error and its place."""
    if isinstance(number := plain(value), Real) and not isinstance(number, Integral):
        return f"{float(number):.4g}"
    if not isinstance(value, Tensor):
        wrong_kind = f"{type(value).__name__}, not a torch tensor: " * isinstance(want, Tensor)
        return wrong_kind + " ".join(str(value).split())[:80]
    kind = " bool" if value.dtype == torch.bool else ""
    shape = f"tensor {tuple(value.shape)}{kind}"
    if isinstance(want, Tensor) and value.shape == want.shape and value.numel() > 8:
        off = (value.detach().double() - want.double()).abs()
        place = [int(i) for i in torch.unravel_index(off.argmax(), off.shape)]
        return f"{shape}, off by up to {off.max():.3g}, at {place}"
    if value.numel() > 8:
        return shape
    numbers = value.detach().flatten().tolist()
    return f"{shape}: {[round(x, 4) if isinstance(x, float) else x for x in numbers]}"
