"""Cases of the exercises in 10_finetuning: what check("10.k", ...) tries."""

import math
from collections import Counter

import numpy as np
import torch
from scipy.stats import t as student

from d2lmini.learn import Case


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain(answer):
    return [int(part) for part in answer]


# --- 1: the first piece ------------------------------------------------------------------------


def exercise_1(first_pieces):
    for word_ids, tags, labels, hint in (
        ([None, 0, 1, 1, 2, None], [7, 3, 5], [-100, 7, 3, -100, 5, -100], "later pieces get −100"),
        ([None, 0, 1, 2, None], [4, 4, 0], [-100, 4, 4, 0, -100], "tag 0 is a tag like any other"),
        (
            [None, 0, 0, 0, 1, 1, None, None],
            [0, 2],
            [-100, 0, -100, -100, 2, -100, -100, -100],
            "a word of three pieces has one label",
        ),
        ([0, 1], [8, 9], [8, 9], "without [CLS], the first piece is a word's"),
        ([None, None], [], [-100, -100], "a text without words"),
    ):
        yield Case(
            f"word_ids {word_ids}, tags {tags}",
            lambda w=word_ids, t=tags: plain(first_pieces(w, t)),
            labels,
            hint,
        )


def labelled(word_ids, tags, *, same=lambda word, before: word == before, falsy=False):
    before, found = None, []
    for word in word_ids:
        skip = not word if falsy else word is None
        found.append(-100 if skip or same(word, before) else tags[word])
        before = word
    return found


wrong_1 = {  # placeholders
    "every piece": lambda w, t: labelled(w, t, same=lambda word, before: False),
    "word 0 taken for none": lambda w, t: labelled(w, t, falsy=True),
    "the last piece": lambda w, t: labelled(w[::-1], t)[::-1],
    "words by place": lambda w, t: [t[i] if i < len(t) else -100 for i in range(len(w))],
}
right_1 = {
    "a set of words met": lambda w, t: [
        -100 if word is None or word in w[:i] else t[word] for i, word in enumerate(w)
    ],
    "a tensor": lambda w, t: torch.tensor(labelled(w, t)),
}


# --- 2: a span, or no answer -------------------------------------------------------------------


def exercise_2(best_span):
    first = torch.tensor([0.0, 9.0, 1.0, 2.0, 6.0, 0.5, 1.0])
    last = torch.tensor([1.0, 9.0, 5.0, 1.5, 3.0, 2.5, 4.0])
    for given, scores, begin, most, want, hint in (
        ("the best pair is in order", (first, last), 3, 3, (4, 6), "add both scores"),
        ("at most two tokens", (first, last), 3, 2, (4, 4), "the answer is too long"),
        (
            "the best end is before the best start",
            (torch.tensor([0.0, 0, 0, 1, 2, 8]), torch.tensor([0.0, 0, 0, 9, 5, 3])),
            2,
            6,
            (5, 5),
            "a span may not end before it begins",
        ),
        (
            "[CLS] scores most",
            (first + 8 * (torch.arange(7) == 0), last),
            3,
            3,
            (4, 6),
            "compare the sums: here the passage still has more",
        ),
        (
            "no answer",
            (first + 10.5 * (torch.arange(7) == 0), last),
            3,
            3,
            (0, 0),
            "if first[0] + last[0] is the largest there is no answer",
        ),
        (
            "from [CLS] into the passage",
            (first + 9.5 * (torch.arange(7) == 0), last),
            3,
            7,
            (0, 0),
            "a span may not begin at [CLS] and end in the passage",
        ),
    ):
        yield Case(
            given + f", begin {begin}, max_length {most}",
            lambda s=scores, b=begin, m=most: tuple(plain(best_span(*s, b, m))),
            want,
            hint,
        )


