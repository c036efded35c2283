"""Cases of the exercises in 11_nli_data: what check("11.k", ...) tries."""

import math
import re
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
    "an empty string for none": lambda votes: most_voted(votes).strip("-"),
    "five votes are wanted": lambda votes: most_voted(votes) if all(votes) else "-",
    "label and number": lambda votes: Counter(v for v in votes if v).most_common(1)[0],
    "the middle of the sorted": lambda votes: sorted(v for v in votes if v)[len(votes) // 2],
    "blanks may win": lambda votes: max([*votes, "-"], key=votes.count),
    "fails without votes": lambda votes: max(votes, key=lambda v: (v != "") * votes.count(v)),
}
right_1 = {
    "counted by hand": lambda votes: next(
        (vote for vote in votes if vote and votes.count(vote) > 2), "-"
    ),
    "NumPy's strings": lambda votes: np.str_(most_voted(votes)),
    "label by label": lambda votes: next(
        (label for label in (ENTAILED, DENIED, OPEN) if votes.count(label) >= 3), "-"
    ),
}


# --- 2: Cohen's kappa --------------------------------------------------------------------------


INITIALS = {"E": ENTAILED, "C": DENIED, "N": OPEN}


def exercise_2(cohens_kappa):
    for first, second, hint in (
        ("EECNNN", "EECNEN", "agreement beyond that of the two raters' own shares"),
        ("EEEC", "ECNN", "each rater has shares of their own"),
        ("ENCENC", "NCENCE", "never alike: below 0"),
        ("EEEEEEEEEC", "EEEEEEEECE", "often alike, and less often than by chance"),
        ("ECNECNE", "ECNECNE", "always alike"),
    ):
        yield Case(
            f"{' '.join(first)} and {' '.join(second)} (labels by their initials)",
            lambda first=first, second=second: cohens_kappa(
                [INITIALS[letter] for letter in first], [INITIALS[letter] for letter in second]
            ),
            two_raters(first, second),
            hint,
        )


def two_raters(first, second, chance=None):
    n, one, two = len(first), Counter(first), Counter(second)
    agree = sum(a == b for a, b in zip(first, second, strict=True)) / n
    if chance is None:
        chance = sum(one[label] * two[label] for label in one) / n**2
    return (agree - chance) / (1 - chance)


def from_table(first, second):
    names = sorted({*first, *second})
    table = np.zeros((len(names), len(names)))
    for a, b in zip(first, second, strict=True):
        table[names.index(a), names.index(b)] += 1 / len(first)
    chance = table.sum(axis=0) @ table.sum(axis=1)
    return (table.trace() - chance) / (1 - chance)


def chance_of(a, b):
    return np.mean([one == other for one in a for other in b])


def alike(a, b):
    return np.mean([one == other for one, other in zip(a, b, strict=True)])


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
    "shares of the second": lambda a, b: two_raters(a, b, chance=chance_of(b, b)),
    "not divided": lambda a, b: alike(a, b) - chance_of(a, b),
    "divided by 1 - P": lambda a, b: (
        (alike(a, b) - chance_of(a, b)) / (1 - alike(a, b)) if alike(a, b) < 1 else 1.0
    ),
    "one in the number of labels used": lambda a, b: two_raters(
        a, b, chance=1 / max(2, len({*a, *b}))
    ),
    "always ten pairs": lambda a, b: (
        (alike(a, b) * len(a) / 10 - chance_of(a, b) * len(a) ** 2 / 100)
        / (1 - chance_of(a, b) * len(a) ** 2 / 100)
    ),
    "numbers for shares": lambda a, b: two_raters(a, b, chance=chance_of(a, b) * len(a) ** 2),
    "shares by size, not by label": lambda a, b: two_raters(
        a,
        b,
        chance=sum(
            p * q / len(a) ** 2
            for (_, p), (_, q) in zip(
                Counter(a).most_common(), Counter(b).most_common(), strict=False
            )
        ),
    ),
}
right_2 = {
    "two counters": two_raters,
    "from a table": from_table,
    "disagreement": lambda a, b: 1 - (1 - alike(a, b)) / (1 - chance_of(a, b)),
    "three labels by name": lambda a, b: two_raters(
        a, b, sum(a.count(y) * b.count(y) for y in (ENTAILED, DENIED, OPEN)) / len(a) ** 2
    ),
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
    "A man's outside.",
]
GIVEN = [DENIED, DENIED, DENIED, ENTAILED, OPEN, OPEN, ENTAILED, ENTAILED]


