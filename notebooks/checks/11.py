"""Cases of the exercises in 11_nli_data: what check("11.k", ...) tries."""

import math
from collections import Counter

import numpy as np
import torch

from d2lmini.learn import Case

ENTAILED, DENIED, OPEN = "entailment", "contradiction", "neutral"

# --- 1: the gold label -------------------------------------------------------------------------


def exercise_1(gold_label):
    for votes, want, hint in (
        ([DENIED, OPEN, DENIED, DENIED, ENTAILED], DENIED, "three votes of five are enough"),
        ([OPEN, OPEN, ENTAILED, ENTAILED, DENIED], "-", "two votes are not"),
        ([OPEN, OPEN, ENTAILED, "", ""], "-", "two of three are the majority, but not three votes"),
        (["", "", "", ENTAILED, ""], "-", "a blank is no vote, however many there are"),
        ([ENTAILED, "", OPEN, ENTAILED, ENTAILED], ENTAILED, "three votes, one blank"),
        ([OPEN] * 5, OPEN, "all alike"),
        ([], "-", "nobody has voted"),
    ):
        yield Case(str(votes), lambda votes=votes: gold_label(list(votes)), want, hint)


def most_voted(votes, least=3, blanks=False):
    counted = Counter(vote for vote in votes if vote or blanks)
    label, count = counted.most_common(1)[0] if counted else ("-", 0)
    return label if count >= least else "-"


wrong_1 = {
    "two are enough": lambda votes: most_voted(votes, least=2),
    "four are wanted": lambda votes: most_voted(votes, least=4),
    "the majority of those given": lambda votes: most_voted(
        votes, least=len([vote for vote in votes if vote]) // 2 + 1
    ),
    "blanks vote": lambda votes: most_voted(votes, blanks=True),
    "the first": lambda votes: votes[0] if votes else "-",
    "the most, however few": lambda votes: most_voted(votes, least=1),
}
right_1 = {
    "counted by hand": lambda votes: next(
        (vote for vote in votes if vote and votes.count(vote) > 2), "-"
    ),
    "NumPy's strings": lambda votes: np.str_(most_voted(votes)),
}


# --- 2: Cohen's kappa --------------------------------------------------------------------------


def exercise_2(cohens_kappa):
    for first, second, hint in (
        ("EECNNN", "EECNEN", "agreement beyond that of the two raters' own shares"),
        ("EEEC", "ECNN", "each rater has shares of their own"),
        ("ENCENC", "NCENCE", "never alike: below 0"),
        ("EEEEEEEEEC", "EEEEEEEECE", "often alike, and less often than by chance"),
        ("ECNECNE", "ECNECNE", "always alike"),
    ):
        yield Case(
            f"{' '.join(first)} and {' '.join(second)}",
            lambda first=first, second=second: cohens_kappa([*first], [*second]),
            two_raters(first, second),
            hint,
        )


def two_raters(first, second, chance=None):
    n, one, two = len(first), Counter(first), Counter(second)
    agree = sum(a == b for a, b in zip(first, second, strict=True)) / n
    if chance is None:
        chance = sum(one[label] * two[label] for label in one) / n**2
    return (agree - chance) / (1 - chance)


wrong_2 = {
    "agreement alone": lambda a, b: two_raters(a, b, chance=0),
    "chance is a third": lambda a, b: two_raters(a, b, chance=1 / 3),
    "shares of both together": lambda a, b: two_raters(
        a, b, chance=sum((n / len(a) / 2) ** 2 for n in Counter([*a, *b]).values())
    ),
    "shares of the first": lambda a, b: two_raters(
        a, b, chance=sum((n / len(a)) ** 2 for n in Counter(a).values())
    ),
    "never below 0": lambda a, b: max(0.0, two_raters(a, b)),
}
right_2 = {
    "from a table": two_raters,
    "a tensor": lambda a, b: torch.tensor(two_raters(a, b)),
}


# --- 3: mutual information ---------------------------------------------------------------------

HYPOTHESES = [
    "Nobody is there",
    "nobody sleeps",
    "A man sleeps and nobody sees nobody",
    "Somebody sleeps",
    "A man waits for a friend",
    "A tall man waits",
    "People are outside",
]
GIVEN = [DENIED, DENIED, DENIED, ENTAILED, OPEN, OPEN, ENTAILED]


def exercise_3(word_tells):
    for word, label, hint in (
        ("nobody", DENIED, "Nobody is nobody, and twice in one hypothesis counts once"),
        ("sleeps", DENIED, "shares of hypotheses: 2 of 3 that hold it, of all 7"),
        ("man", DENIED, "less often than by chance: below 0"),
        ("a", OPEN, "a word is whole: the a in man is none"),
        ("waits", OPEN, "both hypotheses with this label hold it"),
    ):
        yield Case(
            f"{word}, {label}",
            lambda word=word, label=label: word_tells(list(HYPOTHESES), list(GIVEN), word, label),
            information(HYPOTHESES, GIVEN, word, label),
            hint,
        )


