"""Cases of the exercises in 02_scoring_functions: what check("02.k", ...) tries."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini.attention import (
    AdditiveAttention,
    DotProductAttention,
    masked_softmax,
    padding_mask,
)
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
        keys, values = torch.as_tensor(other_keys).float(), numbers(2, 10, 4)
        mask = padding_mask(torch.tensor([2, 6]), 10)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            additive = AdditiveAttention(d_query=20, d_key=2, d_hidden=8)
        first = additive(numbers(2, 1, 20), keys, values, mask)[0]
        second = DotProductAttention()(numbers(2, 1, 2), keys, values, mask)[0]
        return bool(((first - second).abs().amax(dim=(1, 2)) > 1e-3).all())

    yield Case(
        "additive and scaled dot product differ in both sentences",
        apart,
        True,
        "the first sentence sees keys 0 and 1 alone, the second 0 to 5: do these differ?",
    )


def equal_but(place):
    """Keys of ones, with random ones in one place."""
    keys = torch.ones(2, 10, 2)
    keys[place] = numbers(*keys[place].shape)
    return keys


wrong_1 = {
    "equal keys": torch.full((2, 10, 2), 3.0),
    "only sentences differ": torch.tensor([1.0, 5.0]).view(2, 1, 1).expand(2, 10, 2),
    "only features differ": torch.tensor([1.0, 5.0]).expand(2, 10, 2),
    "the first sentence alone": equal_but(0),
    "the second sentence alone": equal_but(1),
    "where the mask hides": equal_but((slice(None), slice(6, None))),
    "hardly": 1 + 1e-6 * numbers(2, 10, 2),
    "a batch of one": numbers(1, 10, 2),
    "NaN": torch.full((2, 10, 2), torch.nan),
}
right_1 = {
    "counted": torch.arange(40).view(2, 10, 2),
    "an array": np.random.default_rng(0).standard_normal((2, 10, 2)),
}


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


wrong_2 = {
    "it depends": {"depends_on_query": True},
    "yes": {"depends_on_query": "yes"},
    "the dot product": {"sum_scores": lambda q, k: q @ k.mT},
    "the keys alone": {"sum_scores": lambda q, k: k.sum(-1).expand(len(q), len(k))},
    "the weights": {"sum_scores": lambda q, k: (q.sum(-1)[:, None] + k.sum(-1)).softmax(dim=-1)},
    "(keys, queries)": {"sum_scores": lambda q, k: k.sum(-1)[:, None] + q.sum(-1)},
    "the mean": {"sum_scores": lambda q, k: (q[:, None] + k).mean(dim=-1)},
    "summed over the keys": {"sum_scores": lambda q, k: (q[:, None] + k).sum(dim=1)},
}
right_2 = {
    "pair by pair": {"sum_scores": lambda q, k: (q[:, None] + k).sum(dim=-1)},
    "no": {"depends_on_query": "no"},
    "a tensor": {"depends_on_query": torch.tensor(False)},
    "NumPy": {"depends_on_query": np.bool_(False)},
}


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


wrong_3 = {
    "M transposed": lambda q, k, M: q @ M.mT @ k.mT,
    "divided by the root of d": lambda q, k, M: q @ M @ k.mT / math.sqrt(q.shape[-1]),
    "(batch, keys, queries)": lambda q, k, M: k @ M.mT @ q.mT,
    "reshape for transpose": lambda q, k, M: q @ M @ k.reshape(len(k), k.shape[2], k.shape[1]),
    "the first sentence's keys": lambda q, k, M: q @ M @ k[0].mT,
    "the weights": lambda q, k, M: (q @ M @ k.mT).softmax(dim=-1),
    "M ignored": lambda q, k, M: q @ k[..., : q.shape[-1]].mT,
}
right_3 = {
    "einsum": lambda q, k, M: torch.einsum("bqd,de,bke->bqk", q, M, k),
    "the keys first": lambda q, k, M: q @ (k @ M.mT).mT,
}


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


wrong_4 = {
    "without the term": lambda q, k: (q @ k.mT).softmax(dim=-1),
    "without the half": lambda q, k: (q @ k.mT - (k**2).sum(-1)).softmax(dim=-1),
    "the norm, not squared": lambda q, k: (q @ k.mT - k.norm(dim=-1) / 2).softmax(dim=-1),
    "plus": lambda q, k: (q @ k.mT + (k**2).sum(-1) / 2).softmax(dim=-1),
    "the mean": lambda q, k: (q @ k.mT - (k**2).mean(-1) / 2).softmax(dim=-1),
    "the term of the query": lambda q, k: (q @ k.mT - (q**2).sum(-1)[:, None] / 2).softmax(-1),
    "over the queries": lambda q, k: (q @ k.mT - (k**2).sum(-1) / 2).softmax(dim=0),
    "the scores": lambda q, k: q @ k.mT - (k**2).sum(-1) / 2,
}
right_4 = {
    "all three terms": lambda q, k: (
        q @ k.mT - (k**2).sum(-1) / 2 - (q**2).sum(-1)[:, None] / 2
    ).softmax(dim=-1),
    "differences": lambda q, k: (-((q[:, None] - k) ** 2).sum(-1) / 2).softmax(dim=-1),
}


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
    four, visible = numbers(2, 3, 4, 5), numbers(2, 3, 4, 5, seed=1) > 0
    visible[1, 2, 3] = False
    yield Case(
        "four axes: 2 sentences, 3 heads, 4 queries, 5 keys",
        lambda: my_masked_softmax(four, visible),
        masked_softmax(four, visible),
        "the keys are the last axis, however many there are",
    )
    yield Case(
        "transposed scores",
        lambda: my_masked_softmax(four.mT.contiguous().mT, visible),
        masked_softmax(four, visible),
        "the result must not depend on how the scores lie in memory: reshape for view",
    )

    def untouched():
        given = scores.clone()
        my_masked_softmax(given, mask)
        return torch.equal(given, scores)

    yield Case("the argument is as before", untouched, True, "masked_fill copies, masked_fill_ not")


def lowest(scores):
    return torch.finfo(scores.dtype).min


def by_view(scores, mask):
    rows, hidden = scores.view(-1, scores.shape[-1]), ~mask.reshape(-1, mask.shape[-1])
    weights = rows.masked_fill(hidden, lowest(scores)).softmax(dim=-1)
    return weights.masked_fill(hidden, 0).view(scores.shape)


def by_exp(scores, mask):
    weights = scores.exp() * mask
    return weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-30)


def shifted_exp(scores, mask):
    scores = torch.where(mask, scores, lowest(scores))
    weights = (scores - scores.amax(dim=-1, keepdim=True)).exp() * mask
    return weights / weights.sum(dim=-1, keepdim=True).clamp(min=1)


wrong_5 = {
    "-1e6": lambda s, mask: s.masked_fill(~mask, -1e6).softmax(dim=-1),
    "-inf": lambda s, mask: s.masked_fill(~mask, -torch.inf).softmax(dim=-1),
    "no zeros at the end": lambda s, mask: s.masked_fill(~mask, lowest(s)).softmax(dim=-1),
    "after the softmax": lambda s, mask: s.softmax(dim=-1) * mask,
    "not the largest subtracted": by_exp,
    "score 0": lambda s, mask: (s * mask).softmax(dim=-1),
    "-10": lambda s, mask: s.masked_fill(~mask, -10.0).softmax(dim=-1).masked_fill(~mask, 0),
    "in place": lambda s, mask: s.masked_fill_(~mask, lowest(s)).softmax(-1).masked_fill(~mask, 0),
    "detached": lambda s, mask: (
        s.detach().masked_fill(~mask, lowest(s)).softmax(dim=-1).masked_fill(~mask, 0)
    ),
    "axis 1": lambda s, mask: s.masked_fill(~mask, lowest(s)).softmax(dim=1).masked_fill(~mask, 0),
    "view": by_view,
}
right_5 = {
    "by exp": shifted_exp,
    "-inf, then zeros": lambda s, mask: (
        s.masked_fill(~mask, -torch.inf).softmax(dim=-1).masked_fill(~mask, 0)
    ),
}


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


def slope(query, keys, scale=1.0, centre=None, power=1):
    """The covariance of the keys under the weights, or one with something amiss."""
    weights = (keys @ query / scale).softmax(dim=0)
    centred = keys - (weights @ keys if centre is None else centre)
    return centred.mT @ (weights[:, None] ** power * centred)


wrong_6 = {
    "not centred": lambda query, keys: slope(query, keys, centre=0),
    "centred on the plain mean": lambda query, keys: slope(query, keys, centre=keys.mean(dim=0)),
    "without weights": lambda query, keys: keys.T.cov(correction=0),
    "divided by the root of d": lambda query, keys: slope(query, keys, scale=3**0.5),
    "weights squared": lambda query, keys: slope(query, keys, power=2),
    "the variances alone": lambda query, keys: slope(query, keys).diagonal().diag(),
    "divided by the number of keys": lambda query, keys: slope(query, keys) / len(keys),
    "minus": lambda query, keys: -slope(query, keys),
}
right_6 = {
    "autograd": lambda query, keys: torch.autograd.functional.jacobian(
        lambda q: (keys @ q).softmax(dim=0) @ keys, query
    ),
    "torch.cov": lambda query, keys: keys.T.cov(
        correction=0, aweights=(keys @ query).softmax(dim=0).double()
    ),
}


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
    three = numbers(3, 2, 5)
    wanted = torch.zeros(3, 2, 5)
    for weights, row in zip(wanted.view(6, 5), three.view(6, 5), strict=True):
        best = row.argsort(descending=True)[:3]
        weights[best] = row[best].softmax(dim=0)
    yield Case(
        "three axes: 3 sentences, 2 queries, 5 keys, k = 3",
        lambda: top_k_weights(three, 3),
        wanted,
        "dim=-1 is the axis of the keys, however many stand before it",
    )
    yield Case(
        "three scores alike, k = 2: how many keys have weight",
        lambda: (top_k_weights(torch.tensor([[0.0, 2.0, 2.0, 2.0]]), 2) > 0).sum(),
        2,
        "the k best, and no more where several are as good as the k-th",
    )


def best(scores, k, dim=-1, **settings):
    """bool, True for the k best of each row."""
    places = scores.topk(min(k, scores.shape[dim]), dim=dim, **settings).indices
    return torch.zeros_like(scores, dtype=torch.bool).scatter(dim, places, True)


def two_axes_alone(scores, k):
    mask = torch.zeros_like(scores, dtype=torch.bool)
    for query, row in enumerate(scores):
        mask[query, row.topk(k).indices] = True
    return masked_softmax(scores, mask)


def scattered(scores, k):
    values, places = scores.topk(k, dim=-1)
    return torch.zeros_like(scores).scatter(-1, places, values.softmax(dim=-1))


wrong_7 = {
    "cut after the softmax": lambda s, k: s.softmax(dim=-1) * best(s, k),
    "the k worst": lambda s, k: masked_softmax(s, best(s, k, largest=False)),
    "one more": lambda s, k: masked_softmax(s, best(s, k + 1)),
    "1/k each": lambda s, k: best(s, k) / k,
    "scores of 0": lambda s, k: (s * best(s, k)).softmax(dim=-1),
    "scores of -5": lambda s, k: torch.where(best(s, k), s, s - 5).softmax(dim=-1),
    "all as good as the k-th": lambda s, k: masked_softmax(s, s >= s.topk(k).values[..., -1:]),
    "axis 1": lambda s, k: masked_softmax(s, best(s, k, dim=1)),
    "two axes alone": two_axes_alone,
    "places lost": lambda s, k: s.topk(k, dim=-1).values.softmax(dim=-1),
}
right_7 = {"scattered": scattered}


def exercise_8(squeeze_and_excite):
    x, W_1, W_2 = numbers(2, 4, 3, 5), numbers(4, 2, seed=1), numbers(2, 4, seed=2)
    wanted = torch.zeros_like(x)
    for b in range(2):
        means = torch.stack([x[b, c].mean() for c in range(4)])
        hidden = torch.clamp(means @ W_1, min=0)
        for c in range(4):
            wanted[b, c] = x[b, c] / (1 + torch.exp(-hidden @ W_2[:, c]))
    yield Case(
        "2 images, 4 channels of 3 x 5",
        lambda: squeeze_and_excite(x, W_1, W_2),
        wanted,
        "mean over height and width, ReLU after W_1, sigmoid after W_2, then multiply",
    )


def gated(x, W_1, W_2, squeeze=None, relu=torch.relu, gate=torch.sigmoid):
    """Squeeze and excitation, or one with something amiss."""
    means = x.mean(dim=(2, 3)) if squeeze is None else squeeze(x)
    return x * gate(relu(means @ W_1) @ W_2)[..., None, None]


def identity(x):
    return x


wrong_8 = {
    "the largest": lambda x, a, b: gated(x, a, b, squeeze=lambda x: x.amax(dim=(2, 3))),
    "the sum": lambda x, a, b: gated(x, a, b, squeeze=lambda x: x.sum(dim=(2, 3))),
    "the batch's mean": lambda x, a, b: gated(x, a, b, squeeze=lambda x: x.mean(dim=(0, 2, 3))),
    "the mean of one column": lambda x, a, b: gated(x, a, b, squeeze=lambda x: x.mean(2)[..., 0]),
    "no ReLU": lambda x, a, b: gated(x, a, b, relu=identity),
    "no sigmoid": lambda x, a, b: gated(x, a, b, gate=identity),
    "a softmax": lambda x, a, b: gated(x, a, b, gate=lambda x: x.softmax(dim=-1)),
    "in turn": lambda x, a, b: gated(x, a, b, relu=torch.sigmoid, gate=torch.relu),
    "x added": lambda x, a, b: x + gated(x, a, b),
    "in place": lambda x, a, b: x.copy_(gated(x, a, b)),
}
right_8 = {
    "flattened": lambda x, a, b: torch.einsum(
        "bchw,bc->bchw", x, ((x.flatten(2).mean(-1) @ a).clamp(min=0) @ b).sigmoid()
    )
}


def exercise_9(click_loss):
    for n, d in ((6, 8), (4, 3)):
        queries, pages = numbers(n, d), numbers(n, d, seed=1)
        scores = queries @ pages.T / math.sqrt(d)
        shares = torch.stack([scores[i].exp()[i] / scores[i].exp().sum() for i in range(n)])
        yield Case(
            f"{n} queries and the {n} pages clicked, width {d}",
            lambda queries=queries, pages=pages: click_loss(queries, pages),
            float(-shares.log().mean()),
            "cross-entropy of row i with target i, on scores divided by the root of the width",
        )
    queries, pages = numbers(6, 8), numbers(6, 8, seed=1)
    yield Case(
        "pages that all look alike: chance, ln 6",
        lambda: click_loss(queries, pages[:1].repeat(6, 1)),
        math.log(6),
        "equal scores make every page as likely",
    )


def loss_of(scores, **settings):
    return F.cross_entropy(scores, torch.arange(len(scores)), **settings)


def scaled(queries, pages):
    return queries @ pages.mT / math.sqrt(queries.shape[-1])


wrong_9 = {
    "not divided": lambda q, pages: loss_of(q @ pages.mT),
    "divided by d": lambda q, pages: loss_of(q @ pages.mT / q.shape[-1]),
    "the root of 8": lambda q, pages: loss_of(q @ pages.mT / math.sqrt(8)),
    "the root of the batch": lambda q, pages: loss_of(q @ pages.mT / math.sqrt(len(q))),
    "the sum": lambda q, pages: loss_of(scaled(q, pages), reduction="sum"),
    "pages ask": lambda q, pages: loss_of(scaled(pages, q)),
    "both ways": lambda q, pages: (loss_of(scaled(q, pages)) + loss_of(scaled(pages, q))) / 2,
    "a softmax before": lambda q, pages: loss_of(scaled(q, pages).softmax(dim=-1)),
    "page 0 for all": lambda q, pages: F.cross_entropy(
        scaled(q, pages), torch.zeros(len(q)).long()
    ),
    "in bits": lambda q, pages: loss_of(scaled(q, pages)) / math.log(2),
    "a loss for each": lambda q, pages: loss_of(scaled(q, pages), reduction="none"),
}
right_9 = {
    "log_softmax": lambda q, pages: -scaled(q, pages).log_softmax(dim=-1).diagonal().mean(),
    "a float": lambda q, pages: loss_of(scaled(q, pages)).item(),
    "NumPy": lambda q, pages: np.float64(loss_of(scaled(q, pages))),
}
