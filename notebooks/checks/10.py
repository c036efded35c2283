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
        (
            [None, 0, 1, 1, 2, None],
            [7, 3, 5],
            [-100, 7, 3, -100, 5, -100],
            "a number for each piece: for a word's first piece tags[word], word 0's too; else −100",
        ),
        (
            [None, 0, 1, 2, None],
            [4, 4, 0],
            [-100, 4, 4, 0, -100],
            "compare words, not tags: two words may have the same; tag 0 is a tag like any other",
        ),
        (
            [None, 0, 0, 0, 1, 1, None, None],
            [0, 2],
            [-100, 0, -100, -100, 2, -100, -100, -100],
            "a word of three pieces has one label; padding has no word, as [SEP]",
        ),
        ([0, 1], [8, 9], [8, 9], "without [CLS], the first piece is a word's"),
        (
            [None, 1, 2, 2],
            [6, 8, 9],
            [-100, 8, 9, -100],
            "word 0 was cut off: look tags up by word",
        ),
        ([None, None], [], [-100, -100], "a text without words"),
    ):
        yield Case(
            f"word_ids {word_ids}, tags {tags}",
            lambda w=word_ids, t=tags: plain(first_pieces(w, t)),
            labels,
            hint,
        )
    word_ids, tags = [None, 0, 0, 1, None], [2, 6]
    yield Case(
        f"twice: word_ids {word_ids}, tags {tags}",
        lambda: [plain(first_pieces(word_ids, tags)) for _ in range(2)],
        [[-100, 2, -100, 6, -100]] * 2,
        "both lists belong to the caller: do not pop from them",
    )


def labelled(word_ids, tags, *, tag=lambda i, word, tags: tags[word], same=None, falsy=False):
    """A label for each piece; same(i, word_ids): is piece i the same word's as one before?"""
    same = same or (lambda i, word_ids: i > 0 and word_ids[i] == word_ids[i - 1])
    return [
        -100 if (not word if falsy else word is None) or same(i, word_ids) else tag(i, word, tags)
        for i, word in enumerate(word_ids)
    ]


def by_tags(word_ids, tags):
    found = [None if word is None else tags[word] for word in word_ids]
    return [
        -100 if tag is None or tag == last else tag
        for tag, last in zip(found, [None, *found[:-1]], strict=True)
    ]


def one_by_one(word_ids, tags):
    rest = iter(tags)
    return labelled(word_ids, tags, tag=lambda i, word, tags: next(rest))


wrong_1 = {
    "every piece": lambda w, t: labelled(w, t, same=lambda i, w: False),
    "word 0 taken for none": lambda w, t: labelled(w, t, falsy=True),
    "the last piece": lambda w, t: labelled(w[::-1], t)[::-1],
    "only words of one piece": lambda w, t: labelled(w, t, same=lambda i, w: w.count(w[i]) > 1),
    "tags compared, not words": by_tags,
    "the number of the word": lambda w, t: labelled(w, t, tag=lambda i, word, tags: word),
    "by the place of the piece": lambda w, t: [
        t[i - 1] if 0 < i <= len(t) else -100 for i in range(len(w))
    ],
    "0 for what is ignored": lambda w, t: [max(label, 0) for label in labelled(w, t)],
    "special pieces left out": lambda w, t: [
        label for label, word in zip(labelled(w, t), w, strict=True) if word is not None
    ],
    "special pieces at the ends alone": lambda w, t: [
        -100,
        *labelled([word or 0 for word in w[1:-1]], t),
        -100,
    ],
    "tags one by one": one_by_one,
    "tags popped": lambda w, t: labelled(w, t, tag=lambda i, word, tags: tags.pop(0)),
}
right_1 = {
    "words met before": lambda w, t: labelled(w, t, same=lambda i, w: w[i] in w[:i]),
    "a tensor": lambda w, t: torch.tensor(labelled(w, t)),
}


# --- 2: a span, or no answer -------------------------------------------------------------------


