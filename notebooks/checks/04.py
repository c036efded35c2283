"""Cases of the exercises in 04_self_attention: what check("04.k", ...) tries."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn

from d2lmini.attention import MultiHeadAttention, causal_mask, masked_softmax, padding_mask
from d2lmini.learn import Between, Case


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer_of(d_model, num_heads, seed=0):
    """A layer whose weights do not touch the reader's random numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MultiHeadAttention(d_model=d_model, num_heads=num_heads)


def exercise_1(every_weight, heads_differ):
    yield Case(
        "the number in every place",
        lambda: every_weight,
        Between(0.166, 0.1701),
        "six equal scores share a weight of 1",
    )
    yield Case(
        "do the heads differ?",
        lambda: heads_differ,
        False,
        "whatever a head's projections are, equal keys get equal scores",
    )


wrong_1 = {
    "by heads": {"every_weight": 1 / 5},
    "to one place": {"every_weight": 0.2},
    "the sum": {"every_weight": 1.0},
    "by heads and keys": {"every_weight": 1 / 30},
    "in per cent": {"every_weight": 16.7},
    "the keys": {"every_weight": 6},
    "they differ": {"heads_differ": True},
    "yes": {"heads_differ": "yes"},
}
right_1 = {
    "rounded": {"every_weight": 0.1667, "heads_differ": "no"},
    "to two places": {"every_weight": 0.17},
    "a fraction": {"every_weight": Fraction(1, 6)},
    "NumPy": {"every_weight": np.float32(1 / 6), "heads_differ": np.bool_(False)},
    "tensors": {"every_weight": torch.ones(6).softmax(0)[0], "heads_differ": torch.tensor(False)},
}


def exercise_2(stays_equivariant):
    changes = {
        "a": ("the same vector for all rows", True, "a shuffle does not move what all rows share"),
        "b": ("sinusoids", False, "position 3 keeps its vector, whichever word stands there"),
        "c": ("a causal mask", False, "what a row may see depends on the place where it stands"),
        "d": ("a network on every row alone", True, "it does not know which row it has been given"),
        "e": ("padding, hidden wherever it goes", True, "the mask is shuffled like the rows"),
    }
    for letter, (given, want, hint) in changes.items():
        yield Case(
            f"({letter}) {given}",
            lambda letter=letter: stays_equivariant.get(letter),
            want,
            hint,
        )


solved = {"a": True, "b": False, "c": False, "d": True, "e": True}
wrong_2 = {
    "a shared vector": solved | {"a": False},
    "sinusoids": solved | {"b": True},
    "a causal mask": solved | {"c": True},
    "feed-forward": solved | {"d": False},
    "padding": solved | {"e": False},
    "all": dict.fromkeys("abcde", True),
    "the other way round": {letter: not answer for letter, answer in solved.items()},
}
right_2 = {
    "words": {"a": "yes", "b": "no", "c": "No", "d": "Yes", "e": "True"},
    "0 and 1": {letter: int(answer) for letter, answer in solved.items()},
    "tensors": {letter: torch.tensor(answer) for letter, answer in solved.items()},
}


def exercise_3(heads_in_a_loop):
    for name, num_heads, mask in (
        ("one head", 1, None),
        ("three heads", 3, None),
        ("three heads, a causal mask", 3, causal_mask(5)),
    ):
        layer = layer_of(12, num_heads)
        theirs = nn.MultiheadAttention(12, num_heads, bias=False, batch_first=True)
        stacked = torch.cat([W.weight for W in (layer.W_q, layer.W_k, layer.W_v)])
        theirs.in_proj_weight.data = stacked.data
        theirs.out_proj.weight.data = layer.W_o.weight.data
        x = numbers(2, 5, 12)
        wanted, _ = theirs(x, x, x, attn_mask=None if mask is None else ~mask)
        yield Case(
            f"{name}, against nn.MultiheadAttention",
            lambda layer=layer, x=x, mask=mask: heads_in_a_loop(layer, x, x, x, mask),
            wanted.detach(),
            "head i owns columns i * d_head to (i + 1) * d_head; divide by the root of d_head; "
            "hide before the softmax; W_o at the end",
        )
    layer, queries = layer_of(10, 2), numbers(2, 2, 10)
    keys, values = numbers(2, 3, 10, seed=1), numbers(2, 3, 10, seed=2)
    for name, mask in (
        ("no mask", None),
        ("the second sentence empty", padding_mask(torch.tensor([2, 0]), 3)),
    ):
        yield Case(
            f"cross-attention: 2 queries, 3 keys, other values, {name}",
            lambda mask=mask: heads_in_a_loop(layer, queries, keys, values, mask),
            layer(queries, keys, values, mask)[0].detach(),
            "keys come from keys, values from values; each query gets a row; the root of d_head; "
            "masked_softmax gives a query without keys zeros",
        )


