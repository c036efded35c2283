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


def real_positions(lengths, longest, in_front=False):
    """Which positions are words (texts, longest), bool; padding stands behind them, or in front."""
    real = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return real.flip(1) if in_front else real


# --- 1: mean and maximum -----------------------------------------------------------------------


def max_of(row):
    return torch.stack([max(column) for column in row.T])


def exercise_1(mean_and_max):
    for name, lengths, width, shift in (
        ("no padding", [4, 4], 3, 0.0),
        ("texts of 5, 2 and 1 words", [5, 2, 1], 4, 0.0),
        ("all numbers negative, some padding", [3, 6], 2, -5.0),
        ("padding in front of the words", [2, 4, 3], 5, 0.0),
    ):
        x = numbers(len(lengths), max(lengths), width, seed=width) + shift
        real = real_positions(lengths, max(lengths), "in front" in name)
        rows = [row[keep] for row, keep in zip(x, real, strict=True)]
        means, largest = ([f(row) for row in rows] for f in (lambda r: r.mean(dim=0), max_of))
        want = torch.cat([torch.stack(means), torch.stack(largest)], dim=1)
        yield Case(
            name,
            lambda x=x, real=real: mean_and_max(x.clone(), real.clone()),
            want,
            "a mean over the real words alone, and a maximum that padding cannot win; side by "
            "side, the mean first",
        )


def pooled(x, real, fill=-math.inf, count=None):
    keep = real.unsqueeze(-1)
    count = real.sum(dim=1, keepdim=True) if count is None else count
    mean = (x * keep).sum(dim=1) / count
    return torch.cat([mean, x.masked_fill(~keep, fill).amax(dim=1)], dim=1)


def first_words(x, real):
    rows = [row[:count] for row, count in zip(x, real.sum(dim=1), strict=True)]
    return torch.stack([torch.cat([row.mean(dim=0), row.amax(dim=0)]) for row in rows])


def as_long_as_the_first(x, real):
    x = x[:, : real[0].sum()]
    return torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1)


def changed(x, real):
    x[~real] = -math.inf
    largest = x.amax(dim=1)
    x[~real] = 0
    return torch.cat([x.sum(dim=1) / real.sum(dim=1, keepdim=True), largest], dim=1)


wrong_1 = {
    "no mask": lambda x, real: torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=1),
    "padding wins the maximum": lambda x, real: torch.cat(
        [pooled(x, real)[:, : x.shape[2]], x.amax(dim=1)], dim=1
    ),
    "padding is zero in the maximum": lambda x, real: pooled(x, real, fill=0.0),
    "divided by all positions": lambda x, real: pooled(x, real, count=x.shape[1]),
    "divided by the words of all texts": lambda x, real: pooled(x, real, count=real.sum()),
    "a sum": lambda x, real: pooled(x, real, count=1),
    "the first words": first_words,
    "as long as the first text": as_long_as_the_first,
    "over the features": lambda x, real: torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1),
    "the maximum first": lambda x, real: pooled(x, real).roll(x.shape[2], dims=1),
    "one above the other": lambda x, real: pooled(x, real).unflatten(1, (2, -1)),
    "x changed": changed,
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
        ("padding in front of the words", [3, 4, 2], 5, 1.0),
    ):
        x, query = numbers(len(lengths), max(lengths), width, seed=width), scale * numbers(width)
        real, want = real_positions(lengths, max(lengths), "in front" in name), []
        for row, keep in zip(x, real, strict=True):
            exps = [math.exp(query @ vector / width**0.5) for vector in row[keep]]
            want.append(sum(e / sum(exps) * v for e, v in zip(exps, row[keep], strict=True)))
        yield Case(
            name,
            lambda x=x, query=query, real=real: attend(x.clone(), query, real.clone()),
            torch.stack(want),
            "scores x q / sqrt(d), minus infinity at padding, softmax over positions, then the sum",
        )


