"""Cases of the exercises in 12_nli_bert: what check("12.k", ...) tries."""

import itertools
from math import comb

import torch

from d2lmini.learn import Case
from d2lmini.nli import DecomposableAttention


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- 1: attend ---------------------------------------------------------------------------------


def exercise_1(counterparts):
    a, b = numbers(2, 4, 3, seed=1), numbers(2, 5, 3, seed=2)
    mask = torch.tensor([[[True, True, False, False, False]], [[True] * 5]])
    for given, masks, hint in (
        ("(2, 4, 3) and (2, 5, 3), no padding", torch.ones(2, 1, 5).bool(), "softmax over j, of b"),
        ("the same, a text of 2 real words", mask, "what is no word gets no weight"),
    ):
        yield Case(given, lambda masks=masks: counterparts(a, b, masks), aligned(a, b, masks), hint)
    large = 40 * a, 40 * b
    yield Case(
        "large vectors",
        lambda: counterparts(*large, mask),
        aligned(*large, mask),
        "exp of a large score overflows: let softmax do it",
    )


def aligned(a, b, mask, axis=-1):
    scores = (a @ b.mT).masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=axis) @ b


def rooted(a, b, mask):
    return ((a @ b.mT) / a.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(dim=-1) @ b


def overflowing(a, b, mask):
    exps = (a @ b.mT).exp() * mask
    return exps / exps.sum(dim=-1, keepdim=True) @ b


wrong_1 = {
    "the other axis": lambda a, b, mask: (a @ b.mT).softmax(dim=1) @ b,
    "no mask": lambda a, b, mask: (a @ b.mT).softmax(dim=-1) @ b,
    "zero before softmax": lambda a, b, mask: ((a @ b.mT) * mask).softmax(dim=-1) @ b,
    "masked after softmax": lambda a, b, mask: ((a @ b.mT).softmax(dim=-1) * mask) @ b,
    "scaled": rooted,
    "overflows": overflowing,
}
right_1 = {
    "masked softmax": aligned,
    "by einsum": lambda a, b, mask: torch.einsum(
        "bmn,bnd->bmd", (a @ b.mT).masked_fill(~mask, -1e30).softmax(-1), b
    ),
}


# --- 2: count ----------------------------------------------------------------------------------


def exercise_2(count_weights):
    for sizes in ((1200, 64, 48, 3), (8000, 100, 160, 3), (30, 7, 5, 2)):
        vocab_size, d_model, d_hidden, num_classes = sizes
        model = DecomposableAttention(
            vocab_size=vocab_size, d_model=d_model, d_hidden=d_hidden, num_classes=num_classes
        )
        yield Case(
            "vocab_size {}, d_model {}, d_hidden {}, {} classes".format(*sizes),
            lambda sizes=sizes: count_weights(*sizes),
            sum(p.numel() for p in model.parameters()),
            "NULL is a vector, too; F, G and H have two layers, G and H read two vectors",
        )


def counted(v, d, h, c, *, null=1, wide=2, biases=1, output=1):
    two = lambda d_in: (d_in + biases) * h + (h + biases) * h  # noqa: E731
    return v * d + null * d + two(d) + two(wide * d) + two(wide * h) + output * (h + biases) * c


wrong_2 = {
    "no NULL": lambda *s: counted(*s, null=0),
    "NULL for each side": lambda *s: counted(*s, null=2),
    "G reads one vector": lambda *s: counted(*s, wide=1),
    "no biases": lambda *s: counted(*s, biases=0),
    "no output layer": lambda *s: counted(*s, output=0),
}
right_2 = {"as a float": lambda *s: float(counted(*s))}


# --- 3: truncate -------------------------------------------------------------------------------


def exercise_3(kept_lengths):
    for m, n, room, hint in (
        (30, 10, 20, "each side keeps the share of the room that it has of the words"),
        (45, 15, 21, "round the hypothesis up: it is what is asked"),
        (9, 6, 40, "what fits is not cut, and nothing is added"),
        (200, 1, 12, "a text keeps at least one word"),
        (7, 22, 16, "the hypothesis may be the longer one"),
    ):
        given = f"{m} and {n} words, room for {room}"
        yield Case(
            given, lambda m=m, n=n, room=room: kept_lengths(m, n, room), shared(m, n, room), hint
        )


def shared(m, n, room):
    if m + n <= room:
        return m, n
    second = min(max(-(-n * room // (m + n)), 1), room - 1)
    return room - second, second


def rounded_down(m, n, room):
    if m + n <= room:
        return m, n
    second = n * room // (m + n)
    return room - second, second


def longer_first(m, n, room):
    while m + n > room:
        m, n = (m - 1, n) if m > n else (m, n - 1)
    return m, n


wrong_3 = {
    "the longer side": longer_first,
    "rounded down": rounded_down,
    "half and half": lambda m, n, room: (min(m, room // 2), min(n, room // 2)),
    "also where it fits": lambda m, n, room: (
        room - -(-n * room // (m + n)),
        -(-n * room // (m + n)),
    ),
    "the end": lambda m, n, room: (min(m, room), max(min(n, room - m), 0)),
}
right_3 = {"as a list": lambda m, n, room: [*shared(m, n, room)]}


# --- 4: recall ---------------------------------------------------------------------------------


def exercise_4(recalls):
    for given, gold, said in (
        ("eight pairs", [0, 0, 0, 1, 1, 2, 2, 2], [0, 0, 1, 1, 2, 2, 2, 0]),
        ("a class that is never said", [0, 0, 1, 2, 2, 2, 2], [0, 1, 1, 1, 0, 0, 1]),
        ("a class that does not occur", [0, 0, 0, 2, 2], [0, 1, 0, 2, 0]),
    ):
        gold, said = torch.tensor(gold), torch.tensor(said)
        hint = "of the pairs with a gold label the share that is said; 0 where there are none"
        yield Case(
            given, lambda gold=gold, said=said: recalls(gold, said), recalled(gold, said), hint
        )


def recalled(gold, said):
    shares = [((gold == k) & (said == k)).sum() / max((gold == k).sum(), 1) for k in range(3)]
    return torch.stack([*shares, sum(shares) / 3])


wrong_4 = {
    "precision": lambda gold, said: recalled(said, gold),
    "accuracy for the mean": lambda gold, said: torch.cat(
        [recalled(gold, said)[:3], (gold == said).float().mean()[None]]
    ),
    "nan": lambda gold, said: torch.stack(
        [
            *(s := [((gold == k) & (said == k)).sum() / (gold == k).sum() for k in range(3)]),
            sum(s) / 3,
        ]
    ),
    "no mean": lambda gold, said: recalled(gold, said)[:3],
}
right_4 = {"in double": lambda gold, said: recalled(gold, said).double()}


# --- 5: McNemar --------------------------------------------------------------------------------


def exercise_5(mcnemar):
    for given, first, second in (
        ("10 pairs", "1110100111", "1010101011"),
        ("one is right on 30 more", "1" * 70 + "0" * 30, "1" * 40 + "0" * 60),
        ("they differ nowhere", "1101", "1101"),
        ("6 against 1", "1111110" + "1" * 9, "0000001" + "1" * 9),
    ):
        yield Case(
            given,
            lambda first=first, second=second: mcnemar(first, second),
            two_sided(first, second),
            "count where exactly one is right; under luck each of these is a fair coin",
        )


def disagreements(first, second):
    pairs = list(zip(first, second, strict=True))
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)


def two_sided(first, second):
    b, c = disagreements(first, second)
    tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    return min(1.0, 2 * tail)


def one_sided(first, second):
    b, c = disagreements(first, second)
    return sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)


def over_all(first, second):
    n, few = len(first), min(disagreements(first, second))
    return min(1.0, 2 * sum(comb(n, k) for k in range(few + 1)) / 2**n)


def uncapped(first, second):
    return 2 * one_sided(first, second)


def point(first, second):
    b, c = disagreements(first, second)
    return min(1.0, 2 * comb(b + c, min(b, c)) / 2 ** (b + c))


wrong_5 = {
    "one side": one_sided,
    "all pairs as coins": over_all,
    "more than 1": uncapped,
    "the point alone": point,
    "difference of accuracies": lambda x, y: (x.count("1") - y.count("1")) / len(x),
}
right_5 = {"by the other tail": lambda x, y: two_sided(y, x)}


# --- 6: label numbers --------------------------------------------------------------------------


def exercise_6(renumbering):
    for given, table, hint in (
        ("good as it is", [[80, 9, 11], [7, 85, 8], [12, 10, 78]], "nothing is to be changed"),
        (
            "two swapped",
            [[82, 10, 8], [9, 11, 80], [10, 79, 11]],
            "where label 1 is said, 2 is meant",
        ),
        ("all rotated", [[5, 85, 10], [11, 9, 80], [77, 12, 11]], "which way round? look at rows"),
        (
            "all rotated, unequal classes",
            [[3, 7, 20], [150, 30, 18], [5, 52, 3]],
            "the best sum counts",
        ),
    ):
        table = torch.tensor(table)
        yield Case(given, lambda t=table: [*renumbering(t)], best_order(table), hint)


def best_order(table):
    """order[k]: what label k, as said, means"""
    orders = itertools.permutations(range(3))
    return list(max(orders, key=lambda order: sum(table[order[k], k].item() for k in range(3))))


def inverted(table):
    orders = itertools.permutations(range(3))
    return list(max(orders, key=lambda order: sum(table[k, order[k]].item() for k in range(3))))


wrong_6 = {
    "the inverse": inverted,
    "nothing": lambda table: [0, 1, 2],
    "rotation alone": lambda table: max(
        ([0, 1, 2], [1, 2, 0], [2, 0, 1]),
        key=lambda o: sum(table[o[k], k].item() for k in range(3)),
    ),
    "the least": lambda table: list(
        min(
            itertools.permutations(range(3)),
            key=lambda o: sum(table[o[k], k].item() for k in range(3)),
        )
    ),
}
right_6 = {
    "as a tuple": lambda table: tuple(best_order(table)),
    "by columns": lambda table: table.argmax(dim=0).tolist(),
}


# --- 7: temperature ----------------------------------------------------------------------------


def exercise_7(softened):
    logits = numbers(300, 3, seed=4) * 6
    draw = torch.rand(300, 1, generator=torch.Generator().manual_seed(5))
    labels = (logits.div(3).softmax(-1).cumsum(-1) < draw).sum(-1).clamp(max=2)
    few = logits[:120] / 4, labels[:120]
    for given, (x, y) in (("too sure", (logits, labels)), ("not sure enough", few)):
        best = tempered(x, y)
        yield Case(
            f"300 pairs, {given}" if given == "too sure" else f"120 pairs, {given}",
            lambda x=x, y=y: softened(x, y),
            best,
            "of the temperatures 0.5, 0.6, ... 5.0 the one with the least mean loss",
        )


def tempered(logits, labels, *, over=lambda x, t: x / t, best=min):
    grid = [k / 10 for k in range(5, 51)]
    loss = lambda t: torch.nn.functional.cross_entropy(over(logits, t), labels).item()  # noqa: E731
    return best(grid, key=loss)


def by_accuracy(logits, labels):
    grid = [k / 10 for k in range(5, 51)]
    return max(grid, key=lambda t: ((logits / t).argmax(-1) == labels).float().mean().item())


wrong_7 = {
    "multiplied": lambda x, y: tempered(x, y, over=lambda x, t: x * t),
    "by accuracy": by_accuracy,
    "the greatest loss": lambda x, y: tempered(x, y, best=max),
    "never below 1": lambda x, y: max(1.0, tempered(x, y)),
}
right_7 = {"as a tensor": lambda x, y: torch.tensor(tempered(x, y))}


# --- 8: two labels -----------------------------------------------------------------------------


def exercise_8(share_of_two):
    probabilities = torch.tensor(
        [[0.4, 0.3, 0.3], [0.4, 0.35, 0.25], [0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]
    )
    for given, p, follows in (
        ("five pairs", probabilities, [True, False, True, False, True]),
        ("the first two", probabilities[:2], [False, False]),
        ("three in another order", probabilities[[4, 0, 2]], [False, True, True]),
    ):
        follows = torch.tensor(follows)
        yield Case(
            given,
            lambda p=p, follows=follows: share_of_two(p, follows),
            folded(p, follows),
            "add up contradiction and neutral first, then choose",
        )


def folded(p, follows):
    return ((p[:, 0] > p[:, 1] + p[:, 2]) == follows).double().mean().item()


wrong_8 = {
    "chosen first": lambda p, follows: ((p.argmax(-1) == 0) == follows).float().mean().item(),
    "contradiction alone": lambda p, follows: (
        ((p[:, 0] > p[:, 1]) == follows).float().mean().item()
    ),
    "the other way": lambda p, follows: 1 - folded(p, follows),
    "a count": lambda p, follows: folded(p, follows) * len(p),
}
right_8 = {
    "above a half": lambda p, follows: ((p[:, 0] > 0.5) == follows).float().mean(),
}