def loop(layer, queries, keys, values, mask=None, own=None, scale=None, softmax=masked_softmax):
    """Attention head by head, or with something amiss."""
    q, k, v = layer.W_q(queries), layer.W_k(keys), layer.W_v(values)
    width = q.shape[-1] // layer.num_heads
    heads = []
    for i in range(layer.num_heads):
        columns = own(i, width) if own else slice(i * width, (i + 1) * width)
        scores = q[..., columns] @ k[..., columns].mT / (scale or math.sqrt(width))
        heads.append(softmax(scores, mask) @ v[..., columns])
    return layer.W_o(torch.cat(heads, dim=-1))


def interleaved(layer, q, k, v, mask=None):
    return loop(layer, q, k, v, mask, own=lambda i, width: slice(i, None, layer.num_heads))


def with_infinity(layer, q, k, v, mask=None):
    def softmax(scores, mask):
        scores = scores if mask is None else scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(dim=-1)

    return loop(layer, q, k, v, mask, softmax=softmax)


def words_cut(layer, q, k, v, mask=None):
    q, k, v = (
        W(x).reshape(len(x), layer.num_heads, x.shape[1], -1)
        for W, x in ((layer.W_q, q), (layer.W_k, k), (layer.W_v, v))
    )
    mask = None if mask is None else mask.unsqueeze(-3)
    return layer.W_o((masked_softmax(q @ k.mT / q.shape[-1] ** 0.5, mask) @ v).mT.flatten(2))


wrong_3 = {
    "the root of d_model": lambda layer, q, k, v, mask=None: loop(
        layer, q, k, v, mask, scale=math.sqrt(q.shape[-1])
    ),
    "not divided": lambda layer, q, k, v, mask=None: loop(layer, q, k, v, mask, scale=1),
    "no mask": lambda layer, q, k, v, mask=None: loop(layer, q, k, v),
    "the mask inverted": lambda layer, q, k, v, mask=None: loop(
        layer, q, k, v, None if mask is None else ~mask
    ),
    "every h-th column": interleaved,
    "words cut, not columns": words_cut,
    "d_head = 4": lambda layer, q, k, v, mask=None: loop(
        layer, q, k, v, mask, own=lambda i, width: slice(4 * i, 4 * i + 4)
    ),
    "keys as values": lambda layer, q, k, v, mask=None: loop(layer, q, k, k, mask),
    "queries as keys": lambda layer, q, k, v, mask=None: loop(layer, q, q, v, mask),
    "NaN without keys": with_infinity,
}
right_3 = {
    "all heads at once": lambda layer, q, k, v, mask=None: layer(
        q, k, v, None if mask is None else mask.expand(len(q), -1, -1)
    )[0]
}


