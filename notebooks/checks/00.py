"""Cases of the exercises in 00_start_here: what check("00.k", ...) tries."""

import math
import random
from fractions import Fraction

import numpy as np
import torch

from d2lmini.learn import Between, Case


def exercise_1(shape):
    hint = "(batch, queries, d) @ (batch, d, keys)"
    yield Case(
        "(2, 5, 8) @ (2, 7, 8).mT", lambda: None if shape is ... else tuple(shape), (2, 5, 7), hint
    )


wrong_1 = {
    "batch forgotten": (5, 7),
    "keys by queries": (2, 7, 5),
    "the shape of the queries": (2, 5, 8),
    "the inner axis kept": (2, 8, 8),
    "both batch axes kept": (2, 2, 5, 7),
}
right_1 = {
    "a list": [2, 5, 7],
    "a torch.Size": torch.Size([2, 5, 7]),
    "an array": np.array([2, 5, 7]),
    "a tensor": torch.tensor([2, 5, 7]),
}


def exercise_2(length_mask):
    for lengths, width in (([2, 4], 4), ([3, 0, 1], 5)):
        wanted = torch.tensor([[place < length for place in range(width)] for length in lengths])
        yield Case(
            f"lengths {lengths}, width {width}",
            lambda n=lengths, w=width: length_mask(n, w),
            wanted,
            "the first `length` places of a row are True",
        )


wrong_2 = {
    "the slip of section 3: >": lambda n, width: torch.arange(width) > torch.tensor(n)[:, None],
    "one place too many": lambda n, width: torch.arange(width) <= torch.tensor(n)[:, None],
    "as wide as the longest": lambda n, width: torch.arange(max(n)) < torch.tensor(n)[:, None],
    "0 and 1": lambda n, width: (torch.arange(width) < torch.tensor(n)[:, None]).float(),
    "(width, batch)": lambda n, width: torch.arange(width)[:, None] < torch.tensor(n),
    "sorted": lambda n, width: torch.arange(width) < torch.tensor(sorted(n))[:, None],
    "no length of 0": lambda n, width: torch.arange(width) < torch.tensor(n).clamp(min=1)[:, None],
    "two rows": lambda n, width: torch.stack(
        [torch.arange(width) < n[0], torch.arange(width) < n[1]]
    ),
}
right_2 = {
    "by loops": lambda n, width: torch.tensor([[i < length for i in range(width)] for length in n])
}


def exercise_3(for_torch):
    mask = torch.tensor([[[True, True, False]], [[True, False, False]]])
    yield Case(
        "lengths 2 and 1 of 3",
        lambda: for_torch(mask),
        torch.tensor([[False, False, True], [False, True, True]]),
        "remove the axis of 1, then turn True and False round; it must stay bool",
    )
    yield Case(
        "lengths 1, 4 and 2 of 4",
        lambda: for_torch(torch.arange(4) < torch.tensor([1, 4, 2])[:, None, None]),
        torch.arange(4) >= torch.tensor([1, 4, 2])[:, None],
        "(batch, keys): each sentence keeps its own lengths",
    )
    yield Case(
        "a batch of one",
        lambda: for_torch(mask[:1]),
        torch.tensor([[False, False, True]]),
        "squeeze(1): only the axis in the middle goes",
    )


wrong_3 = {
    "True still means may attend": lambda mask: mask.squeeze(1),
    "(batch, 1, keys)": lambda mask: ~mask,
    "squeeze() takes a batch of one, too": lambda mask: ~mask.squeeze(),
    "(keys, batch)": lambda mask: ~mask.squeeze(1).T,
    "numbers": lambda mask: 1 - mask.squeeze(1).float(),
    "0 and -inf": lambda mask: torch.zeros(mask.shape).masked_fill(~mask, -torch.inf).squeeze(1),
    "in place": lambda mask: mask.logical_not_().squeeze(1),
    "hidden where all hide": lambda mask: (~mask).all(dim=0).expand(mask.shape[0], -1),
}
right_3 = {
    "by an index": lambda mask: mask[:, 0] == False,  # noqa: E712
    "logical_not": lambda mask: torch.logical_not(mask).flatten(1),
}


