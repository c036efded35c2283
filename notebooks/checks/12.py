"""Cases of the exercises in 12_nli_bert: what check("12.k", ...) tries."""

import itertools
from math import ceil, comb, erfc, prod

import torch
import torch.nn.functional as F

from d2lmini.learn import Case
from d2lmini.nli import DecomposableAttention


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- 1: attend ---------------------------------------------------------------------------------


def exercise_1(counterparts):
    a, b = numbers(2, 4, 3, seed=1), numbers(2, 5, 3, seed=2)
    mask = torch.tensor([[[True, True, False, False, False]], [[True] * 5]])
    for given, masks, hint in (
        (
            "(2, 4, 3) and (2, 5, 3), no padding",
            torch.ones(2, 1, 5).bool(),
            "products as they are, softmax over the words of b, a weighted mean of b",
        ),
        (
            "the same, a text of 2 real words",
            mask,
            "padding gets no weight, and the real words share all of it; each pair has its mask",
        ),
    ):
        yield Case(given, lambda masks=masks: counterparts(a, b, masks), aligned(a, b, masks), hint)
    large = 40 * a, 40 * b
    yield Case(
        "large vectors",
        lambda: counterparts(*large, mask),
        aligned(*large, mask),
        "mask the scores, then softmax: exp alone overflows, and a weight masked late leaves 0 / 0",
    )


def aligned(a, b, mask, axis=-1):
    scores = (a @ b.mT).masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=axis) @ b


def late(a, b, mask, again=True):
    """Masked after the softmax; the weights divided by their sum once more, or not."""
    weights = (a @ b.mT).softmax(dim=-1) * mask
    return (weights / weights.sum(dim=-1, keepdim=True) if again else weights) @ b


def overflowing(a, b, mask):
    exps = (a @ b.mT).exp() * mask
    return exps / exps.sum(dim=-1, keepdim=True) @ b


def in_place(a, b, mask):
    return aligned(a, b.masked_fill_(~mask.mT, 0.0), mask)


wrong_1 = {
    "softmax over the queries": lambda a, b, mask: (
        (a @ b.mT).masked_fill(~mask, -1e9).softmax(1) @ b
    ),
    "no mask": lambda a, b, mask: (a @ b.mT).softmax(dim=-1) @ b,
    "inverted mask": lambda a, b, mask: (a @ b.mT).masked_fill(mask, -1e9).softmax(-1) @ b,
    "a score of zero at padding": lambda a, b, mask: ((a @ b.mT) * mask).softmax(dim=-1) @ b,
    "zero vectors at padding": lambda a, b, mask: aligned(a, b * mask.mT, mask | True),
    "masked after softmax": lambda a, b, mask: late(a, b, mask, again=False),
    "masked after softmax, divided again": late,
    "one mask for all": lambda a, b, mask: aligned(a, b, mask[:1]),
    "scaled": lambda a, b, mask: aligned(a / a.shape[-1] ** 0.5, b, mask),
    "scores over their sum": lambda a, b, mask: (
        (s := (a @ b.mT) * mask) / s.sum(dim=-1, keepdim=True) @ b
    ),
    "the likeliest word": lambda a, b, mask: torch.stack(
        [y[k] for y, k in zip(b, (a @ b.mT).masked_fill(~mask, -1e9).argmax(-1), strict=True)]
    ),
    "the weights": lambda a, b, mask: (a @ b.mT).masked_fill(~mask, -1e9).softmax(-1),
    "overflows": overflowing,
    "writes into b": in_place,
}
right_1 = {
    "masked softmax": aligned,
    "torch's own, unscaled": lambda a, b, mask: F.scaled_dot_product_attention(
        a, b, b, attn_mask=mask, scale=1.0
    ),
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
            "count NULL once, two layers with biases in each of F, G and H, where G and H read two "
            "vectors, and H's output layer",
        )


def counted(v, d, h, c, *, null=1, wide_g=2, wide_h=2, biases=1, second=1, output=1, sides=1):
    two = lambda d_in: (d_in + biases) * h + second * (h + biases) * h  # noqa: E731
    shared = two(d) + two(wide_g * d)
    return v * d + null * d + sides * shared + two(wide_h * h) + output * (h + biases) * c


