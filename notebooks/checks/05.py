"""Cases of the exercises in 05_transformer: what check("05.k", ...) tries."""

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


def heads_of_two():
    return seeded(lambda: MultiHeadAttention(d_model=8, num_heads=2)).eval()


# --- the six questions -------------------------------------------------------------------------


def exercise_1(self_and_cross):
    attention, x, y = heads_of_two(), numbers(1, 3, 8), numbers(1, 5, 8, seed=1)
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


def exercise_2(rows_alike):
    layers = [
        seeded(lambda: MultiHeadAttention(d_model=8, num_heads=2), seed).eval() for seed in range(6)
    ]
    x = numbers(1, 5, 8)
    for residual in (False, True):
        yield Case(
            f"six layers, residual={residual}",
            lambda residual=residual: float(rows_alike(layers, x, residual)),
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


def exercise_3(one_head):
    attention, x = heads_of_two(), numbers(1, 4, 8)
    with torch.no_grad():
        _, weights = attention(x, x, x)
        values = attention.split_heads(attention.W_v(x))
        shares = [
            weights[:, h] @ values[:, h] @ attention.W_o.weight[:, 4 * h : 4 * h + 4].T
            for h in range(2)
        ]
        for h in range(2):
            yield Case(
                f"what head {h} adds",
                lambda h=h: one_head(attention, x, h).detach(),
                shares[h],
                "weights of the head, times its values, times its columns of W_o",
            )
        yield Case(
            "both added: the whole output",
            lambda: (one_head(attention, x, 0) + one_head(attention, x, 1)).detach(),
            attention(x, x, x)[0],
            "concatenating and projecting is adding",
        )


def exercise_4(cost, equal_at, base):
    for n, d in ((10, 64), (512, 512)):
        wanted = (4 * n * d * d, 2 * n * n * d)
        for place, name in enumerate(("projections", "scores and mix")):
            yield Case(
                f"{name}, n={n}, d={d}",
                lambda n=n, d=d, place=place: pair_of(cost(n, d))[place],
                wanted[place],
                "(n, a) times (a, b) takes n a b; four projections; scores, then the mix of values",
            )
    yield Case("both equal at n =", lambda: equal_at(128), 256, "solve 4 n d² = 2 n² d for n")
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


class LeakyDecoder(TransformerDecoder):
    """Its positions see the future: the mask of later words is left out."""

    def advance(self, tokens, state, need_weights=False):
        x = self.embed(tokens)
        for block, cache in zip(self.blocks, state.caches, strict=True):
            x = block.advance(x, cache, None, state.mask)[0]
        return self.norm(x) @ self.embedding.weight.T, None, state


class LeakyTransformer(Transformer):
    decoder_class = LeakyDecoder


class LeakyInUseDecoder(TransformerDecoder):
    """The causal mask is there in training mode alone."""

    def advance(self, tokens, state, need_weights=False):
        decoder = TransformerDecoder if self.training else LeakyDecoder
        return decoder.advance(self, tokens, state, need_weights)


class LeakyInUse(Transformer):
    decoder_class = LeakyInUseDecoder


def exercise_5(sees_the_future):
    sizes = {"source_vocab_size": 9, "target_vocab_size": 9, "d_model": 8}
    sizes |= {"d_hidden": 16, "num_heads": 2, "num_layers": 2}
    source, mask = torch.tensor([[4, 5, 6]]), padding_mask(torch.tensor([3]), 3)
    target = torch.tensor([[1, 4, 5, 6, 7]])
    for name, kind, leaks in (
        ("a sound model", Transformer, (False, False)),
        ("a model without the mask", LeakyTransformer, (True, True)),
        ("a model with the mask in training alone", LeakyInUse, (True, False)),
    ):
        model = seeded(lambda kind=kind: kind(**sizes))
        for training, wanted in zip((False, True), leaks, strict=True):
            yield Case(
                f"{name}, {'training' if training else 'eval'} mode",
                lambda model=model, training=training: bool(
                    sees_the_future(model.train(training), source, mask, target)
                ),
                wanted,
                "change the last word; the logits before it must not move",
            )


def exercise_6(relative_bias):
    for length in (3, 6):
        table = numbers(5, 2)  # offsets -2..2, two heads
        offsets = torch.arange(length) - torch.arange(length).unsqueeze(1)  # key minus query
        wanted = table[offsets.clamp(-2, 2) + 2].permute(2, 0, 1)
        yield Case(
            f"{length} positions, offsets up to 2",
            lambda table=table, length=length: relative_bias(table, length),
            wanted,
            "(heads, queries, keys); offset = key - query, cut to -2..2, then + 2 as the row",
        )


# --- from zero ---------------------------------------------------------------------------------


def torch_layer(kind, d_model=8, num_heads=2, seed=3):
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
    x, memory = numbers(2, 4, 8).double(), numbers(2, 3, 8, seed=1).double()
    mask = padding_mask(torch.tensor([3, 2]), 3)  # of the memory
    causal = causal_mask(4)
    yield Case(
        "positions(5, 8)",
        lambda: positions(5, 8).float(),
        PositionalEncoding(d_model=8, max_length=5).P,
        "sin and cos of p / 10000^(2j/d) in turn: columns 2j and 2j + 1",
    )
    for name, allowed in (("no mask", None), ("a causal mask", causal)):
        yield Case(
            f"attention(q, k, v, mask), {name}",
            lambda allowed=allowed: attention(x, x, x, allowed),
            F.scaled_dot_product_attention(x, x, x, allowed),
            "softmax of q k' / sqrt(d), True = may attend, -inf elsewhere",
        )
    encoder, w = torch_layer(nn.TransformerEncoderLayer)
    decoder, both = torch_layer(nn.TransformerDecoderLayer)
    with torch.no_grad():
        yield Case(
            "multi_head(x, memory, mask, w, 2) with a padded memory",
            lambda: multi_head(x, memory, mask, both["cross"], 2),
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
        yield Case(
            "add_norm(x, y, w)",
            lambda: add_norm(x, 2 * x.flip(1), w["norm1"]),
            encoder.norm1(x + 2 * x.flip(1)),
            "mean and variance over the last axis, the variance divided by d, epsilon 1e-5",
        )
        own = torch.tensor([[True, True, True, False], [True, True, False, False]]).unsqueeze(1)
        yield Case(
            "encoder_block(x, mask, w, 2), padded",
            lambda: encoder_block(x, own, w, 2)[:, :2],
            encoder(x, src_key_padding_mask=~own[:, 0])[:, :2],
            "self-attention, add_norm, feed_forward, add_norm; the parts above pass?",
        )
        yield Case(
            "decoder_block(x, memory, mask, w, 2), causal and padded",
            lambda: decoder_block(x, memory, mask, both, 2),
            decoder(x, memory, tgt_mask=~causal, memory_key_padding_mask=~mask[:, 0]),
            "causal self-attention, then cross-attention with the mask, then feed_forward",
        )


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
