"""Cases of the exercises in 09_bert_pretraining: what check("09.k", ...) tries."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini.learn import Case
from d2lmini.train import linear_decay


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- 1: the first losses -----------------------------------------------------------------------


def exercise_1(first_losses):
    for vocab_size in (8000, 30_522, 97):
        for part, name in enumerate(("a masked word", "a pair", "the sum")):
            yield Case(
                f"{vocab_size:,} pieces: {name}",
                lambda size=vocab_size, part=part: first_losses(size)[part],
                (math.log(vocab_size), math.log(2), math.log(2 * vocab_size))[part],
                "the natural logarithm of the number of answers; two for a pair",
            )


def by_flat_logits(size):
    word, pair = (F.cross_entropy(torch.zeros(1, k), torch.tensor([0])) for k in (size, 2))
    return word, pair, word + pair


wrong_1 = {
    "bits": lambda size: (math.log2(size), 1.0, math.log2(size) + 1),
    "log10": lambda size: (math.log10(size), math.log10(2), math.log10(2 * size)),
    "chances, not losses": lambda size: (1 / size, 1 / 2, 1 / size + 1 / 2),
    "perplexities": lambda size: (size, 2, size + 2),
    "no minus": lambda size: (math.log(1 / size), math.log(1 / 2), math.log(0.5 / size)),
    "the notebook's 1,200 pieces": lambda size: (math.log(1200), math.log(2), math.log(2400)),
    "special pieces left out": lambda size: (
        math.log(size - 5),
        math.log(2),
        math.log(2 * (size - 5)),
    ),
    "a pair costs one half": lambda size: (math.log(size), 0.5, math.log(size) + 0.5),
    "the logarithm of a sum": lambda size: (math.log(size), math.log(2), math.log(size + 2)),
    "the mean of both": lambda size: (math.log(size), math.log(2), math.log(2 * size) / 2),
    "the pair first": lambda size: (math.log(2), math.log(size), math.log(2 * size)),
    "no sum": lambda size: (math.log(size), math.log(2)),
}
right_1 = {
    "the logarithm of a product": lambda size: [math.log(size), math.log(2), math.log(2 * size)],
    "cross_entropy of equal logits": by_flat_logits,
    "a tensor": lambda size: torch.tensor([size, 2.0, 2.0 * size]).log(),
    "NumPy": lambda size: np.log([size, 2, 2 * size]),
}


# --- 2: unigrams -------------------------------------------------------------------------------


def exercise_2(unigram_cost):
    for train, held_out, size in (
        ([0, 1, 1, 2], [1, 2], 4),
        ([3, 3, 3, 0, 1], [3, 2, 2, 2, 4], 6),
        ([5] * 20 + [1, 2], [5, 5, 1], 40),
        ([2, 0, 1, 1, 1], [1], 3),
    ):
        yield Case(
            f"trained on {len(train)} pieces, held out {held_out}, {size} in the vocabulary",
            lambda train=train, held_out=held_out, size=size: unigram_cost(
                list(train), list(held_out), size
            ),
            cost_of(train, held_out, size),
            "-ln((c + 1) / (n + V)), a mean over the held-out pieces",
        )


def cost_of(train, held_out, size):
    counts, total = Counter(train), len(train) + size
    return -sum(math.log((counts[i] + 1) / total) for i in held_out) / len(held_out)


def unigrams(chances, mean=np.mean, log=np.log):
    """An answer; chances(counts, train, held_out, vocab_size) -> (vocab_size,)"""

    def unigram_cost(train, held_out, vocab_size):
        counts = np.bincount(np.array(train, dtype=int), minlength=vocab_size)
        p = chances(counts, train, held_out, vocab_size)
        with np.errstate(divide="ignore"):
            return -mean([log(p[i]) for i in held_out])

    return unigram_cost


def plus_one(counts, train, held_out, vocab_size):
    return (counts + 1) / (len(train) + vocab_size)


def by_a_linear_layer(train, held_out, vocab_size):
    counts = torch.bincount(torch.tensor(train), minlength=vocab_size) + 1.0
    return F.cross_entropy(counts.log().expand(len(held_out), -1), torch.tensor(held_out))


wrong_2 = {
    "nothing added": unigrams(lambda c, train, *_: c / len(train)),
    "added above alone": unigrams(lambda c, train, *_: (c + 1) / len(train)),
    "one more in the total": unigrams(lambda c, train, *_: (c + 1) / (len(train) + 1)),
    "one for each piece seen": unigrams(
        lambda c, train, *_: (c + 1) / (len(train) + len({*train}))
    ),
    "one for the unseen alone": unigrams(lambda c, *_: np.maximum(c, 1) / np.maximum(c, 1).sum()),
    "a half for one": unigrams(lambda c, train, _, size: (c + 0.5) / (len(train) + size / 2)),
    "counted on the held-out text": unigrams(
        lambda c, _, held_out, size: (
            (np.bincount(held_out, minlength=size) + 1) / (len(held_out) + size)
        )
    ),
    "counted on both": unigrams(
        lambda c, train, held_out, size: (
            (c + np.bincount(held_out, minlength=size) + 1) / (len(train) + len(held_out) + size)
        )
    ),
    "texts exchanged": lambda t, h, size: unigrams(plus_one)(h, t, size),
    "the cost of the training text": lambda t, h, size: unigrams(plus_one)(t, t, size),
    "each held-out piece once": lambda t, h, size: unigrams(plus_one)(t, sorted({*h}), size),
    "a mean over the vocabulary": lambda t, h, size: unigrams(plus_one)(t, range(size), size),
    "a sum": unigrams(plus_one, mean=np.sum),
    "the logarithm of a mean": unigrams(plus_one, lambda p: np.log(np.mean(p)), log=float),
    "bits": unigrams(plus_one, log=np.log2),
    "perplexity": lambda *given: np.exp(unigrams(plus_one)(*given)),
    "ln V": lambda t, h, size: math.log(size),
}
right_2 = {
    "NumPy": unigrams(plus_one),
    "cross_entropy of log counts": by_a_linear_layer,
    "a sum over the kinds": lambda t, h, size: sum(
        k / len(h) * -math.log((Counter(t)[i] + 1) / (len(t) + size)) for i, k in Counter(h).items()
    ),
}


# --- 3: a mean over real slots -----------------------------------------------------------------


def exercise_3(masked_mean):
    for title, shape, empty, pad_id in (
        ("5 rows of 3 slots, some empty", (5, 3, 11), 0.4, 0),
        ("4 rows of 6 slots, most empty; 0 is a piece like others", (4, 6, 5), 0.7, 4),
        ("none is empty", (3, 4, 5), 0.0, 0),
        ("all are empty", (2, 3, 5), 1.0, 0),
    ):
        logits = 3 * draw(*shape, seed=shape[-1])
        generator = torch.Generator().manual_seed(1)
        chosen = torch.rand(shape[:2], generator=generator) < empty
        low, high = (0, pad_id) if pad_id else (1, shape[-1])
        targets = torch.randint(low, high, shape[:2], generator=generator)
        targets = targets.masked_fill(chosen, pad_id)
        yield Case(
            title,
            lambda given=(logits, targets, pad_id): masked_mean(
                given[0].clone(), given[1].clone(), given[2]
            ),
            slot_mean(logits, targets, pad_id),
            "choose the real slots first; their sum over their number, 0 if there is none",
        )


def slot_losses(logits, targets):
    return [
        (-logits[i, j].log_softmax(-1)[targets[i, j]].item(), targets[i, j].item())
        for i in range(len(targets))
        for j in range(targets.shape[1])
    ]


def slot_mean(logits, targets, pad_id):
    losses = [loss for loss, target in slot_losses(logits, targets) if target != pad_id]
    return sum(losses) / max(len(losses), 1)


def chosen(targets, pad_id):
    return targets != pad_id


def slots_mean(
    score=lambda logits: logits.log_softmax(-1),
    real=chosen,
    over=lambda real: max(int(real.sum()), 1),
):
    """An answer: minus the scores of the targets that are real, over their number"""

    def masked_mean(logits, targets, pad_id):
        losses = -score(logits).gather(-1, targets[..., None])[..., 0]
        return (losses * real(targets, pad_id)).sum() / over(real(targets, pad_id))

    return masked_mean


def mean_of_rows(logits, targets, pad_id):
    rows = zip(logits.split(1), targets.split(1), strict=True)
    return sum(slots_mean()(*row, pad_id) for row in rows) / len(targets)


def chosen_first(logits, targets, pad_id):
    real = targets != pad_id
    logits, targets = logits[real], targets[real]
    if not len(targets):
        return 0
    return (logits.logsumexp(1) - logits[range(len(targets)), targets]).mean()


def all_slots_cost(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


wrong_3 = {
    "over all slots": lambda x, y, pad: all_slots_cost(x, y),
    "divided by all slots": slots_mean(over=torch.numel),
    "divided by the rows": slots_mean(over=len),
    "a sum": slots_mean(over=lambda real: 1),
    "a mean of the rows' means": mean_of_rows,
    "the weights cancel": lambda x, y, pad: (
        (all_slots_cost(x, y) * (y != pad)).sum() / (y != pad).sum().clamp(min=1)
    ),
    "NaN where all are empty": slots_mean(over=torch.sum),
    "empty is always 0": slots_mean(real=lambda y, pad: y != 0),
    "empty is 0, too": slots_mean(real=lambda y, pad: (y != pad) & (y != 0)),
    "the empty ones for the real": slots_mean(real=lambda y, pad: y == pad),
    "softmax over the slots": slots_mean(lambda x: x.log_softmax(1)),
    "softmax over the rows": slots_mean(lambda x: x.log_softmax(0)),
    "no softmax": slots_mean(lambda x: x),
    "no logarithm": slots_mean(lambda x: x.softmax(-1)),
    "bits": slots_mean(lambda x: x.softmax(-1).log2()),
    "pad_id cannot be the answer": lambda x, y, pad: slots_mean()(
        x.index_fill(-1, torch.tensor(pad), -1e4), y, pad
    ),
}
right_3 = {
    "chosen first": chosen_first,
    "softmax, then the logarithm": slots_mean(
        lambda x: (x.exp() / x.exp().sum(-1)[..., None]).log()
    ),
    "a little in the denominator": slots_mean(over=lambda real: real.sum() + 1e-8),
    "a loop": slot_mean,
    "cross_entropy": lambda x, y, pad: (
        F.cross_entropy(x.flatten(0, 1), y.flatten(), ignore_index=pad, reduction="sum")
        / max(int((y != pad).sum()), 1)
    ),
}


# --- 4: what a word cost -----------------------------------------------------------------------


def exercise_4(cost_of_a_word):
    for mean, empty, empty_loss, hint in (
        (5.885, 0.31, 0.0, "the empty ones cost nothing: all of it belongs to the words"),
        (5.885, 0.31, 5.885, "if all cost alike, it is what was printed"),
        (4.2, 0.5, 1.1, "mean = empty · empty_loss + (1 - empty) · wanted"),
        (3.7, 0.0, 2.0, "no slot was empty"),
    ):
        yield Case(
            f"printed {mean}, {empty} empty at {empty_loss}",
            lambda given=(mean, empty, empty_loss): cost_of_a_word(*given),
            (mean - empty * empty_loss) / (1 - empty),
            hint,
        )


wrong_4 = {
    "as printed": lambda mean, empty, loss: mean,
    "over the share": lambda mean, empty, loss: mean / (1 - empty),
    "times the share": lambda mean, empty, loss: mean * (1 - empty),
    "over the wrong share": lambda mean, empty, loss: mean / empty if empty else mean,
    "not divided": lambda mean, empty, loss: mean - empty * loss,
    "the loss taken off": lambda mean, empty, loss: mean - loss,
    "the whole loss taken off": lambda mean, empty, loss: (mean - loss) / (1 - empty),
    "the loss taken off afterwards": lambda mean, empty, loss: mean / (1 - empty) - empty * loss,
    "mixed once more": lambda mean, empty, loss: empty * loss + (1 - empty) * mean,
    "the book's 31 %": lambda mean, empty, loss: (mean - 0.31 * loss) / 0.69,
    "shares exchanged": lambda mean, empty, loss: (mean - (1 - empty) * loss) / max(empty, 0.1),
    "added": lambda mean, empty, loss: (mean + empty * loss) / (1 - empty),
}
right_4 = {
    "how far above the empty ones": lambda mean, empty, loss: loss + (mean - loss) / (1 - empty),
    "a thousand slots": lambda mean, empty, loss: (
        (1000 * mean - 1000 * empty * loss) / (1000 - 1000 * empty)
    ),
    "an equation solved": lambda mean, empty, loss: np.linalg.solve(
        [[1 - empty]], [mean - empty * loss]
    )[0],
    "fractions": lambda *given: exactly(*(Fraction(str(number)) for number in given)),
}


def exactly(mean, empty, loss):
    return (mean - empty * loss) / (1 - empty)


# --- 5: two models -----------------------------------------------------------------------------


def exercise_5(cheaper_model):
    for first, second, characters in (
        ((2.0, 500), (3.0, 400), 1000),
        ((2.0, 900), (3.0, 400), 1500),
        ((5.1, 210), (4.9, 260), 1200),
    ):
        costs = [loss * count / characters for loss, count in (first, second)]
        for part, want in enumerate((("first", "second")[costs[1] < costs[0]], min(costs))):
            yield Case(
                f"{first} and {second}, {characters} characters: "
                f"{('which', 'its cost per character')[part]}",
                lambda given=(first, second, characters), part=part: cheaper_model(*given)[part],
                want,
                "nats per piece times pieces, over characters; the lower one",
            )


def cheaper_by(key, cost=lambda model, characters: model[0] * model[1] / characters):
    """An answer: the model with the lower key(loss, pieces), and its cost"""

    def cheaper_model(first, second, characters):
        names = ["first", "second"]
        name, model = min(zip(names, (first, second), strict=True), key=lambda m: key(*m[1]))
        return name, cost(model, characters)

    return cheaper_model


def of_text(loss, pieces):
    return loss * pieces


wrong_5 = {
    "the lower loss": cheaper_by(lambda loss, pieces: loss),
    "fewer pieces": cheaper_by(lambda loss, pieces: pieces),
    "more pieces": cheaper_by(lambda loss, pieces: -pieces),
    "loss over pieces": cheaper_by(lambda loss, pieces: loss / pieces),
    "the dearer": cheaper_by(lambda loss, pieces: -loss * pieces),
    "the first always": cheaper_by(lambda *_: 0),
    "the second always": lambda a, b, c: ("second", b[0] * b[1] / c),
    "the lower loss and the lower cost": lambda a, b, c: (
        cheaper_by(lambda loss, pieces: loss)(a, b, c)[0],
        min(a[0] * a[1], b[0] * b[1]) / c,
    ),
    "nats in all": cheaper_by(of_text, lambda model, c: model[0] * model[1]),
    "nats per piece": cheaper_by(of_text, lambda model, c: model[0]),
    "loss over characters": cheaper_by(of_text, lambda model, c: model[0] / c),
    "loss times characters for each piece": cheaper_by(
        of_text, lambda model, c: model[0] * c / model[1]
    ),
    "bits": cheaper_by(of_text, lambda model, c: model[0] * model[1] / c / math.log(2)),
    "perplexity": cheaper_by(of_text, lambda model, c: math.exp(model[0] * model[1] / c)),
    "the difference": lambda a, b, c: (
        cheaper_by(of_text)(a, b, c)[0],
        abs(a[0] * a[1] - b[0] * b[1]) / c,
    ),
    "cost and name exchanged": lambda a, b, c: cheaper_by(of_text)(a, b, c)[::-1],
}
right_5 = {
    "a list": lambda a, b, c: [*cheaper_by(of_text)(a, b, c)],
    "by characters for each piece": cheaper_by(of_text, lambda model, c: model[0] / (c / model[1])),
    "capitals": lambda a, b, c: (
        cheaper_by(of_text)(a, b, c)[0].title(),
        np.float64(cheaper_by(of_text)(a, b, c)[1]),
    ),
}


# --- 6: BERT's rate ----------------------------------------------------------------------------


def exercise_6(rate_at):
    for step, peak, warm_up, total, hint in (
        (0, 1e-4, 10_000, 1_000_000, "it begins at 0"),
        (2500, 4.0, 10_000, 1_000_000, "rising: a quarter of the way"),
        (10_000, 4.0, 10_000, 1_000_000, "the peak"),
        (257_500, 4.0, 10_000, 1_000_000, "falling, from the end of the warm-up on, in a line"),
        (70, 3.0, 40, 100, "falling: half of the way"),
        (100, 3.0, 40, 100, "the end"),
        (130, 3.0, 40, 100, "never below 0"),
    ):
        yield Case(
            f"step {step:,} of {total:,}, warm-up {warm_up:,}, peak {peak:g}",
            lambda given=(step, peak, warm_up, total): rate_at(*given),
            rate_by_hand(step, peak, warm_up, total),
            hint,
        )


def rate_by_hand(step, peak, warm_up, total):
    if step < warm_up:
        return peak * step / warm_up
    return peak * max(0, total - step) / (total - warm_up)


def rise(then):
    return lambda s, p, w, t: p * s / w if s < w else then(s, p, w, t)


wrong_6 = {
    "no warm-up": lambda s, p, w, t: p * max(0, t - s) / t,
    "from step 0": rise(lambda s, p, w, t: p * max(0, t - s) / t),
    "a product": lambda s, p, w, t: p * min(1, s / w) * max(0, t - s) / (t - w),
    "below 0": rise(lambda s, p, w, t: p * (t - s) / (t - w)),
    "up again": rise(lambda s, p, w, t: p * abs(t - s) / (t - w)),
    "constant after": rise(lambda s, p, w, t: p),
    "constant, then 0": rise(lambda s, p, w, t: p if s < t else 0),
    "inverse root": rise(lambda s, p, w, t: p * (w / s) ** 0.5),
    "cosine": rise(lambda s, p, w, t: p * (1 + math.cos(math.pi * min(1, (s - w) / (t - w)))) / 2),
    "total after warm-up": rise(lambda s, p, w, t: p * max(0, t - (s - w)) / t),
    "0 at total plus warm-up": rise(lambda s, p, w, t: p * max(0, t + w - s) / t),
    "one step ahead": lambda s, p, w, t: (
        p * min(1, (s + 1) / w) if s < w else p * max(0, t - s) / (t - w)
    ),
    "whole numbers": lambda s, p, w, t: p * max(0, min(s // w, (t - s) / (t - w))),
    "the larger line": lambda s, p, w, t: p * max(0, s / w, (t - s) / (t - w)),
    "peak at the start": lambda s, p, w, t: p if s < w else p * max(0, t - s) / (t - w),
    "BERT's own peak": lambda s, p, w, t: rate_by_hand(s, 1e-4, w, t),
    "BERT's own steps": lambda s, p, w, t: rate_by_hand(s, p, 10_000, 1_000_000),
    "a share of the peak": lambda s, p, w, t: rate_by_hand(s, 1, w, t),
}
right_6 = {
    "interpolated": lambda s, p, w, t: np.interp(s, [0, w, t], [0, p, 0]),
    "three cases": lambda s, p, w, t: (
        s / w * p if s <= w else p - p * (s - w) / (t - w) if s < t else 0
    ),
    "linear_decay's": lambda s, p, w, t: p * linear_decay(warm_up=w / t)(min(s / t, 1.0)),
}


# --- 7: memory ---------------------------------------------------------------------------------


def exercise_7(attention_gigabytes):
    for name, given in (
        ("BERT large, 512 rows of length 512", (512, 24, 16, 512)),
        ("BERT base, 256 rows of length 128", (256, 12, 12, 128)),
        ("3 rows, 2 layers, 5 heads, length 1,000", (3, 2, 5, 1000)),
    ):
        yield Case(
            name,
            lambda given=given: attention_gigabytes(*given),
            math.prod(given) * given[-1] * 4 / 1e9,
            "4 bytes for each row, layer, head, query and key; 10⁹ bytes are a gigabyte",
        )


wrong_7 = {
    "length once": lambda b, n, h, t: 4 * b * n * h * t / 1e9,
    "length twice": lambda b, n, h, t: 4 * b * n * h * 2 * t / 1e9,
    "no heads": lambda b, n, h, t: 4 * b * n * t**2 / 1e9,
    "one layer": lambda b, n, h, t: 4 * b * h * t**2 / 1e9,
    "one row": lambda b, n, h, t: 4 * n * h * t**2 / 1e9,
    "12 heads": lambda b, n, h, t: 4 * b * n * 12 * t**2 / 1e9,
    "heads squared": lambda b, n, h, t: 4 * b * n * (h * t) ** 2 / 1e9,
    "batch squared": lambda b, n, h, t: 4 * b**2 * n * h * t / 1e9,
    "numbers, not bytes": lambda b, n, h, t: b * n * h * t**2 / 1e9,
    "bits": lambda b, n, h, t: 32 * b * n * h * t**2 / 1e9,
    "half precision": lambda b, n, h, t: 2 * b * n * h * t**2 / 1e9,
    "scores and weights": lambda b, n, h, t: 8 * b * n * h * t**2 / 1e9,
    "2^30": lambda b, n, h, t: 4 * b * n * h * t**2 / 2**30,
    "megabytes": lambda b, n, h, t: 4 * b * n * h * t**2 / 1e6,
    "bytes": lambda b, n, h, t: 4 * b * n * h * t**2,
    "only what stands before": lambda b, n, h, t: 4 * b * n * h * t * (t + 1) / 2 / 1e9,
    "queries, keys and values": lambda b, n, h, t: 4 * b * n * 3 * t * 64 * h / 1e9,
    "whole gigabytes": lambda b, n, h, t: round(4 * b * n * h * t**2 / 1e9),
    "the solution's 206": lambda b, n, h, t: 206.158430208,
}
right_7 = {
    "by torch": lambda b, n, h, t: (
        n * torch.empty(b, h, t, t, device="meta").numel() * torch.float32.itemsize / 1e9
    ),
    "NumPy": lambda *given: np.prod(given, dtype=float) * given[-1] * 4 / 1e9,
    "a thousand, three times": lambda b, n, h, t: b * n * h * t * t * 4 / 1000 / 1000 / 1000,
}


# --- 8: processes ------------------------------------------------------------------------------


def exercise_8(combined):
    for title, shape, counts, hint in (
        ("two processes, 30 and 10 words", (3, 2), (30, 10), "weigh each by its words"),
        ("three, 7, 0 and 5 words", (3,), (7, 0, 5), "the one without words does not count"),
        ("four, 1, 2, 3 and 4 words", (2, 3, 4), (1, 2, 3, 4), "divide by all the words"),
        ("one process", (3, 2), (6,), "its own gradient"),
    ):
        gradients = [draw(*shape, seed=i) + i for i in range(len(counts))]
        want = sum(g * n for g, n in zip(gradients, counts, strict=True)) / sum(counts)
        for g, n in zip(gradients, counts, strict=True):
            g *= 1 if n else math.nan  # a mean over no words
        yield Case(
            f"{title}, gradients {shape}",
            lambda given=(gradients, counts): left_alone(combined, *given),
            want,
            hint,
        )


def left_alone(combined, gradients, counts):
    """The answer, if it did not change the caller's gradients"""
    given = [g.clone() for g in gradients]
    found = combined(given, list(counts))
    if not all(g.allclose(was, equal_nan=True) for g, was in zip(given, gradients, strict=True)):
        raise ValueError("a gradient was changed in place; it belongs to the caller")
    return found


