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


def row_of(first, second, sep=0):
    """The row and its segments, with nothing cut; sep: the segment of the first [SEP]"""
    rest = [] if second is None else [*second, "[SEP]"]
    return ["[CLS]", *first, "[SEP]", *rest], [0] * (len(first) + 1) + [sep] + [1] * len(rest)


def layout_with(
    *, specials=lambda second: 2 + (second is not None), shorten=None, end=-1, write=row_of
):
    """An answer: the special tokens it counts, which text loses a word and where, how it writes"""
    shorten = shorten or (lambda a, b: len(b) > 0 and len(b) >= len(a))

    def layout(first, second=None, max_length=512):
        texts = [[*first], [*(second or [])]]
        while sum(map(len, texts)) > max(0, max_length - specials(second)):
            texts[shorten(*texts)].pop(end)
        return write(texts[0], None if second is None else texts[1])

    return layout


def cut_at_the_end(first, second=None, max_length=512):
    return [part[:max_length] for part in row_of(first, second)]


def half_each(first, second=None, max_length=512):
    room = max_length - 2 - (second is not None)
    half = room if second is None else room // 2
    fits = len(first) + len(second or []) <= room
    return row_of(first, second) if fits else row_of(first[:half], second and second[:half])


def cls_twice(first, second):
    tokens, segments = row_of(first, second)
    if second is None:
        return tokens, segments
    border = len(first) + 2
    return [*tokens[:border], "[CLS]", *tokens[border:]], [*segments, 1]


def cut_in_place(first, second=None, max_length=512):
    second = [] if second is None else second
    while len(first) + len(second) > max_length - (3 if second else 2):
        (first if len(first) > len(second) else second).pop()
    return row_of(first, second or None)