wrong_2 = {
    "no NULL": lambda *s: counted(*s, null=0),
    "a NULL for each side": lambda *s: counted(*s, null=2),
    "G reads one vector": lambda *s: counted(*s, wide_g=1),
    "H reads one sum": lambda *s: counted(*s, wide_h=1),
    "no biases": lambda *s: counted(*s, biases=0),
    "no output layer": lambda *s: counted(*s, output=0),
    "no bias in the output layer": lambda v, d, h, c: counted(v, d, h, c) - c,
    "F and G for each side": lambda *s: counted(*s, sides=2),
    "one layer each": lambda *s: counted(*s, second=0),
    "always three classes": lambda v, d, h, c: counted(v, d, h, 3),
    "d_model for d_hidden": lambda v, d, h, c: counted(v, d, d, c),
    "the notebook's model": lambda v, d, h, c: counted(1200, 64, 48, 3),
}
right_2 = {
    "as a float": lambda *s: float(counted(*s)),
    "of a model": lambda v, d, h, c: sum(
        p.numel()
        for p in DecomposableAttention(
            vocab_size=v, d_model=d, d_hidden=h, num_classes=c
        ).parameters()
    ),
}


# --- 3: truncate -------------------------------------------------------------------------------


def exercise_3(kept_lengths):
    for m, n, room, hint in (
        (30, 10, 20, "each side keeps the share of the room that it has of the words"),
        (45, 15, 21, "round the hypothesis up: it is what is asked"),
        (9, 6, 40, "what fits is not cut, and nothing is added"),
        (200, 1, 12, "a text keeps at least one word, and both together fill the room"),
        (1, 200, 12, "a text keeps at least one word, and both together fill the room"),
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


def cut(second):
    """The rule that gives the hypothesis second(m, n, room) words where something must go."""
    return lambda m, n, room: (m, n) if m + n <= room else (room - (k := second(m, n, room)), k)


def up(x, y):
    return -(-x // y)


def longer_first(m, n, room):
    while m + n > room:
        m, n = (m - 1, n) if m > n else (m, n - 1)
    return m, n


wrong_3 = {
    "the longer side": longer_first,
    "rounded down": cut(lambda m, n, room: max(1, n * room // (m + n))),
    "down and one more": cut(lambda m, n, room: min(n * room // (m + n) + 1, room - 1)),
    "to the nearest": cut(lambda m, n, room: min(max(round(n * room / (m + n)), 1), room - 1)),
    "nothing left of the premise": cut(lambda m, n, room: up(n * room, m + n)),
    "more than there is room for": lambda m, n, room: (
        (m, n) if m + n <= room else (max(room - (k := up(n * room, m + n)), 1), k)
    ),
    "both rounded up": lambda m, n, room: (
        (m, n) if m + n <= room else (up(m * room, m + n), up(n * room, m + n))
    ),
    "half and half": cut(lambda m, n, room: room // 2),
    "also where it fits": lambda m, n, room: (
        room - (k := min(up(n * room, m + n), room - 1)),
        k,
    ),
    "the other order": lambda m, n, room: shared(m, n, room)[::-1],
    "the premise cut alone": cut(lambda m, n, room: min(n, room - 1)),
}
right_3 = {
    "as a list": lambda m, n, room: [*shared(m, n, room)],
    "with ceil": cut(lambda m, n, room: min(ceil(n * room / (m + n)), room - 1)),
    "the premise rounded down": lambda m, n, room: (
        (m, n) if m + n <= room else (k := max(m * room // (m + n), 1), room - k)
    ),
}


# --- 4: recall ---------------------------------------------------------------------------------


def exercise_4(recalls):
    for given, gold, said in (
        ("eight pairs", [0, 0, 0, 1, 1, 2, 2, 2], [0, 0, 1, 1, 2, 2, 2, 0]),
        ("a class that is never said", [0, 0, 1, 2, 2, 2, 2], [0, 1, 1, 1, 0, 0, 1]),
        ("a class that does not occur", [0, 0, 0, 2, 2], [0, 1, 0, 2, 0]),
    ):
        gold, said = torch.tensor(gold), torch.tensor(said)
        hint = (
            "of the pairs with gold label k the share that is called k; 0 where there are none; "
            "the mean is over all three"
        )
        yield Case(
            given, lambda gold=gold, said=said: recalls(gold, said), recalled(gold, said), hint
        )


def recalled(gold, said):
    shares = [((gold == k) & (said == k)).sum() / max((gold == k).sum(), 1) for k in range(3)]
    return torch.stack([*shares, sum(shares) / 3])


def with_mean(share, mean=lambda shares: sum(shares) / 3):
    """(gold, said) -> the share of each class k, and their mean"""

    def answer(gold, said):
        shares = [torch.as_tensor(share(gold, said, k), dtype=torch.float) for k in range(3)]
        return torch.stack([*shares, mean(shares)])

    return answer


def hits(gold, said, k):
    return ((gold == k) & (said == k)).sum()


wrong_4 = {
    "precision": lambda gold, said: recalled(said, gold),
    "F1": with_mean(
        lambda gold, said, k: (
            2 * hits(gold, said, k) / ((gold == k).sum() + (said == k).sum()).clamp(min=1)
        )
    ),
    "of all pairs": with_mean(lambda gold, said, k: hits(gold, said, k) / len(gold)),
    "one class against the others": with_mean(
        lambda gold, said, k: ((gold == k) == (said == k)).float().mean()
    ),
    "0 / 0": with_mean(lambda gold, said, k: hits(gold, said, k) / (gold == k).sum()),
    "one more in the denominator": with_mean(
        lambda gold, said, k: hits(gold, said, k) / ((gold == k).sum() + 1)
    ),
    "accuracy for the mean": lambda gold, said: torch.cat(
        [recalled(gold, said)[:3], (gold == said).float().mean()[None]]
    ),
    "the sum for the mean": lambda gold, said: recalled(gold, said) * torch.tensor([1, 1, 1, 3]),
    "the mean of classes that occur": lambda gold, said: torch.cat(
        [(r := recalled(gold, said)[:3]), r.sum()[None] / len(gold.unique())]
    ),
    "classes that occur": lambda gold, said: recalled(gold, said)[[*gold.unique(), 3]],
    "no mean": lambda gold, said: recalled(gold, said)[:3],
}
right_4 = {
    "in double": lambda gold, said: recalled(gold, said).double(),
    "from the confusion matrix": lambda gold, said: torch.cat(
        [
            (
                r := (t := torch.bincount(3 * gold + said, minlength=9).view(3, 3)).diag()
                / t.sum(dim=1).clamp(min=1)
            ),
            r.mean()[None],
        ]
    ),
}


# --- 5: McNemar --------------------------------------------------------------------------------


def exercise_5(mcnemar):
    fair = "count where exactly one is right; under luck each of these is a fair coin"
    for given, first, second, hint in (
        ("10 pairs", "1110100111", "1010101011", fair),
        ("one is right on 30 more", "1" * 70 + "0" * 30, "1" * 40 + "0" * 60, fair),
        ("they differ nowhere", "1101", "1101", "no tosses, no evidence: the p-value is at most 1"),
        ("6 against 1", "1111110" + "1" * 9, "0000001" + "1" * 9, fair),
        (
            "2 against 7",
            "110000000" + "01" * 4,
            "001111111" + "01" * 4,
            "the rarer side, whichever model's it is",
        ),
        (
            "690 against 610",
            "1" * 690 + "0" * 610,
            "0" * 690 + "1" * 610,
            "2**1300 is too large for a float: add up whole numbers, then divide once",
        ),
    ):
        yield Case(
            given,
            lambda first=first, second=second: mcnemar(first, second),
            two_sided(first, second),
            hint,
        )


def disagreements(first, second):
    pairs = list(zip(first, second, strict=True))
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)


def tail(n, few):
    """The probability of at most few heads in n tosses"""
    return sum(comb(n, k) for k in range(few + 1)) / 2**n


def two_sided(first, second):
    wins, losses = disagreements(first, second)
    return min(1.0, 2 * tail(wins + losses, min(wins, losses)))


def from_counts(p_value):
    """(first, second) -> p_value(wins, losses, pairs)"""
    return lambda x, y: p_value(*disagreements(x, y), len(x))


def by_normal(wins, losses, pairs):
    return erfc(abs(wins - losses) / (2 * max(wins + losses, 1)) ** 0.5)


wrong_5 = {
    "one side": from_counts(lambda won, lost, n: tail(won + lost, min(won, lost))),
    "more than 1": from_counts(lambda won, lost, n: 2 * tail(won + lost, min(won, lost))),
    "all pairs as coins": from_counts(lambda won, lost, n: min(1.0, 2 * tail(n, min(won, lost)))),
    "the point alone": from_counts(
        lambda won, lost, n: min(1.0, 2 * comb(won + lost, min(won, lost)) / 2 ** (won + lost))
    ),
    "without the point": from_counts(
        lambda won, lost, n: min(1.0, 2 * tail(won + lost, min(won, lost) - 1))
    ),
    "the first model's wins": from_counts(lambda won, lost, n: min(1.0, 2 * tail(won + lost, won))),
    "the second model's wins": from_counts(
        lambda won, lost, n: min(1.0, 2 * tail(won + lost, lost))
    ),
    "the normal curve": from_counts(by_normal),
    "numbers for digits": lambda x, y: min(
        1.0, 2 * tail(n := sum(a == 1 != b for a, b in zip(x, y, strict=True)), n)
    ),
    "all right answers": lambda x, y: min(
        1.0, 2 * tail((won := x.count("1")) + (lost := y.count("1")), min(won, lost))
    ),
    "0 where they do not differ": from_counts(
        lambda won, lost, n: min(1.0, 2 * tail(won + lost, min(won, lost))) * (won + lost > 0)
    ),
    "a power that a float cannot hold": from_counts(
        lambda won, lost, n: min(
            1.0,
            2 * sum(comb(won + lost, k) for k in range(min(won, lost) + 1)) / 2.0 ** (won + lost),
        )
    ),
    "difference of accuracies": lambda x, y: (x.count("1") - y.count("1")) / len(x),
}
right_5 = {
    "the models exchanged": lambda x, y: two_sided(y, x),
    "the upper tail": from_counts(
        lambda won, lost, n: min(
            1.0,
            2
            * sum(comb(won + lost, k) for k in range(max(won, lost), won + lost + 1))
            / 2 ** (won + lost),
        )
    ),
}


# --- 6: label numbers --------------------------------------------------------------------------


def exercise_6(renumbering):
    for given, table, hint in (
        ("good as it is", [[80, 9, 11], [7, 85, 8], [12, 10, 78]], "nothing is to be changed"),
        (
            "two swapped",
            [[82, 10, 8], [9, 11, 80], [10, 79, 11]],
            "where 1 is said, 2 is meant",
        ),
        (
            "all rotated",
            [[5, 85, 10], [11, 9, 80], [77, 12, 11]],
            "which way round? a place in the list is a column",
        ),
        (
            "all rotated, unequal classes",
            [[3, 7, 20], [150, 30, 18], [5, 52, 3]],
            "the best sum counts",
        ),
        (
            "one number said of two labels",
            [[60, 55, 0], [50, 2, 1], [0, 10, 30]],
            "each label once: try all six orders, not the largest cell first",
        ),
        (
            "one label far commoner",
            [[220, 180, 0], [16, 4, 0], [3, 5, 12]],
            "each label once, and count pairs, not shares of a row or a column",
        ),
    ):
        table = torch.tensor(table)
        yield Case(given, lambda t=table: [*renumbering(t)], best_order(table), hint)


def best_order(table):
    """order[k]: what label k, as said, means"""
    orders = itertools.permutations(range(3))
    return list(max(orders, key=lambda order: sum(table[order[k], k].item() for k in range(3))))


ORDERS = list(itertools.permutations(range(3)))


def ordered(score, orders=ORDERS):
    """The order whose new diagonal, a list of three numbers, has the largest score."""
    return lambda t: [*max(orders, key=lambda o: score([t[o[k], k].item() for k in range(3)]))]


def largest_first(table):
    left, order = table.clone(), [0, 0, 0]
    for _ in range(3):
        gold, said = divmod(left.argmax().item(), 3)
        order[said], left[gold], left[:, said] = gold, -1, -1
    return order


def emptied(table):
    order = best_order(table)
    table.zero_()
    return order


wrong_6 = {
    "the inverse": lambda table: best_order(table.T),
    "nothing": lambda table: [0, 1, 2],
    "rotations alone": ordered(sum, ([0, 1, 2], [1, 2, 0], [2, 0, 1])),
    "the least": ordered(lambda right: -sum(right)),
    "the product": ordered(prod),
    "the largest of each column": lambda table: table.argmax(dim=0).tolist(),
    "the largest of each row": lambda table: table.argmax(dim=1).tolist(),
    "the largest cell first": largest_first,
    "shares of a row": lambda table: best_order(table / table.sum(dim=1, keepdim=True)),
    "shares of a column": lambda table: best_order(table / table.sum(dim=0, keepdim=True)),
    "empties the table": emptied,
}
right_6 = {
    "as a tuple": lambda table: tuple(best_order(table)),
    "as a tensor": lambda table: torch.tensor(best_order(table)),
    "the trace": lambda table: max(
        itertools.permutations(range(3)), key=lambda order: table[[*order]].trace().item()
    ),
}


# --- 7: distillation ---------------------------------------------------------------------------


def exercise_7(soft_loss):
    student, teacher = numbers(6, 3, seed=1) * 3, numbers(6, 3, seed=2) * 4
    for T, hint in (
        (1.0, "the targets are the teacher's probabilities, not the label it finds likeliest"),
        (2.0, "both sides are divided by T before their softmax; the mean over pairs is times T²"),
        (5.0, "T is squared, and divides the logits of both"),
    ):
        yield Case(
            f"6 pairs, T = {T:g}",
            lambda T=T, s=student, t=teacher: soft_loss(s, t, T),
            softly(student, teacher, T),
            hint,
        )
    student, teacher = numbers(4, 3, seed=3), numbers(4, 3, seed=4)
    yield Case(
        "4 pairs, T = 3, the gradient of the student's logits",
        lambda: gradients(soft_loss, student, teacher, 3.0)[0],
        gradients(softly, student, teacher, 3.0)[0],
        "T (q - p) / n, with q and p the two probabilities: nothing but the teacher is detached",
    )
    yield Case(
        "4 pairs, T = 3, the gradient of the teacher's logits",
        lambda: gradients(soft_loss, student, teacher, 3.0)[1],
        torch.zeros(4, 3),
        "detach the teacher's logits: the student must not teach the teacher",
    )
    yield Case(
        "a teacher sure beyond rounding",
        lambda: soft_loss(100 * student, 100 * teacher, 1.0),
        softly(100 * student, 100 * teacher, 1.0),
        "the log of a probability of 0 is minus infinity; `F.log_softmax` of the logits is not",
    )


def against(logits, targets, T, power=2):
    return T**power * F.cross_entropy(logits, targets)


def softened(teacher, T):
    return (teacher.detach() / T).softmax(dim=-1)


def softly(student, teacher, T):
    return against(student / T, softened(teacher, T), T)


def gradients(loss, student, teacher, T):
    """What one backward pass leaves in both, zeros where nothing"""
    student, teacher = (x.detach().clone().requires_grad_() for x in (student, teacher))
    loss(student, teacher, T).backward()
    return [torch.zeros_like(x) if x.grad is None else x.grad for x in (student, teacher)]


def without_a_gradient(student, teacher, T):
    with torch.no_grad():
        return softly(student, teacher, T)


wrong_7 = {
    "no temperature squared": lambda s, t, T: against(s / T, softened(t, T), T, power=0),
    "times the temperature, not squared": lambda s, t, T: against(
        s / T, softened(t, T), T, power=1
    ),
    "teacher not divided": lambda s, t, T: against(s / T, softened(t, 1), T),
    "student not divided": lambda s, t, T: against(s, softened(t, T), T),
    "gradient reaches the teacher": lambda s, t, T: against(s / T, (t / T).softmax(-1), T),
    "no gradient for the student either": without_a_gradient,
    "student and teacher exchanged": lambda s, t, T: softly(t, s, T),
    "teacher's logits as targets": lambda s, t, T: against(s / T, t.detach() / T, T),
    "teacher's likeliest label as target": lambda s, t, T: against(s / T, t.argmax(-1), T),
    "softmax before the cross entropy": lambda s, t, T: against(
        (s / T).softmax(-1), softened(t, T), T
    ),
    "divergence, without the teacher's entropy": lambda s, t, T: (
        F.kl_div((s / T).log_softmax(-1), softened(t, T), reduction="batchmean") * T**2
    ),
    "mean over pairs and labels": lambda s, t, T: softly(s, t, T) / s.shape[-1],
    "teacher's softmax over the pairs": lambda s, t, T: against(
        s / T, (t.detach() / T).softmax(0), T
    ),
    "the log of a softmax": lambda s, t, T: (
        -(T**2) * (softened(t, T) * (s / T).softmax(-1).log()).sum(-1).mean()
    ),
    "divides the logits themselves": lambda s, t, T: against(
        s / T, t.detach().div_(T).softmax(-1), T
    ),
}


def by_log_softmax(student, teacher, T):
    with torch.no_grad():
        p = torch.exp(teacher / T - torch.logsumexp(teacher / T, 1, keepdim=True))
    return -T * T * (p * F.log_softmax(student / T, dim=1)).sum(1).mean()


def over_pairs(student, teacher, T):
    total = 0.0
    for s, t in zip(student / T, teacher.detach() / T, strict=True):
        p = torch.softmax(t, 0)
        total = total + sum(p[k] * (torch.logsumexp(s, 0) - s[k]) for k in range(len(s)))
    return total / len(student) * T**2


right_7 = {"log softmax, summed and averaged": by_log_softmax, "a loop over the pairs": over_pairs}


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
            "add up contradiction and neutral first, then choose; return the share that is right",
        )


def folded(p, follows):
    return ((p[:, 0] > p[:, 1] + p[:, 2]) == follows).double().mean().item()


def right_where(says_so):
    """says_so: probabilities (pairs, 3) -> (pairs,), bool"""
    return lambda p, follows: (says_so(p) == follows).float().mean().item()


wrong_8 = {
    "the likeliest of three": right_where(lambda p: p.argmax(-1) == 0),
    "contradiction alone": right_where(lambda p: p[:, 0] > p[:, 1]),
    "neutral alone": right_where(lambda p: p[:, 0] > p[:, 2]),
    "the mean of the two": right_where(lambda p: p[:, 0] > p[:, 1:].mean(dim=1)),
    "above a third": right_where(lambda p: p[:, 0] > 1 / 3),
    "entailment as the last": right_where(lambda p: p[:, 2] > 0.5),
    "the sum of all three": right_where(lambda p: p[:, 0] > p.sum(dim=1)),
    "numbers of labels": right_where(lambda p: p.argmax(-1)),
    "the share that is wrong": lambda p, follows: 1 - folded(p, follows),
    "a count": lambda p, follows: folded(p, follows) * len(p),
    "the share called entailment": lambda p, follows: (p[:, 0] > 0.5).float().mean(),
    "recall": lambda p, follows: (p[:, 0] > 0.5)[follows].float().mean(),
    "the choices": lambda p, follows: p[:, 0] > 0.5,
}
right_8 = {
    "above a half": lambda p, follows: ((p[:, 0] > 0.5) == follows).float().mean(),
    "whole numbers": lambda p, follows: (
        sum(int(x > 1 - x) == int(y) for x, y in zip(p[:, 0], follows, strict=True)) / len(p)
    ),
}