def attended(x, query, real, divisor=None, fill=-math.inf):
    scores = x @ query / (x.shape[2] ** 0.5 if divisor is None else divisor)
    weights = scores.masked_fill(~real, fill).softmax(dim=1)
    return (weights.unsqueeze(-1) * x).sum(dim=1)


def masked_afterwards(x, query, real):
    weights = (x @ query / x.shape[2] ** 0.5).softmax(dim=1) * real
    return (weights.unsqueeze(-1) * x).sum(dim=1)


wrong_2 = {
    "no root": lambda x, query, real: attended(x, query, real, divisor=1.0),
    "d without its root": lambda x, query, real: attended(x, query, real, divisor=x.shape[2]),
    "the root of the length": lambda x, query, real: attended(
        x, query, real, divisor=x.shape[1] ** 0.5
    ),
    "no mask": lambda x, query, real: attended(x, query, torch.ones_like(real)),
    "padding scores zero": lambda x, query, real: attended(x, query, real, fill=0.0),
    "padding scores 1e-9, not -1e9": lambda x, query, real: attended(x, query, real, fill=1e-9),
    "padding scores -10": lambda x, query, real: attended(x, query, real, fill=-10.0),
    "masked after the softmax": masked_afterwards,
    "the mask upside down": lambda x, query, real: attended(x, query, ~real),
    "the mean": lambda x, query, real: attended(x, 0 * query, real),
    "the best word alone": lambda x, query, real: x[
        torch.arange(len(x)), (x @ query).masked_fill(~real, -math.inf).argmax(dim=1)
    ],
    "softmax over texts": lambda x, query, real: (
        (x @ query / x.shape[2] ** 0.5).softmax(dim=0).unsqueeze(-1) * x
    ).sum(dim=1),
    "one axis too many": lambda x, query, real: attended(x, query, real).unsqueeze(1),
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
        ("a still longer one", "a b c x a b c y a b c", "a b c y a b c x a b c"),
        ("only as a whole", "not good", "good not"),
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


def in_blocks(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(0, len(words), n))


def one_gram_short(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n))


def before_the_whole(first, second):
    longest = max(len(first.split()), len(second.split()))
    return next((n for n in range(1, longest) if grams(first, n) != grams(second, n)), 0)


