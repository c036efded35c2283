"""Cases of the exercises in 05_transformer: what check("05.k", ...) tries."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from d2lmini.attention import MultiHeadAttention, PositionalEncoding, causal_mask, padding_mask
from d2lmini.learn import Between, Case
from d2lmini.transformer import Transformer, TransformerDecoder


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded(build, seed=0):
    """build() with weights that are the same each time, without moving torch's own generator."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def layer_of(d_model, num_heads, seed=0):
    return seeded(lambda: MultiHeadAttention(d_model=d_model, num_heads=num_heads), seed).eval()


# --- the six questions -------------------------------------------------------------------------


def exercise_1(self_and_cross):
    attention, x, y = layer_of(8, 2), numbers(1, 3, 8), numbers(1, 5, 8, seed=1)
    with torch.no_grad():
        own, cross = attention(x, x, x)[1], attention(x, y, y)[1]
        for name, place, wanted in (("self-attention", 0, own), ("cross-attention", 1, cross)):
            yield Case(
                f"weights of {name} for 3 words and a store of 5",
                lambda place=place: pair_of(self_and_cross(attention, x, y))[place],
                wanted,
                "queries from x both times; keys and values from x for self, from y for cross",
            )
        yield Case(
            "the same words as both: x and x",
            lambda: pair_of(self_and_cross(attention, x, x))[1],
            own,
            "then cross-attention is self-attention: there is one formula",
        )


def pair_of(answer):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError("two tensors are wanted, (self, cross)")
    return answer


def weights_of(attention, x, *stores):
    with torch.no_grad():
        return tuple(attention(x, store, store)[1] for store in stores)


wrong_1 = {
    "turned round": lambda attention, x, y: weights_of(attention, x, y, x),
    "self twice": lambda attention, x, y: weights_of(attention, x, x, x),
    "the store asks": lambda attention, x, y: (
        *weights_of(attention, x, x),
        *weights_of(attention, y, x),
    ),
    "the store asks itself": lambda attention, x, y: (
        *weights_of(attention, y, y),
        *weights_of(attention, x, y),
    ),
    "the outputs": lambda attention, x, y: (attention(x, x, x)[0], attention(x, y, y)[0]),
    "one softmax for both": lambda attention, x, y: weights_of(
        attention, x, torch.cat([x, y], dim=1)
    )[0].split([len(x[0]), len(y[0])], dim=-1),
    "heads averaged": lambda attention, x, y: [
        weights.mean(dim=1) for weights in weights_of(attention, x, x, y)
    ],
    "cross-attention alone": lambda attention, x, y: weights_of(attention, x, y)[0],
}
right_1 = {
    "a list, with gradient": lambda attention, x, y: [
        attention(x, x, x)[1],
        attention(x, y, y)[1],
    ]
}


def exercise_2(rows_alike):
    layers = [layer_of(8, 2, seed) for seed in range(6)]
    x = numbers(1, 5, 8)
    for residual in (False, True):
        yield Case(
            f"six layers, residual={residual}",
            lambda residual=residual: rows_alike(layers, x, residual),
            alike_after(layers, x, residual),
            "mean cosine of all pairs of different rows of what comes out of the last layer",
        )


@torch.no_grad()
def alike_after(layers, x, residual):
    for layer in layers:
        y, _ = layer(x, x, x)
        x = x + y if residual else y
    rows = F.normalize(x[0], dim=-1)
    n = len(rows)
    return ((rows @ rows.mT).sum() - n).item() / (n * (n - 1))


@torch.no_grad()
def through(layers, x, residual, start=None):
    for layer in layers:
        y, _ = layer(x, x, x)
        x = (x if start is None else start) + y if residual else y
    return x


def cosines(x):
    """The cosines of all pairs of different rows: (n (n - 1),)"""
    rows = F.normalize(x[0], dim=-1)
    return (rows @ rows.mT)[~torch.eye(len(rows), dtype=torch.bool)]


def one_path(layers, x, residual):
    y = through(layers, x, False)
    return cosines(x + y if residual else y).mean()


def with_itself(layers, x, residual):
    rows = F.normalize(through(layers, x, residual)[0], dim=-1)
    return (rows @ rows.mT).mean()


def neighbours(layers, x, residual):
    rows = through(layers, x, residual)[0]
    return F.cosine_similarity(rows[1:], rows[:-1]).mean()


wrong_2 = {
    "never added": lambda layers, x, residual: cosines(through(layers, x, False)).mean(),
    "always added": lambda layers, x, residual: cosines(through(layers, x, True)).mean(),
    "turned round": lambda layers, x, residual: cosines(through(layers, x, not residual)).mean(),
    "all layers but the last": lambda layers, x, residual: cosines(
        through(layers[:-1], x, residual)
    ).mean(),
    "one path around all": one_path,
    "the first x each time": lambda layers, x, residual: cosines(
        through(layers, x, residual, start=x)
    ).mean(),
    "each row with itself, too": with_itself,
    "neighbours alone": neighbours,
    "twice": lambda layers, x, residual: 2 * cosines(through(layers, x, residual)).mean(),
}
right_2 = {
    "a tensor": lambda layers, x, residual: cosines(through(layers, x, residual)).mean(),
    "NumPy": lambda layers, x, residual: np.mean(cosines(through(layers, x, residual)).numpy()),
}