def information(hypotheses, labels, word, label, count=lambda h, w: w in h.lower().split()):
    holds = [int(count(hypothesis, word)) for hypothesis in hypotheses]
    both = sum(n for n, y in zip(holds, labels, strict=True) if y == label)
    return math.log(both * len(labels) / (sum(holds) * labels.count(label)))


wrong_3 = {
    "no logarithm": lambda *a: math.exp(information(*a)),
    "base 2": lambda *a: information(*a) / math.log(2),
    "counted twice": lambda *a: information(*a, count=lambda h, w: h.lower().split().count(w)),
    "capitals matter": lambda *a: information(*a, count=lambda h, w: w in h.split()),
    "parts of words": lambda *a: information(*a, count=lambda h, w: w in h.lower()),
    "the share of the label": lambda h, y, w, label: (
        information(h, y, w, label) + math.log(y.count(label) / len(y))
    ),
}
right_3 = {
    "shares": information,
    "NumPy": lambda *a: np.float64(information(*a)),
}


# --- 4: traps ----------------------------------------------------------------------------------


def exercise_4(trap):
    for premise, hypothesis, want, hint in (
        ("The doctor near the actor danced.", "The actor danced.", "subsequence", "side by side"),
        ("The boy sees the girl.", "The girl sees the boy.", "overlap", "all words, other order"),
        ("The boy sees the old girl.", "The girl sees the old girl.", "overlap", "repeated words"),
        ("The old boy sees a girl.", "The boy sees a girl.", "overlap", "a word between is lost"),
        ("A boy sleeps.", "A boy sleeps in a tent.", "none", "new words"),
        ("An old catfish sleeps.", "An old cat.", "none", "a word is whole"),
        ("If a girl sings, The Boy sleeps.", "the boy sleeps", "subsequence", "in any case"),
        ("Cats sleep.", "Cats sleep.", "subsequence", "the whole premise is a part of itself"),
    ):
        yield Case(
            f"{premise} | {hypothesis}",
            lambda premise=premise, hypothesis=hypothesis: trap(premise, hypothesis),
            want,
            hint,
        )


def trap_of(premise, hypothesis, plain=lambda s: s.lower().rstrip("."), gaps=False):
    p, h = plain(premise).split(), plain(hypothesis).split()
    rest = iter(p)
    if all(word in rest for word in h) if gaps else f" {' '.join(h)} " in f" {' '.join(p)} ":
        return "subsequence"
    return "overlap" if set(h) <= set(p) else "none"


wrong_4 = {
    "gaps allowed": lambda p, h: trap_of(p, h, gaps=True),
    "capitals matter": lambda p, h: trap_of(p, h, plain=lambda s: s.rstrip(".")),
    "full stops stay": lambda p, h: trap_of(p, h, plain=str.lower),
    "letters": lambda p, h: "subsequence" if h.lower().rstrip(".") in p.lower() else trap_of(p, h),
    "overlap first": lambda p, h: "overlap" if trap_of(p, h) == "subsequence" else trap_of(p, h),
    "each word once": lambda p, h: (
        "none"
        if Counter(h.lower().rstrip(".").split()) - Counter(p.lower().rstrip(".").split())
        else trap_of(p, h)
    ),
}
right_4 = {
    "windows": trap_of,
    "capitals": lambda p, h: trap_of(p, h).upper(),
}


# --- 5: shared premises ------------------------------------------------------------------------

TRAIN = [
    ("Two girls sleep.", "Children sleep.", ENTAILED),
    ("Two girls sleep.", "Girls run.", DENIED),
    ("A dog runs on  a beach", "It is warm.", OPEN),
    ("The old man waits.", "The girl waits.", OPEN),
]
TEST = [
    ("two girls sleep", "Girls dream.", OPEN),
    ("Two girls sleep.", "Two boys sleep.", OPEN),
    ("A dog runs on a beach.", "A dog runs.", ENTAILED),
    ("Children sleep.", "Girls sleep.", OPEN),
    ("The man waits.", "The man runs.", DENIED),
]


def exercise_5(leaked_share):
    for given, train, test, hint in (
        ("4 pairs to train on, 5 to test", TRAIN, TEST, "plain premises; pairs, not premises"),
        ("the two exchanged", TEST, TRAIN, "of the test pairs, not of those in training"),
        ("no premise in common", TRAIN[:2], TEST[3:], "a hypothesis is no premise"),
        ("one pair each", TRAIN[2:3], TEST[2:3], "two blanks are one"),
    ):
        yield Case(
            given,
            lambda train=train, test=test: leaked_share(list(train), list(test)),
            shared(train, test),
            hint,
        )


