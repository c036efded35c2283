"""Cases of the exercises in 01_attention_pooling: what check("01.k", ...) tries."""

import math

import torch

from d2lmini.learn import Between, Case


def points(seed, n=12):
    """n sorted keys on [0, 5] with values, and 5 queries: no data set of the notebook."""
    generator = torch.Generator().manual_seed(seed)
    keys = (5 * torch.rand(n, generator=generator)).sort().values
    return torch.linspace(0.3, 4.7, 5), keys, torch.randn(n, generator=generator)


def gaussian_by_hand(queries, keys, h):
    """Nadaraya-Watson weights, one row at a time."""
    rows = []
    for q in queries:
        closeness = torch.tensor([math.exp(-(((q - k) / h).norm() ** 2) / 2) for k in keys])
        rows.append(closeness / closeness.sum())
    return torch.stack(rows)


def exercise_1(roles):
    hint = "who asks, who is compared with the question, and what is averaged?"
    right = {"query": "decoder state", "keys": "encoder states", "values": "encoder states"}
    for role, who in right.items():
        yield Case(f"the {role}", lambda role=role: roles[role], who, hint)


def exercise_2(random_attention):
    yield Case(
        "shape for seed 0",
        lambda: tuple(random_attention(0).shape),
        (10, 10),
        "10 queries, 10 keys",
    )
    yield Case(
        "rows sum to 1",
        lambda: random_attention(0).sum(dim=1),
        torch.ones(10),
        "take the softmax over the last axis",
    )
    yield Case(
        "columns do not: the largest sum",
        lambda: random_attention(0).sum(dim=0).max(),
        Between(1.01, 10.0),
        "nothing makes a key's weights over all queries sum to 1; are your scores random?",
    )
    yield Case(
        "the same seed twice gives the same weights",
        lambda: torch.equal(random_attention(1), random_attention(1)),
        True,
        "pass torch.Generator().manual_seed(seed) to torch.randn",
    )
    yield Case(
        "seeds 0 and 1 give different weights",
        lambda: torch.equal(random_attention(0), random_attention(1)),
        False,
        "use the seed that is given",
    )


def exercise_3(sphere_weights):
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(n, 3, generator=generator) for n in (4, 6))
    q, k = (x / x.norm(dim=-1, keepdim=True) for x in (q, k))
    yield Case(
        "4 queries, 6 keys: the weights of each query sum to 1",
        lambda: sphere_weights(q, k, 1.0).sum(dim=-1),
        torch.ones(4),
        "the softmax runs over the keys, the last axis",
    )
    for h in (0.5, 1.0, 2.0):
        yield Case(
            f"4 queries and 6 keys of length 1, h = {h}",
            lambda h=h: sphere_weights(q, k, h),
            gaussian_by_hand(q, k, h),
            "minus half the squared distance over h² is (q.k - 1) / h²; the -1 cancels",
        )


def exercise_4(parzen_vote):
    for seed in (0, 1):
        queries, keys, labels = points(seed)
        labels = torch.where(labels > 0, 1.0, -1.0)
        for h in (0.2, 1.0):
            yield Case(
                f"12 keys (seed {seed}), h = {h}",
                lambda q=queries, k=keys, y=labels, h=h: parzen_vote(q, k, y, h),
                torch.sign(gaussian_by_hand(queries[:, None], keys[:, None], h) @ labels),
                "do not divide by the number of points in a class: more points count more",
            )


def exercise_5(effective_keys):
    yield Case(
        "five equal weights",
        lambda: effective_keys(torch.full((5,), 0.2)),
        5.0,
        "exp of the entropy: exp(-sum a log a)",
    )
    yield Case(
        "a one-hot: no NaN",
        lambda: effective_keys(torch.tensor([0.0, 1.0, 0.0])),
        1.0,
        "0 log 0 counts as 0: torch.special.entr knows",
    )
    yield Case(
        "two rows",
        lambda: effective_keys(torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])),
        torch.tensor([2.0, 2 * math.sqrt(2)]),
        "sum over the last axis only",
    )


def exercise_6(predict_with_widths):
    queries, keys, values = points(0)
    everything = torch.eye(len(keys), dtype=torch.bool)
    yield Case(
        "equal widths: the same as one width",
        lambda: predict_with_widths(queries, keys, values, torch.full((12,), 2.0)),
        gaussian_by_hand(queries[:, None], keys[:, None], 0.5) @ values,
        "minus half of (distance times w) squared, w = 1/h",
    )
    widths = torch.linspace(0.5, 3, 12)
    scores = torch.tensor(
        [[-(((q - k) * w) ** 2) / 2 for k, w in zip(keys, widths, strict=True)] for q in queries]
    )
    yield Case(
        "a width for each key",
        lambda: predict_with_widths(queries, keys, values, widths),
        scores.softmax(dim=-1) @ values,
        "w belongs to the keys, the last axis of the scores",
    )
    yield Case(
        "with a mask that leaves each point itself alone",
        lambda: predict_with_widths(keys, keys, values, widths, everything),
        values,
        "give the mask to masked_softmax",
    )


def exercise_7(error_with, shrink):
    hint = "sample(20, n, seed=1), predict with w = 1, mean of the squared distance to the truth"
    yield Case("n = 50", lambda: error_with(50), Between(0.38, 0.50), hint)
    yield Case("n = 5,000: the bias is left", lambda: error_with(5000), Between(0.36, 0.44), hint)
    yield Case(
        "n = 50 minus n = 5,000: the variance that more data remove",
        lambda: error_with(50) - error_with(5000),
        Between(0.005, 0.12),
        "does the number of points depend on n?",
    )
    hint = "factor ** (-1 / (4 + d))"
    yield Case("ten times the data, d = 1", lambda: shrink(10, 1), 10 ** (-1 / 5), hint)
    yield Case("ten times the data, d = 10", lambda: shrink(10, 10), 10 ** (-1 / 14), hint)


def exercise_8(neighbour_weights):
    queries, keys, _ = points(1)
    for k in (1, 3, 12):
        wanted = torch.zeros(5, 12)
        for i, q in enumerate(queries):
            wanted[i, sorted(range(12), key=lambda j: abs(q - keys[j]))[:k]] = 1 / k
        yield Case(
            f"5 queries, 12 keys, k = {k}",
            lambda k=k: neighbour_weights(queries, keys, k),
            wanted,
            "each row holds k times the weight 1/k, at the nearest keys",
        )


def exercise_9(local_line):
    queries, keys, values = points(0)
    beyond = torch.tensor([-1.0, 2.5, 6.0])
    yield Case(
        "points on a straight line, queries beyond both edges",
        lambda: local_line(beyond, keys, 3 * keys - 1, 1.0),
        3 * beyond - 1,
        "a weighted line through points of a line is that line, everywhere",
    )
    weights = gaussian_by_hand(queries[:, None], keys[:, None], 0.8).double()
    wanted = []
    for query, a in zip(queries.double(), weights, strict=True):
        design = torch.stack([torch.ones(12).double(), keys.double() - query], dim=1)
        solution = torch.linalg.solve(design.T * a @ design, design.T * a @ values.double())
        wanted.append(solution[0])
    yield Case(
        "noisy points, h = 0.8: against weighted least squares",
        lambda: local_line(queries, keys, values, 0.8),
        torch.stack(wanted).float(),
        "slope = weighted covariance of x and y over the weighted variance of x",
    )
