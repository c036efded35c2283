"""What the words of every notebook must hold: its predictions and its numbers."""

import math
import re
from itertools import takewhile

import pytest
from nbformat.v4 import new_code_cell
from test_notebooks import NOTEBOOKS, ROOT, every_notebook, tags

from d2lmini.plot import FOLDED

# --- predictions ---

PREDICT = re.compile(r"\*\*Predict\b")


def predictions(name):
    """Each Markdown cell that asks for a prediction, its number, and the cells that answer it:
    those that follow before the next Markdown cell and put something out."""
    cells = NOTEBOOKS[name].cells
    for i, cell in enumerate(cells):
        if cell.cell_type == "markdown" and PREDICT.search(cell.source):
            after = takewhile(lambda c: c.cell_type == "code", cells[i + 1 :])
            yield i, cell.source, [c for c in after if c.outputs]


def first_line(output):
    """What JupyterLab shows on the bar that stands for a folded output."""
    data = output.get("data", {"text/plain": output.get("text", "")})
    text = data.get("text/html") or data.get("text/plain", "")
    return next((line for line in text.split("\n") if line), "")


def neutral(line):
    """A heading that names what is printed, with a colon and no number; or that of a figure."""
    return line + "\n" == FOLDED or re.fullmatch(r"\D+:", line) is not None


@every_notebook
def test_a_prediction_ends_its_cell_and_its_answer_is_folded(name):
    found = list(predictions(name))
    assert found
    for i, text, answers in found:
        (asked,) = PREDICT.finditer(text)  # one question at a time
        after = text[asked.start() :].split("\n\n")[1:]
        assert all(re.match(r"- |1\. ", part) for part in after), (i, "a list may follow, no more")
        assert answers, (i, "no cell with an output follows")
        for cell in answers:
            folded = cell.metadata.get("jupyter", {}).get("outputs_hidden")
            assert folded and "hide-output" in tags(cell), (i, cell.source[:80])


@every_notebook
def test_the_bar_of_a_folded_answer_does_not_tell_it(name):
    for i, _, answers in predictions(name):
        for cell in answers:
            assert neutral(first_line(cell.outputs[0])), (i, first_line(cell.outputs[0])[:200])


@pytest.mark.parametrize(
    "line", ["in order 109.0 cm, shuffled 109.0 cm", "undo redo", "[0.5, 0.5]", "<figure><img", ""]
)
def test_a_line_that_tells_is_not_neutral(line):
    assert not neutral(line)
    assert neutral("Where the eyes rest:")


@every_notebook
def test_an_answer_is_not_printed_before_it_is_asked_for(name):
    cells = NOTEBOOKS[name].cells
    for i, _, answers in predictions(name):
        before = "\n".join(shown_by(c) for c in cells[:i])
        lines = {line for cell in answers for line in printed(cell).split("\n")}
        assert not [line for line in lines if re.search(r"\d", line) and line in before]


# --- numbers ---

NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+|(?=\s?%))(?!\.?\d)(\s?%)?")  # 0.3, 20 %
NO_NUMBER = re.compile(r"\b(?:sections?|version) \d[\d., and]*")  # but the name of a part
SENTENCE = re.compile(r"\n\n|\n(?=[-|] |\d\. |<)|(?<=[.!?]) +(?=[A-Z*$`])")
CAPTION = re.compile(r'\b(?:caption|alt)=(?:lambda \w+: )?(?:\s*f?"[^"]*")+')
CODE = re.compile(r"```.*?```|^    .*?$", re.DOTALL | re.MULTILINE)  # in Markdown
LINK = re.compile(r"\]\(([^)#\s]+)")
TERM = r"(?:ln |√)?\d[\d.,]*"
SUM = re.compile(rf"({TERM}(?: ?[-−+·/] ?{TERM})*) = $")


def numbers_in(text):
    found = re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d{1,2})?", text)
    return [float(number.replace(",", "")) for number in found]


def printed(cell):
    return "".join(output.text for output in cell.get("outputs", []) if "text" in output)


def shown_by(cell):
    """The code and what it prints: a caption or an alt text is prose, too."""
    return CAPTION.sub("", cell.source) + "\n" + printed(cell)


def shown_beside(cells, i):
    """What the code cells between the Markdown cells before and after cell i show."""
    text = CODE.findall(cells[i].source)
    for step in (-1, 1):
        j = i + step
        while 0 <= j < len(cells) and cells[j].cell_type == "code":
            text.append(shown_by(cells[j]))
            j += step
    return "\n".join(text)


