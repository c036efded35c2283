"""Cases of the exercises in 02_scoring_functions: what check("02.k", ...) tries."""

import math

import torch

from d2lmini.attention import AdditiveAttention, DotProductAttention
from d2lmini.learn import Case


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def exercise_1(other_keys):
    yield Case(
        "shape of the keys",
        lambda: None if other_keys is ... else tuple(other_keys.shape),
        (2, 10, 2),
        "two sentences, ten keys of width 2",
    )

    def apart():
        if other_keys is ...:
            return None
        values = numbers(2, 10, 4)
        torch.manual_seed(0)
        additive = AdditiveAttention(d_query=20, d_key=2, d_hidden=8)
        first = additive(numbers(2, 1, 20), other_keys, values)[0]
        second = DotProductAttention()(numbers(2, 1, 2), other_keys, values)[0]
        return bool(((first - second).abs().amax(dim=(1, 2)) > 1e-3).all())

    yield Case(
        "additive and scaled dot product differ in both sentences",
        apart,
        True,
        "keys that differ from each other get different scores",
    )


def exercise_2(sum_scores, depends_on_query):
    queries, keys = numbers(3, 4), numbers(5, 4, seed=1)
    wanted = torch.tensor([[float((q + k).sum()) for k in keys] for q in queries])
    yield Case(
        "3 queries, 5 keys of width 4",
        lambda: sum_scores(queries, keys),
        wanted,
        "the sum over q + k is the sum over q plus the sum over k",
    )
    yield Case(
        "do the weights depend on the query?",
        lambda: depends_on_query,
        False,
        "a softmax does not see what is added to all scores of a row",
    )


def exercise_3(bilinear_scores):
    queries, keys, M = numbers(2, 4, 3), numbers(2, 6, 5, seed=1), numbers(3, 5, seed=2)
    wanted = torch.stack(
        [
            torch.stack([torch.stack([q @ M @ k for k in keys[b]]) for q in queries[b]])
            for b in range(2)
        ]
    )
    yield Case(
        "batch 2, 4 queries of width 3, 6 keys of width 5",
        lambda: bilinear_scores(queries, keys, M),
        wanted,
        "queries @ M has the width of the keys; .mT swaps the last two axes",
    )


def exercise_4(distance_weights):
    for scale in (1, 3):
        queries, keys = numbers(4, 3), scale * numbers(6, 3, seed=1)
        wanted = (-(torch.cdist(queries, keys) ** 2) / 2).softmax(dim=-1)
        yield Case(
            f"4 queries, 6 keys of lengths around {scale * math.sqrt(3):.1f}",
            lambda q=queries, k=keys: distance_weights(q, k),
            wanted,
            "subtract half the squared length of each key from its scores",
        )