def exercise_2(best_span):
    first = torch.tensor([0.0, 9.0, 1.0, 2.0, 6.0, 0.5, 1.0])
    last = torch.tensor([1.0, 9.0, 5.0, 1.5, 3.0, 2.5, 4.0])
    for given, scores, begin, most, want, hint in (
        (
            "the best pair is in order",
            (first, last),
            3,
            3,
            (4, 6),
            "the largest first[i] + last[j] with begin <= i <= j <= i + max_length - 1",
        ),
        (
            "at most two tokens",
            (first, last),
            3,
            2,
            (4, 4),
            "j - i + 1 is at most max_length, and one token is a span as well",
        ),
        (
            "the best end is before the best start",
            (torch.tensor([0.0, 0, 0, 1, 2, 8]), torch.tensor([0.0, 0, 0, 9, 5, 3])),
            2,
            6,
            (5, 5),
            "a span may not end before it begins",
        ),
        (
            "the best start has no good end",
            (torch.tensor([0.0, 0, 0, 2, 3, 4]), torch.tensor([0.0, 0, 0, 7, 1, 0])),
            2,
            6,
            (3, 3),
            "choose the pair, not first a start and then an end for it",
        ),
        (
            "it begins where the passage does",
            (torch.tensor([0.0, 3, 7, 6, 1, 0]), torch.tensor([0.0, 1, 0, 4, 1, 0])),
            3,
            3,
            (3, 3),
            "the passage begins at begin itself, not a place before or after it",
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
        (
            "all scores are negative",
            (first - 20, last - 20),
            3,
            3,
            (4, 6),
            "start the search from −inf, not from 0",
        ),
    ):
        yield Case(
            given + f", begin {begin}, max_length {most}",
            lambda s=scores, b=begin, m=most: tuple(plain(best_span(*s, b, m))),
            want,
            hint,
        )


def span(first, last, begin, most, *, inside=None, none=True, least=-math.inf, score=None):
    """The best pair (i, j) of those inside, and (0, 0) if there may be none."""
    inside = inside or (lambda i, j, begin, most: begin <= i <= j < i + most)
    score = score or (lambda i, j: first[i] + last[j])
    best, found = least, (0, 0)
    for i in range(len(first)):
        for j in range(len(first)):
            if (inside(i, j, begin, most) or (none and i == j == 0)) and score(i, j) > best:
                best, found = score(i, j), (i, j)
    return found


def allowing(inside):
    return lambda *given: span(*given, inside=inside)


def start_first(first, last, begin, most):
    i = begin + int(first[begin:].argmax())
    j = i + int(last[i : i + most].argmax())
    return (0, 0) if first[0] + last[0] > first[i] + last[j] else (i, j)


def no_answer_by_first(first, last, begin, most):
    i, j = span(first, last, begin, most, none=False)
    return (0, 0) if first[0] > first[i] else (i, j)


def in_place(first, last, begin, most):
    first[1:begin] = -math.inf
    return span(first, last, begin, most)


wrong_2 = {
    "each by itself": lambda f, e, b, m: (int(f.argmax()), int(e.argmax())),
    "each by itself, in the passage": lambda f, e, b, m: (
        b + int(f[b:].argmax()),
        b + int(e[b:].argmax()),
    ),
    "a start, then its end": start_first,
    "any order": allowing(lambda i, j, b, m: b <= i and b <= j < i + m),
    "one too long": allowing(lambda i, j, b, m: b <= i <= j <= i + m),
    "one too short": allowing(lambda i, j, b, m: b <= i <= j < i + m - 1),
    "never one token": allowing(lambda i, j, b, m: b <= i < j < i + m),
    "no limit": allowing(lambda i, j, b, m: b <= i <= j),
    "the limit counted from begin": allowing(lambda i, j, b, m: b <= i <= j < b + m),
    "the question, too": allowing(lambda i, j, b, m: i <= j < i + m),
    "from [CLS] to anywhere": allowing(lambda i, j, b, m: (i == 0 or b <= i) and i <= j < i + m),
    "behind begin": allowing(lambda i, j, b, m: b < i <= j < i + m),
    "from the place before begin": allowing(lambda i, j, b, m: b - 1 <= i <= j < i + m),
    "always an answer": lambda *given: span(*given, none=False),
    "from a best of 0": lambda *given: span(*given, none=False, least=0.0),
    "no answer by its first score": no_answer_by_first,
    "a product": lambda f, e, b, m: span(f, e, b, m, score=lambda i, j: f[i] * e[j]),
    "the rows changed places": lambda f, e, b, m: span(e, f, b, m),
    "the end behind the last": lambda *given: (span(*given)[0], span(*given)[1] + 1),
    "counted from begin": lambda f, e, b, m: tuple(k - b for k in span(f, e, b, m)),
    "changes what it is given": in_place,
}
right_2 = {
    "two loops": span,
    "logarithms of probabilities": lambda f, e, b, m: span(
        f.log_softmax(dim=0), e.log_softmax(dim=0), b, m
    ),
    "a list of tensors": lambda f, e, b, m: [torch.tensor(k) for k in span(f, e, b, m)],
}


# --- 3: Matthews -------------------------------------------------------------------------------


def exercise_3(matthews):
    truth = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    six_and_one = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0, 1, 1])
    for given, said, gold, want, hint in (
        ("always 1, seven of ten are 1", torch.ones(10), truth, 0.0, "the root is 0 here"),
        ("always 0", torch.zeros(10), truth, 0.0, "the root is 0 here"),
        ("all are 1", six_and_one, torch.ones(10), 0.0, "the root is 0 here: no 0 in the truth"),
        ("always 1, all are 1", torch.ones(10), torch.ones(10), 0.0, "0, though all are right"),
        ("all right", truth, truth, 1.0, "a perfect answer has 1"),
        ("all wrong", 1 - truth, truth, -1.0, "what is always wrong has −1"),
        (
            "six and one found",
            six_and_one,
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


def counted(said, truth):
    said, truth = said.bool(), truth.bool()
    pairs = (said & truth, said & ~truth, ~said & truth, ~said & ~truth)
    return [pair.sum().item() for pair in pairs]


def ratio(above, below, empty=0.0):
    return above / below if below else empty


def product_of(tp, fp, fn, tn):
    return (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)


def correlation(tp, fp, fn, tn, empty=0.0):
    return ratio(tp * tn - fp * fn, math.sqrt(product_of(tp, fp, fn, tn)), empty)


def by_counts(rule):
    return lambda said, truth: float(rule(*counted(said, truth)))


def kappa(tp, fp, fn, tn):
    return ratio(2 * (tp * tn - fp * fn), (tp + fp) * (tn + fp) + (tp + fn) * (tn + fn))


def torch_pearson(said, truth):
    return torch.corrcoef(torch.stack([said.double(), truth.double()]))[0, 1]


wrong_3 = {
    "accuracy": lambda s, t: (s == t).double().mean().item(),
    "from −1 to 1 by accuracy": lambda s, t: 2 * (s == t).double().mean().item() - 1,
    "balanced accuracy": by_counts(
        lambda tp, fp, fn, tn: (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2
    ),
    "F1": by_counts(lambda tp, fp, fn, tn: ratio(2 * tp, 2 * tp + fp + fn)),
    "both recalls, less 1": by_counts(
        lambda tp, fp, fn, tn: ratio(tp, tp + fn) + ratio(tn, tn + fp) - 1
    ),
    "Cohen's kappa": by_counts(kappa),
    "without the root": by_counts(lambda *c: ratio(c[0] * c[3] - c[1] * c[2], product_of(*c))),
    "sums for products": by_counts(
        lambda *c: ratio(c[0] + c[3] - c[1] - c[2], product_of(*c) ** 0.5)
    ),
    "a plus": by_counts(lambda *c: ratio(c[0] * c[3] + c[1] * c[2], product_of(*c) ** 0.5)),
    "no sign": by_counts(lambda *c: abs(correlation(*c))),
    "never below 0": by_counts(lambda *c: max(0.0, correlation(*c))),
    "not a number where the root is 0": by_counts(lambda *c: correlation(*c, empty=math.nan)),
    "1 where all are right": by_counts(lambda *c: correlation(*c, empty=float(c[1] + c[2] == 0))),
    "tests only what was said": by_counts(
        lambda tp, fp, fn, tn: (
            correlation(tp, fp, fn, tn, empty=math.nan) if tp + fp and tn + fn else 0.0
        )
    ),
    "Pearson, untested": lambda s, t: torch_pearson(s, t).item(),
}
right_3 = {
    "four counts": by_counts(correlation),
    "a tensor": lambda s, t: torch.tensor(correlation(*counted(s, t))),
    "Pearson": lambda s, t: torch_pearson(s, t).nan_to_num(0.0),
}


# --- 4: F1 of an answer ------------------------------------------------------------------------


def exercise_4(token_f1):
    for answer, gold, want, hint in (
        ("the old man", "The old man", 1.0, "case does not matter"),
        ("Old Man", "the old man", 0.8, "P = 1, R = 2/3"),
        ("the dog and the cat", "the dog", 4 / 7, "the is twice in one, once in the other"),
        ("the dog", "the dog and the cat", 4 / 7, "the is once in one, twice in the other"),
        ("the the dog", "the cat the", 2 / 3, "a word that is twice in both counts twice"),
        ("man", "woman", 0.0, "whole words, not parts of them"),
        ("a cat", "the dog", 0.0, "nothing in common"),
        ("", "the dog", 0.0, "an empty answer is wrong where gold has one"),
        ("the dog", "", 0.0, "an answer is wrong where gold has none"),
        ("", "", 1.0, "two empty answers agree"),
    ):
        yield Case(
            f"{answer!r}, gold {gold!r}",
            lambda a=answer, g=gold: float(token_f1(a, g)),
            want,
            hint,
        )


def words_of(text):
    return text.lower().split()


def overlap(a, g):
    return (Counter(a) & Counter(g)).total()


def by_words(rule, words=words_of, empty=lambda a, g: float(a == g)):
    def of(answer, gold):
        a, g = words(answer), words(gold)
        return float(rule(a, g)) if a and g else empty(a, g)

    return of


def bags(a, g):
    return 2 * overlap(a, g) / (len(a) + len(g))


def harmonic(a, g, precision=None, recall=None):
    p = overlap(a, g) / len(a) if precision is None else precision
    r = overlap(a, g) / len(g) if recall is None else recall
    return 2 * p * r / (p + r)


wrong_4 = {
    "sets": by_words(lambda a, g: 2 * len({*a} & {*g}) / (len({*a}) + len({*g}))),
    "sets over lengths": by_words(lambda a, g: 2 * len({*a} & {*g}) / (len(a) + len(g))),
    "the answer's words in gold": by_words(
        lambda a, g: 2 * sum(word in g for word in a) / (len(a) + len(g))
    ),
    "gold's words in the answer": by_words(
        lambda a, g: 2 * sum(word in a for word in g) / (len(a) + len(g))
    ),
    "parts of words": by_words(
        lambda a, g: 2 * sum(word in " ".join(g) for word in {*a}) / (len(a) + len(g))
    ),
    "letters": by_words(bags, words=lambda text: list(text.lower())),
    "by place": by_words(
        lambda a, g: 2 * sum(x == y for x, y in zip(a, g, strict=False)) / (len(a) + len(g))
    ),
    "capitals matter": by_words(bags, words=str.split),
    "only gold in small letters": lambda a, g: by_words(bags, words=str.split)(a, g.lower()),
    "articles left out": by_words(
        bags, words=lambda text: [w for w in words_of(text) if w not in ("a", "an", "the")]
    ),
    "precision": by_words(lambda a, g: overlap(a, g) / len(a)),
    "recall": by_words(lambda a, g: overlap(a, g) / len(g)),
    "the mean of P and R": by_words(lambda a, g: overlap(a, g) * (1 / len(a) + 1 / len(g)) / 2),
    "without the 2": by_words(lambda a, g: bags(a, g) / 2),
    "Jaccard": by_words(lambda a, g: overlap(a, g) / (Counter(a) | Counter(g)).total()),
    "exact match": by_words(lambda a, g: a == g),
    "0/0 where nothing is in common": by_words(harmonic),
    "two empty answers have 0": by_words(bags, empty=lambda a, g: 0.0),
    "an empty answer has 1": by_words(bags, empty=lambda a, g: 1.0),
    "0/0 for two empty answers": lambda a, g: bags(words_of(a), words_of(g)),
}
right_4 = {
    "bags": by_words(bags),
    "P and R": by_words(lambda a, g: harmonic(a, g) if {*a} & {*g} else 0.0),
    "a tensor": lambda a, g: torch.tensor(by_words(bags)(a, g)),
}


# --- 5: a rate for each layer ------------------------------------------------------------------


def exercise_5(layer_rates):
    for num_layers, rate, decay, want, hint in (
        (
            2,
            1.0,
            0.5,
            (0.125, 0.25, 0.5, 1.0),
            "embeddings, two blocks, head: the head stands last and has the rate itself",
        ),
        (3, 2e-1, 1.0, (0.2,) * 5, "three blocks, so five rates; a decay of 1: all alike"),
        (1, 3.0, 0.1, (0.03, 0.3, 3.0), "the embeddings are a step below the lowest block"),
    ):
        yield Case(
            f"{num_layers} blocks, rate {rate}, decay {decay}",
            lambda n=num_layers, r=rate, d=decay: tuple(map(float, layer_rates(n, r, d))),
            want,
            hint,
        )


def falling(steps, rate, decay):
    return [rate * decay**step for step in steps]


wrong_5 = {
    "from the head down": lambda n, r, d: falling(range(n + 2), r, d),
    "without the embeddings": lambda n, r, d: falling(range(n, -1, -1), r, d),
    "blocks alone": lambda n, r, d: falling(range(n, 0, -1), r, d),
    "the head decays": lambda n, r, d: falling(range(n + 2, 0, -1), r, d),
    "one too many": lambda n, r, d: falling(range(n + 2, -1, -1), r, d),
    "embeddings as the lowest block": lambda n, r, d: falling([n, *range(n, -1, -1)], r, d),
    "the top block as the head": lambda n, r, d: falling([*range(n, -1, -1), 0], r, d),
    "embeddings frozen": lambda n, r, d: [0.0, *falling(range(n, -1, -1), r, d)],
    "always two blocks": lambda n, r, d: falling(range(3, -1, -1), r, d),
    "one rate for all below": lambda n, r, d: [r * d] * (n + 1) + [r],
    "growing": lambda n, r, d: falling(range(n + 1, -1, -1), r, 1 / d),
    "squared": lambda n, r, d: falling(range(2 * n + 2, -1, -2), r, d),
    "the rate to the power, too": lambda n, r, d: [(r * d) ** k for k in range(n + 1, 0, -1)] + [r],
    "in even steps": lambda n, r, d: [r * (1 - k * (1 - d)) for k in range(n + 1, -1, -1)],
}
right_5 = {
    "an array": lambda n, r, d: r * np.float64(d) ** np.arange(n + 1, -1, -1),
    "a tensor": lambda n, r, d: torch.tensor(falling(range(n + 1, -1, -1), r, d)),
    "a tuple": lambda n, r, d: tuple(r * d ** (n + 1 - k) for k in range(n + 2)),
}


# --- 6: the mean of real tokens ----------------------------------------------------------------


def exercise_6(mean_of_real):
    added = "padding may neither be added nor counted, and each text has its own number"
    for given, lengths, padding, on_the_left, hint in (
        ("two texts of 5 and 2 tokens", (5, 2), None, False, added),
        ("three texts of 1, 4 and 3 tokens", (1, 4, 3), None, False, added),
        ("one text", (3,), None, False, "(batch, d_model), for a batch of one as well"),
        ("padding on the left", (2, 4), None, True, "the mask says which tokens are real"),
        (
            "infinite numbers at the padding",
            (2, 4),
            math.inf,
            False,
            "inf · 0 is not a number: fill the padding with 0, do not multiply by it",
        ),
    ):
        x = numbers(len(lengths), max(lengths), 3, seed=len(lengths))
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None, None]
        mask = mask.flip(-1) if on_the_left else mask
        if padding is not None:
            x = x.masked_fill(~mask.mT, padding)
        want = torch.stack([row[real[0]].mean(dim=0) for row, real in zip(x, mask, strict=True)])
        yield Case(given, lambda x=x, mask=mask: mean_of_real(x, mask), want, hint)


def over(x, mask, count):
    return x.masked_fill(~mask.mT, 0.0).sum(dim=1) / count


def fills_in_place(x, mask):
    return x.masked_fill_(~mask.mT, 0.0).sum(dim=1) / mask.sum(dim=-1)


wrong_6 = {
    "of all tokens": lambda x, mask: x.mean(dim=1),
    "of each token's numbers": lambda x, mask: x.mean(dim=-1),
    "over the batch": lambda x, mask: x.masked_fill(~mask.mT, 0.0).mean(dim=0),
    "the sum": lambda x, mask: over(x, mask, 1),
    "divided by the length": lambda x, mask: over(x, mask, x.shape[1]),
    "divided by the numbers of all texts": lambda x, mask: over(x, mask, mask.sum()),
    "one count for the batch": lambda x, mask: over(x, mask, mask.sum() / len(x)),
    "one more in the count": lambda x, mask: over(x, mask, mask.sum(dim=-1) + 1),
    "of the padding": lambda x, mask: over(x, ~mask, (~mask).sum(dim=-1)),
    "a product": lambda x, mask: (x * mask.mT).sum(dim=1) / mask.sum(dim=-1),
    "a product of matrices": lambda x, mask: (mask.float() @ x).squeeze(1) / mask.sum(dim=-1),
    "a softmax of the mask": lambda x, mask: (mask.float().softmax(dim=-1) @ x).squeeze(1),
    "one vector for all texts": lambda x, mask: x[mask.squeeze(1)].mean(dim=0),
    "the first so many": lambda x, mask: torch.stack(
        [row[:n].mean(dim=0) for row, n in zip(x, mask.sum(dim=-1), strict=True)]
    ),
    "one dimension too many": lambda x, mask: over(x, mask, mask.sum(dim=-1))[:, None],
    "one too few for one text": lambda x, mask: over(x, mask, mask.sum(dim=-1)).squeeze(),
    "the first vector": lambda x, mask: x[:, 0],
    "the maximum": lambda x, mask: x.masked_fill(~mask.mT, -math.inf).amax(dim=1),
    "changes what it is given": fills_in_place,
}
right_6 = {
    "nan-mean": lambda x, mask: x.masked_fill(~mask.mT, math.nan).nanmean(dim=1),
    "where": lambda x, mask: torch.where(mask.mT, x, 0.0).sum(dim=1) / mask.sum(dim=-1),
    "row by row": lambda x, mask: torch.stack(
        [row[real[0]].mean(dim=0) for row, real in zip(x, mask, strict=True)]
    ),
}


# --- 7: seed by seed ---------------------------------------------------------------------------


def exercise_7(paired_difference):
    hints = (
        "the mean of first minus second; it may be negative",
        "of the differences: Student's t for n − 1, their deviation with n − 1, over the root of n",
    )
    for given, one, other in (
        ("five seeds", [0.71, 0.64, 0.69, 0.75, 0.66], [0.68, 0.62, 0.65, 0.73, 0.61]),
        ("four seeds", [0.5, 0.6, 0.55, 0.4], [0.6, 0.5, 0.6, 0.45]),
    ):
        for part, name in enumerate(("mean", "half width")):
            yield Case(
                f"{given}, {name}: {one} and {other}",
                lambda a=one, b=other, part=part: both_of(paired_difference(a, b))[part],
                paired(np.subtract(one, other))[part],
                hints[part],
            )


def both_of(answer):
    mean, half = answer
    return float(mean), float(half)


def paired(gaps, *, ddof=1, chance=0.975, freedom=None, power=0.5, factor=None):
    n = len(gaps)
    factor = factor or student.ppf(chance, freedom or n - 1)
    return float(gaps.mean()), float(factor * gaps.std(ddof=ddof) / n**power)


def of_gaps(**changes):
    return lambda one, other: paired(np.subtract(one, other), **changes)


def mean_and(half):
    return lambda one, other: (np.subtract(one, other).mean(), half(np.array(one), np.array(other)))


wrong_7 = {
    "second minus first": lambda a, b: paired(np.subtract(b, a)),
    "differences without a sign": lambda a, b: paired(abs(np.subtract(a, b))),
    "the mean without a sign": lambda a, b: (abs(np.subtract(a, b).mean()), of_gaps()(a, b)[1]),
    "the median": lambda a, b: (np.median(np.subtract(a, b)), of_gaps()(a, b)[1]),
    "n in the denominator": of_gaps(ddof=0),
    "without the root of n": of_gaps(power=0),
    "over n": of_gaps(power=1),
    "1.96": of_gaps(factor=1.96),
    "the standard error": of_gaps(factor=1.0),
    "90 %": of_gaps(chance=0.95),
    "n degrees of freedom": lambda a, b: of_gaps(freedom=len(a))(a, b),
    "4 degrees of freedom always": of_gaps(freedom=4),
    "the whole width": lambda a, b: (of_gaps()(a, b)[0], 2 * of_gaps()(a, b)[1]),
    "from and to": lambda a, b: tuple(of_gaps()(a, b)[0] + k * of_gaps()(a, b)[1] for k in (-1, 1)),
    "not by pairs": mean_and(
        lambda a, b: (
            student.ppf(0.975, len(a) - 1) * ((a.var(ddof=1) + b.var(ddof=1)) / len(a)) ** 0.5
        )
    ),
    "sorted first": mean_and(lambda a, b: paired(np.sort(a) - np.sort(b))[1]),
    "both halves added": mean_and(lambda a, b: paired(a)[1] + paired(b)[1]),
    "the half of the first": mean_and(lambda a, b: paired(a)[1]),
}
right_7 = {
    "a list": lambda a, b: [*of_gaps()(a, b)],
    "an array": lambda a, b: np.array(of_gaps()(a, b)),
    "tensors": lambda a, b: paired_by_torch(torch.tensor(a) - torch.tensor(b)),
}


def paired_by_torch(gaps):
    n = len(gaps)
    return gaps.mean(), student.ppf(0.975, n - 1) * gaps.std() / n**0.5


# --- 8: labels saved ---------------------------------------------------------------------------


def exercise_8(labels_needed):
    four = [16, 64, 256, 1024], [0.4, 0.5, 0.8, 0.9]
    two = [10, 1000], [0.2, 0.6]
    for curve, target, want, hint in (
        (four, 0.5, 64.0, "a point of the curve"),
        (four, 0.65, 128.0, "half way from 64 to 256 on a logarithmic axis is 128"),
        (four, 0.875, 16 * 2**5.5, "three quarters of the way from 256 to 1,024"),
        (four, 0.3, 16.0, "the first point is good enough"),
        (four, 0.95, math.inf, "the curve never gets there"),
        (four, 0.9, 1024.0, "the last point is just good enough"),
        (two, 0.4, 100.0, "half way from 10 to 1,000 on a logarithmic axis is 100"),
    ):
        sizes, accuracies = curve
        yield Case(
            f"{sizes}, {accuracies}, target {target}",
            lambda s=sizes, a=accuracies, target=target: float(labels_needed(s, a, target)),
            want,
            hint,
        )


def reached(sizes, accuracies, target, *, scale=np.log, back=np.exp, below=None, end=math.inf):
    if below is not None and target < accuracies[0]:
        return below
    if target > accuracies[-1]:
        return end
    return float(back(np.interp(target, accuracies, scale(sizes))))


def outwards(sizes, accuracies, target):
    """The first or last stretch of the curve goes on beyond its end."""
    k = int(np.clip(np.searchsorted(accuracies, target), 1, len(sizes) - 1))
    way = (target - accuracies[k - 1]) / (accuracies[k] - accuracies[k - 1])
    return sizes[k - 1] * (sizes[k] / sizes[k - 1]) ** way


wrong_8 = {
    "a linear axis": lambda s, a, t: reached(s, a, t, scale=np.array, back=float),
    "the logarithm of the accuracy, too": lambda s, a, t: reached(s, np.log(a), np.log(t)),
    "the logarithm": lambda s, a, t: reached(s, a, t, back=float),
    "another base on the way back": lambda s, a, t: reached(s, a, t, scale=np.log10),
    "a line through both ends": lambda s, a, t: reached([s[0], s[-1]], [a[0], a[-1]], t),
    "a line through all": lambda s, a, t: (
        math.inf if t > a[-1] else float(np.exp(np.polyval(np.polyfit(a, np.log(s), 1), t)))
    ),
    "the next point": lambda s, a, t: next(
        (n for n, share in zip(s, a, strict=True) if share >= t), math.inf
    ),
    "the point before": lambda s, a, t: max(
        (n for n, share in zip(s, a, strict=True) if share <= t), default=s[0]
    ),
    "rounded down": lambda s, a, t: math.inf if t > a[-1] else int(reached(s, a, t)),
    "the last size": lambda s, a, t: reached(s, a, t, end=s[-1]),
    "beyond the ends": outwards,
    "never at the last point": lambda s, a, t: math.inf if t >= a[-1] else reached(s, a, t),
    "none below the first": lambda s, a, t: reached(s, a, t, below=0.0),
    "infinite below the first": lambda s, a, t: reached(s, a, t, below=math.inf),
}
right_8 = {
    "base 2": lambda s, a, t: reached(s, a, t, scale=np.log2, back=np.exp2),
    "right of the curve": lambda s, a, t: np.exp(np.interp(t, a, np.log(s), right=math.inf)),
    "a tensor": lambda s, a, t: torch.tensor(reached(s, a, t)),
}