def span(first, last, begin, most, *, order=True, none=True, limit=0, question=False):
    best, found = -math.inf, None
    for i in range(0 if none else begin, len(first)):
        for j in range(len(first)):
            inside = (i >= begin or question) and j >= (begin if not question else 0)
            inside = inside and (not order or i <= j) and (j - i < most + limit)
            if (inside or i == j == 0) and first[i] + last[j] > best:
                best, found = first[i] + last[j], (i, j)
    return found


wrong_2 = {  # placeholders
    "any order": lambda f, e, b, m: span(f, e, b, m, order=False),
    "one too long": lambda f, e, b, m: span(f, e, b, m, limit=1),
    "no limit": lambda f, e, b, m: span(f, e, b, m, limit=99),
    "always an answer": lambda f, e, b, m: span(f, e, b, m, none=False),
    "the question, too": lambda f, e, b, m: span(f, e, b, m, question=True),
    "each by itself": lambda f, e, b, m: (b + int(f[b:].argmax()), b + int(e[b:].argmax())),
}
right_2 = {
    "two loops": span,
    "a list of tensors": lambda f, e, b, m: [torch.tensor(k) for k in span(f, e, b, m)],
}


# --- 3: Matthews -------------------------------------------------------------------------------


def exercise_3(matthews):
    truth = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    for given, said, gold, want, hint in (
        ("always 1, seven of ten are 1", torch.ones(10), truth, 0.0, "the root is 0 here"),
        ("always 0", torch.zeros(10), truth, 0.0, "the root is 0 here"),
        ("all right", truth, truth, 1.0, "a perfect answer has 1"),
        ("all wrong", 1 - truth, truth, -1.0, "what is always wrong has −1"),
        (
            "six and one found",
            torch.tensor([1, 1, 1, 1, 1, 1, 0, 0, 1, 1]),
            truth,
            (6 * 1 - 2 * 1) / math.sqrt(8 * 7 * 3 * 2),
            "tp 6, tn 1, fp 2, fn 1",
        ),
        (
            "five and three found",
            torch.tensor([1, 1, 1, 1, 1, 0, 0, 0, 0, 0]),
            truth,
            5 * 3 / math.sqrt(5 * 7 * 3 * 5),
            "tp 5, tn 3, fp 0, fn 2",
        ),
    ):
        yield Case(given, lambda s=said, g=gold: float(matthews(s, g)), want, hint)


def by_counts(said, truth, *, root=True, product=True, empty=0.0):
    said, truth = said.double(), truth.double()
    tp, tn = (said * truth).sum(), ((1 - said) * (1 - truth)).sum()
    fp, fn = (said * (1 - truth)).sum(), ((1 - said) * truth).sum()
    below = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    above = tp * tn - fp * fn if product else tp + tn - fp - fn
    return empty if not below else (above / (below.sqrt() if root else below)).item()


wrong_3 = {  # placeholders
    "accuracy": lambda s, t: (s == t).double().mean().item(),
    "without the root": lambda s, t: by_counts(s, t, root=False),
    "sums for products": lambda s, t: by_counts(s, t, product=False),
    "not a number where the root is 0": lambda s, t: by_counts(s, t, empty=math.nan),
    "F1": lambda s, t: (2 * (s * t).sum() / (s.sum() + t.sum())).item(),
}
right_3 = {
    "a tensor": lambda s, t: torch.tensor(by_counts(s, t)),
    "Pearson": lambda s, t: (
        0.0
        if s.double().std() == 0
        else torch.corrcoef(torch.stack([s.double(), t.double()]))[0, 1]
    ),
}


# --- 4: F1 of an answer ------------------------------------------------------------------------


def exercise_4(token_f1):
    for answer, gold, want, hint in (
        ("the old man", "The old man", 1.0, "case does not matter"),
        ("old man", "the old man", 0.8, "P = 1, R = 2/3"),
        ("the dog and the cat", "the dog", 4 / 7, "the is twice in one, once in the other"),
        ("the the dog", "the cat the", 2 / 3, "a word that is twice in both counts twice"),
        ("a cat", "the dog", 0.0, "nothing in common"),
        ("", "the dog", 0.0, "an empty answer is wrong where gold has one"),
        ("", "", 1.0, "two empty answers agree"),
    ):
        yield Case(
            f"{answer!r}, gold {gold!r}",
            lambda a=answer, g=gold: float(token_f1(a, g)),
            want,
            hint,
        )