wrong_3 = {
    "sets": lambda first, second: differing(first, second, of=lambda t, n: {*grams(t, n)}),
    "lists in order": lambda first, second: differing(
        first, second, of=lambda t, n: [*grams(t, n).elements()]
    ),
    "how many": lambda first, second: differing(first, second, of=lambda t, n: grams(t, n).total()),
    "letters": lambda first, second: differing(
        first, second, of=lambda t, n: Counter(t[i : i + n] for i in range(len(t) - n + 1))
    ),
    "side by side": lambda first, second: differing(first, second, of=in_blocks),
    "the last n-gram forgotten": lambda first, second: differing(first, second, of=one_gram_short),
    "from pairs on": lambda first, second: differing(first, second, start=2),
    "up to fours": lambda first, second: differing(first, second) % 5,
    "one n too few": before_the_whole,
    "the first place that differs": lambda first, second: next(
        (i + 1 for i, w in enumerate(first.split()) if second.split()[i : i + 1] != [w]), 0
    ),
    "counted from 0": lambda first, second: differing(first, second) - 1,
    "-1 if equal": lambda first, second: differing(first, second) or -1,
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
        ("a score by place, one word twice", by_place, ["one", "three", "one", "two"]),
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


def the_first_like_it(score, words):
    rests = [[*words] for _ in words]
    for rest, word in zip(rests, words, strict=True):
        rest.remove(word)
    return [score(words) - score(rest) for rest in rests]


wrong_4 = {
    "all like it": lambda score, words: [
        score(words) - score([w for w in words if w != word]) for word in words
    ],
    "the first like it": the_first_like_it,
    "one number for each different word": lambda score, words: [
        *dict(zip(words, drops(score, words), strict=True)).values()
    ],
    "the sign": lambda score, words: [-d for d in drops(score, words)],
    "without a sign": lambda score, words: [abs(d) for d in drops(score, words)],
    "what is left": lambda score, words: [score(words) - d for d in drops(score, words)],
    "alone": lambda score, words: [score([word]) for word in words],
    "all before": lambda score, words: [
        score(words) - score(words[i + 1 :]) for i in range(len(words))
    ],
    "all after": lambda score, words: [score(words) - score(words[:i]) for i in range(len(words))],
    "two words": lambda score, words: [
        score(words) - score(words[:i] + words[i + 2 :]) for i in range(len(words))
    ],
    "word by word": lambda score, words: [
        score(words[: i + 1]) - score(words[:i]) for i in range(len(words))
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


def shares_exchanged(said, weights):
    found = two_words(said, weights)
    return torch.where(found > 0, 1 - found, 0.0)


def first_two(said, weights):
    share = (said @ weights - said[1]) / (said[0] - said[1])
    return torch.cat([torch.stack([share, 1 - share]), torch.zeros(len(said) - 2)])


def least_squares(said, weights):
    wanted = torch.stack([said @ weights, torch.ones(())])
    return torch.linalg.pinv(torch.stack([said, torch.ones(len(said))])) @ wanted


wrong_5 = {
    "unchanged": lambda said, weights: weights.clone(),
    "reversed": lambda said, weights: weights.flip(0),
    "the mean": lambda said, weights: torch.full_like(weights, 1 / len(weights)),
    "the word that says most like it": lambda said, weights: F.one_hot(
        (said - said @ weights).abs().argmin(), len(said)
    ).float(),
    "one word, its weight not 1": lambda said, weights: torch.where(
        said == said.max(), said @ weights / said.max(), 0.0
    ),
    "words with much weight already": lambda said, weights: two_words(
        said, weights, pick=lambda w: w.masked_fill(w == 2.0, -1.0).argmax()
    ),
    "shares exchanged": shares_exchanged,
    "the first two words": first_two,
    "the shortest solution": least_squares,
    "a tenth of the way": lambda said, weights: 0.9 * weights + 0.1 * two_words(said, weights),
    "the output": lambda said, weights: said @ weights,
}
right_5 = {
    "two words": two_words,
    "a list": lambda said, weights: two_words(said, weights).tolist(),
}


# --- 6: an interval ----------------------------------------------------------------------------


def exercise_6(needed):
    for accuracy, half in ((0.9, 0.01), (0.865, 0.005), (0.5, 0.03), (0.99, 0.002)):
        exact = 1.96**2 * accuracy * (1 - accuracy) / half**2
        yield Case(
            f"accuracy {accuracy}, half of the interval {half}",
            lambda accuracy=accuracy, half=half: needed(accuracy, half),
            math.ceil(exact),
            "solve 1.96 sqrt(p (1 - p) / n) = half for n, and round up",
        )


def examples(accuracy, half, z=1.96, up=math.ceil):
    return up(z**2 * accuracy * (1 - accuracy) / half**2)


wrong_6 = {
    "whole interval": lambda accuracy, half: examples(accuracy, half / 2),
    "1.96 not squared": lambda accuracy, half: examples(accuracy, half, z=1.96**0.5),
    "half not squared": lambda accuracy, half: examples(accuracy, half**0.5),
    "the deviation, not the variance": lambda accuracy, half: math.ceil(
        1.96**2 * math.sqrt(accuracy * (1 - accuracy)) / half**2
    ),
    "p alone": lambda accuracy, half: math.ceil(1.96**2 * accuracy / half**2),
    "one standard deviation": lambda accuracy, half: examples(accuracy, half, z=1.0),
    "on one side": lambda accuracy, half: examples(accuracy, half, z=1.645),
    "rounded down": lambda accuracy, half: examples(accuracy, half, up=math.floor),
    "to the nearest": lambda accuracy, half: examples(accuracy, half, up=round),
    "not rounded": lambda accuracy, half: examples(accuracy, half, up=float),
    "worst case": lambda accuracy, half: examples(0.5, half),
}
right_6 = {
    "a float": lambda accuracy, half: float(examples(accuracy, half)),
    "a tensor": lambda accuracy, half: torch.tensor(examples(accuracy, half)),
}


# --- 7: confusion ------------------------------------------------------------------------------


def exercise_7(confusion):
    few = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([0, 1, 2, 0, 0])
    for name, classes, (true, said) in (
        ("4 classes, 60 texts", 4, (draws(4, 60, seed=0), draws(3, 60, seed=9))),
        ("3 classes, 7 texts", 3, (draws(3, 7, seed=1), draws(2, 7, seed=9))),
        ("4 classes, 5 texts of two of them", 4, few),
    ):
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


def not_a_number(true, said, classes):
    matrix, _ = counted_pairs(true, said, classes)
    return matrix, matrix.diagonal() / matrix.sum(dim=1)


def classes_that_occur(true, said, classes):
    return counted_pairs(true, said, 1 + max(true.max(), said.max()).item())


def pair_once(true, said, classes):
    matrix = torch.zeros(classes, classes)
    matrix[true, said] += 1
    return matrix, matrix.diagonal() / matrix.sum(dim=1).clamp(min=1)


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
    "0 / 0": not_a_number,
    "as many classes as occur": classes_that_occur,
    "matrix[true, said] += 1": pair_once,
    "the matrix alone": lambda true, said, classes: counted_pairs(true, said, classes)[0],
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
    for name, classes, times, lot, seed in (
        ("logits 1.7 times too large", 3, 1.7, 0, 0),
        ("logits 4.3 times too large, 5 classes", 5, 4.3, 0, 1),
        ("logits 0.6 times as large as they should be", 2, 0.6, 0, 2),
        ("a tenth of the labels by lot", 3, 1.0, 300, 3),
    ):
        true_logits = 2 * numbers(3000, classes, seed=seed)
        uniform = torch.rand(3000, 1, generator=torch.Generator().manual_seed(seed))
        labels = (true_logits.softmax(dim=1).cumsum(dim=1) < uniform).sum(dim=1)
        labels = labels.clamp(max=classes - 1)
        labels[:lot] = draws(classes, lot, seed=9)
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


def least(of):
    grid = [1.02**k for k in range(-100, 100)]
    return lambda logits, labels: min(grid, key=lambda t: of(logits / t, labels).item())


def square(logits, labels):
    return (logits.softmax(dim=1) - F.one_hot(labels, logits.shape[1])).square().mean()


def gap(logits, labels):
    confidence, said = logits.softmax(dim=1).max(dim=1)
    return (confidence.mean() - (said == labels).float().mean()).abs()


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
    "in steps of a half": lambda logits, labels: lowest(
        logits, labels, grid=[k / 2 for k in range(1, 20)]
    ),
    "the lowest loss, not its T": lambda logits, labels: F.cross_entropy(
        logits / lowest(logits, labels), labels
    ),
    "probabilities for logits": least(lambda z, labels: F.cross_entropy(z.softmax(dim=1), labels)),
    "what it says for labels": least(lambda z, labels: F.cross_entropy(z, z.argmax(dim=1))),
    "no log softmax": least(F.nll_loss),
    "mean squared error": least(square),
    "mean confidence = accuracy": least(gap),
}
right_8 = {
    "a coarser grid": lambda logits, labels: lowest(
        logits, labels, grid=[0.1 + 0.02 * k for k in range(400)]
    ),
    "a tensor": lambda logits, labels: torch.tensor(lowest(logits, labels)),
}
