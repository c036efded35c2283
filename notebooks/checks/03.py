"""Cases of the exercises in 03_bahdanau: what check("03.k", ...) tries."""

import math

import torch
import torch.nn.functional as F

from d2lmini.attention import masked_softmax, padding_mask
from d2lmini.learn import Case


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def exercise_1(mask_of_two):
    shape, number = mask_of_two if isinstance(mask_of_two, (tuple, list)) else (None, None)
    shape = tuple(shape) if isinstance(shape, list) else shape
    yield Case("the shape", lambda: shape, (2, 1, 6), "(batch, 1, keys), as wide as the longer one")
    yield Case("how many are True", lambda: number, 9, "one for each real word")


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


def exercise_4(dot_context):
    query, keys = numbers(2, 4), numbers(2, 5, 4, seed=1)
    mask = padding_mask(torch.tensor([5, 2]), 5)
    scores = torch.einsum("bd,bkd->bk", query, keys) / math.sqrt(4)
    wanted = torch.einsum("bk,bkd->bd", masked_softmax(scores, mask[:, 0]), keys)
    yield Case(
        "batch 2, width 4, the second sentence padded",
        lambda: dot_context(query, keys, mask),
        wanted,
        "scores (batch, 1, keys), masked softmax, times the keys, which are the values too",
    )


def exercise_5(asks, ratio):
    yield Case("which part of the state asks", lambda: asks, "h", "what the cell shows outside")
    yield Case("weights of an LSTM over those of a GRU", lambda: ratio, 4 / 3, "four blocks, three")


def exercise_6(error_rate):
    weights = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3]])
    yield Case(
        "three words, all right",
        lambda: error_rate(weights, [(0, 0), (2, 1), (1, 2)]),
        0.0,
        "row j links to its largest column",
    )
    yield Case(
        "one of three right, three of four sure links missed",
        lambda: error_rate(weights, [(0, 0), (1, 1), (0, 2), (2, 2)]),
        1 - 2 / 7,
        "2 |A and S| over |A| + |S|",
    )
