"""Cases of the exercises in 04_self_attention: what check("04.k", ...) tries."""

import math

import torch
from torch import nn

from d2lmini.attention import MultiHeadAttention, causal_mask, masked_softmax
from d2lmini.learn import Case


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
        1 / 6,
        "six equal scores share a weight of 1",
    )
    yield Case(
        "do the heads differ?",
        lambda: heads_differ,
        False,
        "whatever a head's projections are, equal keys get equal scores",
    )


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
    layer, queries, keys, values = layer_of(8, 2), *(numbers(1, n, 8, seed=n) for n in (2, 3, 3))
    yield Case(
        "cross-attention: 2 queries, 3 keys, other values",
        lambda: heads_in_a_loop(layer, queries, keys, values),
        layer(queries, keys, values)[0].detach(),
        "keys come from keys, values from values; each query gets a row; the root of d_head",
    )


def exercise_4(without_heads):
    layer, x = layer_of(12, 3), numbers(2, 5, 12)
    q, k, v = (layer.split_heads(W(x)) for W in (layer.W_q, layer.W_k, layer.W_v))
    heads = masked_softmax(q @ k.mT / math.sqrt(4)) @ v
    for off in (set(), {1}, {0, 2}, {0, 1, 2}):
        rest = heads.clone()
        for i in off:
            rest[:, i] = 0
        yield Case(
            f"off: {sorted(off) or 'none'} of heads 0 to 2",
            lambda off=off: without_heads(layer, x, off),
            layer.W_o(rest.transpose(1, 2).flatten(2)).detach(),
            "a head is switched off after its mean and before W_o, which is applied once",
        )


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


def exercise_7(offset_scores):
    for words, limit in ((4, 3), (6, 2)):
        q, k, a = (numbers(n, 8, seed=s) for s, n in enumerate((words, words, 2 * limit + 1)))
        wanted = torch.zeros(words, words)
        for i in range(words):
            for j in range(words):
                vector = a[max(-limit, min(limit, j - i)) + limit]
                wanted[i, j] = q[i] @ (k[j] + vector) / math.sqrt(8)
        yield Case(
            f"{words} words, offsets up to {limit}",
            lambda q=q, k=k, a=a: offset_scores(q, k, a),
            wanted,
            "the offset is key minus query, clipped to ±limit, and limit is added to make it an "
            "index; divide the sum of both terms by the root of d",
        )


def exercise_8(bill):
    for n, d in ((10, 64), (1000, 64)):
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