def by_a_formula(first, second=None, max_length=512):
    if second is None:
        return row_of(first[: max_length - 2], None)
    room = max_length - 3
    num_second = min(len(second), max(room // 2, room - len(first)))
    return row_of(first[: room - num_second], second[:num_second])


wrong_1 = {
    "[SEP] in segment 1": layout_with(write=lambda a, b: row_of(a, b, sep=1)),
    "no [SEP] at the end": layout_with(write=lambda a, b: [part[:-1] for part in row_of(a, b)]),
    "[CLS] before each text": layout_with(write=cls_twice),
    "segments from 1": layout_with(
        write=lambda a, b: (row_of(a, b)[0], [1 + segment for segment in row_of(a, b)[1]])
    ),
    "segments alone": layout_with(write=lambda a, b: row_of(a, b)[1]),
    "not cut": lambda first, second=None, max_length=512: row_of(first, second),
    "the row cut at its end": cut_at_the_end,
    "the second cut": layout_with(shorten=lambda a, b: len(b) > 0),
    "the first cut": layout_with(shorten=lambda a, b: len(a) == 0),
    "a tie cuts the first": layout_with(shorten=lambda a, b: len(b) > len(a)),
    "half of the room for each": half_each,
    "words taken off in front": layout_with(end=0),
    "special tokens not counted": layout_with(specials=lambda second: 0),
    "always two special tokens": layout_with(specials=lambda second: 2),
    "always three special tokens": layout_with(specials=lambda second: 3),
    "in place": cut_in_place,
}
right_1 = {
    "lengths by a formula": by_a_formula,
    "tuples": lambda *a, **options: tuple(map(tuple, layout_with()(*a, **options))),
    "segments as a tensor": layout_with(
        write=lambda a, b: (row_of(a, b)[0], torch.tensor(row_of(a, b)[1]))
    ),
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


def grid_with(**changed):
    """An answer that is right but for the kinds given: kind=lambda row, column, prefix: bool"""

    def may_attend(kind, n, prefix=0):
        other = changed.get(kind.partition(",")[0])
        row, column = torch.arange(n)[:, None].expand(n, n), torch.arange(n).expand(n, n)
        return other(row, column, prefix) if other else grid(kind, n, prefix)

    return may_attend


wrong_2 = {
    "transposed": lambda kind, n, prefix=0: grid(kind, n, prefix).T,
    "True = hidden": lambda kind, n, prefix=0: ~grid(kind, n, prefix),
    "numbers": lambda kind, n, prefix=0: grid(kind, n, prefix).float(),
    "five tokens": lambda kind, n, prefix=0: grid(kind, 5, prefix),
    "BERT, but not at itself": grid_with(BERT=lambda i, j, prefix: i != j),
    "GPT, but not at itself": grid_with(GPT=lambda i, j, prefix: j < i),
    "ELMo, but not at itself": grid_with(ELMo=lambda i, j, prefix: j > i),
    "ELMo reads forward": grid_with(ELMo=lambda i, j, prefix: j <= i),
    "ELMo, rows in reverse": grid_with(ELMo=lambda i, j, prefix: (j <= i).flip(0)),
    "the prefix sees all": grid_with(prefix=lambda i, j, prefix: (j <= i) | (i < prefix)),
    "the prefix alone sees the prefix": grid_with(
        prefix=lambda i, j, prefix: ((i < prefix) & (j < prefix)) | ((j <= i) & (j >= prefix))
    ),
    "nothing but the prefix is seen": grid_with(prefix=lambda i, j, prefix: j < prefix),
    "one more": grid_with(prefix=lambda i, j, prefix: (j <= i) | (j <= prefix)),
    "one less": grid_with(prefix=lambda i, j, prefix: (j <= i) | (j < prefix - 1)),
    "two always": grid_with(prefix=lambda i, j, prefix: (j <= i) | (j < 2)),
    "GPT": grid_with(prefix=lambda i, j, prefix: j <= i),
}
right_2 = {
    "two loops": grid,
    "by positions": grid_with(
        BERT=lambda i, j, prefix: i == i,
        GPT=lambda i, j, prefix: i - j >= 0,
        prefix=lambda i, j, prefix: (i >= j) | (prefix > j),
    ),
    "a triangle and a block": grid_with(
        prefix=lambda i, j, prefix: (j <= i) | ((i < prefix) & (j < prefix))
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


def of_the_tanh_form(x):
    """Of GPT-2's GELU, 0.5 x (1 + tanh(c (x + 0.044715 x³)))"""
    c, a = math.sqrt(2 / math.pi), 0.044715
    tanh = torch.tanh(c * (x + a * x**3))
    return (1 + tanh) / 2 + x * (1 - tanh**2) * c * (1 + 3 * a * x**2) / 2


def of_the_sigmoid_form(x, rate=1.702):
    """Of x sigmoid(rate x)"""
    share = torch.sigmoid(rate * x)
    return share + rate * x * share * (1 - share)


wrong_3 = {
    "the value": F.gelu,
    "ReLU's": lambda x: (x > 0).float(),
    "Φ not differentiated": below,
    "x not differentiated": lambda x: x * density(x),
    "density without x": lambda x: below(x) + density(x),
    "minus": lambda x: below(x) - x * density(x),
    "erf without the root": lambda x: (1 + torch.erf(x)) / 2 + x * density(x),
    "erf not halved": lambda x: 1 + torch.erf(x / math.sqrt(2)) + x * density(x),
    "not normalised": lambda x: below(x) + x * torch.exp(-(x**2) / 2),
    "2π without the root": lambda x: below(x) + x * density(x) / math.sqrt(2 * math.pi),
    "the square not halved": lambda x: below(x) + x * torch.exp(-(x**2)) / math.sqrt(2 * math.pi),
    "of the tanh form": of_the_tanh_form,
    "of the sigmoid form": of_the_sigmoid_form,
    "SiLU's": lambda x: of_the_sigmoid_form(x, 1.0),
    "never negative": lambda x: (below(x) + x * density(x)).clamp(min=0),
    "a coarse difference": lambda x: (F.gelu(x + 0.01) - F.gelu(x)) / 0.01,
    "one number": lambda x: (below(x) + x * density(x)).mean(),
}
right_3 = {
    "erfc": lambda x: torch.erfc(-x / math.sqrt(2)) / 2 + x * density(x),
    "torch's normal": lambda x: (
        torch.special.ndtr(x) + x * torch.distributions.Normal(0, 1).log_prob(x).exp()
    ),
    "in doubles": lambda x: below(x.double()) + x.double() * density(x.double()),
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


def count_with(extra=lambda v, d, h, n: 0, **fixed):
    """An answer: the right number and `extra`, which is too much, or of sizes that it fixes"""

    def count(**sizes):
        sizes = {"max_length": 512, "num_segments": 2} | sizes | fixed
        v, d, h, n = (sizes[k] for k in ("vocab_size", "d_model", "d_hidden", "num_layers"))
        entry = [(v, d), (sizes["num_segments"], d), (sizes["max_length"], d), (2, d)]
        block = 4 * [(d, d), (d,)] + 2 * [(2, d)] + [(d, h), (h,), (h, d), (d,)]
        return sum(map(math.prod, [*entry, *n * block, (d, d), (d,)])) + extra(v, d, h, n)

    return count


wrong_4 = {
    "no biases": count_with(lambda v, d, h, n: -n * (5 * d + h) - d),
    "no biases in attention": count_with(lambda v, d, h, n: -n * 4 * d),
    "a bias of d_model twice": count_with(lambda v, d, h, n: n * (d - h)),
    "no W_o": count_with(lambda v, d, h, n: -n * (d * d + d)),
    "one norm per block": count_with(lambda v, d, h, n: -n * 2 * d),
    "norms without bias": count_with(lambda v, d, h, n: -n * 2 * d - d),
    "no norm at the entry": count_with(lambda v, d, h, n: -2 * d),
    "a norm at the end too": count_with(lambda v, d, h, n: 2 * d),
    "no pooler": count_with(lambda v, d, h, n: -d * d - d),
    "no bias in the pooler": count_with(lambda v, d, h, n: -d),
    "a bias for each word": count_with(lambda v, d, h, n: v),
    "both heads too": count_with(lambda v, d, h, n: d * d + 3 * d + v + 2 * d + 2),
    "512 positions always": count_with(max_length=512),
    "no segments": count_with(num_segments=0),
    "two segments always": count_with(num_segments=2),
    "one layer": count_with(num_layers=1),
    "four times as wide": lambda **sizes: count_with(d_hidden=4 * sizes["d_model"])(**sizes),
    "blocks alone": lambda **sizes: 12 * sizes["num_layers"] * sizes["d_model"] ** 2,
    "in millions": lambda **sizes: count_with()(**sizes) / 1e6,
    "base's": lambda **sizes: 109_482_240,
}
right_4 = {
    "shapes added up": count_with(),
    "a float": lambda **sizes: float(count_with()(**sizes)),
    "NumPy": lambda **sizes: np.int64(count_with()(**sizes)),
    "a tensor": lambda **sizes: torch.tensor(count_with()(**sizes)),
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


def hidden_in_a_view(tokens, positions, mask_id):
    return hidden_in_place(tokens[:], positions, mask_id)


def in_all_rows(tokens, positions, mask_id):
    copy = tokens.clone()
    copy[:, positions.flatten()] = mask_id
    copy[:, 0] = tokens[:, 0]
    return copy


def full_rows_alone(tokens, positions, mask_id):
    full = (positions > 0).all(dim=1, keepdim=True)
    return torch.where(full, tokens.scatter(1, positions, mask_id), tokens)


def first_column(column):
    """An answer that puts `column` into the first one: (tokens) -> what it takes for [CLS]"""

    def hide(tokens, positions, mask_id):
        copy = tokens.scatter(1, positions, mask_id)
        copy[:, 0] = column(tokens)
        return copy

    return hide


def by_index(tokens, positions, mask_id):
    row, slot = positions.nonzero(as_tuple=True)
    copy = tokens.clone()
    copy[row, positions[row, slot]] = mask_id
    return copy


wrong_5 = {
    "[CLS] hidden": lambda tokens, positions, mask_id: tokens.scatter(1, positions, mask_id),
    "[CLS] put back as 2": first_column(lambda tokens: 2),
    "[CLS] of the first row": first_column(lambda tokens: tokens[0, 0]),
    "in place": hidden_in_place,
    "in place, by another name": hidden_in_a_view,
    "in all rows": in_all_rows,
    "rows that are filled up left out": full_rows_alone,
    "slots that are filled up left out": lambda tokens, positions, mask_id: tokens.scatter(
        1, positions[:, (positions > 0).all(dim=0)], mask_id
    ),
    "4 for [MASK]": lambda tokens, positions, mask_id: hidden(tokens, positions, 4),
    "unchanged": lambda tokens, positions, mask_id: tokens.clone(),
    "the first place alone": lambda tokens, positions, mask_id: hidden(
        tokens, positions[:, :1], mask_id
    ),
    "one further": lambda tokens, positions, mask_id: hidden(
        tokens, (positions + 1) % tokens.shape[1] * (positions > 0), mask_id
    ),
    "all but the chosen": lambda tokens, positions, mask_id: torch.where(
        hidden(tokens, positions, -1) < 0, tokens, mask_id
    ),
}
right_5 = {
    "a loop": hidden,
    "by index": by_index,
    "first column put back": first_column(lambda tokens: tokens[:, 0]),
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


def log_p(logits, targets, dim=-1):
    return logits.log_softmax(dim).gather(-1, targets[..., None]).squeeze(-1)


wrong_6 = {
    "empty slots too": lambda logits, targets, real: each(logits, targets).mean(),
    "divided by all slots": lambda logits, targets, real: (each(logits, targets) * real).mean(),
    "logits of empty slots set to 0": lambda logits, targets, real: each(
        logits * real[..., None], targets
    ).mean(),
    "target 0 is empty": lambda logits, targets, real: each(logits, targets)[targets > 0].mean(),
    "empty slots alone": lambda logits, targets, real: (
        (each(logits, targets) * ~real).sum() / (~real).sum().clamp(min=1)
    ),
    "the sum": lambda logits, targets, real: each(logits, targets)[real].sum(),
    "a mean of rows": lambda logits, targets, real: (
        (each(logits, targets) * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
    ).mean(),
    "per text": lambda logits, targets, real: each(logits, targets)[real].sum() / len(logits),
    "the first row alone": lambda logits, targets, real: each(logits, targets)[0][real[0]].mean(),
    "no softmax": lambda logits, targets, real: (
        -logits.gather(-1, targets[..., None]).squeeze(-1)[real].mean()
    ),
    "softmax twice": lambda logits, targets, real: each(logits.softmax(dim=-1), targets)[
        real
    ].mean(),
    "softmax over the slots": lambda logits, targets, real: -log_p(logits, targets, 1)[real].mean(),
    "log of the mean probability": lambda logits, targets, real: (
        -log_p(logits, targets).exp()[real].mean().log()
    ),
    "sign forgotten": lambda logits, targets, real: log_p(logits, targets)[real].mean(),
    "bits": lambda logits, targets, real: each(logits, targets)[real].mean() / math.log(2),
}
right_6 = {
    "by hand": lambda logits, targets, real: -log_p(logits, targets)[real].mean(),
    "by weights": lambda logits, targets, real: (each(logits, targets) * real).sum() / real.sum(),
    "ignored targets": lambda logits, targets, real: F.cross_entropy(
        logits.transpose(1, 2), targets.masked_fill(~real, -100)
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
            scored(predict, tokens, mask_id),
            "hide one word, read the log probability of the true one there, put it back; the sum",
        )


def one_hidden(tokens, place, mask_id):
    return torch.cat([tokens[:place], torch.tensor([mask_id]), tokens[place + 1 :]])


def span_hidden(start, end):
    """(tokens, place, mask_id) -> the row with the tokens from start(place) to end(place) hidden"""

    def row(tokens, place, mask_id):
        copy = tokens.clone()
        copy[start(place) : end(place)] = mask_id
        return copy

    return row


def scored(
    predict, tokens, mask_id, *, row=one_hidden, inner=slice(1, -1), total=sum, shift=0, dim=-1
):
    """One word after the other: `row` is what predict sees, or with something amiss"""
    found = []
    for i in range(len(tokens))[inner]:
        log_p = predict(row(tokens, i, mask_id)[None]).log_softmax(dim)
        found.append(log_p[0, i + shift, tokens[i]].item())
    return total(found)


def scored_with(**amiss):
    return lambda predict, tokens, mask_id: scored(predict, tokens, mask_id, **amiss)


def raw_logits(predict, tokens, mask_id):
    inner = range(1, len(tokens) - 1)
    return sum(predict(one_hidden(tokens, i, mask_id)[None])[0, i, tokens[i]] for i in inner)


def in_place(predict, tokens, mask_id):
    total = 0.0
    for i in range(1, len(tokens) - 1):
        true, tokens[i] = tokens[i].item(), mask_id
        total += predict(tokens[None])[0, i].log_softmax(dim=-1)[true]
    return total


def by_cross_entropy(predict, tokens, mask_id):
    inner = range(1, len(tokens) - 1)
    logits = [predict(one_hidden(tokens, i, mask_id)[None])[0, i] for i in inner]
    return -F.cross_entropy(torch.stack(logits), tokens[1:-1], reduction="sum")


wrong_7 = {
    "nothing hidden": scored_with(row=lambda tokens, place, mask_id: tokens),
    "all hidden at once": scored_with(row=span_hidden(lambda i: 1, lambda i: -1)),
    "not put back": scored_with(row=span_hidden(lambda i: 1, lambda i: i + 1)),
    "hidden from there on": scored_with(row=span_hidden(lambda i: i, lambda i: -1)),
    "the row ends there": scored_with(row=lambda t, i, m: one_hidden(t, i, m)[: i + 1]),
    "hidden wherever it stands": scored_with(row=lambda t, i, m: t.masked_fill(t == t[i], m)),
    "4 for [MASK]": scored_with(row=lambda tokens, place, mask_id: one_hidden(tokens, place, 4)),
    "in place": in_place,
    "[CLS] and [SEP] too": scored_with(inner=slice(None)),
    "[SEP] too": scored_with(inner=slice(1, None)),
    "the last word left out": scored_with(inner=slice(1, -2)),
    "one place too early": scored_with(shift=-1),
    "one place too late": scored_with(shift=1),
    "softmax over the places": scored_with(dim=1),
    "no softmax": raw_logits,
    "the mean": scored_with(total=lambda found: sum(found) / len(found)),
    "the loss": scored_with(total=lambda found: -sum(found)),
    "the probability": scored_with(total=lambda found: math.exp(sum(found))),
    "the product": scored_with(total=math.prod),
}
right_7 = {"a float": scored, "cross-entropies": by_cross_entropy}


# --- 8: what no shape betrays ------------------------------------------------------------------


def exercise_8(unnoticed):
    base = {"vocab_size": 30522, "d_model": 768, "d_hidden": 3072, "num_heads": 12}
    small = {"vocab_size": 40, "d_model": 8, "d_hidden": 8, "num_heads": 2}
    with torch.device("meta"):
        models = {
            "base, with both heads": BERTModel(**base, num_layers=12),
            "an encoder of 3 layers": BERTEncoder(**base, num_layers=3),
            "networks as wide as the model": BERTEncoder(**small, num_layers=2),
            "an encoder for 8 words of width 8": BERTEncoder(
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
    "vectors too": lambda model: sum(p.shape[0] == p.shape[-1] for p in model.parameters()),
    "more axes too": lambda model: sum(
        p.ndim > 1 and len({*p.shape}) == 1 for p in model.parameters()
    ),
    "those that are noticed": lambda model: sum(
        p.ndim == 2 and p.shape[0] != p.shape[1] for p in model.parameters()
    ),
    "numbers, not tensors": lambda model: sum(p.numel() for p in square(model)),
    "shapes, not tensors": lambda model: len({p.shape for p in square(model)}),
    "heads forgotten": lambda model: len(square(getattr(model, "encoder", model))),
    "attention alone": lambda model: sum(
        "attention" in name and p.ndim == 2 for name, p in model.named_parameters()
    ),
    "four a block": lambda model: 4 * len(getattr(model, "encoder", model).blocks),
    "linear layers alone": lambda model: sum(
        isinstance(m, nn.Linear) and m.in_features == m.out_features for m in model.modules()
    ),
    "768 by 768 alone": lambda model: sum(p.shape == (768, 768) for p in model.parameters()),
    "50": lambda model: 50,
    "49": lambda model: 49,
}
right_8 = {
    "the length of a list": lambda model: len(square(model)),
    "by the transpose": lambda model: sum(
        p.ndim == 2 and p.shape == p.T.shape for p in model.parameters()
    ),
    "of the state": lambda model: sum(
        t.ndim == 2 and len({*t.shape}) == 1 for t in model.state_dict().values()
    ),
    "a tensor": lambda model: torch.tensor(len(square(model))),
}
