"""Cases of the exercises in 09_bert_pretraining: what check("09.k", ...) tries."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import torch

from d2lmini.learn import Case


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


wrong_1 = {
    "log10": lambda size: (math.log10(size), math.log10(2), math.log10(2 * size)),
    "bits": lambda size: (math.log2(size), 1.0, math.log2(size) + 1),
    "chance": lambda size: (1 / size, 0.5, 1 / size + 0.5),
    "a pair at 0.5": lambda size: (math.log(size), 0.5, math.log(size) + 0.5),
    "a mean": lambda size: (math.log(size), math.log(2), math.log(2 * size) / 2),
    "8,000 always": lambda size: (8.987, 0.693, 9.680),
}
right_1 = {
    "a tensor": lambda size: torch.tensor([size, 2.0, 2.0 * size]).log(),
    "NumPy": lambda size: [*np.log([size, 2, 2 * size])],
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


def cost_of(train, held_out, size, more=1, total=None):
    counts, total = Counter(train), total or len(train) + more * size
    return -sum(math.log((counts[i] + more) / total) for i in held_out) / len(held_out)


def entropy_of(counts, size, more=1):
    p = [(counts[i] + more) / (sum(counts.values()) + more * size) for i in range(size)]
    return -sum(x * math.log(x) for x in p)


wrong_2 = {
    "a sum": lambda t, h, v: cost_of(t, h, v) * len(h),
    "no one in the total": lambda t, h, v: cost_of(t, h, v, total=len(t)),
    "one for the seen alone": lambda t, h, v: cost_of(t, h, v, total=len(t) + len(set(t))),
    "entropy of the training text": lambda t, h, v: entropy_of(Counter(t), v),
    "counted on both": lambda t, h, v: cost_of(t + h, h, v),
    "each piece once": lambda t, h, v: cost_of(t, sorted(set(h)), v),
    "bits": lambda t, h, v: cost_of(t, h, v) / math.log(2),
    "a half for one": lambda t, h, v: cost_of(t, h, v, more=0.5),
    "ln V": lambda t, h, v: math.log(v),
}
right_2 = {
    "NumPy": lambda t, h, v: -np.log((np.bincount(t, minlength=v) + 1) / (len(t) + v))[h].mean(),
    "a tensor": lambda t, h, v: torch.tensor(cost_of(t, h, v)),
}


# --- 3: a mean over real slots -----------------------------------------------------------------


def exercise_3(masked_mean):
    for title, shape, empty, pad_id in (
        ("5 rows of 3 slots, some empty", (5, 3, 11), 0.4, 0),
        ("2 rows of 7 slots, most empty", (2, 7, 6), 0.8, 5),
        ("none is empty", (3, 4, 5), 0.0, 0),
        ("all are empty", (2, 3, 5), 1.0, 0),
    ):
        logits = 3 * draw(*shape, seed=shape[-1])
        generator = torch.Generator().manual_seed(1)
        chosen = torch.rand(shape[:2], generator=generator) < empty
        targets = torch.randint(1, shape[-1] - 1, shape[:2], generator=generator)
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


def row_means(logits, targets, pad_id):
    means = [slot_mean(logits[i : i + 1], targets[i : i + 1], pad_id) for i in range(len(targets))]
    return sum(means) / len(means)


wrong_3 = {
    "over all slots": lambda x, y, pad: float(np.mean([loss for loss, _ in slot_losses(x, y)])),
    "zeros counted": lambda x, y, pad: (
        sum(loss for loss, target in slot_losses(x, y) if target != pad) / y.numel()
    ),
    "a mean of rows": row_means,
    "a sum": lambda x, y, pad: sum(loss for loss, target in slot_losses(x, y) if target != pad),
    "pad is 0": lambda x, y, pad: slot_mean(x, y, 0),
    "NaN where all are empty": lambda x, y, pad: torch.nn.functional.cross_entropy(
        x.flatten(0, 1), y.flatten(), ignore_index=pad
    ),
    "the weights cancel": lambda x, y, pad: (
        torch.nn.functional.cross_entropy(x.flatten(0, 1), y.flatten())
        * (y != pad).sum()
        / (y != pad).sum().clamp(min=1)
    ),
    "no softmax": lambda x, y, pad: (
        -x.gather(-1, y[..., None])[..., 0][y != pad].sum() / (y != pad).sum().clamp(min=1)
    ),
}
right_3 = {
    "a loop": slot_mean,
    "cross_entropy": lambda x, y, pad: (
        torch.nn.functional.cross_entropy(
            x.flatten(0, 1), y.flatten(), ignore_index=pad, reduction="sum"
        )
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
    "not divided": lambda mean, empty, loss: mean - empty * loss,
    "loss taken off": lambda mean, empty, loss: (mean - loss) / (1 - empty),
    "the other share": lambda mean, empty, loss: (mean - (1 - empty) * loss) / max(empty, 0.1),
}
right_4 = {
    "fractions": lambda *a: float(
        (Fraction(str(a[0])) - Fraction(str(a[1])) * Fraction(str(a[2])))
        / (1 - Fraction(str(a[1])))
    ),
    "NumPy": lambda mean, empty, loss: np.float64((mean - empty * loss) / (1 - empty)),
}


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


def by(first, second, characters, key, cost):
    best = min((0, 1), key=lambda i: key((first, second)[i]))
    return ("first", "second")[best], cost((first, second)[best], characters)


def per_character(model, characters):
    return model[0] * model[1] / characters


wrong_5 = {
    "the lower loss": lambda a, b, c: by(a, b, c, lambda m: m[0], per_character),
    "fewer pieces": lambda a, b, c: by(a, b, c, lambda m: m[1], per_character),
    "the dearer": lambda a, b, c: by(a, b, c, lambda m: -m[0] * m[1], per_character),
    "nats in all": lambda a, b, c: by(a, b, c, lambda m: m[0] * m[1], lambda m, c: m[0] * m[1]),
    "nats per piece": lambda a, b, c: by(a, b, c, lambda m: m[0] * m[1], lambda m, c: m[0]),
    "loss over characters": lambda a, b, c: by(a, b, c, lambda m: m[0], lambda m, c: m[0] / c),
    "bits": lambda a, b, c: by(
        a, b, c, lambda m: m[0] * m[1], lambda m, c: per_character(m, c) / math.log(2)
    ),
}
right_5 = {
    "a list": lambda a, b, c: [*by(a, b, c, lambda m: m[0] * m[1], per_character)],
    "capitals": lambda a, b, c: (
        by(a, b, c, lambda m: m[0] * m[1], per_character)[0].title(),
        np.float64(by(a, b, c, lambda m: m[0] * m[1], per_character)[1]),
    ),
}


# --- 6: BERT's rate ----------------------------------------------------------------------------


def exercise_6(rate_at):
    for step, peak, warm_up, total, hint in (
        (0, 1e-4, 10_000, 1_000_000, "it begins at 0"),
        (2500, 4.0, 10_000, 1_000_000, "rising: a quarter of the way"),
        (10_000, 4.0, 10_000, 1_000_000, "the peak"),
        (505_000, 4.0, 10_000, 1_000_000, "falling, from the end of the warm-up on"),
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
    "below 0": rise(lambda s, p, w, t: p * (t - s) / (t - w)),
    "constant after": rise(lambda s, p, w, t: p),
    "inverse root": rise(lambda s, p, w, t: p * (w / s) ** 0.5),
    "total after warm-up": rise(lambda s, p, w, t: p * max(0, t - (s - w)) / t),
    "a product": lambda s, p, w, t: p * min(1, s / w) * max(0, t - s) / (t - w),
}
right_6 = {
    "two cases": rate_by_hand,
    "interpolated": lambda s, p, w, t: np.interp(s, [0, w, t], [0, p, 0]),
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
    "no heads": lambda b, n, h, t: 4 * b * n * t * t / 1e9,
    "one layer": lambda b, n, h, t: 4 * b * h * t * t / 1e9,
    "numbers, not bytes": lambda b, n, h, t: b * n * h * t * t / 1e9,
    "2^30": lambda b, n, h, t: 4 * b * n * h * t * t / 2**30,
    "batch squared": lambda b, n, h, t: 4 * b * b * n * h * t / 1e9,
    "half of the weights": lambda b, n, h, t: 4 * b * n * h * t * (t + 1) / 2 / 1e9,
    "megabytes": lambda b, n, h, t: 4 * b * n * h * t * t / 1e6,
}
right_7 = {
    "by torch": lambda b, n, h, t: (
        b * n * torch.empty(h, t, t, device="meta").element_size() * h * t * t / 1e9
    ),
    "NumPy": lambda *given: np.prod(given, dtype=float) * given[-1] * 4 / 1e9,
}


# --- 8: processes ------------------------------------------------------------------------------


def exercise_8(combined):
    for title, counts, hint in (
        ("two processes, 30 and 10 words", (30, 10), "weigh each by its words"),
        ("three, 7, 0 and 5 words", (7, 0, 5), "the one without words does not count"),
        ("four, 1, 2, 3 and 4 words", (1, 2, 3, 4), "divide by all the words"),
        ("one process", (6,), "its own gradient"),
    ):
        gradients = [draw(3, 2, seed=i) + i if n else draw(3, 2) / 0 for i, n in enumerate(counts)]
        gradients = [
            g if n else torch.full_like(g, math.nan) for g, n in zip(gradients, counts, strict=True)
        ]
        want = sum(g * n for g, n in zip(gradients, counts, strict=True) if n) / sum(counts)
        yield Case(
            title,
            lambda gradients=gradients, counts=counts: combined(
                [g.clone() for g in gradients], list(counts)
            ),
            want,
            hint,
        )


def real(gradients):
    return [torch.nan_to_num(g) for g in gradients]


wrong_8 = {
    "the plain mean": lambda g, n: sum(real(g)) / len(g),
    "the sum": lambda g, n: sum(x * k for x, k in zip(real(g), n, strict=True)),
    "NaN spreads": lambda g, n: sum(x * k for x, k in zip(g, n, strict=True)) / sum(n),
    "over the processes": lambda g, n: sum(x * k for x, k in zip(real(g), n, strict=True)) / len(n),
    "mean of those with words": lambda g, n: (
        sum(x for x, k in zip(g, n, strict=True) if k) / sum(k > 0 for k in n)
    ),
    "the largest": lambda g, n: g[n.index(max(n))],
    "weighed the wrong way": lambda g, n: (
        sum(x / k for x, k in zip(g, n, strict=True) if k) / sum(1 / k for k in n if k)
    ),
}
right_8 = {
    "stacked": lambda g, n: (torch.stack(real(g)) * torch.tensor(n)[:, None, None]).sum(0) / sum(n),
    "a loop": lambda g, n: sum(x * (k / sum(n)) for x, k in zip(g, n, strict=True) if k),
}


# --- 9: broken down ----------------------------------------------------------------------------


def exercise_9(cost_by_kind):
    for title, words, inputs, mask_id in (
        ("all three kinds", [7, 8, 9, 7, 6, 9], [4, 4, 9, 5, 4, 8], 4),
        ("[MASK] is 103", [200, 300, 400, 500], [103, 300, 4, 103], 103),
        ("no random one", [5, 6, 7], [4, 6, 4], 4),
        ("all kept", [5, 6], [5, 6], 4),
    ):
        losses = draw(len(words), seed=len(words)).abs() + 0.5
        given = losses, torch.tensor(words), torch.tensor(inputs), mask_id
        yield Case(
            title,
            lambda given=given: as_pairs(cost_by_kind(*given)),
            as_pairs(kinds_of(*given)),
            "masked, kept, random: a mean over the words of that kind; no key where there is none",
        )


def as_pairs(found):
    return tuple((str(key), float(value)) for key, value in sorted(found.items()))


def kinds_of(losses, words, inputs, mask_id, names=("masked", "kept", "random")):
    found = {}
    for loss, word, now in zip(losses.tolist(), words.tolist(), inputs.tolist(), strict=True):
        kind = names[0] if now == mask_id else names[1] if now == word else names[2]
        found.setdefault(kind, []).append(loss)
    return {kind: sum(values) / len(values) for kind, values in found.items()}


def zero_filled(*given):
    return dict.fromkeys(("masked", "kept", "random"), 0.0) | kinds_of(*given)


wrong_9 = {
    "sums": lambda x, w, i, m: {
        k: v * {"masked": (i == m), "kept": (i == w), "random": (i != m) & (i != w)}[k].sum().item()
        for k, v in kinds_of(x, w, i, m).items()
    },
    "zeros for what is not there": zero_filled,
    "mask is 4": lambda x, w, i, m: kinds_of(x, w, i, 4),
    "random is all but kept": lambda x, w, i, m: (
        kinds_of(x, w, i, m) | ({"random": x[i != w].mean().item()} if (i != w).any() else {})
    ),
    "kept and random the other way": lambda x, w, i, m: kinds_of(
        x, w, i, m, ("masked", "random", "kept")
    ),
    "over all words": lambda x, w, i, m: {k: x.mean().item() for k in kinds_of(x, w, i, m)},
    "counts": lambda x, w, i, m: dict.fromkeys(kinds_of(x, w, i, m), 1.0),
}
right_9 = {
    "a loop": kinds_of,
    "tensors": lambda *given: {k: torch.tensor(v) for k, v in kinds_of(*given).items()},
}