def plain_premise(premise):
    return " ".join(premise.lower().split()).rstrip(". ")


def shared(train, test, plain=plain_premise):
    seen = {plain(premise) for premise, *_ in train}
    return sum(plain(premise) in seen for premise, *_ in test) / len(test)


wrong_5 = {
    "letter by letter": lambda a, b: shared(a, b, plain=str),
    "blanks matter": lambda a, b: shared(a, b, plain=lambda s: s.lower().rstrip(".")),
    "capitals matter": lambda a, b: shared(a, b, plain=lambda s: " ".join(s.split()).rstrip(".")),
    "different premises": lambda a, b: shared(a, {plain_premise(p): (p,) for p, *_ in b}.values()),
    "of training": lambda a, b: shared(b, a),
    "a number of pairs": lambda a, b: shared(a, b) * len(b),
    "hypotheses, too": lambda a, b: shared(a + [(h,) for _, h, _ in a], b),
}
right_5 = {
    "a set": shared,
    "a mean": lambda a, b: np.mean([shared(a, [pair]) for pair in b]),
}


# --- 6: numbers by name ------------------------------------------------------------------------


def exercise_6(renumber):
    ours = [ENTAILED, DENIED, OPEN]
    for names, wanted, hint in (
        ([ENTAILED, OPEN, DENIED], ours, "two of them change places"),
        ([DENIED, ENTAILED, OPEN], ours, "two others"),
        ([OPEN, ENTAILED, DENIED], ours, "all three move: mind the direction"),
        (["Contradiction", "NEUTRAL", "Entailment"], ours, "capitals make no difference"),
        (ours, [DENIED, OPEN, ENTAILED], "wanted is not always ours"),
        (["no", "yes"], ["yes", "no"], "two labels"),
    ):
        ids = torch.tensor([0, 1, 1, 0, 1] + [2, 2, 0] * (len(names) > 2))
        yield Case(
            f"from {' '.join(names)} to {' '.join(wanted)}",
            lambda ids=ids, names=names, wanted=wanted: renumber(ids, list(names), list(wanted)),
            mapped(ids, names, wanted),
            hint,
        )


def mapped(ids, names, wanted):
    places = [name.lower() for name in wanted]
    return torch.tensor([places.index(name.lower()) for name in names])[ids]


wrong_6 = {
    "the other direction": lambda ids, names, wanted: mapped(ids, wanted, names),
    "as they are": lambda ids, names, wanted: ids,
    "two always swapped": lambda ids, names, wanted: torch.tensor([0, 2, 1])[ids],
    "capitals matter": lambda ids, names, wanted: torch.tensor(
        [wanted.index(name) for name in names]
    )[ids],
    "names": lambda ids, names, wanted: [names[i] for i in ids],
    "ours for wanted": lambda ids, names, wanted: mapped(ids, names, [ENTAILED, DENIED, OPEN]),
}
right_6 = {
    "a loop": lambda ids, names, wanted: torch.tensor(
        [[w.lower() for w in wanted].index(names[i].lower()) for i in ids.tolist()]
    ),
    "a tensor of int32": lambda ids, names, wanted: mapped(ids, names, wanted).int(),
}


# --- 7: words needed ---------------------------------------------------------------------------


def exercise_7(words_needed):
    told = [
        "A dog sees the cat",
        "The cat sleeps",
        "a dog sleeps near the cat",
        "The cat nears the end",
    ]
    for share, hint in (
        (0.2, "the is the most frequent word, twice in one sentence"),
        (0.25, "each place counts"),
        (5 / 19, "exactly so much is enough"),
        (0.3, "at least so much: one word is too little"),
        (0.9, "words that stand once come last"),
        (1.0, "all of them"),
    ):
        yield Case(
            f"{share:.2f} of all words in {len(told)} sentences",
            lambda share=share: words_needed(list(told), share),
            needed(told, share),
            hint,
        )


def needed(sentences, share, lower=True, ordered=True):
    counts = Counter(word for s in sentences for word in (s.lower() if lower else s).split())
    covered, rows = 0, counts.most_common() if ordered else list(counts.items())
    for kept, (_, count) in enumerate(rows, start=1):
        covered += count
        if covered >= share * sum(counts.values()) - 1e-9:
            return kept