def exercise_3(one_head):
    for d_model, num_heads in ((8, 2), (15, 3)):
        attention, x = layer_of(d_model, num_heads), numbers(2, 6, d_model)
        d = d_model // num_heads
        with torch.no_grad():
            output, weights = attention(x, x, x)
            values = attention.split_heads(attention.W_v(x))
            for h in range(num_heads):
                W = attention.W_o.weight[:, d * h : d * h + d]
                yield Case(
                    f"what head {h} of {num_heads} adds",
                    lambda attention=attention, x=x, h=h: one_head(attention, x, h).detach(),
                    weights[:, h] @ values[:, h] @ W.T,
                    "weights of the head, times its values, times its columns of W_o",
                )
            yield Case(
                f"all {num_heads} added: the whole output",
                lambda attention=attention, x=x, n=num_heads: sum(
                    one_head(attention, x, h).detach() for h in range(n)
                ),
                output,
                "concatenating and projecting is adding",
            )


def share(attention, x, head, columns=None, mean=None):
    """What a head adds, or something amiss."""
    weights, values = attention(x, x, x)[1], attention.split_heads(attention.W_v(x))
    d = values.shape[-1]
    columns = slice(head * d, (head + 1) * d) if columns is None else columns(d)
    mean = weights[:, head] @ values[:, head] if mean is None else mean(weights, values)
    return mean @ attention.W_o.weight[:, columns].T


def rows_of_W_o(attention, x, head):
    heads = attention(x, x, x)[1] @ attention.split_heads(attention.W_v(x))
    d = heads.shape[-1]
    return heads[:, head] @ attention.W_o.weight[head * d : head * d + d]


def two_heads(attention, x, head):
    half = x.shape[-1] // 2
    return share(attention, x, head, columns=lambda d: slice(head * half, head * half + d))


def the_others_zero(attention, x, head):
    heads = attention(x, x, x)[1] @ attention.split_heads(attention.W_v(x))
    own = torch.zeros_like(heads)
    own[:, head] = heads[:, head]
    return attention.W_o(own.transpose(1, 2).flatten(2))


wrong_3 = {
    "rows of W_o": rows_of_W_o,
    "columns of head 0": lambda attention, x, head: share(
        attention, x, head, columns=lambda d: slice(0, d)
    ),
    "every h-th column": lambda attention, x, head: share(
        attention, x, head, columns=lambda d: slice(head, None, attention.num_heads)
    ),
    "two heads": two_heads,
    "no W_o": lambda attention, x, head: (
        attention(x, x, x)[1][:, head] @ attention.split_heads(attention.W_v(x))[:, head]
    ),
    "an equal share": lambda attention, x, head: attention(x, x, x)[0] / attention.num_heads,
    "the heads' mean weights": lambda attention, x, head: share(
        attention, x, head, mean=lambda weights, values: weights.mean(1) @ values[:, head]
    ),
    "the other heads": lambda attention, x, head: attention(x, x, x)[0] - share(attention, x, head),
    "the values": lambda attention, x, head: share(
        attention, x, head, mean=lambda weights, values: values[:, head]
    ),
}
right_3 = {"the others zero": the_others_zero}


def exercise_4(cost, equal_at, base):
    for n, d in ((10, 64), (1000, 48)):
        wanted = (4 * n * d * d, 2 * n * n * d)
        for place, name in enumerate(("projections", "scores and mix")):
            yield Case(
                f"{name}, n={n}, d={d}",
                lambda n=n, d=d, place=place: pair_of(cost(n, d))[place],
                wanted[place],
                "(n, a) times (a, b) takes n a b; four projections; scores, then the mix of values",
            )
    for d in (128, 48):
        hint = "solve 4 n d² = 2 n² d for n"
        yield Case(f"both equal, d = {d}, at n =", lambda d=d: equal_at(d), 2 * d, hint)
    d, vocab = 512, 37000
    encoder, decoder = (6 * (n * 4 * d * d + 2 * d * 2048) for n in (1, 2))
    for name, wanted in (
        ("encoder", encoder),
        ("decoder", decoder),
        ("embedding", vocab * d),
        ("millions", Between(62.9, 63.1)),
    ):
        yield Case(
            f"weights of the base model, {name}",
            lambda name=name: base[name] if isinstance(base, dict) else base,
            wanted,
            "attention 4 d², feed-forward 2 d d_hidden; a decoder block attends twice",
        )


based = {"encoder": 18874368, "decoder": 25165824, "embedding": 18944000, "millions": 63}
wrong_4 = {
    "W_o forgotten": {"cost": lambda n, d: (3 * n * d * d, 2 * n * n * d)},
    "the mix forgotten": {"cost": lambda n, d: (4 * n * d * d, n * n * d)},
    "turned round": {"cost": lambda n, d: (2 * n * n * d, 4 * n * d * d)},
    "256 d for 4 d d": {"cost": lambda n, d: (256 * n * d, 2 * n * n * d)},
    "n and d swapped": {"cost": lambda n, d: (4 * d * n * n, 2 * d * d * n)},
    "the sum": {"cost": lambda n, d: 4 * n * d * d + 2 * n * n * d},
    "256": {"equal_at": lambda d: 256},
    "1024": {"equal_at": lambda d: 1024},
    "d": {"equal_at": lambda d: d},
    "one attention a block": {"base": based | {"decoder": 18874368, "millions": 57}},
    "one matrix of feed-forward": {"base": based | {"encoder": 12582912, "millions": 57}},
    "two tables": {"base": based | {"embedding": 37888000, "millions": 82}},
    "the paper's": {"base": based | {"millions": 65}},
    "not in millions": {"base": based | {"millions": 62984192}},
}
right_4 = {
    "lists and floats": {"cost": lambda n, d: [4.0 * n * d**2, 2.0 * n**2 * d]},
    "NumPy": {"equal_at": lambda d: np.int64(2 * d)},
    "not rounded": {"base": based | {"millions": 62.984192}},
    "tensors": {"base": {name: torch.tensor(number) for name, number in based.items()}},
}


