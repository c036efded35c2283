"""Cases of the exercises in 15_summary: what check("15.k", ...) tries.

Each is a diagnosis, one of four causes.  The right one is never printed: a wrong answer is told
what would look different if it were the cause.
"""

from d2lmini.learn import Case


class Cause:
    """The wanted cause; printed, it does not say which."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, answer):
        return isinstance(answer, str) and normal(answer) == self.name

    def __str__(self):
        return "the cause that explains every line of the symptom"


def normal(answer):
    """A cause as the list writes it: small letters, single blanks, without its explanation,
    quotation marks, asterisks and full stop."""
    name = answer.partition(":")[0].casefold().replace("_", " ")
    return " ".join(name.split()).strip(" .*'\"`")


def said(answer):
    """The reader's answer; TypeError unless it is a string.  ... and None are no answer yet."""
    one = answer.item() if getattr(answer, "size", None) == 1 else answer
    if one is None or one is ... or isinstance(one, str):
        return one
    raise TypeError(f"one cause of the list is wanted, as a string, got a {type(one).__name__}")


def diagnosis(exhibit, answer):
    right, others = EXHIBITS[exhibit]
    hint = f"choose one of: {', '.join(sorted([right, *others]))}"
    if isinstance(answer, str):
        hint = others.get(normal(answer), hint)
    return Case(f"the cause of exhibit {exhibit}", lambda: said(answer), Cause(right), hint)


EXHIBITS = {  # exhibit: the cause, {another cause: what would look different}
    1: (
        "empty row",
        {
            "exploding gradients": "then the losses before would grow, and with a thousandth of "
            "the rate the nan would come later or never",
            "log of zero": "then the loss of a sure and wrong model would be inf first, and would "
            "depend on what it has learned by then, so on seed and rate",
            "padding not hidden": "then the numbers would be wrong, and finite, from the first "
            "batch on: every batch has padding",
        },
    ),
    2: (
        "mask inverted",
        {
            "loud padding": "then the sentence without padding would be as it should be",
            "mask missing": "then words and paddings would both get weight, and no row would be "
            "nan",
            "wrong axis": "then columns would sum to 1, and the words would keep some of it",
        },
    ),
    3: (
        "position 0",
        {
            "dropout left on": "then teacher forcing would suffer, too, and each try would write "
            "something else",
            "no shift": "then the decoder would have learned to copy its own input; one name a "
            "step, it would say <bos> or the name before, and the first would be wrong",
            "wrong source mask": "then teacher forcing would suffer, too: the names stand in the "
            "source alone",
        },
    ),
    4: (
        "vocabulary from test",
        {
            "captions of another kind": "then lengths or frequent words would differ, too; all "
            "three texts come from one generator",
            "rare words dropped": "then train would have unknown words, too",
            "test captions in train": "then some test captions would stand in train; none does",
        },
    ),
    5: (
        "no warm-up",
        {
            "labels shuffled": "then one block could not learn them either",
            "padding in the loss": "there is none, all rows have six digits; and a loss of "
            "padding falls fast",
            "rate too low": "then a tenth of the rate would be slower still",
        },
    ),
    6: (
        "dropout left on",
        {
            "coarse numbers": "then sums would miss 1 by a hundredth at most, and both maps would "
            "be equal",
            "mask after softmax": "then no row could sum to more than 1, and both maps would be "
            "equal",
            "wrong axis": "then each column would sum to 1, and both maps would be equal",
        },
    ),
    7: (
        "leaky mask",
        {
            "captions of test in train": "then an order by lot that was not in train would still "
            "cost as much as the dotted line; and each caption is shuffled by a lot of its own",
            "overfitting": "then held-out captions would cost more than the dotted line, however "
            "low train is",
            "padding in the loss": "then the loss would go below the dotted line by the share of "
            "padding, and no further; this one goes on falling",
        },
    ),
    8: (
        "padding pooled",
        {
            "batch norm": "then another neighbour of the same length would change the judgement, "
            "too",
            "dropout left on": "then a second try would give other logits, without a neighbour as "
            "well",
            "words cut off": "then longer captions alone would suffer, and only beyond the cut; "
            "nothing is cut here, the row just grows",
        },
    ),
    9: (
        "empty slots counted",
        {
            "labels in the input": "then training would be needed to use them; this model has "
            "learned nothing, and short texts would be no cheaper than long ones",
            "loud start": "then the loss would lie above the logarithm of the number of words",
            "other logarithm": "then every loss would be smaller by one and the same factor, long "
            "texts' as well",
        },
    ),
    10: (
        "second text tells",
        {
            "labels in one order": "a model of single pairs does not know which of them stands "
            "where",
            "one class rare": "half of the labels are 1: always saying the same is right half of "
            "the time",
            "stories of test in train": "the new pairs come from other stories; and pairs known "
            "by heart would be lost when the first text is exchanged",
        },
    ),
}


def tried(exhibit):
    """wrong_k and right_k: each other cause; the right one in other forms"""
    right, others = EXHIBITS[exhibit]
    first, *_ = others
    wrong = {other: other for other in others} | {
        "a list": [right],
        "all four, in a list": [right, *others],
        "a tuple": (first,),
        "as a key": {right: True},
        "a word of it": right[:4],
        "two of them": f"{right} or {first}",
        "another first": f"{first}, {right}",
        "all in one string": " ".join([right, *others]),
        "the opposite": f"not {right}",
        "an empty string": "",
        "its place in the list": sorted([right, *others]).index(right),
        "yes": True,
    }
    return wrong, {
        "capitals": right.upper(),
        "blanks": f" {right.replace(' ', '  ')} ",
        "underscores": right.replace(" ", "_"),
        "the whole line": f"*{right}*: as it stands in the list",
        "a sentence": f"{right.capitalize()}.",
        "quoted twice": f"'{right}'",
    }


def exercise_1(cause):
    yield diagnosis(1, cause)


def exercise_2(cause):
    yield diagnosis(2, cause)


def exercise_3(cause):
    yield diagnosis(3, cause)


def exercise_4(cause):
    yield diagnosis(4, cause)


def exercise_5(cause):
    yield diagnosis(5, cause)


def exercise_6(cause):
    yield diagnosis(6, cause)


def exercise_7(cause):
    yield diagnosis(7, cause)


def exercise_8(cause):
    yield diagnosis(8, cause)


def exercise_9(cause):
    yield diagnosis(9, cause)


def exercise_10(cause):
    yield diagnosis(10, cause)


wrong_1, right_1 = tried(1)
wrong_2, right_2 = tried(2)
wrong_3, right_3 = tried(3)
wrong_4, right_4 = tried(4)
wrong_5, right_5 = tried(5)
wrong_6, right_6 = tried(6)
wrong_7, right_7 = tried(7)
wrong_8, right_8 = tried(8)
wrong_9, right_9 = tried(9)
wrong_10, right_10 = tried(10)