wrong_7 = {
    "capitals matter": lambda s, share: needed(s, share, lower=False),
    "in the order of the text": lambda s, share: needed(s, share, ordered=False),
    "a share of the vocabulary": lambda s, share: math.ceil(
        share * len({w for line in s for w in line.lower().split()})
    ),
    "one too few": lambda s, share: needed(s, share) - 1,
    "more than": lambda s, share: needed(s, min(1.0, share + 1e-6)),
    "each sentence counts a word once": lambda s, share: needed(
        [" ".join(dict.fromkeys(line.lower().split())) for line in s], share
    ),
}
right_7 = {
    "a running sum": needed,
    "NumPy": lambda s, share: np.int64(needed(s, share)),
}


# --- 8: cut by ratio ---------------------------------------------------------------------------


def exercise_8(cut_in_ratio):
    for n, m, room, hint in (
        (9, 3, 8, "6 and 2"),
        (10, 3, 8, "6 of 10, then 2 of 3: whole numbers, nothing left over"),
        (4, 11, 9, "the second may be the longer one"),
        (5, 3, 8, "it fits: nothing is cut"),
        (2, 3, 20, "it fits with room to spare"),
        (7, 7, 5, "2 and 3"),
    ):
        first, second = [*range(n)], [*range(100, 100 + m)]
        yield Case(
            f"{n} and {m} pieces, room for {room}",
            lambda a=first, b=second, room=room: listed(cut_in_ratio([*a], [*b], room)),
            in_ratio(first, second, room),
            hint,
        )


def listed(sides):
    first, second = sides
    return [int(i) for i in first], [int(i) for i in second]


def in_ratio(first, second, room):
    n, m = len(first), len(second)
    if n + m <= room:
        return first, second
    keep = room * n // (n + m)
    return first[:keep], second[: room - keep]


def always(first, second, room):
    keep = room * len(first) // (len(first) + len(second))
    return first[:keep], second[: min(len(second), room - keep)]


wrong_8 = {
    "the longer first": lambda a, b, room: (
        a[: max(room // 2, room - len(b))],
        b[: max(room - room // 2, room - len(a))],
    ),
    "the end": lambda a, b, room: (a[:room], b[: max(0, room - len(a))]),
    "halves": lambda a, b, room: (a[: room // 2], b[: room - room // 2]),
    "both rounded down": lambda a, b, room: (
        (a, b)
        if len(a) + len(b) <= room
        else (a[: room * len(a) // (len(a) + len(b))], b[: room * len(b) // (len(a) + len(b))])
    ),
    "from the back": lambda a, b, room: tuple(
        side[len(side) - len(kept) :]
        for side, kept in zip((a, b), in_ratio(a, b, room), strict=True)
    ),
    "rounded": lambda a, b, room: (
        (a, b)
        if len(a) + len(b) <= room
        else (
            a[: math.ceil(room * len(a) / (len(a) + len(b)))],
            b[: room - math.ceil(room * len(a) / (len(a) + len(b)))],
        )
    ),
}
right_8 = {
    "slices": in_ratio,
    "arrays": lambda a, b, room: tuple(map(np.array, in_ratio(a, b, room))),
    "never more than there is": lambda a, b, room: (
        always(a, b, room) if len(a) + len(b) > room else [a, b]
    ),
}


# --- 9: better than a baseline -----------------------------------------------------------------


def exercise_9(beats):
    for right, n, baseline in (
        (600, 1000, 0.55),
        (60, 100, 0.55),
        (166, 277, 0.55),
        (540, 1000, 0.55),
        (7000, 10_000, 0.692),
        (7000, 10_000, 0.688),
        (9, 10, 0.75),
        (98, 100, 0.9),
    ):
        yield Case(
            f"{right:,} of {n:,} right, baseline {baseline}",
            lambda right=right, n=n, baseline=baseline: beats(right, n, baseline),
            above(right, n, baseline),
            "the lower end of the model's own interval against the baseline",
        )


def above(right, n, baseline, errors=1.96, spread=None):
    share = right / n
    width = errors * ((share * (1 - share) if spread is None else spread) / n) ** 0.5
    return share - width > baseline


wrong_9 = {
    "share alone": lambda *a: above(*a, errors=0),
    "one error": lambda *a: above(*a, errors=1),
    "three errors": lambda *a: above(*a, errors=3),
    "the upper end": lambda *a: above(*a, errors=-1.96),
    "no root": lambda right, n, baseline: (
        right / n - 1.96 * (right / n) * (1 - right / n) / n > baseline
    ),
    "the widest interval": lambda *a: above(*a, spread=0.25),
    "a fixed margin": lambda right, n, baseline: right / n - baseline > 0.02,
}
right_9 = {
    "an interval": above,
    "in words": lambda *a: "yes" if above(*a) else "no",
}