class LeakyDecoder(TransformerDecoder):
    """Its positions see the future: the mask of later words is left out, or see() in its place."""

    def see(self, length):
        return None

    def advance(self, tokens, state, need_weights=False):
        x = self.embed(tokens)
        for block, cache in zip(self.blocks, state.caches, strict=True):
            x = block.advance(x, cache, self.see(tokens.shape[1]), state.mask)[0]
        return self.norm(x) @ self.embedding.weight.T, None, state


class LeakyByOneDecoder(LeakyDecoder):
    """Each position sees the next word."""

    def see(self, length):
        return torch.ones(length, length, dtype=torch.bool).tril(1)


class LeakyByOne(Transformer):
    decoder_class = LeakyByOneDecoder


class LeakyTransformer(Transformer):
    decoder_class = LeakyDecoder


class LeakyInUseDecoder(LeakyDecoder):
    """The causal mask is there in training mode alone."""

    def advance(self, tokens, state, need_weights=False):
        decoder = TransformerDecoder if self.training else LeakyDecoder
        return decoder.advance(self, tokens, state, need_weights)


class LeakyInUse(Transformer):
    decoder_class = LeakyInUseDecoder


def model_of(kind, num_layers=2):
    sizes = {"source_vocab_size": 9, "target_vocab_size": 9, "d_model": 8}
    sizes |= {"d_hidden": 16, "num_heads": 2, "num_layers": num_layers}
    return seeded(lambda: kind(**sizes))


def exercise_5(sees_the_future):
    source, mask = torch.tensor([[4, 5, 6]]), padding_mask(torch.tensor([3]), 3)
    target = torch.tensor([[1, 4, 5, 6, 7]])
    for name, model, leaks in (
        ("a sound model", model_of(Transformer), (False, False)),
        ("a model without the mask", model_of(LeakyTransformer), (True, True)),
        ("a model with the mask in training alone", model_of(LeakyInUse), (True, False)),
        ("a model whose mask is off by one", model_of(LeakyByOne, num_layers=1), (True, True)),
    ):
        for training, wanted in zip((False, True), leaks, strict=True):
            yield Case(
                f"{name}, {'training' if training else 'eval'} mode",
                lambda model=model, training=training: sees_the_future(
                    model.train(training), source, mask, target
                ),
                wanted,
                "change the last word; no logits before it may move, not even those next to it",
            )
    leaky = model_of(LeakyTransformer).eval()
    for last in (4, 5, 6, 8):
        target = torch.tensor([[1, 7, 3, last]])
        yield Case(
            f"a model without the mask, a target that ends in {last}",
            lambda target=target: sees_the_future(leaky, source, mask, target),
            True,
            "the last word must become another one, whatever it is; 9 words are known",
        )


def moved(model, source, mask, target, changed=None, places=slice(0, -1)):
    """Whether logits at these places differ for another target."""
    if changed is None:
        changed = target.clone()
        changed[:, -1] -= 1
    before, after = (model(source, mask, t)[0][:, places] for t in (target, changed))
    return not torch.allclose(before, after, atol=1e-6)


def with_last(target, word):
    return torch.cat([target[:, :-1], torch.full_like(target[:, :1], word)], dim=1)


def in_place(model, source, mask, target):
    before = model(source, mask, target)[0][:, :-1]
    target[:, -1] -= 1
    return not torch.allclose(before, model(source, mask, target)[0][:, :-1], atol=1e-6)


wrong_5 = {
    "the last place, too": lambda model, source, mask, target: moved(
        model, source, mask, target, places=slice(None)
    ),
    "turned round": lambda model, source, mask, target: not moved(model, source, mask, target),
    "the first word changed": lambda model, source, mask, target: moved(
        model, source, mask, target, changed=target.roll(1, dims=1)
    ),
    "the first place alone": lambda model, source, mask, target: moved(
        model, source, mask, target, places=slice(0, 1)
    ),
    "one place too few": lambda model, source, mask, target: moved(
        model, source, mask, target, places=slice(0, -2)
    ),
    "in training mode": lambda model, source, mask, target: moved(
        model.train(), source, mask, target
    ),
    "in eval mode": lambda model, source, mask, target: moved(model.eval(), source, mask, target),
    "always word 5": lambda model, source, mask, target: moved(
        model, source, mask, target, changed=with_last(target, 5)
    ),
    "a word that is not known": lambda model, source, mask, target: moved(
        model, source, mask, target, changed=with_last(target, 1_000_000)
    ),
    "the target changed in place": in_place,
}
right_5 = {
    "the first word put last": lambda model, source, mask, target: moved(
        model, source, mask, target, changed=with_last(target, target[0, 0].item())
    ),
    "a tensor": lambda model, source, mask, target: torch.tensor(
        [moved(model, source, mask, target)]
    ),
}


