"""Cases of the exercises in 01_attention_pooling: what check("01.k", ...) tries."""

import math

import numpy as np
import torch

from d2lmini.attention import masked_softmax
from d2lmini.learn import Between, Case


def points(seed, n=12):
    """n keys on [0, 5] with values, and 5 queries: no data set of the notebook, and not sorted."""
    generator = torch.Generator().manual_seed(seed)
    keys = 5 * torch.rand(n, generator=generator)
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


d, e = "decoder state", "encoder states"
wrong_1 = {
    "turned round": {"query": e, "keys": d, "values": d},
    "keys of the decoder": {"query": d, "keys": d, "values": e},
    "values of the decoder": {"query": d, "keys": e, "values": d},
    "the encoder alone": {"query": e, "keys": e, "values": e},
}
right_1 = {"capitals": {"query": "Decoder state", "keys": "Encoder states", "values": e}}


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
        "every weight is above 0: the smallest",
        lambda: random_attention(0).min(),
        Between(1e-9, 0.1),
        "a softmax gives every key some weight; are these the weights of random scores?",
    )

    def lean():
        logs = torch.stack([random_attention(seed).log() for seed in range(20)]).double()
        logs = logs - logs.mean(dim=-1, keepdim=True)
        return (logs**3).mean() / (logs**2).mean() ** 1.5

    yield Case(
        "the weights' logarithms, which are the scores, lean to neither side: their skewness",
        lean,
        Between(-0.7, 0.7),
        "softmax takes exp of a score before it divides; a random number over its sum does not",
    )
    yield Case(
        "rows differ: the largest difference in a column",
        lambda: (random_attention(0).amax(dim=0) - random_attention(0).amin(dim=0)).max(),
        Between(0.01, 1.0),
        "each query has ten scores of its own",
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


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def scores_of(seed):
    return torch.randn(10, 10, generator=seeded(seed))


def shares_of(seed):
    numbers = torch.rand(10, 10, generator=seeded(seed))
    return numbers / numbers.sum(dim=-1, keepdim=True)


wrong_2 = {
    "softmax over the queries": lambda seed: scores_of(seed).softmax(dim=0),
    "one softmax for all": lambda seed: scores_of(seed).flatten().softmax(dim=0).view(10, 10),
    "scores over their sum": lambda seed: scores_of(seed) / scores_of(seed).sum(-1, keepdim=True),
    "rand over its sum": shares_of,
    "one-hot rows": lambda seed: torch.eye(10)[scores_of(seed).argmax(dim=-1)],
    "one row ten times": lambda seed: scores_of(seed)[0].softmax(dim=-1).expand(10, 10),
    "equal weights": lambda seed: torch.full((10, 10), 0.1),
    "the seed ignored": lambda seed: scores_of(0).softmax(dim=-1),
    "four axes": lambda seed: scores_of(seed).softmax(dim=-1)[None, None],
}
right_2 = {
    "uniform scores": lambda seed: torch.rand(10, 10, generator=seeded(seed)).softmax(dim=-1),
    "large scores": lambda seed: (3 * scores_of(seed)).softmax(dim=-1),
    "by exp": lambda seed: scores_of(seed).exp() / scores_of(seed).exp().sum(-1, keepdim=True),
    "whole numbers": lambda seed: (
        torch.randint(10, (10, 10), generator=seeded(seed)).double().softmax(dim=-1)
    ),
}


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


wrong_3 = {
    "h ignored": lambda q, k, h: (q @ k.mT).softmax(dim=-1),
    "h not squared": lambda q, k, h: (q @ k.mT / h).softmax(dim=-1),
    "over 2 h²": lambda q, k, h: (q @ k.mT / (2 * h**2)).softmax(dim=-1),
    "over the root of d": lambda q, k, h: (q @ k.mT / h**2 / math.sqrt(3)).softmax(dim=-1),
    "over the queries": lambda q, k, h: (q @ k.mT / h**2).softmax(dim=0),
    "(keys, queries)": lambda q, k, h: (k @ q.mT / h**2).softmax(dim=-1),
    "not divided by the sum": lambda q, k, h: torch.exp((q @ k.mT - 1) / h**2),
}
right_3 = {
    "with the distance": lambda q, k, h: (-(torch.cdist(q, k) ** 2) / (2 * h**2)).softmax(dim=-1),
    "in float64": lambda q, k, h: (q.double() @ k.double().mT / h**2).softmax(dim=-1),
}


def exercise_4(parzen_vote):
    queries = 5.5 * torch.linspace(0, 1, 400) ** 2  # so many that any other kernel turns a sign
    for seed in (0, 1):
        _, keys, labels = points(seed)
        labels = torch.where(labels > 0, 1.0, -1.0)
        for h in (0.2, 1.0):
            votes = closeness(queries, keys, h) @ labels
            q = queries[votes.abs() > 0.01]  # where rounding decides nothing
            yield Case(
                f"12 keys (seed {seed}), {len(q)} queries, h = {h}",
                lambda q=q, k=keys, y=labels, h=h: parzen_vote(q, k, y, h),
                torch.sign(votes[votes.abs() > 0.01]),
                "exp(-u²/2) with u = distance / h; do not divide by the number of points in a "
                "class: more points count more",
            )


def closeness(q, k, h):
    return torch.exp(-(((q[:, None] - k) / h) ** 2) / 2)


def by_densities(q, k, labels, h):
    plus, minus = (closeness(q, k, h)[:, labels == sign].mean(dim=-1) for sign in (1, -1))
    return torch.sign(plus - minus)


wrong_4 = {
    "means for sums": by_densities,
    "the Laplace kernel": lambda q, k, y, h: ((-(q[:, None] - k).abs() / h).exp() @ y).sign(),
    "without the half": lambda q, k, y, h: (closeness(q, k, h) ** 2 @ y).sign(),
    "a boxcar": lambda q, k, y, h: (((q[:, None] - k).abs() <= h).float() @ y).sign(),
    "h not squared": lambda q, k, y, h: (closeness(q, k, h**0.5) @ y).sign(),
    "the nearest key": lambda q, k, y, h: y[(q[:, None] - k).abs().argmin(dim=-1)],
    "the larger class": lambda q, k, y, h: y.sum().sign().expand(len(q)),
    "no sign": lambda q, k, y, h: closeness(q, k, h) @ y,
    "True and False": lambda q, k, y, h: closeness(q, k, h) @ y > 0,
}
right_4 = {
    "Nadaraya-Watson": lambda q, k, y, h: (
        (-(((q[:, None] - k) / h) ** 2) / 2).softmax(dim=-1) @ y
    ).sign(),
    "whole numbers": lambda q, k, y, h: (closeness(q, k, h) @ y).sign().long(),
}


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


def entropy(weights):
    return torch.special.entr(weights).sum(dim=-1)


wrong_5 = {
    "0 log 0 is NaN": lambda a: (-(a * a.log()).sum(dim=-1)).exp(),
    "the entropy": entropy,
    "2 to the entropy": lambda a: 2 ** entropy(a),
    "all rows in one": lambda a: torch.special.entr(a).sum().exp(),
    "1 over the sum of squares": lambda a: 1 / (a**2).sum(dim=-1),
    "1 over the largest": lambda a: 1 / a.amax(dim=-1),
    "keys above 0": lambda a: (a > 0).sum(dim=-1),
    "over the queries": lambda a: torch.special.entr(a).sum(dim=0).exp(),
    "the mean": lambda a: torch.special.entr(a).mean(dim=-1).exp(),
}
right_5 = {
    "clamped": lambda a: (-(a * a.clamp(min=1e-30).log()).sum(dim=-1)).exp(),
    "in bits": lambda a: 2 ** (entropy(a) / math.log(2)),
    "NumPy for one row": lambda a: np.exp(entropy(a).numpy()) if a.dim() == 1 else entropy(a).exp(),
}


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
    some = torch.rand(5, 12, generator=torch.Generator().manual_seed(2)) < 0.5
    some[3] = False
    yield Case(
        "with a mask of 5 queries, 12 keys that hides all keys from the fourth query",
        lambda: predict_with_widths(queries, keys, values, widths, some),
        masked_softmax(scores, some) @ values,
        "True = may attend; masked_softmax gives a query without keys zeros",
    )


def wide_scores(q, k, w):
    return -(((q[:, None] - k) * w) ** 2) / 2


def masked_late(q, k, v, w, mask=None):
    weights = wide_scores(q, k, w).softmax(dim=-1)
    return (weights if mask is None else weights * mask) @ v


def filled(q, k, v, w, mask=None):
    scores = wide_scores(q, k, w)
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(dim=-1) @ v


def inverted(q, k, v, w, mask=None):
    return masked_softmax(wide_scores(q, k, w), None if mask is None else ~mask) @ v


def one_by_one(q, k, v, w, mask=None):
    mask = torch.ones(len(q), len(k), dtype=torch.bool) if mask is None else mask
    rows = [wide_scores(q[i : i + 1], k, w).exp()[0] * mask[i] for i in range(len(q))]
    return torch.stack([row @ v / row.sum() if row.any() else row.sum() for row in rows])


wrong_6 = {
    "the mask ignored": lambda q, k, v, w, mask=None: wide_scores(q, k, w).softmax(dim=-1) @ v,
    "the mask inverted": inverted,
    "masked after the softmax": masked_late,
    "NaN without keys": filled,
    "w not squared": lambda q, k, v, w, mask=None: (
        masked_softmax(wide_scores(q, k, w.sqrt()), mask) @ v
    ),
    "divided by w": lambda q, k, v, w, mask=None: (
        masked_softmax(wide_scores(q, k, 1 / w), mask) @ v
    ),
    "no half": lambda q, k, v, w, mask=None: masked_softmax(2 * wide_scores(q, k, w), mask) @ v,
    "one width": lambda q, k, v, w, mask=None: (
        masked_softmax(wide_scores(q, k, w.mean()), mask) @ v
    ),
    "a width for each query": lambda q, k, v, w, mask=None: (
        masked_softmax(wide_scores(q, k, w[: len(q), None]), mask) @ v
    ),
}
right_6 = {"one by one": one_by_one}


def exercise_7(error_with, shrink):
    hint = "sample(20, n, seed=1), predict with w = 1, mean of the squared distance to the truth"
    yield Case("n = 50", lambda: error_with(50), Between(0.37, 0.50), hint)
    yield Case("n = 1,000: the bias is left", lambda: error_with(1000), Between(0.37, 0.40), hint)
    yield Case(
        "n = 3 minus n = 1,000: the variance that more data remove",
        lambda: error_with(3) - error_with(1000),
        Between(0.5, 1.4),
        "does the number of points depend on n?  It is the mean of 20 errors, not the error of the "
        "mean prediction",
    )
    hint = "factor ** (-1 / (4 + d))"
    for times, d in ((10, 1), (10, 10), (3, 2)):
        yield Case(
            f"{times} times the data, d = {d}",
            lambda times=times, d=d: shrink(times, d),
            times ** (-1 / (4 + d)),
            hint,
        )


def predictions_at_1(n, seed=1, w=1.0):
    """(20, 50) predictions from 20 data sets of n points, and the truth."""
    generator = seeded(seed)
    x, noise = 5 * torch.rand(20, n, generator=generator), torch.randn(20, n, generator=generator)
    x_test = torch.arange(0, 5, 0.1)
    y, truth = (2 * t.sin() + t**0.8 for t in (x, x_test))
    scores = -(((x_test[:, None] - x[:, None]) * w) ** 2) / 2
    return (scores.softmax(dim=-1) @ (y + noise / 2)[..., None])[..., 0], truth


def error_at_1(n, **settings):
    predictions, truth = predictions_at_1(n, **settings)
    return ((predictions - truth) ** 2).mean()


def error_of_mean(n):
    predictions, truth = predictions_at_1(n)
    return ((predictions.mean(dim=0) - truth) ** 2).mean()


wrong_7 = {
    "two constants": {"error_with": lambda n: 0.44 if n == 50 else 0.39},
    "n ignored": {"error_with": lambda n: error_at_1(50)},
    "the root": {"error_with": lambda n: error_at_1(n).sqrt()},
    "w = 4": {"error_with": lambda n: error_at_1(n, w=4.0)},
    "averaged before squaring": {"error_with": error_of_mean},
    "the noise on top": {"error_with": lambda n: error_at_1(n) + 0.25},
    "all falls like 1/n": {"error_with": lambda n: 0.44 * 50 / n},
    "the factor ignored": {"shrink": lambda factor, d: 10 ** (-1 / (4 + d))},
    "d ignored": {"shrink": lambda factor, d: factor ** (-1 / 5)},
    "the error's rate": {"shrink": lambda factor, d: factor ** (-4 / (4 + d))},
    "it grows": {"shrink": lambda factor, d: factor ** (1 / (4 + d))},
    "the loss": {"shrink": lambda factor, d: 1 - factor ** (-1 / (4 + d))},
}
right_7 = {
    "another seed": {"error_with": lambda n: error_at_1(n, seed=2)},
    "a third seed, NumPy": {"error_with": lambda n: error_at_1(n, seed=3).numpy()},
    "by logarithms": {"shrink": lambda factor, d: np.exp(-np.log(factor) / np.float32(4 + d))},
}


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
    twice = torch.tensor([1.0, 2.0, 2.0, 2.0, 4.0])
    yield Case(
        "three keys at one place, k = 2: how many have weight, and their sum",
        lambda: [
            (row.count_nonzero().item(), row.sum().item())
            for row in neighbour_weights(torch.tensor([1.9, 2.2, 3.5]), twice, 2)
        ],
        ((2, 1.0), (2, 1.0), (2, 1.0)),
        "k keys and no more, also where several are as near as the k-th",
    )


def apart(q, keys):
    return (q[:, None] - keys).abs()


def near(distance, k, **settings):
    """(queries, keys): 1 for the k nearest keys of each query, else 0."""
    nearest = distance.topk(k, dim=-1, **{"largest": False} | settings).indices
    return torch.zeros_like(distance).scatter(-1, nearest, 1.0)


def as_near_as_the_kth(q, keys, k):
    kth = apart(q, keys).sort(dim=-1).values[:, k - 1 : k]
    return (apart(q, keys) <= kth).float() / k


def window(q, keys, k):
    """Neighbours in order of the keys: right if these are sorted."""
    weights = torch.zeros(len(q), len(keys))
    for row, start in zip(weights, torch.searchsorted(keys, q), strict=True):
        first = int((start - k // 2).clamp(0, len(keys) - k))
        row[first : first + k] = 1 / k
    return weights


wrong_8 = {
    "the farthest": lambda q, keys, k: near(apart(q, keys), k, largest=True) / k,
    "1 for 1/k": lambda q, keys, k: near(apart(q, keys), k),
    "no abs": lambda q, keys, k: near(q[:, None] - keys, k) / k,
    "k ignored": lambda q, keys, k: near(apart(q, keys), 1),
    "one more": lambda q, keys, k: near(apart(q, keys), min(k + 1, len(keys))) / (k + 1),
    "the k queries nearest to a key": lambda q, keys, k: (
        near(apart(keys, q), min(k, len(q))).mT / k
    ),
    "all that are as near": as_near_as_the_kth,
    "not equal": lambda q, keys, k: masked_softmax(-apart(q, keys), near(apart(q, keys), k) > 0),
    "sorted keys": window,
}
right_8 = {"ranks": lambda q, keys, k: (apart(q, keys).argsort().argsort() < k).double() / k}


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


def line(q, keys, values, h, centre=True, spread=None):
    """The weighted line at q, or one with something amiss."""
    a = closeness(q, keys, h)
    a = a / a.sum(dim=-1, keepdim=True)
    x_mean, y_mean = a @ keys, a @ values
    slope = (a @ (keys * values) - x_mean * y_mean) / (spread or (a @ keys**2 - x_mean**2))
    return y_mean + slope * (q - x_mean if centre else q)


def global_line(q, keys, values, h):
    slope = ((keys - keys.mean()) * (values - values.mean())).sum() / keys.var() / 11
    return values.mean() + slope * (q - keys.mean())


def least_squares(q, keys, values, h):
    root = closeness(q, keys, h).sqrt()[..., None]  # (queries, keys, 1)
    design = torch.stack([torch.ones(len(q), len(keys)), keys - q[:, None]], dim=-1)
    return torch.linalg.lstsq(root * design, root * values[:, None]).solution[:, 0, 0]


wrong_9 = {
    "the mean": lambda q, k, v, h: closeness(q, k, h) @ v / closeness(q, k, h).sum(dim=-1),
    "one line for all": global_line,
    "h ignored": lambda q, k, v, h: line(q, k, v, 0.5),
    "h for 1/h": lambda q, k, v, h: line(q, k, v, 1 / h),
    "without the half": lambda q, k, v, h: line(q, k, v, h / 2**0.5),
    "x not centred": lambda q, k, v, h: line(q, k, v, h, centre=False),
    "not divided by the variance": lambda q, k, v, h: line(q, k, v, h, spread=1.0),
    "the variance of all keys": lambda q, k, v, h: line(q, k, v, h, spread=k.var()),
}
right_9 = {"least squares": least_squares}