def exercise_4(without_heads):
    cases = []
    for layer, sets in (
        (layer_of(12, 3), (set(), {1}, {0, 2}, {0, 1, 2})),
        (layer_of(10, 2), (set(), {1})),
    ):
        width = layer.W_q.weight.shape[0]
        x, n = numbers(2, 5, width), layer.num_heads
        q, k, v = (layer.split_heads(W(x)) for W in (layer.W_q, layer.W_k, layer.W_v))
        heads = masked_softmax(q @ k.mT / math.sqrt(width // n)) @ v
        for off in sets:
            rest = heads.clone()
            for i in off:
                rest[:, i] = 0
            cases.append(
                Case(
                    f"off: {sorted(off) or 'none'} of {n} heads",
                    lambda layer=layer, x=x, off=off: without_heads(layer, x, off),
                    layer.W_o(rest.transpose(1, 2).flatten(2)).detach(),
                    "a head is switched off after its mean and before W_o, which is applied once",
                )
            )
    first = cases[0]
    again = "the layer must be as before: change what goes into W_o, not W_o"
    yield from cases
    yield Case(f"{first.given}, after all others", first.got, first.want, again)


def means(layer, x):
    k, v = layer.project(x, x)
    q = layer.split_heads(layer.W_q(x))
    return masked_softmax(q @ k.mT / math.sqrt(q.shape[-1])) @ v


def joined(layer, heads):
    return layer.W_o(heads.transpose(1, 2).flatten(2))


def kept(layer, off):
    return torch.tensor([float(i not in off) for i in range(layer.num_heads)])[:, None, None]


def layer_broken(layer, x, off):
    width = x.shape[-1] // layer.num_heads
    for i in off:
        layer.W_o.weight.data[:, i * width : (i + 1) * width] = 0
    return joined(layer, means(layer, x))


def uniform(layer, x, off):
    k, v = layer.project(x, x)
    q = layer.split_heads(layer.W_q(x)) * kept(layer, off)
    return joined(layer, masked_softmax(q @ k.mT / math.sqrt(q.shape[-1])) @ v)


def after_W_o(layer, x, off):
    output = joined(layer, means(layer, x))
    return output * kept(layer, off).flatten().repeat_interleave(len(x[0, 0]) // layer.num_heads)


def columns_of_W_o(layer, x, off):
    width, W = x.shape[-1] // layer.num_heads, layer.W_o.weight.clone()
    for i in off:
        W[:, i * width : (i + 1) * width] = 0
    return means(layer, x).transpose(1, 2).flatten(2) @ W.T


wrong_4 = {
    "off kept": lambda layer, x, off: joined(layer, means(layer, x) * (1 - kept(layer, off))),
    "off ignored": lambda layer, x, off: joined(layer, means(layer, x)),
    "counted from 1": lambda layer, x, off: joined(
        layer, means(layer, x) * kept(layer, {i - 1 for i in off})
    ),
    "the first heads": lambda layer, x, off: joined(
        layer, means(layer, x) * kept(layer, range(len(off)))
    ),
    "scores of 0": uniform,
    "after W_o": after_W_o,
    "the rest scaled up": lambda layer, x, off: joined(
        layer, means(layer, x) * kept(layer, off) / kept(layer, off).mean().clamp(min=1e-6)
    ),
    "not transposed": lambda layer, x, off: layer.W_o(
        (means(layer, x) * kept(layer, off)).reshape(x.shape)
    ),
    "the layer broken": layer_broken,
}
right_4 = {"columns of W_o": columns_of_W_o}


def exercise_5(row_spread):
    yield Case(
        "three equal rows",
        lambda: row_spread(torch.tensor([[1.0, 2.0]] * 3)),
        0.0,
        "subtract the mean over the rows (dim=0), not over the features",
    )
    yield Case(
        "two opposite rows",
        lambda: row_spread(torch.tensor([[3.0, -1.0], [-3.0, 1.0]])),
        1.0,
        "their mean is zero",
    )
    yield Case(
        "rows (1, 0) and (0, 1)",
        lambda: row_spread(torch.eye(2)),
        math.sqrt(0.5),
        "the norm of the whole matrix, divided by the norm of x",
    )
    x = numbers(5, 3) * torch.tensor([1.0, 2.0, 4.0, 0.5, 3.0])[:, None] + 1
    mean = [sum(row[i] for row in x.tolist()) / 5 for i in range(3)]
    apart = sum((row[i] - mean[i]) ** 2 for row in x.tolist() for i in range(3))
    yield Case(
        "five rows of three, some longer than others",
        lambda: row_spread(x),
        math.sqrt(apart / sum(number**2 for row in x.tolist() for number in row)),
        "one norm over another, not a mean of the rows' ratios",
    )


def spread(x, mean=None, over=None):
    return (x - (x.mean(dim=0) if mean is None else mean)).norm() / (
        x if over is None else over
    ).norm()


def centred_in_place(x):
    norm = x.norm()
    x -= x.mean(dim=0)
    return x.norm() / norm


def row_by_row(x):
    return ((x - x.mean(dim=0)).norm(dim=-1) / x.norm(dim=-1)).mean()


wrong_5 = {
    "over the features": lambda x: spread(x, mean=x.mean(dim=1, keepdim=True)),
    "one mean": lambda x: spread(x, mean=x.mean()),
    "the median": lambda x: spread(x, mean=x.median(dim=0).values),
    "squared": lambda x: spread(x) ** 2,
    "the mean of the rows' ratios": row_by_row,
    "over the mean's norm": lambda x: spread(x, over=x.mean(dim=0).expand_as(x)),
    "not divided": lambda x: (x - x.mean(dim=0)).norm(),
    "absolute values": lambda x: (x - x.mean(dim=0)).abs().sum() / x.abs().sum(),
    "n - 1": lambda x: (x.var(dim=0).sum() / (x**2).mean(dim=0).sum()).sqrt(),
    "in place": centred_in_place,
}
right_5 = {
    "by variances": lambda x: (x.var(dim=0, correction=0).sum() / (x**2).mean(dim=0).sum()).sqrt(),
    "NumPy": lambda x: np.linalg.norm(x - x.mean(0)) / np.linalg.norm(x),
    "a float": lambda x: spread(x).item(),
}


def exercise_6(add_learned):
    x, table = numbers(2, 3, 4), numbers(6, 4, seed=1)
    for start in (0, 2, 3):
        yield Case(
            f"3 words from position {start}, a table of 6",
            lambda start=start: add_learned(x, table, start),
            x + torch.stack([table[start], table[start + 1], table[start + 2]]),
            "row start of the table belongs to the first word",
        )

    def beyond():
        try:
            result = add_learned(x, table, 4)
        except ValueError:
            return "ValueError"
        return None if result is None or result is ... else f"a tensor {tuple(result.shape)}"

    yield Case(
        "3 words from position 4: one too many",
        beyond,
        "ValueError",
        "compare start + number of words with len(table) before you slice",
    )

    def gradient():
        leaf = table.clone().requires_grad_()
        result = add_learned(x, leaf)
        if result is None or result is ...:
            return None
        result.sum().backward()
        return leaf.grad

    yield Case(
        "its gradient: rows that are used, and no others",
        gradient,
        torch.tensor([[2.0] * 4] * 3 + [[0.0] * 4] * 3),
        "the table itself must take part, not a copy without gradient",
    )


def checked(end, table):
    if end > len(table):
        raise ValueError(f"position {end - 1}, but the table ends at {len(table) - 1}")


def added(x, table, first=0, checked_to=0):
    checked(checked_to, table)
    return x + table[first : first + x.shape[1]]


def in_place(x, table, start=0):
    checked(start + x.shape[1], table)
    x += table[start : start + x.shape[1]]
    return x


def detached(x, table, start=0):
    return added(x, table.detach(), start, start + x.shape[1])


def one_row(x, table, start=0):
    checked(start + x.shape[1], table)
    return x + table[start]


def looked_up(x, table, start=0):
    checked(start + x.shape[1], table)
    return x + nn.functional.embedding(start + torch.arange(x.shape[1]), table)


wrong_6 = {
    "start ignored": lambda x, table, start=0: added(x, table, 0, start + x.shape[1]),
    "no error of its own": lambda x, table, start=0: added(x, table, start),
    "the last row refused": lambda x, table, start=0: added(x, table, start, start + 4),
    "one too many": lambda x, table, start=0: added(x, table, start, start + 2),
    "the words counted alone": lambda x, table, start=0: added(x, table, start, x.shape[1]),
    "from row 1": lambda x, table, start=0: added(x, table, start + 1, start + 3),
    "the last row again": lambda x, table, start=0: (
        x + table[(start + torch.arange(x.shape[1])).clamp(max=len(table) - 1)]
    ),
    "IndexError": lambda x, table, start=0: x + table[start + torch.arange(x.shape[1])],
    "one row for all": one_row,
    "detached": detached,
    "in place": in_place,
}
right_6 = {"looked up": looked_up}


def exercise_7(offset_scores):
    for words, limit, d in ((4, 3, 8), (6, 2, 5)):
        q, k, a = (numbers(n, d, seed=s) for s, n in enumerate((words, words, 2 * limit + 1)))
        wanted = torch.zeros(words, words)
        for i in range(words):
            for j in range(words):
                vector = a[max(-limit, min(limit, j - i)) + limit]
                wanted[i, j] = q[i] @ (k[j] + vector) / math.sqrt(d)
        yield Case(
            f"{words} words of width {d}, offsets up to {limit}",
            lambda q=q, k=k, a=a: offset_scores(q, k, a),
            wanted,
            "the offset is key minus query, clipped to ±limit, and limit is added to make it an "
            "index; divide the sum of both terms by the root of d",
        )


def vectors(q, k, a, sign=1, shift=0, limit=None):
    """The vector of each pair's offset, clipped to the limit: (queries, keys, d)."""
    limit = len(a) // 2 if limit is None else limit
    offset = sign * (torch.arange(len(k)) - torch.arange(len(q))[:, None]) + shift
    return a[offset.clamp(-limit, limit) + len(a) // 2]


def scored(q, k, a, d=None, **settings):
    second = torch.einsum("id,ikd->ik", q, vectors(q, k, a, **settings))
    return (q @ k.mT + second) / math.sqrt(d or q.shape[-1])


def begun_again(q, k, a):
    offset = torch.arange(len(k)) - torch.arange(len(q))[:, None]
    vectors = a[(offset + len(a) // 2) % len(a)]
    return (q @ k.mT + torch.einsum("id,ikd->ik", q, vectors)) / math.sqrt(q.shape[-1])


wrong_7 = {
    "query minus key": lambda q, k, a: scored(q, k, a, sign=-1),
    "not clipped": lambda q, k, a: scored(q, k, a, limit=100),
    "clipped too early": lambda q, k, a: scored(q, k, a, limit=len(a) // 2 - 1),
    "far offsets begin again": begun_again,
    "one further": lambda q, k, a: scored(q, k, a, shift=1),
    "not divided": lambda q, k, a: scored(q, k, a, d=1),
    "the second term not divided": lambda q, k, a: (
        q @ k.mT * (q.shape[-1] ** -0.5 - 1) + scored(q, k, a, d=1)
    ),
    "the root of 8": lambda q, k, a: scored(q, k, a, d=8),
    "k in place of q": lambda q, k, a: scored(k, k, a) + (q - k) @ k.mT / q.shape[-1] ** 0.5,
    "no vectors": lambda q, k, a: q @ k.mT / math.sqrt(q.shape[-1]),
}
right_7 = {
    "added to the keys": lambda q, k, a: (
        torch.einsum("id,ikd->ik", q, k + vectors(q, k, a)) / math.sqrt(q.shape[-1])
    )
}


def exercise_8(bill):
    for n, d in ((10, 64), (1000, 48), (7, 5)):
        for which, (name, want, hint) in enumerate(
            (
                ("weights", 4 * d**2, "W_q, W_k, W_v, W_o, each d x d, whatever the heads"),
                (
                    "multiply-adds",
                    4 * n * d**2 + 2 * n**2 * d,
                    "a projection of n rows costs n d²; scores cost n² d, the means as much",
                ),
                ("length for half", 2 * d, "solve 2 n² d = 4 n d²"),
            )
        ):
            yield Case(
                f"n = {n}, d = {d}: {name}",
                lambda n=n, d=d, which=which: tuple(bill(n, d))[which],
                want,
                hint,
            )


wrong_8 = {
    "W_o forgotten": lambda n, d: (3 * d**2, 3 * n * d**2 + 2 * n**2 * d, 1.5 * d),
    "means forgotten": lambda n, d: (4 * d**2, 4 * n * d**2 + n**2 * d, 4 * d),
    "multiplications and additions": lambda n, d: (4 * d**2, 8 * n * d**2 + 4 * n**2 * d, 2 * d),
    "n and d swapped": lambda n, d: (4 * n**2, 4 * d * n**2 + 2 * d**2 * n, 2 * n),
    "128": lambda n, d: (4 * d**2, 4 * n * d**2 + 2 * n**2 * d, 128),
    "256 d for 4 d d": lambda n, d: (256 * d, 256 * n * d + 2 * n**2 * d, 2 * d),
    "d": lambda n, d: (4 * d**2, 4 * n * d**2 + 2 * n**2 * d, d),
    "with biases": lambda n, d: (4 * d**2 + 4 * d, 4 * n * d**2 + 2 * n**2 * d, 2 * d),
    "two numbers": lambda n, d: (4 * d**2, 4 * n * d**2 + 2 * n**2 * d),
}
right_8 = {
    "a list": lambda n, d: [4 * d * d, 2 * n * d * (n + 2 * d), d + d],
    "NumPy": lambda n, d: np.array([4 * d**2, 4 * n * d**2 + 2 * n**2 * d, 2 * d]),
    "floats": lambda n, d: (4.0 * d**2, 4e0 * n * d**2 + 2 * n**2 * d, Fraction(2 * d)),
}