def exercise_6(relative_bias):
    for k, heads, length in ((2, 2, 3), (2, 2, 6), (3, 4, 7), (1, 3, 4)):
        table = numbers(2 * k + 1, heads)  # offsets -k..k
        offsets = torch.arange(length) - torch.arange(length).unsqueeze(1)  # key minus query
        wanted = table[offsets.clamp(-k, k) + k].permute(2, 0, 1)
        yield Case(
            f"{heads} heads, {length} positions, offsets up to {k}",
            lambda table=table, length=length: relative_bias(table, length),
            wanted,
            "(heads, queries, keys); offset = key - query, cut to -k..k, then + k as the row",
        )


def bias(table, length, sign=1, k=None, middle=None, axes=(2, 0, 1)):
    k = len(table) // 2 if k is None else k
    offsets = sign * (torch.arange(length) - torch.arange(length).unsqueeze(1))
    rows = offsets.clamp(-k, k) + (k if middle is None else middle)
    return table[rows % len(table)].permute(axes)


def row_by_row(table, length):
    k, rows = len(table) // 2, []
    for query in range(length):
        rows.append([table[max(-k, min(k, key - query)) + k] for key in range(length)])
    return torch.stack([torch.stack(row) for row in rows]).movedim(-1, 0)


wrong_6 = {
    "query minus key": lambda table, length: bias(table, length, sign=-1),
    "rows are keys": lambda table, length: bias(table, length, axes=(2, 1, 0)),
    "k = 2": lambda table, length: bias(table, length, k=2),
    "not cut": lambda table, length: bias(table, length, k=100, middle=len(table) // 2),
    "row 0 in the middle": lambda table, length: bias(table, length, middle=0),
    "heads last": lambda table, length: bias(table, length, axes=(0, 1, 2)),
    "reshape for permute": lambda table, length: bias(table, length, axes=(0, 1, 2)).reshape(
        -1, length, length
    ),
    "heads averaged": lambda table, length: (
        bias(table, length).mean(0).expand(table.shape[1], -1, -1)
    ),
    "causal": lambda table, length: bias(table, length).tril(),
}
right_6 = {"row by row": row_by_row}


# --- from zero ---------------------------------------------------------------------------------


def torch_layer(kind, d_model=12, num_heads=3, seed=3):
    """A layer of torch's and its weights under the names of the exercise."""
    layer = seeded(lambda: kind(d_model, num_heads, 16, dropout=0.0, batch_first=True), seed)
    layer = layer.double()
    for name, weights in layer.named_parameters():  # norms begin as 1 and 0: move them
        if "norm" in name:
            weights.data += 0.5 * numbers(*weights.shape, seed=sum(map(ord, name))).double()

    def heads(attention):
        W_q, W_k, W_v = attention.in_proj_weight.detach().chunk(3)
        return {"W_q": W_q, "W_k": W_k, "W_v": W_v, "W_o": attention.out_proj.weight.detach()}

    def norm(module):
        return {"gain": module.weight.detach(), "shift": module.bias.detach()}

    w = {
        "self": heads(layer.self_attn),
        "ffn": {
            "W_1": layer.linear1.weight.detach(),
            "b_1": layer.linear1.bias.detach(),
            "W_2": layer.linear2.weight.detach(),
            "b_2": layer.linear2.bias.detach(),
        },
        "norm1": norm(layer.norm1),
        "norm2": norm(layer.norm2),
    }
    if kind is nn.TransformerDecoderLayer:
        w |= {"cross": heads(layer.multihead_attn), "norm3": norm(layer.norm3)}
    return layer, w


def exercise_7(
    positions, attention, multi_head, feed_forward, add_norm, encoder_block, decoder_block
):
    x, memory = numbers(2, 5, 12).double(), numbers(2, 3, 12, seed=1).double()
    mask = padding_mask(torch.tensor([3, 2]), 3)  # of the memory
    yield Case(
        "positions(5, 8)",
        lambda: positions(5, 8).float(),
        PositionalEncoding(d_model=8, max_length=5).P,
        "sin and cos of p / 10000^(2j/d) in turn: columns 2j and 2j + 1",
    )
    q, k, v = (numbers(2, *shape, seed=shape[0]).double() for shape in ((4, 8), (6, 8), (6, 7)))
    some = torch.arange(6) < torch.tensor([6, 2, 4, 1])[:, None]
    for name, allowed in (("no mask", None), ("a mask", some)):
        yield Case(
            f"attention(q, k, v, mask), 4 queries, 6 keys, {name}",
            lambda allowed=allowed: attention(q, k, v, allowed),
            F.scaled_dot_product_attention(q, k, v, allowed),
            "softmax of q k' / sqrt(d), True = may attend, -inf elsewhere",
        )
    encoder, w = torch_layer(nn.TransformerEncoderLayer)
    decoder, both = torch_layer(nn.TransformerDecoderLayer)
    with torch.no_grad():
        yield Case(
            "multi_head(x, memory, mask, w, 3) with a padded memory",
            lambda: multi_head(x, memory, mask, both["cross"], 3),
            decoder.multihead_attn(x, memory, memory, key_padding_mask=~mask[:, 0])[0],
            "project, (batch, heads, positions, d_head), attention, back, W_o; the mask needs a "
            "head axis",
        )
        yield Case(
            "feed_forward(x, w)",
            lambda: feed_forward(x, w["ffn"]),
            encoder.linear2(torch.relu(encoder.linear1(x))),
            "x W_1' + b_1, relu, W_2' + b_2: torch stores W as (out, in)",
        )
        for name, size in (("", 1.0), (", rows that hardly vary", 1e-3)):
            yield Case(
                f"add_norm(x, y, w){name}",
                lambda size=size: add_norm(size * x, 2 * size * x.flip(1), w["norm1"]),
                encoder.norm1(size * x + 2 * size * x.flip(1)),
                "mean and variance over the last axis, the variance divided by d, and the root of "
                "variance + 1e-5",
            )
        own = padding_mask(torch.tensor([4, 2]), 5)
        yield Case(
            "encoder_block(x, mask, w, 3), padded",
            lambda: encoder_block(x, own, w, 3)[:, :2],
            encoder(x, src_key_padding_mask=~own[:, 0])[:, :2],
            "self-attention, add_norm, feed_forward, add_norm; the parts above pass?",
        )
        yield Case(
            "decoder_block(x, memory, mask, w, 3), causal and padded",
            lambda: decoder_block(x, memory, mask, both, 3),
            decoder(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~mask[:, 0]),
            "causal self-attention, then cross-attention with the mask, then feed_forward",
        )


def angles(length, d, first=0, base=10000.0):
    p = torch.arange(first, first + length, dtype=torch.float64).unsqueeze(1)
    return p / base ** (torch.arange(0, d, 2, dtype=torch.float64) / d)


def in_turn(first, second):
    return torch.stack([first, second], dim=-1).flatten(1)


def late_mask(q, k, v, mask=None):
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
    return (weights if mask is None else weights * mask) @ v


def many(x, memory, mask, w, num_heads, join=lambda heads: heads.transpose(1, 2).flatten(2)):
    q, k, v = (
        F.linear(t, w[name]).unflatten(-1, (num_heads, -1)).transpose(1, 2)
        for t, name in ((x, "W_q"), (memory, "W_k"), (memory, "W_v"))
    )
    mask = None if mask is None else mask.unsqueeze(-3)
    return F.linear(join(F.scaled_dot_product_attention(q, k, v, mask)), w["W_o"])


def forward(x, w, between=torch.relu):
    return F.linear(between(F.linear(x, w["W_1"], w["b_1"])), w["W_2"], w["b_2"])


def norm(x, w, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], w["gain"], w["shift"], eps)


