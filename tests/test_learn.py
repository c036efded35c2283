import json
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from d2lmini import learn
from d2lmini.learn import Between, check, grade, quiz, read_quiz

EXERCISES = """
import torch
from d2lmini.learn import Between, Case

def exercise_1(double):
    yield Case("x = 2", lambda: double(2), 4, "twice")
    yield Case("a tensor", lambda: double(torch.ones(2)), torch.full((2,), 2.0), "each entry")

def exercise_2(roles, number):
    yield Case("the query", lambda: roles["query"], "decoder state", "who asks?")
    yield Case("the number", lambda: number, Between(0, 1), "a share")
"""
GOOD = {
    "title": "Before",
    "questions": [
        {
            "question": "Is 1 < 2?",
            "answers": [
                {"text": "no", "right": False, "why": "count"},
                {"text": "yes <b>", "right": True, "why": "1 & 1 is 2"},
            ],
        }
    ],
}


@pytest.fixture(autouse=True)
def notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(learn, "NOTEBOOKS", tmp_path)
    for folder in ("quizzes", "checks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "checks" / "07.py").write_text(EXERCISES)
    (tmp_path / "quizzes" / "good.json").write_text(json.dumps(GOOD))
    return tmp_path


# --- checks ---


def test_a_right_answer_is_told_as_solved(capsys):
    check("07.1", lambda x: 2 * x)
    out = capsys.readouterr().out
    assert "2 of 2 passed: solved." in out and "FAILED" not in out


def test_a_wrong_answer_is_told_with_input_expected_got_and_hint(capsys):
    check("07.1", lambda x: x + 2)
    out = capsys.readouterr().out
    assert "passed  x = 2" in out and "FAILED  a tensor" in out
    assert "expected  tensor (2,): [2.0, 2.0]" in out and "got       tensor (2,): [3.0, 3.0]" in out
    assert "hint      each entry" in out and "1 of 2 passed." in out


def test_an_answer_that_raises_is_told_without_a_traceback(capsys):
    check("07.1", lambda x: x / 0)
    out = capsys.readouterr().out
    assert "got       ZeroDivisionError: division by zero" in out and "Traceback" not in out


def test_the_line_of_the_cell_that_raised_is_named(capsys):
    import linecache

    source = "def double(x):\n    y = x\n    return y / 0\n"
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(True), "<cell>")
    names = {}
    exec(compile(source, "<cell>", "exec"), names)
    check("07.1", names["double"])
    assert "at line 3 of your cell: return y / 0" in capsys.readouterr().out


def test_a_stub_is_no_failure_but_nothing_to_check(capsys):
    def todo(x):
        raise NotImplementedError

    for stub in (lambda x: ..., lambda x: None, todo):
        check("07.1", stub)
        assert "nothing to check yet" in capsys.readouterr().out
        assert not any(result.passed for result in grade("07.1", stub))


def test_a_forgotten_return_is_told_where_other_cases_say_something(capsys):
    check("07.2", {"query": None}, 0.5)
    out = capsys.readouterr().out
    assert "FAILED  the query" in out and "nothing (None)" in out and "passed  the number" in out


def test_a_wrong_number_or_name_of_answers_is_named():
    with pytest.raises(ValueError, match=r"check\(\"07\.2\", roles, number\) takes 2, got 1"):
        check("07.2", {})
    with pytest.raises(ValueError, match=r"no exercise '07\.9': there are 07\.1, 07\.2"):
        check("07.9", 1)
    with pytest.raises(ValueError, match="no exercise '7': there are checks for notebooks 07"):
        check("7", 1)


