"""What the words of every notebook must hold: its numbers."""

import math
import re

import pytest
from nbformat.v4 import new_code_cell
from test_notebooks import NOTEBOOKS, ROOT, every_notebook, tags

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


def shown_by(cell):
    """The code and what it prints: a caption or an alt text is prose, too."""
    printed = [output.text for output in cell.get("outputs", []) if "text" in output]
    return "\n".join([CAPTION.sub("", cell.source), *printed])


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