def norm_by_hand(x, w, dim=-1, correction=0, outside=0.0):
    variance = x.var(dim=dim, correction=correction, keepdim=True)
    root = (variance + 1e-5 * (not outside)).sqrt() + outside
    return (x - x.mean(dim=dim, keepdim=True)) / root * w["gain"] + w["shift"]


def encode(x, mask, w, num_heads, norms=("norm1", "norm2")):
    x = norm(x + many(x, x, mask, w["self"], num_heads), w[norms[0]])
    return norm(x + forward(x, w["ffn"]), w[norms[1]])


def encode_pre_norm(x, mask, w, num_heads):
    y = norm(x, w["norm1"])
    x = x + many(y, y, mask, w["self"], num_heads)
    return x + forward(norm(x, w["norm2"]), w["ffn"])


def decode(x, memory, mask, w, num_heads, diagonal=0, norms=("norm1", "norm2", "norm3")):
    own = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril(diagonal)
    x = norm(x + many(x, x, own, w["self"], num_heads), w[norms[0]])
    x = norm(x + many(x, memory, mask, w["cross"], num_heads), w[norms[1]])
    return norm(x + forward(x, w["ffn"]), w[norms[2]])


wrong_7 = {
    "sines, then cosines": {
        "positions": lambda n, d: torch.cat([angles(n, d).sin(), angles(n, d).cos()], dim=-1)
    },
    "from position 1": {
        "positions": lambda n, d: in_turn(angles(n, d, 1).sin(), angles(n, d, 1).cos())
    },
    "1000": {
        "positions": lambda n, d: in_turn(angles(n, d, 0, 1e3).sin(), angles(n, d, 0, 1e3).cos())
    },
    "not divided": {
        "attention": lambda q, k, v, mask=None: F.scaled_dot_product_attention(
            q, k, v, mask, scale=1.0
        )
    },
    "the mask inverted": {
        "attention": lambda q, k, v, mask=None: F.scaled_dot_product_attention(
            q, k, v, None if mask is None else ~mask
        )
    },
    "masked after the softmax": {"attention": late_mask},
    "keys as values": {
        "attention": lambda q, k, v, mask=None: F.scaled_dot_product_attention(q, k, k, mask)
    },
    "memory ignored": {"multi_head": lambda x, memory, mask, w, n: many(x, x, None, w, n)},
    "one head": {"multi_head": lambda x, memory, mask, w, n: many(x, memory, mask, w, 1)},
    "put together without a transpose": {
        "multi_head": lambda x, memory, mask, w, n: many(
            x, memory, mask, w, n, join=lambda heads: heads.reshape(x.shape)
        )
    },
    "no relu": {"feed_forward": lambda x, w: forward(x, w, between=lambda x: x)},
    "GELU": {"feed_forward": lambda x, w: forward(x, w, between=F.gelu)},
    "epsilon omitted": {"add_norm": lambda x, y, w: norm(x + y, w, eps=0.0)},
    "epsilon outside the root": {"add_norm": lambda x, y, w: norm_by_hand(x + y, w, outside=1e-5)},
    "n - 1": {"add_norm": lambda x, y, w: norm_by_hand(x + y, w, correction=1)},
    "over the positions": {"add_norm": lambda x, y, w: norm_by_hand(x + y, w, dim=1)},
    "the norm, then the sum": {"add_norm": lambda x, y, w: x + norm(y, w)},
    "in place": {"add_norm": lambda x, y, w: norm(x.add_(y), w)},
    "pre-norm": {"encoder_block": encode_pre_norm},
    "norm1 twice": {
        "encoder_block": lambda x, mask, w, n: encode(x, mask, w, n, norms=("norm1", "norm1"))
    },
    "the mask lost": {"encoder_block": lambda x, mask, w, n: encode(x, None, w, n)},
    "not causal": {
        "decoder_block": lambda x, memory, mask, w, n: decode(x, memory, mask, w, n, diagonal=9)
    },
    "causal but for one": {
        "decoder_block": lambda x, memory, mask, w, n: decode(x, memory, mask, w, n, diagonal=1)
    },
    "the memory's mask lost": {
        "decoder_block": lambda x, memory, mask, w, n: decode(x, memory, None, w, n)
    },
    "norms in another order": {
        "decoder_block": lambda x, memory, mask, w, n: decode(
            x, memory, mask, w, n, norms=("norm2", "norm1", "norm3")
        )
    },
}
right_7 = {
    "torch's parts": {
        "attention": F.scaled_dot_product_attention,
        "multi_head": many,
        "feed_forward": forward,
        "add_norm": lambda x, y, w: norm(x + y, w),
    },
    "by var": {"add_norm": lambda x, y, w: norm_by_hand(x + y, w)},
    "torch's blocks": {"encoder_block": encode, "decoder_block": decode},
}