@pytest.mark.parametrize(
    ("got", "want", "same"),
    [
        (torch.ones(2), torch.ones(2), True),
        (torch.ones(2).double(), torch.ones(2), True),
        (torch.ones(1, 2), torch.ones(2), False),
        (torch.tensor([1.0, torch.nan]), torch.ones(2), False),
        ([1.0, 1.0], torch.ones(2), False),
        (torch.ones(2), torch.ones(2) > 0, False),
        (torch.ones(2) > 0, torch.ones(2) > 0, True),
        (torch.tensor(0.5), 0.5, True),
        (0.5 + 1e-7, 0.5, True),
        (0.51, 0.5, False),
        ("0.5", 0.5, False),
        (0.5, Between(0.4, 0.6), True),
        (torch.tensor(0.7), Between(0.4, 0.6), False),
        ("half", Between(0.4, 0.6), False),
        ((10, 10), (10, 10), True),
        (torch.ones(2), (1, 1), False),
        (True, True, True),
        (False, True, False),
        (np.int64(9), 9, True),
        (np.float32(4 / 3), 4 / 3, True),
        (Fraction(4, 3), 4 / 3, True),
        (Decimal("0.5"), 0.5, True),
        (complex(0.5), 0.5, True),
        (np.array([[9]]), 9, True),
        (torch.tensor([[0.5]]), 0.5, True),
        (0.5, torch.tensor(0.5), True),
        (np.arange(2), 1, False),
        (Fraction(1, 2), Between(0.4, 0.6), True),
        (np.array([0.5]), Between(0.4, 0.6), True),
        (torch.tensor(False), False, True),
        (np.bool_(True), True, True),
        (torch.tensor(True), False, False),
        ("no", False, True),
        (" Yes", True, True),
        ("no", True, False),
        ("perhaps", False, False),
        (np.zeros(2), False, False),
        ([10, 10], (10, 10), True),
        ((10, np.int64(10)), (10, 10), True),
        ((10,), (10, 10), False),
        ("Test ", "test", True),
        (np.array(["test"]), "test", True),
        (np.array(["test", "train"]), "test", False),
        ("ValueError", "ValueError", True),
    ],
)
def test_answers_agree_up_to_rounding_and_no_further(got, want, same):
    assert learn.agrees(got, want) is same


def test_a_large_tensor_is_told_by_its_worst_place():
    want = torch.zeros(3, 4)
    got = want.clone()
    got[1, 2] = 0.5
    assert learn.describe(got, want) == "tensor (3, 4), off by up to 0.5, at [1, 2]"


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (0.5, "0.5"),
        (9, "9"),
        (True, "True, I think"),
        (0.5, 0.50009),
        (Between(0, 1), "a number from 0 to 1"),
        ("test", np.array(["test", "train"])),
        ("[1 2]", np.array([1, 2])),
        ((2, 5), "(2, 5)"),
        ((2, 1 / 3), (2, "0.3333333333333333")),
        (torch.ones(1, 1), torch.ones(1)),
        (torch.ones(2), torch.ones(2) + 2e-4),
        (torch.ones(2), torch.ones(2) > 0),
        (torch.ones(9), torch.ones(9) + 2e-4),
        (torch.ones(9), torch.full((9,), torch.nan)),
        ("a" * 100, "a" * 101),
    ],
)
def test_expected_and_got_never_print_alike(want, got):
    result = learn.try_case(learn.Case("", lambda: got, want, ""))
    assert not result.passed and result.expected != result.got


def test_what_differs_is_named_where_the_numbers_look_alike():
    assert learn.told_apart(9, "9") == ("int 9", "str '9'")
    assert learn.told_apart(20, 20.004) == ("int 20", "float 20.004")
    assert learn.told_apart(torch.ones(1, 1), torch.ones(1)) == ("Tensor [[1.0]]", "Tensor [1.0]")


def test_an_answer_that_changes_its_argument_is_told(capsys):
    check("07.1", lambda x: x.mul_(2) if isinstance(x, torch.Tensor) else 2 * x)
    out = capsys.readouterr().out
    assert "passed  x = 2" in out and "an argument was changed in place" in out


# --- quizzes ---


def test_each_answer_opens_to_a_verdict_and_a_reason(monkeypatch):
    outputs = []
    monkeypatch.setattr(learn, "display", lambda data, raw: outputs.append(data))
    quiz("good")
    page = outputs[0]["text/html"]
    assert page.count("<details>") == 2 and "<script" not in page
    assert "<summary>yes &lt;b&gt;</summary><blockquote><b>Right.</b> 1 &amp; 1 is 2" in page
    assert re.search("<summary>no</summary><blockquote><b>Not quite.</b> count", page)
    assert "Right" not in outputs[0]["text/plain"]


def damaged(change):
    quiz = json.loads(json.dumps(GOOD))
    change(quiz)
    return quiz


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda q: q.pop("title"), "a title and questions are wanted"),
        (lambda q: q["questions"].clear(), "a title and questions are wanted"),
        (lambda q: q["questions"][0]["answers"][0].pop("why"), "question 1: a question and two"),
        (lambda q: q["questions"][0]["answers"].pop(), "question 1: a question and two"),
        (lambda q: q["questions"][0]["answers"][0].update(right=True), "exactly one answer"),
    ],
)
def test_a_faulty_quiz_is_told_with_its_place(notebooks, change, told):
    (notebooks / "quizzes" / "bad.json").write_text(json.dumps(damaged(change)))
    with pytest.raises(ValueError, match=told):
        read_quiz("bad")


def test_a_quiz_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(FileNotFoundError, match="no quiz 'absent'; there are: good"):
        quiz("absent")