def says(shown, text, percent):
    """Whether one of the numbers shown is the one in `text`, rounded to its digits."""
    digits = text.rstrip(" %").replace(",", "")
    value, half = float(digits), 0.5001 * 10 ** -len(digits.partition(".")[2])
    return any(abs(n - value) <= half or (percent and abs(100 * n - value) <= half) for n in shown)


def computed(before):
    """The value of `4/8` where a text says 4/8 = , as a list."""
    found = SUM.search(before)
    if not found:
        return []
    formula = found[1].replace("−", "-").replace("·", "*").replace(",", "")
    formula = re.sub(r"(ln |√)([\d.]+)", r"\1(\2)", formula)
    return [eval(formula.replace("ln ", "log").replace("√", "sqrt"), vars(math))]


def linked(sentence):
    """The numbers in the files of this repository that a sentence links to; None for the web."""
    links = LINK.findall(sentence)
    if any(link.startswith("http") for link in links):
        return None
    paths = [ROOT / "notebooks" / link for link in links]
    shown = [
        "\n".join(map(shown_by, NOTEBOOKS[path.stem].cells))
        if path.stem in NOTEBOOKS
        else path.read_text()
        for path in paths
        if path.suffix in {".ipynb", ".json", ".md", ".py"}
    ]
    return numbers_in("\n".join(shown))


def unproven(markdown, beside):
    """The decimals and percentages that nothing beside shows: no code, no output, no source.

    A sentence proves its numbers by a link, too: to the web (a paper), or to a card, a notebook or
    a table of this repository that holds them; or by the sum that makes them, 1/8 = 0.125.
    """
    shown, found = numbers_in(beside), []
    for sentence in SENTENCE.split(CODE.sub("", markdown)):
        sources = linked(sentence)
        sentence = NO_NUMBER.sub("", sentence)
        for number in NUMBER.finditer(sentence) if sources is not None else []:
            known = shown + sources + computed(sentence[: number.start()])
            if not says(known, number[0], percent=bool(number[1])):
                found.append(f"{number[0]} in: {' '.join(sentence.split())}")
    return found


@every_notebook
def test_its_numbers_in_prose_are_shown_beside_or_have_a_source(name):
    cells, checks = NOTEBOOKS[name].cells, ROOT / "notebooks/checks" / f"{name[:2]}.py"
    found = []
    for i, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            beside = shown_beside(cells, i)
            if any("exercise" in tags(c) for c in cells[i + 1 : i + 2]):
                beside += checks.read_text()
            found += [f"cell {i}: {text}" for text in unproven(cell.source, beside)]
    assert not found, "\n" + "\n".join(found)


BESIDE = shown_by(
    new_code_cell('plot(y, rate=2e-1, caption="It costs 0.4.")\n# BLEU 41.2, 40.9, 12% of 1,000')
)


@pytest.mark.parametrize(
    "sentence",
    [
        "BLEU falls to 40.9.",
        "The rate is 0.20, and 12 % are lost.",
        "Capitals cost 41.2 − 40.9 = 0.3.",
        "About ± 0.2/√4 = 0.1, where guessing costs ln 10 = 2.303.",
        "Post [(2018)](https://arxiv.org/abs/1804.08771) found up to 1.8, see section 3.2.",
        "The card has [38.88](../data/checkpoints/multi30k_bahdanau.json).",
        "Version 2.3.1 has 17 words.",
    ],
)
def test_a_number_that_is_shown_computed_or_cited_passes(sentence):
    assert unproven(f"First.\n\n- {sentence} Then nothing.", BESIDE) == []


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("Capitals cost 0.4.", "0.4"),  # stands in a caption alone
        ("BLEU falls to 40.8.", "40.8"),
        ("It costs 41.2 − 40.9 = 0.4.", "0.4"),
        ("A [paper](https://arxiv.org) says so. It is 7.7.", "7.7"),
        ("The card has [38.87](../data/checkpoints/multi30k_bahdanau.json).", "38.87"),
        ("A third (33 %) is lost.", "33 %"),
    ],
)
def test_a_number_from_nowhere_is_found(sentence, number):
    (found,) = unproven(sentence, BESIDE)
    assert found.startswith(f"{number} in: ")