# --- bugs -----------------------------------------------------------------------


def exercise_8(cause_of):
    wanted = {
        "A": "no shift",
        "B": "position 0",
        "C": "mask inverted",
        "D": "dropout at test",
        "E": "no padding mask",
    }
    hints = {
        "A": "nothing is left to learn but to copy the input",
        "B": "training is sound, so the fault lies in how it is used word by word",
        "C": "it reads exactly what it must not",
        "D": "what is random when it should not be?",
        "E": "what differs between a sentence alone and among longer ones?",
    }
    for letter, cause in wanted.items():
        yield Case(
            f"model {letter}",
            lambda letter=letter: cause_of[letter] if isinstance(cause_of, dict) else cause_of,
            cause,
            hints[letter],
        )


causes = {
    "A": "no shift",
    "B": "position 0",
    "C": "mask inverted",
    "D": "dropout at test",
    "E": "no padding mask",
}
wrong_8 = {
    "A and B": causes | {"A": "position 0", "B": "no shift"},
    "C and E": causes | {"C": "no padding mask", "E": "mask inverted"},
    "D and E": causes | {"D": "no padding mask", "E": "dropout at test"},
    "one cause twice": causes | {"B": "no shift"},
    "models of causes": {cause: letter for letter, cause in causes.items()},
}
right_8 = {"capitals": {letter: cause.capitalize() for letter, cause in causes.items()}}


# --- search and cache ---------------------------------------------------------------------------


def exercise_9(beam_step):
    three = numbers(3, 5, seed=4).log_softmax(dim=-1)
    crowded = torch.tensor([[0.05, 0.9, 0.05], [0.35, 0.2, 0.45]]).log()
    for name, totals, log_probs, width in (
        ("three beginnings, five words, width 2", [-1.0, -0.5, -4.0], three, 2),
        ("the first step: one beginning, width 3", [0.0], three[:1], 3),
        ("one beginning takes both places", [-0.1, -3.0], crowded[[1, 0]], 2),
        ("two beginnings, three words, width 4", [-2.0, -1.2], crowded, 4),
    ):
        totals = torch.tensor(totals)
        wanted = best_sums(totals, log_probs, width)
        for place, what in enumerate(("beginnings", "words", "totals")):
            yield Case(
                f"{name}: {what}",
                lambda totals=totals, log_probs=log_probs, width=width, place=place: column(
                    beam_step(totals, log_probs, width), place
                ),
                torch.tensor([row[place] for row in wanted]),
                "add each total to its row, take the `width` best of all sums, the best first; "
                "place // words is the beginning, place % words the word",
            )


def column(rows, place):
    if not isinstance(rows, (list, tuple)) or any(len(row) != 3 for row in rows):
        raise TypeError("a list of (beginning, word, total) is wanted")
    return torch.tensor([float(row[place]) for row in rows]).to(
        torch.float32 if place == 2 else torch.int64
    )


def sums_of(totals, log_probs):
    return [
        (i, word, (totals[i] + log_probs[i, word]).item())
        for i in range(len(totals))
        for word in range(log_probs.shape[1])
    ]


def ranked(rows, width, reverse=True):
    return sorted(rows, key=lambda row: row[2], reverse=reverse)[:width]


def best_sums(totals, log_probs, width):
    return ranked(sums_of(totals, log_probs), width)


def best_of_each(totals, log_probs, width):
    rows = [ranked(sums_of(totals[i : i + 1], log_probs[i : i + 1]), 1) for i in range(len(totals))]
    return ranked([(i, word, total) for i, ((_, word, total),) in enumerate(rows)], width)


