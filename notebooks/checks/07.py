"""Cases of the exercises in 07_bert: what check("07.k", ...) tries."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from d2lmini.bert import BERTEncoder, BERTModel
from d2lmini.learn import Case


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draws(high, *shape, seed=0):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


# --- 1: the layout -----------------------------------------------------------------------------


def exercise_1(layout):
    rains, coat = ["it", "rains"], ["take", "a", "warm", "coat"]
    row = ["[CLS]", "it", "rains", "[SEP]"]
    for given, answer, tokens, segments, hint in (
        ("one text", lambda: layout(rains), row, [0] * 4, "one text ends with one [SEP]"),
        (
            "two texts",
            lambda: layout(rains, coat),
            [*row, *coat, "[SEP]"],
            [0] * 4 + [1] * 5,
            "[CLS] and the first [SEP] belong to segment 0, the last [SEP] to segment 1",
        ),
        (
            "two texts, at most 8 tokens",
            lambda: layout(rains, coat, 8),
            [*row, "take", "a", "warm", "[SEP]"],
            [0] * 4 + [1] * 4,
            "take the last word off the longer text; the special tokens count",
        ),
        (
            "two texts, at most 6 tokens",
            lambda: layout(coat, rains, max_length=6),
            ["[CLS]", "take", "a", "[SEP]", "it", "[SEP]"],
            [0] * 4 + [1] * 2,
            "off the longer text each time, off the second where they are equally long",
        ),
        (
            "one text, at most 4 tokens",
            lambda: layout(coat, max_length=4),
            ["[CLS]", "take", "a", "[SEP]"],
            [0] * 4,
            "one text needs two special tokens",
        ),
    ):
        yield Case(given, lambda answer=answer: listed(answer()), (tokens, segments), hint)

    def left_alone():
        first, second = ["a"] * 5, ["b"] * 4
        listed(layout(first, second, max_length=6))
        return first, second

    hint = "the lists belong to the caller: copy them before you cut"
    yield Case("the lists that it was given", left_alone, (["a"] * 5, ["b"] * 4), hint)


def listed(answer):
    tokens, segments = answer
    return [str(token) for token in tokens], [int(segment) for segment in segments]


def laid_out(
    first, second=None, max_length=512, *, zeros=2, ones=1, last=True, cut="longer", copy=True
):
    """The layout, or with something amiss."""
    if copy:
        first, second = [*first], [*(second or [])]
    second = [] if second is None else second
    room = max_length - (3 if second else 2)
    if cut == "end":
        second = second[: max(room - len(first), 0)]
    if cut == "first":
        first = first[: max(room - len(second), 0)]
    while cut in ("longer", "ties first") and len(first) + len(second) > room:
        longer = len(first) > len(second) or (cut == "ties first" and len(first) == len(second))
        (first if longer else second).pop()
    tokens, segments = ["[CLS]", *first, "[SEP]"], [0] * (len(first) + zeros)
    if second:
        tokens += [*second, "[SEP]"] if last else second
        segments += [1] * (len(second) + ones)
    return tokens, segments


wrong_1 = {
    "[SEP] in segment 1": lambda a, b=None, max_length=512: laid_out(
        a, b, max_length, zeros=1, ones=2
    ),
    "no [SEP] at the end": lambda a, b=None, max_length=512: laid_out(
        a, b, max_length, last=False, ones=0
    ),
    "special tokens not counted": lambda a, b=None, max_length=512: laid_out(
        a, b, max_length, zeros=0, ones=0
    ),
    "not cut": lambda a, b=None, max_length=512: laid_out(a, b, max_length, cut=None),
    "the second cut": lambda a, b=None, max_length=512: laid_out(a, b, max_length, cut="end"),
    "the first cut": lambda a, b=None, max_length=512: laid_out(a, b, max_length, cut="first"),
    "a tie cuts the first": lambda a, b=None, max_length=512: laid_out(
        a, b, max_length, cut="ties first"
    ),
    "in place": lambda a, b=None, max_length=512: laid_out(a, b, max_length, copy=False),
    "segments alone": lambda a, b=None, max_length=512: laid_out(a, b, max_length)[1],
}
right_1 = {
    "tuples": lambda a, b=None, max_length=512: tuple(map(tuple, laid_out(a, b, max_length))),
    "segments as a tensor": lambda a, b=None, max_length=512: (
        laid_out(a, b, max_length)[0],
        torch.tensor(laid_out(a, b, max_length)[1]),
    ),
    "as a list": lambda a, b=None, max_length=512: [*laid_out(a, b, max_length)],
}


# --- 2: the grids ------------------------------------------------------------------------------


def exercise_2(may_attend):
    for kind, n, prefix, hint in (
        ("BERT", 4, 0, "every token may look at every token"),
        ("GPT", 5, 0, "at itself and at those before it: the lower triangle, rows are queries"),
        ("ELMo, backward", 4, 0, "at itself and at those after it: the upper triangle"),
        ("prefix", 5, 2, "all may look at the prefix, the prefix at no token after it"),
        ("prefix", 6, 4, "the prefix is read from both sides, what follows from left to right"),
        ("prefix", 3, 0, "without a prefix it is GPT"),
    ):
        yield Case(
            f"{kind}, {n} tokens" + f", a prefix of {prefix}" * (kind == "prefix"),
            lambda kind=kind, n=n, prefix=prefix: may_attend(kind, n, prefix),
            grid(kind, n, prefix),
            hint,
        )


def grid(kind, n, prefix):
    looks = {
        "BERT": lambda i, j: True,
        "GPT": lambda i, j: j <= i,
        "ELMo, backward": lambda i, j: j >= i,
        "prefix": lambda i, j: j <= i or j < prefix,
    }[kind]
    return torch.tensor([[looks(i, j) for j in range(n)] for i in range(n)])


def prefix_as(change):
    def may_attend(kind, n, prefix=0):
        return change(grid(kind, n, prefix), n, prefix) if kind == "prefix" else grid(kind, n, 0)

    return may_attend


wrong_2 = {
    "transposed": lambda kind, n, prefix=0: grid(kind, n, prefix).T,
    "True = hidden": lambda kind, n, prefix=0: ~grid(kind, n, prefix),
    "numbers": lambda kind, n, prefix=0: grid(kind, n, prefix).float(),
    "no word sees itself": lambda kind, n, prefix=0: grid(kind, n, prefix) & ~torch.eye(n).bool(),
    "the prefix alone sees the prefix": prefix_as(
        lambda mask, n, prefix: mask & ((torch.arange(n) >= prefix) | grid("GPT", n, 0)[:, :1] & 0)
    ),
    "the prefix sees all": prefix_as(
        lambda mask, n, prefix: mask | (torch.arange(n) < prefix)[:, None]
    ),
    "one less": prefix_as(lambda mask, n, prefix: grid("prefix", n, prefix - 1)),
    "GPT": prefix_as(lambda mask, n, prefix: grid("GPT", n, 0)),
}
right_2 = {
    "a loop": lambda kind, n, prefix=0: grid(kind, n, prefix),
    "by positions": lambda kind, n, prefix=0: (
        grid("GPT", n, 0) | (torch.arange(n) < prefix)
        if kind == "prefix"
        else grid(kind, n, prefix)
    ),
}


# --- 3: GELU -----------------------------------------------------------------------------------


def exercise_3(gelu_slope):
    for name, x in (
        ("seven inputs", torch.tensor([-3.0, -1.4, -0.75, 0.0, 0.3, 1.4, 2.5])),
        ("a matrix", 2 * numbers(3, 4)),
        ("far out", torch.tensor([-12.0, 12.0])),
    ):
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(F.gelu(leaf).sum(), leaf)
        yield Case(
            name,
            lambda x=x: gelu_slope(x),
            slope,
            "Φ(x) + x φ(x); Φ(0) = 1/2, and φ(0) = 1/√(2π)",
        )


def below(x):
    return (1 + torch.erf(x / math.sqrt(2))) / 2


def density(x):
    return torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


wrong_3 = {
    "the value": F.gelu,
    "ReLU's": lambda x: (x > 0).float(),
    "the share below": below,
    "erf without the root": lambda x: (1 + torch.erf(x)) / 2 + x * density(x),
    "erf not halved": lambda x: 1 + torch.erf(x / math.sqrt(2)) + x * density(x),
    "density without x": lambda x: below(x) + density(x),
    "not normalised": lambda x: below(x) + x * torch.exp(-(x**2) / 2),
    "the sigmoid's": lambda x: torch.sigmoid(1.702 * x),
    "never negative": lambda x: (below(x) + x * density(x)).clamp(min=0),
}
right_3 = {
    "torch's normal": lambda x: (
        torch.special.ndtr(x) + x * torch.distributions.Normal(0, 1).log_prob(x).exp()
    ),
    "by autograd": lambda x: torch.func.vmap(torch.func.grad(F.gelu))(x.flatten()).view_as(x),
}


# --- 4: counting -------------------------------------------------------------------------------


def exercise_4(count_encoder):
    for name, sizes in (
        ("a tiny one", {"vocab_size": 50, "d_model": 8, "d_hidden": 20, "num_layers": 3}),
        ("base", {"vocab_size": 30522, "d_model": 768, "d_hidden": 3072, "num_layers": 12}),
        ("large", {"vocab_size": 30522, "d_model": 1024, "d_hidden": 4096, "num_layers": 24}),
        (
            "100 positions, 3 segments",
            {"vocab_size": 70, "d_model": 6, "d_hidden": 9, "num_layers": 1, "max_length": 100}
            | {"num_segments": 3},
        ),
    ):
        with torch.device("meta"):
            encoder = BERTEncoder(**sizes, num_heads=2)
        yield Case(
            name,
            lambda sizes=sizes: count_encoder(**sizes),
            sum(p.numel() for p in encoder.parameters()),
            "three tables and a norm; per block 4 (d² + d), the network with its biases, two "
            "norms of 2 d each; and the pooler, d² + d",
        )


def counted(
    vocab_size,
    d_model,
    d_hidden,
    num_layers,
    max_length=512,
    num_segments=2,
    *,
    bias=1,
    norms=2,
    entry_norm=1,
    pooler=1,
):
    d = d_model
    entry = (vocab_size + max_length + num_segments) * d + entry_norm * 2 * d
    block = 4 * (d * d + bias * d) + 2 * d * d_hidden + bias * (d + d_hidden) + norms * 2 * d
    return entry + num_layers * block + pooler * (d * d + bias * d)


wrong_4 = {
    "no biases": lambda *a, **sizes: counted(*a, **sizes, bias=0),
    "one norm per block": lambda *a, **sizes: counted(*a, **sizes, norms=1),
    "no norm at the entry": lambda *a, **sizes: counted(*a, **sizes, entry_norm=0),
    "no pooler": lambda *a, **sizes: counted(*a, **sizes, pooler=0),
    "512 positions always": lambda *a, **sizes: counted(*a, **sizes | {"max_length": 512}),
    "no segments": lambda *a, **sizes: counted(*a, **sizes | {"num_segments": 0}),
    "four times as wide": lambda *a, **sizes: counted(
        *a, **sizes | {"d_hidden": 4 * sizes["d_model"]}
    ),
    "blocks alone": lambda *a, **sizes: 12 * sizes["num_layers"] * sizes["d_model"] ** 2,
    "in millions": lambda *a, **sizes: counted(*a, **sizes) / 1e6,
    "one layer": lambda *a, **sizes: counted(*a, **sizes | {"num_layers": 1}),
}
right_4 = {
    "a float": lambda *a, **sizes: float(counted(*a, **sizes)),
    "NumPy": lambda *a, **sizes: np.int64(counted(*a, **sizes)),
    "a tensor": lambda *a, **sizes: torch.tensor(counted(*a, **sizes)),
}


# --- 5: hiding ---------------------------------------------------------------------------------


def exercise_5(hide):
    tokens = draws(90, 3, 7) + 10
    for name, positions, mask_id in (
        ("two places in each row", [[1, 4], [2, 6], [5, 3]], 4),
        ("a row with one place, filled up with 0", [[1, 4], [2, 0], [5, 3]], 4),
        ("a row with none; another id for [MASK]", [[1, 4, 6], [0, 0, 0], [5, 0, 0]], 103),
    ):
        want = tokens.clone()
        for row, places in enumerate(positions):
            for place in places:
                if place:
                    want[row, place] = mask_id
        yield Case(
            name,
            lambda positions=positions, mask_id=mask_id: hide(
                tokens.clone(), torch.tensor(positions), mask_id
            ),
            want,
            "in row b the columns positions[b]; a copy; column 0 holds [CLS] and stays",
        )


def hidden(tokens, positions, mask_id):
    copy = tokens.clone()
    for row, places in enumerate(positions.tolist()):
        for place in places:
            copy[row, place] = mask_id if place else tokens[row, 0]
    return copy


def hidden_in_place(tokens, positions, mask_id):
    first = tokens[:, 0].clone()
    tokens.scatter_(1, positions, mask_id)
    tokens[:, 0] = first
    return tokens


def in_all_rows(tokens, positions, mask_id):
    copy = tokens.clone()
    copy[:, positions.flatten()] = mask_id
    copy[:, 0] = tokens[:, 0]
    return copy


def with_a_constant(tokens, positions, mask_id):
    return hidden(tokens, positions, 4)


wrong_5 = {
    "[CLS] hidden": lambda tokens, positions, mask_id: tokens.scatter(1, positions, mask_id),
    "in place": hidden_in_place,
    "in all rows": in_all_rows,
    "a constant for [MASK]": with_a_constant,
    "unchanged": lambda tokens, positions, mask_id: tokens.clone(),
    "the first place alone": lambda tokens, positions, mask_id: hidden(
        tokens, positions[:, :1], mask_id
    ),
    "one further": lambda tokens, positions, mask_id: hidden(
        tokens, (positions + 1) % tokens.shape[1] * (positions > 0), mask_id
    ),
}
right_5 = {
    "a loop": hidden,
    "with where": lambda tokens, positions, mask_id: torch.where(
        (F.one_hot(positions, tokens.shape[1]).sum(dim=1) > 0)
        & (torch.arange(tokens.shape[1]) > 0),
        mask_id,
        tokens,
    ),
}


# --- 6: the masked loss ------------------------------------------------------------------------


def exercise_6(mean_masked_loss):
    for name, real, seed in (
        ("no empty slot", [[1, 1, 1, 1], [1, 1, 1, 1]], 0),
        ("one row with one slot, one with four", [[1, 0, 0, 0], [1, 1, 1, 1]], 1),
        ("three rows, one of them empty", [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]], 2),
    ):
        real = torch.tensor(real).bool()
        logits, targets = 3 * numbers(*real.shape, 7, seed=seed), draws(7, *real.shape, seed=seed)
        losses = [
            -logits[b, m].log_softmax(dim=-1)[targets[b, m]].item()
            for b, m in real.nonzero().tolist()
        ]
        yield Case(
            name,
            lambda logits=logits, targets=targets, real=real: mean_masked_loss(
                logits, targets, real
            ),
            sum(losses) / len(losses),
            "minus the log probability of each target, the mean over the real slots of all rows",
        )


def each(logits, targets):
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")


wrong_6 = {
    "empty slots too": lambda logits, targets, real: each(logits, targets).mean(),
    "divided by all slots": lambda logits, targets, real: (each(logits, targets) * real).mean(),
    "the sum": lambda logits, targets, real: (each(logits, targets) * real).sum(),
    "a mean of rows": lambda logits, targets, real: (
        (each(logits, targets) * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
    ).mean(),
    "per text": lambda logits, targets, real: (each(logits, targets) * real).sum() / len(logits),
    "empty slots alone": lambda logits, targets, real: (
        (each(logits, targets) * ~real).sum() / (~real).sum().clamp(min=1)
    ),
    "no softmax": lambda logits, targets, real: (
        -logits.gather(-1, targets[..., None]).squeeze(-1)[real].mean()
    ),
    "softmax over the slots": lambda logits, targets, real: (
        -logits.log_softmax(dim=1).gather(-1, targets[..., None]).squeeze(-1)[real].mean()
    ),
    "bits": lambda logits, targets, real: (
        F.cross_entropy(logits[real], targets[real]) / math.log(2)
    ),
}
right_6 = {
    "by weights": lambda logits, targets, real: (each(logits, targets) * real).sum() / real.sum(),
    "ignored targets": lambda logits, targets, real: F.cross_entropy(
        logits.flatten(0, 1), targets.masked_fill(~real, -100).flatten()
    ),
    "a float": lambda logits, targets, real: F.cross_entropy(logits[real], targets[real]).item(),
}


# --- 7: the pseudo-log-likelihood --------------------------------------------------------------


class Neighbours(nn.Module):
    """Logits from all tokens of a row: each place sees the others, and its own a little."""

    def __init__(self, vocab_size, seed):
        super().__init__()
        self.table = numbers(vocab_size, vocab_size, seed=seed)

    def forward(self, tokens):
        own = self.table[tokens]  # (batch, length, vocab)
        left = F.pad(own, (0, 0, 1, 0))[:, :-1]
        right = F.pad(own, (0, 0, 0, 1))[:, 1:]
        return left + 0.5 * right + 2 * own


def exercise_7(pseudo_log_likelihood):
    for words, mask_id, seed in ((3, 11, 0), (6, 4, 1), (1, 11, 2)):
        predict = Neighbours(12, seed)
        tokens = torch.cat([torch.tensor([2]), draws(5, words, seed=seed) + 5, torch.tensor([3])])
        yield Case(
            f"{words} words, [MASK] is {mask_id}",
            lambda predict=predict, tokens=tokens, mask_id=mask_id: pseudo_log_likelihood(
                predict, tokens, mask_id
            ),
            scored(predict, tokens, mask_id).item(),
            "hide one word, read the log probability of the true one there, put it back; the sum",
        )


def scored(predict, tokens, mask_id, inner=slice(1, -1), keep=False, hide=True):
    """One word after the other, or with something amiss."""
    total, hidden = 0.0, tokens.clone()
    for i in range(len(tokens))[inner]:
        hidden = hidden if keep else tokens.clone()
        if hide:
            hidden[i] = mask_id
        total = total + predict(hidden[None])[0, i].log_softmax(dim=-1)[tokens[i]]
    return total


def all_hidden(predict, tokens, mask_id):
    hidden = tokens.clone()
    hidden[1:-1] = mask_id
    logits = predict(hidden[None])[0].log_softmax(dim=-1)
    return logits.gather(1, tokens[:, None])[1:-1].sum()


wrong_7 = {
    "nothing hidden": lambda predict, tokens, mask_id: scored(predict, tokens, mask_id, hide=False),
    "not put back": lambda predict, tokens, mask_id: scored(predict, tokens, mask_id, keep=True),
    "all hidden at once": all_hidden,
    "[CLS] and [SEP] too": lambda predict, tokens, mask_id: scored(
        predict, tokens, mask_id, inner=slice(None)
    ),
    "[SEP] too": lambda predict, tokens, mask_id: scored(
        predict, tokens, mask_id, inner=slice(1, None)
    ),
    "the mean": lambda predict, tokens, mask_id: (
        scored(predict, tokens, mask_id) / (len(tokens) - 2)
    ),
    "the loss": lambda predict, tokens, mask_id: -scored(predict, tokens, mask_id),
    "a constant for [MASK]": lambda predict, tokens, mask_id: scored(predict, tokens, 4),
    "the probability": lambda predict, tokens, mask_id: scored(predict, tokens, mask_id).exp(),
}
right_7 = {
    "a loop": scored,
    "a float": lambda predict, tokens, mask_id: float(scored(predict, tokens, mask_id)),
}


# --- 8: what no shape betrays ------------------------------------------------------------------


def exercise_8(unnoticed):
    base = {"vocab_size": 30522, "d_model": 768, "d_hidden": 3072, "num_heads": 12}
    small = {"vocab_size": 40, "d_model": 8, "d_hidden": 8, "num_heads": 2}
    with torch.device("meta"):
        models = {
            "base, with both heads": BERTModel(**base, num_layers=12),
            "an encoder of 3 layers": BERTEncoder(**base, num_layers=3),
            "networks as wide as the model": BERTEncoder(**small, num_layers=2),
            "8 words of width 8": BERTModel(
                **small | {"vocab_size": 8, "d_hidden": 9}, num_layers=1
            ),
            "a convolution, 5 to 5, and a norm": nn.Sequential(nn.Conv1d(5, 5, 5), nn.LayerNorm(5)),
        }
    for name, model in models.items():
        want = len([p for p in model.parameters() if p.ndim == 2 and len({*p.shape}) == 1])
        yield Case(
            name,
            lambda model=model: unnoticed(model),
            want,
            "count tensors of two axes that are equally long, whatever their names",
        )


def square(model):
    return [p for p in model.parameters() if p.ndim == 2 and p.shape[0] == p.shape[1]]


wrong_8 = {
    "all matrices": lambda model: sum(p.ndim == 2 for p in model.parameters()),
    "heads forgotten": lambda model: len(square(getattr(model, "encoder", model))),
    "blocks alone": lambda model: 4 * len(getattr(model, "encoder", model).blocks),
    "numbers, not tensors": lambda model: sum(p.numel() for p in square(model)),
    "50": lambda model: 50,
    "more axes too": lambda model: sum(
        p.ndim > 1 and len({*p.shape}) == 1 for p in model.parameters()
    ),
    "linear layers alone": lambda model: sum(
        isinstance(m, nn.Linear) and m.in_features == m.out_features for m in model.modules()
    ),
}
right_8 = {
    "the length of a list": lambda model: len(square(model)),
    "by the transpose": lambda model: sum(
        p.ndim == 2 and p.shape == p.T.shape for p in model.parameters()
    ),
    "a tensor": lambda model: torch.tensor(len(square(model))),
}
