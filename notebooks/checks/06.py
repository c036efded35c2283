"""Cases of the exercises in 06_text_classification: what check("06.k", ...) tries."""

import math
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini.learn import Between, Case


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def draws(high, *shape, seed=0):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def real_positions(lengths, longest):
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


# --- 1: mean and maximum -----------------------------------------------------------------------


def max_of(row):
    return torch.stack([max(column) for column in row.T])


def exercise_1(mean_and_max):
    for name, lengths, width, shift in (
        ("no padding", [4, 4], 3, 0.0),
        ("texts of 5, 2 and 1 words", [5, 2, 1], 4, 0.0),
        ("all numbers negative, some padding", [3, 6], 2, -5.0),
    ):
        x = numbers(len(lengths), max(lengths), width, seed=width) + shift
        rows = [row[:length] for row, length in zip(x, lengths, strict=True)]
        means, largest = ([f(row) for row in rows] for f in (lambda r: r.mean(dim=0), max_of))
        want = torch.cat([torch.stack(means), torch.stack(largest)], dim=1)
        yield Case(
            name,
            lambda x=x, lengths=lengths: mean_and_max(
                x.clone(), real_positions(lengths, x.shape[1])
            ),
            want,
            "a mean over the real words alone, and a maximum that padding cannot win; side by "
            "side, the mean first",
        )


def pooled(x, real, fill=-math.inf, count=None):
    keep = real.unsqueeze(-1)
    count = real.sum(dim=1, keepdim=True) if count is None else count
    mean = (x * keep).sum(dim=1) / count
    return torch.cat([mean, x.masked_fill(~keep, fill).amax(dim=1)], dim=1)


wrong_1 = {
    "no mask": lambda x, real: torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1),
    "padding is zero in the maximum": lambda x, real: pooled(x, real, fill=0.0),
    "divided by all positions": lambda x, real: pooled(x, real, count=x.shape[1]),
    "over the features": lambda x, real: torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1),
    "the maximum first": lambda x, real: pooled(x, real).roll(x.shape[2], dims=1),
    "the mean twice": lambda x, real: pooled(x, real)[:, : x.shape[2]].repeat(1, 2),
}
right_1 = {
    "masked sums": pooled,
    "a loop": lambda x, real: torch.stack(
        [
            torch.cat([row[keep].mean(dim=0), max_of(row[keep])])
            for row, keep in zip(x, real, strict=True)
        ]
    ),
}


# --- 2: attention pooling ----------------------------------------------------------------------


def exercise_2(attend):
    for name, lengths, width, scale in (
        ("a query of zeros: the mean", [4, 2], 3, 0.0),
        ("one text, no padding", [6], 4, 1.0),
        ("three texts, 9 features", [2, 5, 1], 9, 1.5),
    ):
        x, query = numbers(len(lengths), max(lengths), width, seed=width), scale * numbers(width)
        want = []
        for row, length in zip(x, lengths, strict=True):
            exps = [math.exp(query @ vector / width**0.5) for vector in row[:length]]
            want.append(sum(e / sum(exps) * v for e, v in zip(exps, row, strict=False)))
        yield Case(
            name,
            lambda x=x, query=query, lengths=lengths: attend(
                x.clone(), query, real_positions(lengths, x.shape[1])
            ),
            torch.stack(want),
            "scores x q / sqrt(d), minus infinity at padding, softmax over positions, then the sum",
        )


def attended(x, query, real, divisor=None):
    scores = x @ query / (x.shape[2] ** 0.5 if divisor is None else divisor)
    weights = scores.masked_fill(~real, -math.inf).softmax(dim=1)
    return (weights.unsqueeze(-1) * x).sum(dim=1)


wrong_2 = {
    "no root": lambda x, query, real: attended(x, query, real, divisor=1.0),
    "the root of the length": lambda x, query, real: attended(
        x, query, real, divisor=x.shape[1] ** 0.5
    ),
    "no mask": lambda x, query, real: attended(x, query, torch.ones_like(real)),
    "padding scores zero": lambda x, query, real: (
        ((x @ query / x.shape[2] ** 0.5) * real).softmax(dim=1).unsqueeze(-1) * x
    ).sum(dim=1),
    "the mean": lambda x, query, real: attended(x, 0 * query, real),
    "softmax over texts": lambda x, query, real: (
        (x @ query / x.shape[2] ** 0.5).softmax(dim=0).unsqueeze(-1) * x
    ).sum(dim=1),
}
right_2 = {
    "einsum": lambda x, query, real: torch.einsum(
        "bn,bnd->bd",
        (x @ query / math.sqrt(x.shape[2])).masked_fill(~real, -1e30).softmax(dim=-1),
        x,
    ),
    "torch's own": lambda x, query, real: F.scaled_dot_product_attention(
        query.expand(len(x), 1, -1), x, x, real.unsqueeze(1)
    ).squeeze(1),
}