def usable(gradients):
    return [torch.nan_to_num(g) for g in gradients]


def weighed(gradients, weights, total):
    """Sum of gradients times weights, over a total"""
    return sum(g * w for g, w in zip(usable(gradients), weights, strict=True)) / total


def in_place(gradients, counts):
    for g, n in zip(gradients, counts, strict=True):
        g.nan_to_num_().mul_(n)
    return sum(gradients) / sum(counts)


def by_share(gradients, counts):
    found = torch.zeros_like(gradients[0])
    for g, n in zip(gradients, counts, strict=True):
        if n > 0:
            found += n / sum(counts) * g
    return found


wrong_8 = {
    "the plain mean": lambda g, n: weighed(g, [1] * len(g), len(g)),
    "the plain sum": lambda g, n: weighed(g, [1] * len(g), 1),
    "mean of those with words": lambda g, n: weighed(g, [1] * len(g), sum(k > 0 for k in n)),
    "the sum over all words": lambda g, n: weighed(g, n, 1),
    "over the processes": lambda g, n: weighed(g, n, len(n)),
    "over the largest": lambda g, n: weighed(g, n, max(n)),
    "divided by its words again": lambda g, n: weighed(g, [1] * len(g), sum(n)),
    "weighed the wrong way": lambda g, n: weighed(
        g, [1 / k if k else 0 for k in n], sum(1 / k for k in n if k)
    ),
    "by a softmax": lambda g, n: weighed(g, torch.tensor(n).float().softmax(0), 1),
    "whole weights": lambda g, n: weighed(g, [k // sum(n) for k in n], 1),
    "two processes": lambda g, n: weighed(g[:2], n[:2], sum(n[:2])),
    "an empty one counts as one": lambda g, n: weighed(g, n, sum(max(k, 1) for k in n)),
    "NaN spreads": lambda g, n: sum(x * k for x, k in zip(g, n, strict=True)) / sum(n),
    "the one with most words": lambda g, n: g[n.index(max(n))],
    "weights along the last axis": lambda g, n: (
        (torch.stack(usable(g)) * torch.tensor(n)).sum(0) / sum(n)
    ),
    "matrices alone": lambda g, n: (
        (torch.stack(usable(g)) * torch.tensor(n)[:, None, None]).sum(0) / sum(n)
    ),
    "one number": lambda g, n: weighed(g, n, sum(n)).mean(),
    "its length": lambda g, n: weighed(g, n, sum(n)).norm(),
    "in place": in_place,
}
right_8 = {
    "shares": by_share,
    "einsum": lambda g, n: torch.einsum(
        "p...,p->...", torch.stack(usable(g)), torch.tensor(n) / sum(n)
    ),
    "tensordot": lambda g, n: torch.tensordot(
        torch.tensor(n) / sum(n), torch.stack(usable(g)), dims=1
    ),
}


# --- 9: broken down ----------------------------------------------------------------------------


def exercise_9(cost_by_kind):
    for title, words, inputs, mask_id, free in (
        ("all three kinds", [7, 8, 9, 7, 6, 9], [4, 4, 9, 5, 4, 8], 4, []),
        ("[MASK] is 103", [200, 300, 400, 500], [103, 300, 4, 103], 103, []),
        ("no random one", [5, 6, 7], [4, 6, 4], 4, []),
        ("all kept", [5, 6], [5, 6], 4, []),
        ("the kept word costs 0: its kind does occur", [5, 6, 7], [4, 6, 9], 4, [1]),
    ):
        losses = draw(len(words), seed=len(words)).abs() + 0.5
        losses[free] = 0
        given = losses, torch.tensor(words), torch.tensor(inputs), mask_id
        yield Case(
            title,
            lambda given=given: as_pairs(cost_by_kind(*given)),
            as_pairs(kinds_of(*given)),
            "masked, kept, random: a mean over the words of that kind; no key where there is none",
        )


def as_pairs(found):
    return tuple((str(key), float(value)) for key, value in sorted(found.items()))


def kinds_of(losses, words, inputs, mask_id):
    found = {}
    for loss, word, now in zip(losses.tolist(), words.tolist(), inputs.tolist(), strict=True):
        kind = "masked" if now == mask_id else "kept" if now == word else "random"
        found.setdefault(kind, []).append(loss)
    return {kind: sum(values) / len(values) for kind, values in found.items()}


def kinds(is_kind, what=torch.mean, keep=lambda chosen, cost: chosen.any()):
    """An answer; is_kind(words, inputs, mask_id) -> masks of the three kinds"""

    def cost_by_kind(losses, words, inputs, mask_id):
        masks = zip(("masked", "kept", "random"), is_kind(words, inputs, mask_id), strict=True)
        found = {name: (chosen, what(losses[chosen])) for name, chosen in masks}
        return {name: cost for name, (chosen, cost) in found.items() if keep(chosen, cost)}

    return cost_by_kind


def three(words, inputs, mask_id):
    masked, kept = inputs == mask_id, inputs == words
    return masked, kept, ~masked & ~kept


def by_place(losses, words, inputs, mask_id):
    names = np.where(inputs == mask_id, "masked", np.where(words == inputs, "kept", "random"))
    return {str(name): losses.numpy()[names == name].mean() for name in np.unique(names)}


wrong_9 = {
    "sums": kinds(three, torch.sum),
    "medians": kinds(three, torch.median),
    "shares of the whole": lambda x, *given: {
        name: cost / len(x) for name, cost in kinds(three, torch.sum)(x, *given).items()
    },
    "how many": kinds(three, lambda x: len(x)),
    "NaN for what is not there": kinds(three, keep=lambda *_: True),
    "zeros for what is not there": lambda *given: (
        dict.fromkeys(("masked", "kept", "random"), 0.0) | kinds(three)(*given)
    ),
    "a loss of 0 is left out": kinds(three, keep=lambda chosen, cost: cost > 0),
    "[MASK] is random, too": kinds(lambda w, i, m: (i == m, i == w, i != w)),
    "kept and random exchanged": kinds(lambda w, i, m: [three(w, i, m)[k] for k in (0, 2, 1)]),
    "the answer is [MASK]": kinds(lambda w, i, m: (w == m, i == w, (i != w) & (w != m))),
    "[MASK] is always 4": lambda x, w, i, m: kinds(three)(x, w, i, 4),
    "whatever is not [MASK] is kept": kinds(lambda w, i, m: (i == m, i != m, i != i)),
    "no third kind": kinds(lambda w, i, m: (i == m, i == w, i != i)),
    "other names": lambda *given: {
        {"masked": "[MASK]"}.get(name, name): cost for name, cost in kinds(three)(*given).items()
    },
    "one mean": lambda x, *given: dict.fromkeys(kinds(three)(x, *given), x.mean()),
}
right_9 = {
    "tensors": kinds(three),
    "another order": lambda *given: dict(reversed(kinds(three)(*given).items())),
    "NumPy": by_place,
    "a loop": kinds_of,
    "sum over number": lambda x, *given: {
        name: (x @ chosen.float()).item() / chosen.sum().item()
        for name, chosen in zip(("masked", "kept", "random"), three(*given), strict=True)
        if chosen.sum()
    },
}