def f1_of(answer, gold, *, bag=Counter, empty=True, lower=True):
    answer, gold = (text.lower() if lower else text for text in (answer, gold))
    a, g = bag(answer.split()), bag(gold.split())
    if empty and not (a and g):
        return float(a == g)
    size = (lambda x: x.total()) if bag is Counter else len
    return 2 * size(a & g) / (size(a) + size(g))


wrong_4 = {  # placeholders
    "sets": lambda a, g: f1_of(a, g, bag=set),
    "capitals matter": lambda a, g: f1_of(a, g, lower=False),
    "two empty answers": lambda a, g: f1_of(a, g) if a else 0.0,
    "recall": lambda a, g: (
        (Counter(a.lower().split()) & Counter(g.lower().split())).total() / max(len(g.split()), 1)
    ),
    "exact match": lambda a, g: float(a.lower() == g.lower()),
}
right_4 = {
    "by P and R": lambda a, g: f1_of(a, g),
    "a tensor": lambda a, g: torch.tensor(f1_of(a, g)),
}


# --- 5: a rate for each layer ------------------------------------------------------------------


def exercise_5(layer_rates):
    for num_layers, rate, decay, want, hint in (
        (
            2,
            1.0,
            0.5,
            (0.125, 0.25, 0.5, 1.0),
            "embeddings, two blocks, head: the head stands last",
        ),
        (3, 2e-1, 1.0, (0.2,) * 5, "a decay of 1: one rate for all"),
        (1, 3.0, 0.1, (0.03, 0.3, 3.0), "the embeddings are a step below the lowest block"),
    ):
        yield Case(
            f"{num_layers} blocks, rate {rate}, decay {decay}",
            lambda n=num_layers, r=rate, d=decay: tuple(map(float, layer_rates(n, r, d))),
            want,
            hint,
        )


wrong_5 = {  # placeholders
    "from the head down": lambda n, r, d: [r * d**k for k in range(n + 2)],
    "without the embeddings": lambda n, r, d: [r * d**k for k in range(n, -1, -1)],
    "the head decays": lambda n, r, d: [r * d**k for k in range(n + 2, 0, -1)],
    "in even steps": lambda n, r, d: [r * (1 - k * (1 - d) / 2) for k in range(n + 1, -1, -1)],
}
right_5 = {
    "an array": lambda n, r, d: r * np.float64(d) ** np.arange(n + 1, -1, -1),
    "a tuple": lambda n, r, d: tuple(r * d ** (n + 1 - k) for k in range(n + 2)),
}


# --- 6: the mean of real tokens ----------------------------------------------------------------


def exercise_6(mean_of_real):
    for given, lengths, spoiled in (
        ("two texts of 5 and 2 tokens", (5, 2), False),
        ("three texts of 1, 4 and 3 tokens", (1, 4, 3), False),
        ("infinite numbers at the padding", (2, 4), True),
    ):
        x = numbers(len(lengths), max(lengths), 3, seed=len(lengths))
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None, None]
        if spoiled:
            x = x.masked_fill(~mask.mT, math.inf)
        want = torch.stack([row[:n].mean(dim=0) for row, n in zip(x, lengths, strict=True)])
        hint = "padding may neither be added nor counted"
        yield Case(given, lambda x=x, mask=mask: mean_of_real(x, mask), want, hint)


def over(x, mask, count):
    return x.masked_fill(~mask.mT, 0.0).sum(dim=1) / count