# --- 3: n-grams --------------------------------------------------------------------------------


def exercise_3(first_difference):
    for name, first, second in (
        ("other words", "a good film", "a bad film"),
        ("one exchange", "the dog bites the man", "the man bites the dog"),
        ("not moves", "it is good and not bad", "it is not good and bad"),
        ("a longer stretch is the same", "a b c a b d a b c", "a b d a b c a b c"),
        ("one word twice", "very very good", "very good"),
        ("equal", "a film", "a film"),
    ):
        yield Case(
            f"{first!r} and {second!r} ({name})",
            lambda first=first, second=second: first_difference(first, second),
            differing(first, second),
            "count the n-grams of each text, with repetitions, for n = 1, 2, ...; 0 if none differ",
        )


def grams(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def differing(first, second, of=grams, start=1):
    longest = max(len(first.split()), len(second.split()))
    return next((n for n in range(start, longest + 1) if of(first, n) != of(second, n)), 0)


wrong_3 = {
    "sets": lambda first, second: differing(first, second, of=lambda t, n: {*grams(t, n)}),
    "letters": lambda first, second: differing(
        first, second, of=lambda t, n: Counter(t[i : i + n] for i in range(len(t)))
    ),
    "from pairs on": lambda first, second: differing(first, second, start=2),
    "the first place that differs": lambda first, second: next(
        (i + 1 for i, w in enumerate(first.split()) if second.split()[i : i + 1] != [w]), 0
    ),
    "2": lambda first, second: 2,
    "without an end": lambda first, second: differing(first, second) or len(first.split()) + 1,
}
right_3 = {
    "sorted lists": lambda first, second: next(
        (
            n
            for n in range(1, 30)
            if sorted(grams(first, n).elements()) != sorted(grams(second, n).elements())
        ),
        0,
    ),
    "NumPy": lambda first, second: np.int64(differing(first, second)),
}


# --- 4: leaving out ----------------------------------------------------------------------------


def exercise_4(left_out):
    def count_not(words):
        return 2.0 * words.count("good") - 3.0 * words.count("not") * ("good" in words)

    def by_place(words):
        return sum((i + 1) * len(word) for i, word in enumerate(words))

    for name, score, words in (
        ("a score with not", count_not, ["this", "is", "not", "a", "good", "film"]),
        ("a word that comes twice", count_not, ["good", "good", "not"]),
        ("a score by place", by_place, ["one", "three", "five"]),
        ("one word", by_place, ["alone"]),
    ):
        rest = [score(words[:i] + words[i + 1 :]) for i in range(len(words))]
        yield Case(
            f"{name}: {' '.join(words)}",
            lambda score=score, words=words: [float(d) for d in left_out(score, [*words])],
            [score(words) - without for without in rest],
            "score of the whole minus score without word i, for each i; leave out that word alone",
        )


def drops(score, words):
    return [score(words) - score(words[:i] + words[i + 1 :]) for i in range(len(words))]


wrong_4 = {
    "all like it": lambda score, words: [
        score(words) - score([w for w in words if w != word]) for word in words
    ],
    "the sign": lambda score, words: [-d for d in drops(score, words)],
    "what is left": lambda score, words: [score(words) - d for d in drops(score, words)],
    "alone": lambda score, words: [score([word]) for word in words],
    "all before": lambda score, words: [
        score(words) - score(words[i + 1 :]) for i in range(len(words))
    ],
    "a blank": lambda score, words: [
        score(words) - score([*words[:i], "", *words[i + 1 :]]) for i in range(len(words))
    ],
    "a share": lambda score, words: [
        d / (sum(drops(score, words)) or 1) for d in drops(score, words)
    ],
}
right_4 = {
    "a tensor": lambda score, words: torch.tensor(drops(score, words)),
    "NumPy": lambda score, words: np.array(drops(score, words)),
}


# --- 5: other weights --------------------------------------------------------------------------


def exercise_5(same_output):
    for name, said, weights in (
        ("four words", [2.0, -1.0, 0.5, 3.0], [0.1, 0.2, 0.3, 0.4]),
        ("most weight on one word", [1.0, 0.0, -2.0, 0.2, 4.0], [0.9, 0.02, 0.02, 0.03, 0.03]),
        ("two words speak against four", [-3.0, 1.0, 1.5, -2.0, 0.5, 0.7], [0.15] * 5 + [0.25]),
    ):
        said, weights = torch.tensor(said), torch.tensor(weights)

        def tried(said=said, weights=weights):
            found = torch.as_tensor(same_output(said.clone(), weights.clone()))
            found = found.detach().float().flatten()
            if len(found) != len(said):
                raise ValueError(f"{len(found)} weights for {len(said)} words")
            moved = (found - weights).abs().sum().item() / 2
            fair = bool((found >= -1e-6).all()) and abs(found.sum().item() - 1) < 1e-4
            return fair, (found @ said).item(), moved

        yield Case(
            name,
            tried,
            (True, (said @ weights).item(), Between(0.5, 1.0)),
            "weights of two words alone: one that says more than the sum, one that says less; "
            "wanted is (they are weights, their output, how much weight has moved)",
        )


def two_words(said, weights, pick=torch.argmin):
    target = said @ weights
    low = pick(weights.masked_fill(said > target, 2.0))
    high = pick(weights.masked_fill(said < target, 2.0))
    share = (target - said[low]) / (said[high] - said[low])
    found = torch.zeros_like(weights)
    found[low], found[high] = 1 - share, share
    return found


wrong_5 = {
    "unchanged": lambda said, weights: weights.clone(),
    "reversed": lambda said, weights: weights.flip(0),
    "the mean": lambda said, weights: torch.full_like(weights, 1 / len(weights)),
    "all on one": lambda said, weights: F.one_hot(said.argmax(), len(said)).float(),
    "no weights": lambda said, weights: (
        weights
        + 10 * (said.roll(1) - said) * 0
        + torch.where(torch.arange(len(said)) == 0, 2.0, 0.0)
    ),
    "shares exchanged": lambda said, weights: (
        (two_words(said, weights) > 0).float()
        * (two_words(said, weights).sum() - two_words(said, weights))
    ),
}
right_5 = {
    "two words": two_words,
    "a list": lambda said, weights: two_words(said, weights).tolist(),
}


# --- 6: an interval ----------------------------------------------------------------------------


def exercise_6(needed):
    for accuracy, half in ((0.9, 0.01), (0.865, 0.005), (0.5, 0.02), (0.99, 0.002)):
        exact = 1.96**2 * accuracy * (1 - accuracy) / half**2
        yield Case(
            f"accuracy {accuracy}, half of the interval {half}",
            lambda accuracy=accuracy, half=half: int(needed(accuracy, half)),
            math.ceil(exact),
            "solve 1.96 sqrt(p (1 - p) / n) = half for n, and round up",
        )


def examples(accuracy, half, z=1.96, up=math.ceil):
    return up(z**2 * accuracy * (1 - accuracy) / half**2)


wrong_6 = {
    "whole interval": lambda accuracy, half: examples(accuracy, half / 2),
    "no square": lambda accuracy, half: math.ceil(1.96 * accuracy * (1 - accuracy) / half),
    "one standard deviation": lambda accuracy, half: examples(accuracy, half, z=1.0),
    "rounded down": lambda accuracy, half: examples(accuracy, half, up=math.floor),
    "worst case": lambda accuracy, half: examples(0.5, half),
    "per cent": lambda accuracy, half: examples(accuracy, half * 100),
}
right_6 = {
    "a float": lambda accuracy, half: float(examples(accuracy, half)),
    "a tensor": lambda accuracy, half: torch.tensor(examples(accuracy, half)),
}


# --- 7: confusion ------------------------------------------------------------------------------


def exercise_7(confusion):
    for name, classes, count, seed in (
        ("4 classes, 60 texts", 4, 60, 0),
        ("3 classes, 7 texts", 3, 7, 1),
        ("a class that is never said", 5, 30, 2),
    ):
        true, said = draws(classes, count, seed=seed), draws(max(2, classes - 1), count, seed=9)
        counts, recalls = torch.zeros(classes, classes), []
        for t, s in zip(true.tolist(), said.tolist(), strict=True):
            counts[t, s] += 1
        recalls = [
            (counts[c, c] / counts[c].sum()).item() if counts[c].sum() else 0.0
            for c in range(classes)
        ]

        def tried(true=true, said=said, classes=classes):
            matrix, recall = confusion(true.clone(), said.clone(), classes)
            return torch.as_tensor(matrix).float(), [float(r) for r in recall]

        yield Case(
            name,
            tried,
            (counts, recalls),
            "row: the true class, column: what was said; the recall of a class is the diagonal "
            "over the sum of its row, 0 for a class without texts",
        )


def counted_pairs(true, said, classes):
    matrix = torch.bincount(true * classes + said, minlength=classes**2).view(classes, classes)
    return matrix, (matrix.diagonal() / matrix.sum(dim=1).clamp(min=1)).tolist()


def transposed(true, said, classes):
    matrix, _ = counted_pairs(said, true, classes)
    return matrix, (matrix.diagonal() / matrix.sum(dim=1).clamp(min=1)).tolist()


wrong_7 = {
    "columns are true": transposed,
    "precision": lambda true, said, classes: (
        counted_pairs(true, said, classes)[0],
        counted_pairs(said, true, classes)[1],
    ),
    "shares of all": lambda true, said, classes: (
        counted_pairs(true, said, classes)[0],
        (counted_pairs(true, said, classes)[0].diagonal() / len(true)).tolist(),
    ),
    "the accuracy for each": lambda true, said, classes: (
        counted_pairs(true, said, classes)[0],
        [(true == said).float().mean().item()] * classes,
    ),
    "shares in the matrix": lambda true, said, classes: (
        counted_pairs(true, said, classes)[0] / len(true),
        counted_pairs(true, said, classes)[1],
    ),
}
right_7 = {
    "bincount": counted_pairs,
    "NumPy": lambda true, said, classes: (
        counted_pairs(true, said, classes)[0].numpy(),
        np.array(counted_pairs(true, said, classes)[1]),
    ),
}


# --- 8: a temperature --------------------------------------------------------------------------


def exercise_8(best_temperature):
    for name, classes, times, seed in (
        ("logits twice too large", 3, 2.0, 0),
        ("logits four times too large, 5 classes", 5, 4.0, 1),
        ("logits half as large as they should be", 2, 0.5, 2),
    ):
        true_logits = 2 * numbers(3000, classes, seed=seed)
        uniform = torch.rand(3000, 1, generator=torch.Generator().manual_seed(seed))
        labels = (true_logits.softmax(dim=1).cumsum(dim=1) < uniform).sum(dim=1)
        labels = labels.clamp(max=classes - 1)
        logits = times * true_logits
        best = lowest(logits, labels)
        yield Case(
            name,
            lambda logits=logits, labels=labels: float(best_temperature(logits.clone(), labels)),
            Between(best * 0.95, best * 1.05),
            "the T for which the mean cross entropy of logits / T is lowest: try many, from below "
            "1 to well above",
        )


def lowest(logits, labels, grid=None):
    grid = [1.01**k for k in range(-150, 200)] if grid is None else grid
    return min(grid, key=lambda t: F.cross_entropy(logits / t, labels).item())


def most_accurate(logits, labels):
    grid = [1.01**k for k in range(-150, 200)]
    return max(grid, key=lambda t: ((logits / t).argmax(dim=1) == labels).float().mean().item())


wrong_8 = {
    "1": lambda logits, labels: 1.0,
    "its inverse": lambda logits, labels: 1 / lowest(logits, labels),
    "the most accurate": most_accurate,
    "above 1 alone": lambda logits, labels: lowest(
        logits, labels, grid=[1.01**k for k in range(200)]
    ),
    "up to 3 alone": lambda logits, labels: lowest(
        logits, labels, grid=[0.3 + 0.01 * k for k in range(270)]
    ),
    "the highest loss": lambda logits, labels: max(
        [1.01**k for k in range(-150, 200)],
        key=lambda t: F.cross_entropy(logits / t, labels).item(),
    ),
}
right_8 = {
    "a coarser grid": lambda logits, labels: lowest(
        logits, labels, grid=[0.1 + 0.02 * k for k in range(400)]
    ),
    "a tensor": lambda logits, labels: torch.tensor(lowest(logits, labels)),
}
