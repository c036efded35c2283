"""Cases of the exercises in 03_bahdanau: what check("03.k", ...) tries."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini.attention import masked_softmax, padding_mask
from d2lmini.learn import Between, Case


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def exercise_1(mask_of_two):
    hint = "(batch, 1, keys), as wide as the longer one"
    yield Case("the shape", lambda: pair_of(mask_of_two)[0], (2, 1, 6), hint)
    hint = "one for each real word"
    yield Case("how many are True", lambda: pair_of(mask_of_two)[1], 9, hint)


def pair_of(answer):
    if answer is None or answer is ...:
        return None, None
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError("(shape, number) is wanted")
    return answer


wrong_1 = {
    "no axis of the queries": ((2, 6), 9),
    "all places": ((2, 1, 6), 12),
    "the padding": ((2, 1, 6), 3),
    "a row for each query": ((2, 6, 6), 54),
    "as wide as the shorter one": ((2, 1, 3), 6),
    "one sentence behind the other": ((2, 1, 9), 9),
    "turned round": (9, (2, 1, 6)),
}
right_1 = {
    "lists": [[2, 1, 6], 9],
    "from the mask": (torch.Size([2, 1, 6]), padding_mask(torch.tensor([3, 6]), 6).sum()),
    "NumPy": ((2, 1, 6), np.int64(9)),
}


def exercise_2(precision):
    output = ["the", "the", "cat", "sat", "on", "the", "mat"]
    reference = ["the", "cat", "sat", "on", "a", "mat"]
    for n, wanted, hint in (
        (1, 5 / 7, "the reference has one 'the', so only one of three counts"),
        (2, 3 / 6, "'the cat', 'cat sat' and 'sat on' are found, of six"),
        (4, 1 / 4, "'the cat sat on' is found, of four"),
    ):
        yield Case(
            f"n = {n}, 'the the cat sat on the mat' for 'the cat sat on a mat'",
            lambda n=n: precision(output, reference, n),
            wanted,
            hint,
        )
    short = ["a", "dog", "and", "a", "dog", "sat"]
    long = ["sat", "dog", "and", "a", "dog", "ran", "by", "a", "dog"]
    for n, wanted, hint in (
        (2, 4 / 5, "'a dog' stands twice in both, and counts twice; 'dog sat' is not 'sat dog'"),
        (3, 2 / 4, "'dog and a' and 'and a dog', of four; a short output costs nothing here"),
    ):
        yield Case(
            f"n = {n}, 'a dog and a dog sat' for 'sat dog and a dog ran by a dog'",
            lambda n=n: precision(short, long, n),
            wanted,
            hint,
        )


def grams(words, n, order=tuple):
    return Counter(order(words[i : i + n]) for i in range(len(words) - n + 1))


def shared(output, reference, n, **settings):
    return (grams(output, n, **settings) & grams(reference, n, **settings)).total()


def unclipped(output, reference, n):
    there = grams(reference, n)
    return sum(gram in there for gram in grams(output, n).elements()) / (len(output) - n + 1)


def unordered(output, reference, n):
    return shared(output, reference, n, order=lambda g: tuple(sorted(g))) / (len(output) - n + 1)


def with_brevity(output, reference, n):
    penalty = min(1, math.exp(1 - len(reference) / len(output)))
    return penalty * shared(output, reference, n) / (len(output) - n + 1)


def crossed_out(output, reference, n):
    left = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
    found = 0
    for i in range(len(output) - n + 1):
        if tuple(output[i : i + n]) in left:
            left.remove(tuple(output[i : i + n]))
            found += 1
    return Fraction(found, len(output) - n + 1)


wrong_2 = {
    "not clipped": unclipped,
    "each type once": lambda out, ref, n: len(grams(out, n) & grams(ref, n)) / len(grams(out, n)),
    "each type once, of all": lambda out, ref, n: (
        len(grams(out, n) & grams(ref, n)) / (len(out) - n + 1)
    ),
    "recall": lambda out, ref, n: shared(out, ref, n) / (len(ref) - n + 1),
    "n ignored": lambda out, ref, n: shared(out, ref, 1) / len(out),
    "of the words": lambda out, ref, n: shared(out, ref, n) / len(out),
    "in any order": unordered,
    "with the brevity penalty": with_brevity,
}
right_2 = {"crossed out one by one": crossed_out}


def exercise_3(masked_loss):
    logits, target = numbers(2, 4, 7), torch.tensor([[4, 5, 6, 2], [3, 2, 0, 0]])
    wanted = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=0)
    yield Case(
        "six real words, two of padding",
        lambda: masked_loss(logits, target),
        wanted,
        "the mean over the places where target is not PAD",
    )
    longer = F.pad(target, (0, 3))
    yield Case(
        "more padding",
        lambda: masked_loss(F.pad(logits, (0, 0, 0, 3)), longer),
        wanted,
        "padding must change nothing",
    )


def losses(logits, target):
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")


def by_sentence(logits, target):
    real = (target != 0).float()
    return ((losses(logits, target).view(target.shape) * real).sum(1) / real.sum(1)).mean()


wrong_3 = {
    "all places": lambda logits, t: losses(logits, t).mean(),
    "zeros in the mean": lambda logits, t: (losses(logits, t) * (t != 0).flatten()).mean(),
    "the sum": lambda logits, t: losses(logits, t)[(t != 0).flatten()].sum(),
    "by sentence first": by_sentence,
    "the padding alone": lambda logits, t: losses(logits, t)[(t == 0).flatten()].mean(),
    "without <eos>": lambda logits, t: losses(logits, t)[(t > 2).flatten()].mean(),
    "logits of 0": lambda logits, t: losses(logits * (t != 0)[..., None], t).mean(),
    "a softmax before": lambda logits, t: losses(logits.softmax(-1), t)[(t != 0).flatten()].mean(),
}
right_3 = {
    "log_softmax": lambda logits, t: (
        -(logits.log_softmax(dim=-1).gather(-1, t[..., None])[..., 0][t != 0].mean())
    ),
    "a float": lambda logits, t: float(losses(logits, t)[(t != 0).flatten()].mean()),
    "(1,)": lambda logits, t: (
        (losses(logits, t)[None] @ (t != 0).flatten().float()) / (t != 0).sum()
    ),
}


def exercise_4(dot_context):
    for name, lengths, width in (
        ("batch 3, width 6, the second sentence padded, the third empty", [5, 2, 0], 6),
        ("batch of one, width 9", [3], 9),
    ):
        query, keys = numbers(len(lengths), width), numbers(len(lengths), 5, width, seed=1)
        mask = padding_mask(torch.tensor(lengths), 5)
        scores = torch.einsum("bd,bkd->bk", query, keys) / math.sqrt(width)
        wanted = torch.einsum("bk,bkd->bd", masked_softmax(scores, mask[:, 0]), keys)
        yield Case(
            name,
            lambda query=query, keys=keys, mask=mask: dot_context(query, keys, mask),
            wanted,
            "scores (batch, 1, keys), masked softmax, times the keys, which are the values too; "
            "then squeeze(1)",
        )


def scores_of(query, keys):
    return query.unsqueeze(1) @ keys.mT


def context(scores, keys, mask):
    return (masked_softmax(scores, mask) @ keys).squeeze(1)


wrong_4 = {
    "not divided": lambda q, k, mask: context(scores_of(q, k), k, mask),
    "divided by d": lambda q, k, mask: context(scores_of(q, k) / q.shape[-1], k, mask),
    "the root of the keys": lambda q, k, mask: context(scores_of(q, k) / 5**0.5, k, mask),
    "the notebook's width": lambda q, k, mask: context(scores_of(q, k) / 128**0.5, k, mask),
    "no mask": lambda q, k, mask: context(scores_of(q, k) / q.shape[-1] ** 0.5, k, None),
    "-1e6": lambda q, k, mask: context(
        (scores_of(q, k) / q.shape[-1] ** 0.5).masked_fill(~mask, -1e6), k, None
    ),
    "-inf": lambda q, k, mask: context(
        (scores_of(q, k) / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf), k, None
    ),
    "squeeze()": lambda q, k, mask: context(
        scores_of(q, k) / q.shape[-1] ** 0.5, k, mask
    ).squeeze(),
    "(batch, 1, d)": lambda q, k, mask: (
        masked_softmax(scores_of(q, k) / q.shape[-1] ** 0.5, mask) @ k
    ),
}
right_4 = {
    "einsum": lambda q, k, mask: torch.einsum(
        "bk,bkd->bd",
        masked_softmax(torch.einsum("bd,bkd->bk", q, k) / q.shape[-1] ** 0.5, mask[:, 0]),
        k,
    )
}


def exercise_5(asks, ratio):
    yield Case("which part of the state asks", lambda: asks, "h", "what the cell shows outside")
    yield Case(
        "weights of an LSTM over those of a GRU",
        lambda: ratio,
        Between(1.32, 1.34),
        "four blocks, three",
    )


wrong_5 = {
    "the memory": {"asks": "c"},
    "both": {"asks": "hc"},
    "turned round": {"ratio": 3 / 4},
    "the example": {"ratio": 3 / 2},
    "two states": {"ratio": 2.0},
    "whole numbers": {"ratio": 4 // 3},
    "how much more": {"ratio": 1 / 3},
    "five blocks, four": {"ratio": 5 / 4},
    "as text": {"ratio": "4 / 3"},
}
right_5 = {
    "rounded": {"asks": "H", "ratio": 1.333},
    "to two places": {"ratio": 1.33},
    "a fraction": {"ratio": Fraction(4, 3)},
    "NumPy": {"ratio": np.float32(4 / 3)},
    "a tensor": {"ratio": torch.tensor([4 / 3])},
}


def exercise_6(error_rate):
    weights = torch.tensor([[0.1, 0.6, 0.2, 0.1], [0.2, 0.1, 0.2, 0.5], [0.4, 0.3, 0.2, 0.1]])
    yield Case(
        "three target words, four source words, all right",
        lambda: error_rate(weights, [(1, 0), (3, 1), (0, 2)]),
        0.0,
        "row j, a target word, links to its largest column i: (i, j)",
    )
    yield Case(
        "one of three right, three of four sure links missed",
        lambda: error_rate(weights, [(1, 0), (2, 1), (0, 1), (2, 2)]),
        1 - 2 / 7,
        "2 |A and S| over |A| + |S|",
    )


def rate(found, sure):
    return 1 - 2 * len(set(found) & set(sure)) / (len(found) + len(sure))


def links(weights, dim=-1):
    return list(enumerate(weights.argmax(dim=dim).tolist()))


def turned(pairs):
    return [(i, j) for j, i in pairs]


def union(weights, sure):
    found = set(turned(links(weights)))
    return 1 - len(found & set(sure)) / len(found | set(sure))


wrong_6 = {
    "a link for each source word": lambda a, sure: rate(links(a, dim=0), sure),
    "(target, source)": lambda a, sure: rate(links(a), sure),
    "the wrong axis, turned": lambda a, sure: rate(turned(links(a, dim=0)), sure),
    "not the error": lambda a, sure: 1 - rate(turned(links(a)), sure),
    "without the 2": lambda a, sure: (1 + rate(turned(links(a)), sure)) / 2,
    "recall": lambda a, sure: 1 - len(set(turned(links(a))) & set(sure)) / len(sure),
    "precision": lambda a, sure: 1 - len(set(turned(links(a))) & set(sure)) / len(a),
    "over the union": union,
    "above one half": lambda a, sure: rate(turned((a > 0.5).nonzero().tolist()), sure),
    "the diagonal": lambda a, sure: rate([(j, j) for j in range(len(a))], sure),
}
right_6 = {
    "a fraction": lambda a, sure: Fraction(
        len(set(turned(links(a))) ^ set(sure)), len(a) + len(sure)
    ),
    "a tensor": lambda a, sure: torch.tensor(rate(turned(links(a)), sure)),
}