def exercise_5(my_masked_softmax):
    mask = torch.tensor([[True, True, False], [False, False, False]])
    scores = torch.tensor([[0.0, math.log(3.0), 5.0], [1.0, 2.0, 3.0]])
    wanted = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]])
    yield Case(
        "one key hidden, one empty row",
        lambda: my_masked_softmax(scores.clone(), mask),
        wanted,
        "hide before the softmax, set to zero after it",
    )

    def gradient():
        leaf = scores.clone().requires_grad_()
        weights = my_masked_softmax(leaf, mask)
        if weights is None:
            return None
        (weights @ torch.tensor([1.0, 2.0, 3.0])).sum().backward()
        return leaf.grad

    yield Case(
        "its gradient, finite and zero in the empty row",
        gradient,
        torch.tensor([[-0.1875, 0.1875, 0.0], [0.0, 0.0, 0.0]]),
        "hide before the softmax with the lowest finite number, then fill with 0",
    )
    for dtype in (torch.bfloat16, torch.float16):
        yield Case(
            f"{dtype}: the same, within rounding",
            lambda dtype=dtype: (
                (my_masked_softmax(scores.to(dtype), mask).float() * 20).round() / 20
            ),
            wanted,
            "torch.finfo(scores.dtype).min fits every floating type; -1e6 does not fit float16",
        )
    large = torch.tensor([[100.0, 100 + math.log(3.0), 300.0], [1.0, 2.0, 3.0]])
    yield Case(
        "scores of 100, a hidden one of 300",
        lambda: my_masked_softmax(large, mask),
        wanted,
        "softmax subtracts the row's largest score: hide first, and let softmax do it",
    )
    low = torch.tensor([[-2e6, -2e6 + math.log(3.0), 300.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    yield Case(
        "scores below minus a million, float64",
        lambda: my_masked_softmax(low, mask),
        wanted.double(),
        "a number of your own may be higher than a score; torch.finfo(scores.dtype).min is not",
    )
    yield Case(
        "float16 in, float16 out",
        lambda: str(my_masked_softmax(scores.half(), mask).dtype),
        "torch.float16",
        "stay in the type of the scores",
    )
    yield Case(
        "transposed scores",
        lambda: my_masked_softmax(scores.T.contiguous().T, mask),
        wanted,
        "the result must not depend on how the scores lie in memory",
    )

    def untouched():
        given = scores.clone()
        return None if my_masked_softmax(given, mask) is None else torch.equal(given, scores)

    yield Case("the argument is as before", untouched, True, "masked_fill copies, masked_fill_ not")


def exercise_6(output_slope):
    for size in (1.0, 30.0):
        query, keys = size * numbers(3), numbers(5, 3, seed=1)

        def output(q, keys=keys):
            return (keys @ q).softmax(dim=0) @ keys

        yield Case(
            f"5 keys of width 3, a query of length {float(query.norm()):.1f}",
            lambda q=query, k=keys: output_slope(q, k),
            torch.autograd.functional.jacobian(output, query),
            "weighted mean of (k - mean)(k - mean)^T",
        )


def exercise_7(top_k_weights):
    scores = torch.tensor([[1.0, 3.0, 3.0 + math.log(3.0), 0.0], [0.0, -1.0, -2.0, -3.0]])
    yield Case(
        "k = 1 is a look-up",
        lambda: top_k_weights(scores, 1),
        torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0]]),
        "all weight on the best key",
    )
    yield Case(
        "k = 2",
        lambda: top_k_weights(scores[:1], 2),
        torch.tensor([[0.0, 0.25, 0.75, 0]]),
        "a softmax over the two best alone",
    )
    yield Case(
        "k = 4 is a softmax",
        lambda: top_k_weights(scores, 4),
        scores.softmax(-1),
        "with every key allowed nothing is hidden",
    )


def exercise_8(squeeze_and_excite):
    x, W_1, W_2 = numbers(2, 4, 3, 3), numbers(4, 2, seed=1), numbers(2, 4, seed=2)
    wanted = torch.zeros_like(x)
    for b in range(2):
        means = torch.stack([x[b, c].mean() for c in range(4)])
        hidden = torch.clamp(means @ W_1, min=0)
        for c in range(4):
            wanted[b, c] = x[b, c] / (1 + torch.exp(-hidden @ W_2[:, c]))
    yield Case(
        "2 images, 4 channels of 3 x 3",
        lambda: squeeze_and_excite(x, W_1, W_2),
        wanted,
        "mean over height and width, ReLU after W_1, sigmoid after W_2, then multiply",
    )


def exercise_9(click_loss):
    queries, pages = numbers(6, 8), numbers(6, 8, seed=1)
    scores = queries @ pages.T / math.sqrt(8)
    shares = torch.stack([scores[i].exp()[i] / scores[i].exp().sum() for i in range(6)])
    yield Case(
        "6 queries and the 6 pages clicked, width 8",
        lambda: click_loss(queries, pages),
        float(-shares.log().mean()),
        "cross-entropy of row i with target i, on scores divided by sqrt(8)",
    )
    yield Case(
        "pages that all look alike: chance, ln 6",
        lambda: click_loss(queries, pages[:1].repeat(6, 1)),
        math.log(6),
        "equal scores make every page as likely",
    )