wrong_6 = {  # placeholders
    "of all tokens": lambda x, mask: x.mean(dim=1),
    "divided by the length": lambda x, mask: over(x, mask, x.shape[1]),
    "a product": lambda x, mask: (x * mask.mT).sum(dim=1) / mask.sum(dim=-1),
    "the first vector": lambda x, mask: x[:, 0],
    "one count for the batch": lambda x, mask: over(x, mask, mask.sum() / len(x)),
}
right_6 = {
    "nan-mean": lambda x, mask: x.masked_fill(~mask.mT, math.nan).nanmean(dim=1),
    "row by row": lambda x, mask: torch.stack(
        [row[real[0]].mean(dim=0) for row, real in zip(x, mask, strict=True)]
    ),
}


# --- 7: seed by seed ---------------------------------------------------------------------------


def exercise_7(paired_difference):
    for given, one, other in (
        ("five seeds", [0.71, 0.64, 0.69, 0.75, 0.66], [0.68, 0.62, 0.65, 0.73, 0.61]),
        ("four seeds", [0.5, 0.6, 0.55, 0.4], [0.6, 0.5, 0.6, 0.45]),
    ):
        yield Case(
            f"{given}: {one} and {other}",
            lambda a=one, b=other: tuple(map(float, paired_difference(a, b))),
            paired(one, other),
            "the interval of the differences, with Student's t for n − 1 degrees of freedom",
        )


def paired(one, other, *, ddof=1, factor=None, root=True, apart=False):
    gaps = np.array(one) - np.array(other)
    n = len(gaps)
    factor = student.ppf(0.975, n - 1) if factor is None else factor
    spread = gaps.std(ddof=ddof)
    if apart:
        spread = math.sqrt(np.var(one, ddof=1) + np.var(other, ddof=1))
    return float(gaps.mean()), float(factor * spread / (n**0.5 if root else 1))


wrong_7 = {  # placeholders
    "not by pairs": lambda a, b: paired(a, b, apart=True),
    "1.96": lambda a, b: paired(a, b, factor=1.96),
    "n in the denominator": lambda a, b: paired(a, b, ddof=0),
    "without the root of n": lambda a, b: paired(a, b, root=False),
    "4 degrees of freedom always": lambda a, b: paired(a, b, factor=student.ppf(0.975, 4)),
    "second minus first": lambda a, b: paired(b, a),
}
right_7 = {
    "a list": lambda a, b: [*paired(a, b)],
    "an array": lambda a, b: np.array(paired(a, b)),
}


# --- 8: labels saved ---------------------------------------------------------------------------


def exercise_8(labels_needed):
    sizes, accuracies = [16, 64, 256, 1024], [0.4, 0.5, 0.8, 0.9]
    for target, want, hint in (
        (0.5, 64.0, "a point of the curve"),
        (0.65, 128.0, "half way from 64 to 256 on a logarithmic axis is 128"),
        (0.875, 16 * 2**5.5, "three quarters of the way from 256 to 1,024"),
        (0.3, 16.0, "the first point is good enough"),
        (0.95, math.inf, "the curve never gets there"),
        (0.9, 1024.0, "the last point is just good enough"),
    ):
        yield Case(
            f"{sizes}, {accuracies}, target {target}",
            lambda target=target: float(labels_needed(sizes, accuracies, target)),
            want,
            hint,
        )


def reached(sizes, accuracies, target, *, scale=np.log, back=np.exp, end=math.inf):
    if target > accuracies[-1]:
        return end
    return float(back(np.interp(target, accuracies, scale(sizes))))


wrong_8 = {  # placeholders
    "a linear axis": lambda s, a, t: reached(s, a, t, scale=np.array, back=float),
    "the last size": lambda s, a, t: reached(s, a, t, end=s[-1]),
    "the next point": lambda s, a, t: next(
        (n for n, share in zip(s, a, strict=True) if share >= t), math.inf
    ),
    "the logarithm": lambda s, a, t: reached(s, a, t, back=float),
}
right_8 = {
    "base 2": lambda s, a, t: reached(s, a, t, scale=np.log2, back=np.exp2),
    "a tensor": lambda s, a, t: torch.tensor(reached(s, a, t)),
}