def best_of(sums, width):
    """As the solution, of any table of sums (beginnings, words)"""
    found, places = sums.flatten().topk(min(width, sums.numel()))
    words = sums.shape[1]
    return [
        (p // words, p % words, x) for x, p in zip(found.tolist(), places.tolist(), strict=True)
    ]


def counted_by_beginnings(totals, log_probs, width):
    found, places = (totals[:, None] + log_probs).flatten().topk(width)
    n = len(totals)
    return [(p // n, p % n, x) for x, p in zip(found.tolist(), places.tolist(), strict=True)]


def into_the_log_probs(totals, log_probs, width):
    log_probs += totals[:, None]
    return best_of(log_probs, width)


def two_of_each(totals, log_probs, width):
    rows = []
    for i, (total, of_row) in enumerate(zip(totals, log_probs, strict=True)):
        rows += [(i, word, x) for _, word, x in best_of((total + of_row)[None], 2)]
    return ranked(rows, width)


def three_tensors(totals, log_probs, width):
    found, places = (totals[:, None] + log_probs).flatten().topk(width)
    return places // log_probs.shape[1], places % log_probs.shape[1], found


wrong_9 = {
    "totals times log probabilities": lambda totals, log_probs, width: best_of(
        totals[:, None] * log_probs, width
    ),
    "probabilities added": lambda totals, log_probs, width: best_of(
        totals[:, None].exp() + log_probs.exp(), width
    ),
    "the first total for all": lambda totals, log_probs, width: best_of(
        totals[0] + log_probs, width
    ),
    "words for rows": lambda totals, log_probs, width: best_of(
        (totals[:, None] + log_probs).T, width
    ),
    "counted by beginnings": counted_by_beginnings,
    "two of each beginning": two_of_each,
    "by beginning, not by total": lambda totals, log_probs, width: sorted(
        best_sums(totals, log_probs, width)
    ),
    "halved for two words": lambda totals, log_probs, width: [
        (i, word, total / 2) for i, word, total in best_sums(totals, log_probs, width)
    ],
    "added in place": into_the_log_probs,
    "three tensors": three_tensors,
    "totals forgotten": lambda totals, log_probs, width: best_sums(0 * totals, log_probs, width),
    "the best of each beginning": best_of_each,
    "the worst": lambda totals, log_probs, width: ranked(
        sums_of(totals, log_probs), width, reverse=False
    ),
    "places, not beginnings and words": lambda totals, log_probs, width: [
        (n, i * log_probs.shape[1] + word, total)
        for n, (i, word, total) in enumerate(best_sums(totals, log_probs, width))
    ],
    "word and beginning turned round": lambda totals, log_probs, width: [
        (word, i, total) for i, word, total in best_sums(totals, log_probs, width)
    ],
    "not in order": lambda totals, log_probs, width: best_sums(totals, log_probs, width)[::-1],
    "the step alone as total": lambda totals, log_probs, width: [
        (i, word, log_probs[i, word].item()) for i, word, _ in best_sums(totals, log_probs, width)
    ],
    "as many as beginnings": lambda totals, log_probs, width: best_sums(
        totals, log_probs, len(totals)
    ),
    "probabilities": lambda totals, log_probs, width: [
        (i, word, 2.718281828**total) for i, word, total in best_sums(totals, log_probs, width)
    ],
}


def best_of_each_then_of_all(totals, log_probs, width):
    found, words = log_probs.topk(min(width, log_probs.shape[1]), dim=1)
    rows = best_of(totals[:, None] + found, width)
    return [[i, words[i, place].item(), total] for i, place, total in rows]


right_9 = {
    "the best of each, then of all, in lists": best_of_each_then_of_all,
    "every sum in a loop": best_sums,
    "tensors": lambda totals, log_probs, width: [
        tuple(map(torch.tensor, row)) for row in best_sums(totals, log_probs, width)
    ],
    "NumPy": lambda totals, log_probs, width: [
        (np.int64(i), np.int64(word), np.float32(total))
        for i, word, total in best_sums(totals, log_probs, width)
    ],
}


def exercise_10(attend_next, cached_numbers):
    d, rows = 6, numbers(4, 6, seed=5)
    W_q, W_k, W_v = (numbers(d, d, seed=seed) / d**0.5 for seed in (6, 7, 8))
    q, keys, values = rows @ W_q, rows @ W_k, rows @ W_v
    at_once = F.scaled_dot_product_attention(q[None], keys[None], values[None], is_causal=True)[0]
    for t in (0, 1, 3):
        wanted = (at_once[t : t + 1], keys[: t + 1], values[: t + 1])
        for place, what in enumerate(("output", "keys", "values")):
            yield Case(
                f"word {t + 1} of 4: {what}",
                lambda t=t, place=place: three_of(
                    attend_next(
                        rows[t : t + 1], keys[:t].clone(), values[:t].clone(), W_q, W_k, W_v
                    )
                )[place],
                wanted[place],
                "append x @ W_k and x @ W_v, then let x @ W_q look at all keys: softmax of q k' "
                "over the root of d",
            )
    for sizes in ((4, 1, 10, 7, 128), (6, 5, 20, 13, 512)):
        layers, batch, length, source, width = sizes
        yield Case(
            "numbers for {} layers, a batch of {}, {} words so far, a source of {}, d = {}".format(
                *sizes
            ),
            lambda sizes=sizes: cached_numbers(*sizes),
            2 * layers * batch * (length + source) * width,
            "keys and values, in each layer, of the target so far and of the source",
        )


def three_of(answer):
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        raise TypeError("three tensors are wanted: output, k, v")
    return answer


def next_row(x, k, v, W_q, W_k, W_v, scale=None, own=True, last=True):
    new_k, new_v = (
        torch.cat([old, x @ W] if last else [x @ W, old]) for old, W in ((k, W_k), (v, W_v))
    )
    seen_k, seen_v = (new_k, new_v) if own or not len(k) else (k, v)
    return F.scaled_dot_product_attention(x @ W_q, seen_k, seen_v, scale=scale), new_k, new_v


def with_weights(weigh):
    """Attention whose weights are weigh(scores), scores (1, positions) not yet divided"""

    def attend_next(x, k, v, W_q, W_k, W_v):
        k, v = torch.cat([k, x @ W_k]), torch.cat([v, x @ W_v])
        return weigh(x @ W_q @ k.T) @ v, k, v

    return attend_next


def masked_from_the_left(scores):
    scores = (scores / 6**0.5).masked_fill(~torch.ones_like(scores).tril().bool(), -torch.inf)
    return scores.softmax(-1)


def inputs_kept(x, k, v, W_q, W_k, W_v):
    k, v = torch.cat([k, x]), torch.cat([v, x])
    return F.scaled_dot_product_attention(x @ W_q, k @ W_k, v @ W_v), k, v


def by_hand(x, k, v, W_q, W_k, W_v):
    k, v = torch.vstack((k, x @ W_k)), torch.vstack((v, x @ W_v))
    shares = (k @ (x @ W_q)[0] / k.shape[1] ** 0.5).exp()
    return torch.einsum("k,kd->d", shares / shares.sum(), v)[None], k, v


wrong_10 = {
    "softmax over queries": {"attend_next": with_weights(lambda s: (s / 6**0.5).softmax(0))},
    "no softmax": {"attend_next": with_weights(lambda s: s / 6**0.5)},
    "divided by the root of the positions": {
        "attend_next": with_weights(lambda s: (s / s.shape[1] ** 0.5).softmax(-1))
    },
    "a causal mask of one row": {"attend_next": with_weights(masked_from_the_left)},
    "inputs kept": {"attend_next": inputs_kept},
    "keys and values exchanged": {
        "attend_next": lambda *a: tuple(next_row(*a)[place] for place in (0, 2, 1))
    },
    "with the input added": {
        "attend_next": lambda x, *a: (x + next_row(x, *a)[0], *next_row(x, *a)[1:])
    },
    "the output alone": {"attend_next": lambda *a: next_row(*a)[0]},
    "a vector": {"attend_next": lambda *a: (next_row(*a)[0][0], *next_row(*a)[1:])},
    "four projections": {
        "cached_numbers": lambda n, batch, length, keys, d: 4 * n * batch * (length + keys) * d
    },
    "the next word, too": {
        "cached_numbers": lambda n, batch, length, keys, d: 2 * n * batch * (length + 1 + keys) * d
    },
    "the source once for all layers": {
        "cached_numbers": lambda n, batch, length, keys, d: 2 * batch * (n * length + keys) * d
    },
    "the source without values": {
        "cached_numbers": lambda n, batch, length, keys, d: n * batch * (2 * length + keys) * d
    },
    "bytes": {
        "cached_numbers": lambda n, batch, length, keys, d: 8 * n * batch * (length + keys) * d
    },
    "vectors": {
        "cached_numbers": lambda n, batch, length, keys, d: 2 * n * batch * (length + keys)
    },
    "not divided": {"attend_next": lambda *a: next_row(*a, scale=1.0)},
    "divided by d": {"attend_next": lambda *a: next_row(*a, scale=1 / 6)},
    "its own key not seen": {"attend_next": lambda *a: next_row(*a, own=False)},
    "put in front": {"attend_next": lambda *a: next_row(*a, last=False)},
    "the caches not grown": {"attend_next": lambda x, k, v, *W: (next_row(x, k, v, *W)[0], k, v)},
    "rows kept, not their projections": {
        "attend_next": lambda x, k, v, W_q, W_k, W_v: (
            next_row(x, k, v, W_q, W_k, W_v)[0],
            torch.cat([k, x]),
            torch.cat([v, x]),
        )
    },
    "W transposed": {"attend_next": lambda x, k, v, *W: next_row(x, k, v, *(w.T for w in W))},
    "keys as values": {
        "attend_next": lambda x, k, v, W_q, W_k, W_v: next_row(x, k, v, W_q, W_k, W_k)
    },
    "no source": {"cached_numbers": lambda n, batch, length, keys, d: 2 * n * batch * length * d},
    "keys alone": {
        "cached_numbers": lambda n, batch, length, keys, d: n * batch * (length + keys) * d
    },
    "one layer": {
        "cached_numbers": lambda n, batch, length, keys, d: 2 * batch * (length + keys) * d
    },
    "all pairs": {
        "cached_numbers": lambda n, batch, length, keys, d: 2 * n * batch * length * keys * d
    },
    "no batch": {"cached_numbers": lambda n, batch, length, keys, d: 2 * n * (length + keys) * d},
}
right_10 = {
    "by hand": {"attend_next": by_hand},
    "counted": {
        "cached_numbers": lambda n, batch, length, keys, d: sum(
            torch.zeros(batch, m, d).numel() for _ in range(2 * n) for m in (length, keys)
        )
    },
    "torch's attention": {"attend_next": next_row},
    "a list": {"attend_next": lambda *a: list(next_row(*a))},
    "a float": {
        "cached_numbers": lambda n, batch, length, keys, d: 2.0 * n * batch * d * (length + keys)
    },
}