def exercise_3(word_tells):
    for word, label, hint in (
        ("nobody", DENIED, "Nobody is nobody, and twice in one hypothesis counts once"),
        ("sleeps", DENIED, "shares of hypotheses: 2 of 3 that hold it, of all 8"),
        ("man", DENIED, "less often than by chance: below 0; only blanks divide words"),
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


def shares_of(hypotheses, labels, word, label):
    holds = np.array([word in {*hypothesis.lower().split()} for hypothesis in hypotheses])
    labelled = np.array(labels) == label
    return (holds & labelled).mean(), holds.mean(), labelled.mean()


def among_words(hypotheses, labels, word, label):
    told = [(w, y) for h, y in zip(hypotheses, labels, strict=True) for w in h.lower().split()]
    words, given = zip(*told, strict=True)
    return information(words, given, word, label)


def one_added(hypotheses, labels, word, label):
    both, holds, labelled = (
        s * len(labels) + 1 for s in shares_of(hypotheses, labels, word, label)
    )
    return math.log(both * len(labels) / (holds * labelled))


wrong_3 = {
    "no logarithm": lambda *a: math.exp(information(*a)),
    "base 2": lambda *a: information(*a) / math.log(2),
    "counted twice": lambda *a: information(*a, count=lambda h, w: h.lower().split().count(w)),
    "capitals matter": lambda *a: information(*a, count=lambda h, w: w in h.split()),
    "parts of words": lambda *a: information(*a, count=lambda h, w: w in h.lower()),
    "the share of the label": lambda h, y, w, label: (
        information(h, y, w, label) + math.log(y.count(label) / len(y))
    ),
    "letters divide words": lambda *a: information(
        *a, count=lambda h, w: w in re.findall(r"\w+", h.lower())
    ),
    "begins with the word": lambda *a: information(
        *a, count=lambda h, w: any(word.startswith(w) for word in h.lower().split())
    ),
    "first word only": lambda *a: information(*a, count=lambda h, w: h.lower().split()[0] == w),
    "shares of all words": among_words,
    "one added to all counts": one_added,
    "the share of the word": lambda *a: math.log(shares_of(*a)[0] / shares_of(*a)[2]),
    "both alone": lambda *a: math.log(shares_of(*a)[0]),
    "upside down": lambda *a: -information(*a),
    "weighted": lambda *a: information(*a) * shares_of(*a)[0],
    "each label a third": lambda *a: math.log(3 * shares_of(*a)[0] / shares_of(*a)[1]),
}
right_3 = {
    "shares": information,
    "a difference of logarithms": lambda *a: (
        np.log(shares_of(*a)[0]) - np.log(shares_of(*a)[1]) - np.log(shares_of(*a)[2])
    ),
    "a tensor": lambda *a: torch.tensor(information(*a)),
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


def in_windows(premise, hypothesis, starts=lambda p, h: range(len(p) - len(h) + 1), some=all):
    p, h = (sentence.lower().rstrip(".").split() for sentence in (premise, hypothesis))
    if any(p[i : i + len(h)] == h for i in starts(p, h)):
        return "subsequence"
    return "overlap" if some(word in p for word in h) else "none"


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
    "exchanged": lambda p, h: in_windows(h, p),
    "at the start alone": lambda p, h: in_windows(p, h, starts=lambda p, h: [0]),
    "the last window forgotten": lambda p, h: in_windows(
        p, h, starts=lambda p, h: range(len(p) - len(h))
    ),
    "where the first word stands first": lambda p, h: in_windows(
        p, h, starts=lambda p, h: [p.index(h[0])] if h[0] in p else []
    ),
    "some of the words": lambda p, h: in_windows(p, h, some=any),
    "the same sentence": lambda p, h: in_windows(p, h, starts=lambda p, h: [0] * (p == h)),
    "the premise keeps its full stop": lambda p, h: in_windows(p + " .", h),
    "words in the string": lambda p, h: (
        "overlap"
        if in_windows(p, h) == "none" and all(w in p.lower() for w in h.lower()[:-1].split())
        else in_windows(p, h)
    ),
}
right_4 = {
    "strings": trap_of,
    "windows": in_windows,
    "capitals": lambda p, h: trap_of(p, h).upper(),
}


# --- 5: shared premises ------------------------------------------------------------------------

TRAIN = [
    ("Two girls sleep.", "Children sleep.", ENTAILED),
    ("Two girls sleep.", "Girls run.", DENIED),
    ("A dog runs on  a beach", "It is warm.", OPEN),
    ("The old man waits.", "The girl waits.", OPEN),
    ("A   man sees the old dog.", "A man waits.", DENIED),
    ("The dog eats 2.5 cakes.", "The dog eats.", ENTAILED),
    ("A girl runs any way.", "A girl runs.", ENTAILED),
]
TEST = [
    ("two girls sleep", "Girls dream.", OPEN),
    ("Two girls sleep.", "Two boys sleep.", OPEN),
    ("A dog runs on a beach.", "A dog runs.", ENTAILED),
    ("Children sleep.", "Girls sleep.", OPEN),
    ("The man waits.", "The man runs.", DENIED),
    ("A man sees the old dog", "A man sees a cat.", OPEN),
    ("The old dog sees a man.", "A dog sleeps.", DENIED),
    ("The dog eats 25 cakes.", "The dog eats.", ENTAILED),
    ("A girl runs anyway.", "A girl runs.", ENTAILED),
]


def exercise_5(leaked_share):
    for given, train, test, hint in (
        (
            "7 pairs to train on, 9 to test",
            TRAIN,
            TEST,
            "pairs, not premises; only case, blanks and the last full stop make no difference",
        ),
        ("the two exchanged", TEST, TRAIN, "of the test pairs, not of those in training"),
        ("no premise in common", TRAIN[:2], TEST[3:], "a hypothesis is no premise"),
        ("one pair each", TRAIN[2:3], TEST[2:3], "two blanks are one"),
        ("one other pair each", TRAIN[4:5], TEST[5:6], "so are three"),
        ("the same words", TRAIN[4:5], TEST[6:7], "words in another order are another premise"),
        ("a number", TRAIN[5:6], TEST[7:8], "only the full stop at the end does not count"),
        ("one blank more", TRAIN[6:], TEST[8:], "no blank and one blank are not alike"),
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
    "full stops stay": lambda a, b: shared(a, b, plain=lambda s: " ".join(s.lower().split())),
    "two blanks become one, once": lambda a, b: shared(
        a, b, plain=lambda s: s.lower().replace("  ", " ").rstrip(".")
    ),
    "no blanks at all": lambda a, b: shared(
        a, b, plain=lambda s: plain_premise(s).replace(" ", "")
    ),
    "no full stop at all": lambda a, b: shared(
        a, b, plain=lambda s: plain_premise(s).replace(".", "")
    ),
    "a set of words": lambda a, b: shared(
        a, b, plain=lambda s: frozenset(plain_premise(s).split())
    ),
    "the hypotheses": lambda a, b: shared([(h,) for _, h, _ in a], [(h,) for _, h, _ in b]),
    "whole pairs": lambda a, b: shared([(p + h,) for p, h, _ in a], [(p + h,) for p, h, _ in b]),
    "with the same label": lambda a, b: shared(
        [(p + y,) for p, _, y in a], [(p + y,) for p, _, y in b]
    ),
    "divided by training": lambda a, b: shared(a, b) * len(b) / len(a),
    "in percent": lambda a, b: 100 * shared(a, b),
    "the share that is clean": lambda a, b: 1 - shared(a, b),
}
right_5 = {
    "a set": shared,
    "a mean": lambda a, b: np.mean([shared(a, [pair]) for pair in b]),
    "a regular expression": lambda a, b: shared(
        a, b, plain=lambda s: re.sub(r"\s+", " ", re.sub(r"\.$", "", s.casefold()))
    ),
    "NumPy": lambda a, b: np.isin(
        *([plain_premise(p) for p, *_ in side] for side in (b, a))
    ).mean(),
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
        (ours, ["Neutral", "ENTAILMENT", "contradiction"], "capitals in wanted, too"),
        (["not_entailment", DENIED, ENTAILED], [ENTAILED, "not_entailment", DENIED], "whole names"),
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


def one_by_one(ids, names, wanted):
    new = ids.clone()
    for i in range(len(names)):
        new[new == i] = mapped(torch.tensor([i]), names, wanted)
    return new


wrong_6 = {
    "the other direction": lambda ids, names, wanted: mapped(ids, wanted, names),
    "as they are": lambda ids, names, wanted: ids,
    "two always swapped": lambda ids, names, wanted: torch.tensor([0, 2, 1])[ids],
    "capitals matter": lambda ids, names, wanted: torch.tensor(
        [wanted.index(name) for name in names]
    )[ids],
    "names": lambda ids, names, wanted: [names[i] for i in ids],
    "ours for wanted": lambda ids, names, wanted: mapped(ids, names, [ENTAILED, DENIED, OPEN]),
    "capitals matter in wanted": lambda ids, names, wanted: torch.tensor(
        [wanted.index(name.lower()) for name in names]
    )[ids],
    "capitals matter in names": lambda ids, names, wanted: torch.tensor(
        [[w.lower() for w in wanted].index(name) for name in names]
    )[ids],
    "one further": lambda ids, names, wanted: (ids + 1) % len(names),
    "from the other end": lambda ids, names, wanted: len(names) - 1 - ids,
    "by the alphabet": lambda ids, names, wanted: mapped(ids, names, sorted(map(str.lower, names))),
    "overwritten one by one": one_by_one,
    "the table alone": lambda ids, names, wanted: mapped(torch.arange(len(names)), names, wanted),
    "part of a name": lambda ids, names, wanted: torch.tensor(
        [[w.lower() in name.lower() for w in wanted].index(True) for name in names]
    )[ids],
}
right_6 = {
    "a loop": lambda ids, names, wanted: torch.tensor(
        [[w.lower() for w in wanted].index(names[i].lower()) for i in ids.tolist()]
    ),
    "a tensor of int32": lambda ids, names, wanted: mapped(ids, names, wanted).int(),
    "a matrix of equal names": lambda ids, names, wanted: torch.tensor(
        [[int(a.casefold() == b.casefold()) for b in wanted] for a in names]
    )[ids].argmax(dim=1),
}


# --- 7: words needed ---------------------------------------------------------------------------


def exercise_7(words_needed):
    told = [
        "A dog sees the cat",
        "The  cat sleeps",
        "a dog sleeps near the cat.",
        "The cat nears the end",
    ]
    for share, hint in (
        (0.2, "the is the most frequent word, twice in one sentence"),
        (0.25, "each place counts"),
        (5 / 19, "exactly so much is enough"),
        (0.3, "at least so much: one word is too little"),
        (0.9, "words that stand once come last"),
        (1.0, "all of them; only blanks divide words, and two blanks as one does"),
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


def by_sums(sentences, share, words=lambda s: s.lower().split(), count=sorted, start=0):
    counted = Counter(word for sentence in sentences for word in words(sentence))
    sums = np.concatenate([[0], np.cumsum(count(counted.values())[::-1])])
    return int(np.searchsorted(sums, share * sums[-1] - 1e-9)) + start


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
    "letters divide words": lambda s, share: by_sums(
        s, share, words=lambda line: re.findall(r"\w+", line.lower())
    ),
    "each blank divides": lambda s, share: by_sums(
        s, share, words=lambda line: line.lower().split(" ")
    ),
    "letters": lambda s, share: by_sums(s, share, words=lambda line: [*line.lower()]),
    "joined without a blank": lambda s, share: needed(["".join(s)], share),
    "the first sentence": lambda s, share: needed(s[:1], share),
    "the rarest first": lambda s, share: by_sums(s, share, count=lambda n: sorted(n)[::-1]),
    "one too many": lambda s, share: by_sums(s, share, start=1),
    "a share of the places": lambda s, share: math.ceil(share * len(" ".join(s).split())),
    "five times or more": lambda s, share: sum(
        n >= 5 for n in Counter(" ".join(s).lower().split()).values()
    ),
    "a share of whole numbers": lambda s, share: needed(
        s, int(share * len(" ".join(s).split())) / len(" ".join(s).split())
    ),
}
right_7 = {
    "a running sum": needed,
    "cumulated": by_sums,
    "NumPy": lambda s, share: np.int64(needed(s, share)),
}


# --- 8: judged by inference --------------------------------------------------------------------


def exercise_8(agreement):
    texts = {
        "The cat sleeps.": 0.2,
        "The cat does not sleep.": -1.5,
        "A cat sleeps in the barn.": 1.1,
        "It rains.": 0.4,
    }

    def judge(premises, hypotheses):
        """Logits that differ by direction, like those of a real judge"""
        p, h = (torch.tensor([texts[t] for t in side]) for side in (premises, hypotheses))
        return torch.stack([2 * p - h, h - p.square(), p * h + 0.5 * h], dim=1)

    first, second, third, fourth = texts
    for given, translations, references, hint in (
        (
            "two translations, one of them word for word",
            [first, first],
            [second, first],
            "the smaller of both directions, each a probability of entailment",
        ),
        (
            "four translations",
            [third, first, fourth, second],
            [first, third, second, fourth],
            "each pair has a softmax of its own and its own smaller direction",
        ),
        ("one translation", [third], [fourth], "a tensor with one number"),
    ):
        yield Case(
            given,
            lambda t=translations, r=references: agreement(judge, [*t], [*r]),
            smaller(judge, translations, references),
            hint,
        )


def entailed(judge, premises, hypotheses):
    return judge(premises, hypotheses).softmax(dim=-1)[:, 0]


def smaller(judge, translations, references):
    return torch.minimum(
        entailed(judge, translations, references), entailed(judge, references, translations)
    )


def probabilities(judge, t, r):
    """Of the three labels, in one direction and in the other"""
    return [judge(*sides).softmax(dim=-1) for sides in ((r, t), (t, r))]


def both_ways(join, judge, t, r):
    """join, of the two probabilities of entailment"""
    return join(*(p[:, 0] for p in probabilities(judge, t, r)))


def turned_round(judge, t, r):
    return torch.minimum(entailed(judge, t, r), entailed(judge, r[::-1], t[::-1]))


def one_way_for_all(judge, t, r):
    return min(entailed(judge, t, r), entailed(judge, r, t), key=lambda p: p.sum())


def two_labels(judge, t, r):
    there, back = ((x := judge(*sides))[:, 0] - x[:, 1] for sides in ((r, t), (t, r)))
    return torch.minimum(there.sigmoid(), back.sigmoid())


wrong_8 = {
    "the product of the two": lambda *a: both_ways(torch.mul, *a),
    "the mean of the two": lambda *a: both_ways(lambda p, q: (p + q) / 2, *a),
    "the larger of the two": lambda *a: both_ways(torch.maximum, *a),
    "only from translation to reference": entailed,
    "only from reference to translation": lambda judge, t, r: entailed(judge, r, t),
    "logits, no softmax": lambda judge, t, r: torch.minimum(judge(t, r), judge(r, t))[:, 0],
    "softmax over the pairs": lambda judge, t, r: torch.minimum(
        judge(t, r).softmax(dim=0), judge(r, t).softmax(dim=0)
    )[:, 0],
    "the column of neutral": lambda *a: torch.minimum(*probabilities(*a))[:, 2],
    "the smaller logits, then softmax": lambda judge, t, r: torch.minimum(
        judge(t, r), judge(r, t)
    ).softmax(dim=-1)[:, 0],
    "one or zero by the likeliest label": lambda *a: both_ways(
        lambda p, q: ((p > 0.5) & (q > 0.5)).float(), *a
    ),
    "the likeliest label's probability": lambda *a: torch.minimum(
        *(p.amax(dim=-1) for p in probabilities(*a))
    ),
    "neutral left out of the softmax": two_labels,
    "the order of the pairs turned round too": turned_round,
    "one direction for all pairs": one_way_for_all,
    "the mean over the pairs": lambda *a: smaller(*a).mean(),
}


def one_call(judge, t, r):
    return judge([*t, *r], [*r, *t]).log_softmax(dim=-1)[:, 0].exp().view(2, -1).amin(dim=0)


def with_math(judge, t, r):
    scores = []
    for sides in zip(t, r, strict=True):
        logits = [judge([x], [y])[0].tolist() for x, y in (sides, sides[::-1])]
        scores.append(min(math.exp(x[0]) / sum(map(math.exp, x)) for x in logits))
    return torch.tensor(scores)


right_8 = {
    "the other way first": lambda judge, t, r: smaller(judge, r, t),
    "one call for both directions": one_call,
    "a loop with math": with_math,
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
        (98, 100, 0.95),
        (400, 1000, 0.55),
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
    "the baseline's interval": lambda *a: above(*a, spread=a[2] * (1 - a[2])),
    "one side": lambda *a: above(*a, errors=1.645),
    "of 99 in 100": lambda *a: above(*a, errors=2.58),
    "outside, on either side": lambda *a: above(*a) or above(a[1] - a[0], a[1], 1 - a[2]),
    "the other way round": lambda *a: not above(*a),
    "not divided by n": lambda right, n, baseline: above(right, n, baseline, errors=1.96 * n**0.5),
    "n outside the root": lambda right, n, baseline: above(
        right, n, baseline, errors=1.96 / n**0.5
    ),
    "p without 1 - p": lambda *a: above(*a, spread=a[0] / a[1]),
    "always a third": lambda right, n, _: above(right, n, 1 / 3),
    "always a thousand": lambda right, n, baseline: above(1000 * right / n, 1000, baseline),
    "share and number": lambda right, n, baseline: above(right, n, baseline * n),
    "yes": lambda *a: True,
    "no": lambda *a: False,
    "the lower end": lambda right, n, _: right / n - 1.96 * (right * (n - right) / n**3) ** 0.5,
}
right_9 = {
    "an interval": above,
    "in words": lambda *a: "yes" if above(*a) else "no",
    "in numbers of pairs": lambda right, n, baseline: (
        right - 1.96 * (right * (n - right) / n) ** 0.5 > baseline * n
    ),
    "squared": lambda right, n, baseline: (
        right / n > baseline and (right - baseline * n) ** 2 > 1.96**2 * right * (n - right) / n
    ),
    "NumPy": lambda *a: np.bool_(above(*a)),
}
