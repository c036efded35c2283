"""Cases of the exercises in 00_start_here: what check("00.k", ...) tries."""

import torch

from d2lmini.learn import Between, Case


def exercise_1(shape):
    hint = "(batch, queries, d) @ (batch, d, keys)"
    yield Case(
        "(2, 5, 8) @ (2, 7, 8).mT", lambda: None if shape is ... else tuple(shape), (2, 5, 7), hint
    )


def exercise_2(length_mask):
    for lengths, width in (([2, 4], 4), ([0, 1, 2], 2)):
        wanted = torch.tensor([[place < length for place in range(width)] for length in lengths])
        yield Case(
            f"lengths {lengths}, width {width}",
            lambda n=lengths, w=width: length_mask(n, w),
            wanted,
            "the first `length` places of a row are True",
        )


def exercise_3(for_torch):
    mask = torch.tensor([[[True, True, False]], [[True, False, False]]])
    yield Case(
        "lengths 2 and 1 of 3",
        lambda: for_torch(mask),
        torch.tensor([[False, False, True], [False, True, True]]),
        "remove the axis of 1, then turn True and False round; it must stay bool",
    )
    yield Case(
        "a batch of one",
        lambda: for_torch(mask[:1]),
        torch.tensor([[False, False, True]]),
        "squeeze(1): only the axis in the middle goes",
    )


def exercise_4(draw):
    yield Case("shape of five", lambda: tuple(draw(5, 0).shape), (5,), "torch.randn(n, ...)")
    yield Case(
        "normal: standard deviation of 10,000",
        lambda: draw(10_000, 0).std(),
        Between(0.95, 1.05),
        "torch.randn, not torch.rand",
    )
    yield Case(
        "seed 3 twice", lambda: torch.equal(draw(5, 3), draw(5, 3)), True, "seed a generator"
    )
    yield Case(
        "seeds 3 and 4 differ", lambda: torch.equal(draw(5, 3), draw(5, 4)), False, "use the seed"
    )

    def others_undisturbed():
        torch.manual_seed(1)
        wanted = torch.rand(1)
        torch.manual_seed(1)
        return None if draw(5, 0) is None else torch.equal(torch.rand(1), wanted)

    yield Case(
        "the global generator goes on as before",
        others_undisturbed,
        True,
        "torch.manual_seed resets it for everybody; use a torch.Generator of your own",
    )


def exercise_5(splits):
    hint = "choose on one, report another once; the model was fitted to the third"
    right = {"to choose": "validation", "once": "test", "no evidence": "train"}
    for use, split in right.items():
        yield Case(use, lambda use=use: splits[use], split, hint)


def exercise_6(half_width):
    hint = "1.96 times the root of p (1 - p) / n"
    yield Case("0.79 on 9,824", lambda: half_width(0.79, 9824), Between(0.0080, 0.0081), hint)
    yield Case("0.905 on 808", lambda: half_width(0.905, 808), Between(0.0202, 0.0203), hint)
    yield Case("one half of 100", lambda: half_width(0.5, 100), 0.098, hint)