def exercise_4(draw):
    yield Case("shape of five", lambda: tuple(draw(5, 0).shape), (5,), "torch.randn(n, ...)")
    yield Case(
        "normal: standard deviation of 10,000",
        lambda: draw(10_000, 0).std(),
        Between(0.95, 1.05),
        "torch.randn, not torch.rand",
    )
    yield Case(
        "normal: share of 10,000 between -1 and 1",
        lambda: (draw(10_000, 0).abs() < 1).double().mean(),
        Between(0.66, 0.71),
        "torch.randn: two thirds lie within one standard deviation of 0",
    )
    yield Case(
        "seed 3 twice", lambda: torch.equal(draw(5, 3), draw(5, 3)), True, "seed a generator"
    )
    yield Case(
        "seeds 3 and 4 differ", lambda: torch.equal(draw(5, 3), draw(5, 4)), False, "use the seed"
    )

    def others_undisturbed():
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
        draw(5, 0)
        after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
        return before[:2] == after[:2] and torch.equal(before[2], after[2])

    yield Case(
        "the global generator goes on as before",
        others_undisturbed,
        True,
        "torch.manual_seed resets it for everybody; use a torch.Generator of your own",
    )


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def draw_globally(n, seed):
    torch.manual_seed(seed)
    return torch.randn(n)


def draw_by_numpy(n, seed):
    np.random.seed(seed)
    return torch.from_numpy(np.random.randn(n))


def draw_and_put_back(n, seed):
    with torch.random.fork_rng():
        return draw_globally(n, seed)


wrong_4 = {
    "seeds the global generator": draw_globally,
    "seeds NumPy's global generator": draw_by_numpy,
    "another draw each time": lambda n, seed: torch.randn(n),
    "uniform": lambda n, seed: torch.rand(n, generator=seeded(seed)),
    "uniform, spread 1": lambda n, seed: (torch.rand(n, generator=seeded(seed)) - 0.5) * 12**0.5,
    "the seed ignored": lambda n, seed: torch.randn(n, generator=seeded(0)),
    "(n, 1)": lambda n, seed: torch.randn(n, 1, generator=seeded(seed)),
    "one number n times": lambda n, seed: torch.randn(1, generator=seeded(seed)).expand(n),
}
right_4 = {
    "NumPy": lambda n, seed: torch.tensor(np.random.default_rng(seed).standard_normal(n)),
    "the global one, put back": draw_and_put_back,
}


def exercise_5(splits):
    hint = "choose on one, report another once; the model was fitted to the third"
    right = {"to choose": "validation", "once": "test", "no evidence": "train"}
    for use, split in right.items():
        yield Case(use, lambda use=use: splits[use], split, hint)


wrong_5 = {
    "test to choose": {"to choose": "test", "once": "validation", "no evidence": "train"},
    "chosen on train": {"to choose": "train", "once": "test", "no evidence": "validation"},
    "test for both": {"to choose": "test", "once": "test", "no evidence": "train"},
    "no test": {"to choose": "validation", "once": "validation", "no evidence": "train"},
    "an array": {"to choose": np.array(["train", "test"]), "once": "test", "no evidence": "train"},
}
right_5 = {
    "capitals": {"to choose": "Validation", "once": "Test", "no evidence": "Train"},
    "arrays": {"to choose": np.array(["validation"]), "once": "test", "no evidence": "train"},
}


def exercise_6(half_width):
    hint = "1.96 times the root of p (1 - p) / n"
    yield Case("0.79 on 9,824", lambda: half_width(0.79, 9824), Between(0.0080, 0.0081), hint)
    yield Case("0.905 on 808", lambda: half_width(0.905, 808), Between(0.0202, 0.0203), hint)
    yield Case("one half of 100", lambda: half_width(0.5, 100), 0.098, hint)


wrong_6 = {
    "no root": lambda p, n: 1.96 * p * (1 - p) / n,
    "n outside the root": lambda p, n: 1.96 * math.sqrt(p * (1 - p)) / n,
    "the standard error": lambda p, n: math.sqrt(p * (1 - p) / n),
    "the whole width": lambda p, n: 2 * 1.96 * math.sqrt(p * (1 - p) / n),
    "p = 1/2": lambda p, n: 1.96 * math.sqrt(0.25 / n),
    "in per cent": lambda p, n: 196 * math.sqrt(p * (1 - p) / n),
    "90 %": lambda p, n: 1.645 * math.sqrt(p * (1 - p) / n),
    "brackets lost": lambda p, n: 1.96 * math.sqrt(p * 1 - p / n),
    "both ends": lambda p, n: (p - 1.96 * math.sqrt(p * (1 - p) / n), p + 1.96),
    "the example": lambda p, n: 0.008,
}
right_6 = {
    "a tensor": lambda p, n: 1.96 * torch.tensor([p * (1 - p) / n]).sqrt(),
    "float32": lambda p, n: np.float32(1.959964) * np.sqrt(np.float32(p * (1 - p) / n)),
    "a fraction": lambda p, n: Fraction(1.96 * (p * (1 - p) / n) ** 0.5),
}
