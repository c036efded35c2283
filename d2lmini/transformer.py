"""The Transformer: attention, a small network at each position, and a path around both.

Paper: Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762

The plain classes put layer norm after each sum, as the paper does (post-norm); their PreNorm
siblings put it at the entry of each sublayer and once more at the end (Xiong et al. 2020,
https://arxiv.org/abs/2002.04745).  Projections have biases, as in torch and BERT; dropout is where
the paper has it: on embeddings and on what each sublayer adds.

Tokens are ids (batch, length), padded at the end; `mask` (batch, 1, keys) is True at real tokens.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from d2lmini.attention import MultiHeadAttention, PositionalEncoding, causal_mask

# --- the parts ---------------------------------------------------------------------------------


class PositionWiseFFN(nn.Module):
    """The same two layers at every position alone: W_2 max(0, W_1 x).

    x (..., d_model) -> (..., d_model)          Source: section 3.3.
    """

    def __init__(self, *, d_model: int, d_hidden: int):
        super().__init__()
        self.W_1 = nn.Linear(d_model, d_hidden)
        self.W_2 = nn.Linear(d_hidden, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.W_2(torch.relu(self.W_1(x)))


class AddNorm(nn.Module):
    """Add the output y of a sublayer to its input x, then normalise: norm(x + dropout(y)).

    x, y (..., d_model) -> (..., d_model)       Source: sections 3.1 and 5.4.
    """

    def __init__(self, *, d_model: int, dropout: float = 0.0, eps: float = 1e-5):
        super().__init__()
        self.norm = nn.LayerNorm(d_model, eps=eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.norm(x + self.dropout(y))


# --- encoder -----------------------------------------------------------------------------------


class TransformerEncoderBlock(nn.Module):
    """Self-attention, then the position-wise network, each followed by add & norm.

    x (batch, positions, d_model), mask as MultiHeadAttention takes it
    -> x, and with need_weights weights (batch, heads, positions, positions), else None
    A subclass with another network or norm overrides make_ffn or make_add_norm.
    """

    def __init__(self, *, d_model: int, d_hidden: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        self.attention = MultiHeadAttention(d_model=d_model, num_heads=num_heads, bias=True)
        self.add_norm1 = self.make_add_norm(d_model, dropout)
        self.ffn = self.make_ffn(d_model, d_hidden)
        self.add_norm2 = self.make_add_norm(d_model, dropout)

    def make_add_norm(self, d_model, dropout):
        return AddNorm(d_model=d_model, dropout=dropout)

    def make_ffn(self, d_model, d_hidden):
        return PositionWiseFFN(d_model=d_model, d_hidden=d_hidden)

    def forward(self, x, mask=None, need_weights=False):
        attended, weights = self.attention(x, x, x, mask, need_weights)
        x = self.add_norm1(x, attended)
        return self.add_norm2(x, self.ffn(x)), weights


class PreNormEncoderBlock(TransformerEncoderBlock):
    """The same parts in another order: each sublayer normalises what it reads, never the sum."""

    def forward(self, x, mask=None, need_weights=False):
        y = self.add_norm1.norm(x)
        attended, weights = self.attention(y, y, y, mask, need_weights)
        x = x + self.add_norm1.dropout(attended)
        return x + self.add_norm2.dropout(self.ffn(self.add_norm2.norm(x))), weights


def run_blocks(blocks, x, mask=None, need_weights=False):
    """Send x through encoder blocks, one after the other.

    -> x, and with need_weights weights (batch, layers, heads, queries, keys), else None
    """
    weights = []
    for block in blocks:
        x, w = block(x, mask, need_weights)
        weights.append(w)
    return x, torch.stack(weights, dim=1) if need_weights else None


class TransformerEncoder(nn.Module):
    """Embed tokens, scaled by sqrt(d_model), add positions, then num_layers blocks.

    tokens (batch, positions), mask (batch, 1, positions)
    -> x (batch, positions, d_model), and with need_weights weights
    (batch, layers, heads, positions, positions), else None
    Raises ValueError for more than max_length positions.
    """

    block, final_norm = TransformerEncoderBlock, nn.Identity  # post-norm needs no final norm

    def __init__(
        self,
        *,
        vocab_size: int,
        d_model: int,
        d_hidden: int,
        num_heads: int,
        num_layers: int,
        dropout: float = 0.0,
        max_length: int = 1000,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.positions = PositionalEncoding(d_model=d_model, max_length=max_length, dropout=dropout)
        self.blocks = nn.ModuleList(
            self.block(d_model=d_model, d_hidden=d_hidden, num_heads=num_heads, dropout=dropout)
            for _ in range(num_layers)
        )
        self.norm = self.final_norm(d_model)
        initialise(self)

    def embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        """tokens (batch, positions), the first at position start -> (batch, positions, d_model)"""
        scale = math.sqrt(self.embedding.embedding_dim)
        return self.positions(self.embedding(tokens) * scale, start)

    def forward(self, tokens, mask=None, need_weights=False):
        x, weights = run_blocks(self.blocks, self.embed(tokens), mask, need_weights)
        return self.norm(x), weights


class PreNormEncoder(TransformerEncoder):
    """Pre-norm blocks and, because nothing has normalised their sum, one norm after the last."""

    block, final_norm = PreNormEncoderBlock, nn.LayerNorm


# --- decoder -----------------------------------------------------------------------------------


class Cache(NamedTuple):
    """The key-value cache of one block, each tensor (batch, heads, positions, d_head)."""

    k: Tensor | None  # self-attention: keys and values of the target so far
    v: Tensor | None
    cross_k: Tensor  # cross-attention: keys and values of the source
    cross_v: Tensor

    def grown(self, k: Tensor, v: Tensor) -> "Cache":
        """The cache with the keys and values of the next target positions appended."""
        if self.k is not None:
            k, v = torch.cat([self.k, k], dim=2), torch.cat([self.v, v], dim=2)
        return self._replace(k=k, v=v)


class TransformerDecoderBlock(nn.Module):
    """Causal self-attention, cross-attention to the encoder's output, the position-wise network.

    x (batch, length, d_model), memory: the encoder's output (batch, keys, d_model), with its mask
    (batch, 1, keys) -> x, and with need_weights the weights of both attentions,
    (batch, heads, length, length) and (batch, heads, length, keys), else two None
    """

    def __init__(self, *, d_model: int, d_hidden: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        self.attention = MultiHeadAttention(d_model=d_model, num_heads=num_heads, bias=True)
        self.add_norm1 = AddNorm(d_model=d_model, dropout=dropout)
        self.cross = MultiHeadAttention(d_model=d_model, num_heads=num_heads, bias=True)
        self.add_norm2 = AddNorm(d_model=d_model, dropout=dropout)
        self.ffn = PositionWiseFFN(d_model=d_model, d_hidden=d_hidden)
        self.add_norm3 = AddNorm(d_model=d_model, dropout=dropout)

    def forward(self, x, memory, mask=None, need_weights=False):
        causal = causal_mask(x.shape[1], device=x.device)
        return self.advance(x, self.first_cache(memory), causal, mask, need_weights)[:2]

    def first_cache(self, memory):
        """The cache before the first target position; contiguous, for every step reads it."""
        return Cache(None, None, *(t.contiguous() for t in self.cross.project(memory, memory)))

    def advance(self, x, cache, causal, mask, need_weights=False):
        """x at the positions that follow those of the cache -> x, both weights, the cache grown"""
        cache = cache.grown(*self.attention.project(x, x))
        attended, own = self.attention.attend(x, cache.k, cache.v, causal, need_weights)
        x = self.add_norm1(x, attended)
        attended, cross = self.cross.attend(x, cache.cross_k, cache.cross_v, mask, need_weights)
        x = self.add_norm2(x, attended)
        return self.add_norm3(x, self.ffn(x)), (own, cross), cache


class PreNormDecoderBlock(TransformerDecoderBlock):
    """The same parts in another order: each sublayer normalises what it reads."""

    def advance(self, x, cache, causal, mask, need_weights=False):
        y = self.add_norm1.norm(x)
        cache = cache.grown(*self.attention.project(y, y))
        attended, own = self.attention.attend(y, cache.k, cache.v, causal, need_weights)
        x = x + self.add_norm1.dropout(attended)
        y = self.add_norm2.norm(x)
        attended, cross = self.cross.attend(y, cache.cross_k, cache.cross_v, mask, need_weights)
        x = x + self.add_norm2.dropout(attended)
        return x + self.add_norm3.dropout(self.ffn(self.add_norm3.norm(x))), (own, cross), cache


class State(NamedTuple):
    """The decoder's state between two tokens."""

    caches: list[Cache]  # one per block
    mask: Tensor  # (batch, 1, keys), bool, of the source
    position: int = 0  # of the next token
    weights: Tensor | None = None  # (batch, layers, heads, keys), cross-attention of the last step

    def select(self, rows: Tensor) -> "State":
        """The state of these rows of the batch, in this order.  rows: indices (rows,)"""

        def part(t):  # index_select takes a quarter of the time of t[rows]
            return None if t is None else t.index_select(0, rows)

        caches = [Cache(*map(part, cache)) for cache in self.caches]
        return State(caches, part(self.mask), self.position, part(self.weights))


class TransformerDecoder(TransformerEncoder):
    """Predict the next target token, one step at a time or, with teacher forcing, all at once.

    It embeds tokens and stacks blocks as the encoder does, and attends to the encoder's output.
    The output layer shares its weights with the embedding (tied weights: Press and Wolf 2017).
    target (batch, length), memory (batch, keys, d_model), mask (batch, 1, keys)
    -> logits (batch, length, vocab), and with need_weights two tensors
    (batch, layers, heads, length, length or keys), self-attention and cross-attention, else None
    """

    block = TransformerDecoderBlock

    def first_state(self, memory: Tensor, mask: Tensor) -> State:
        """The state before the first target token.  memory: the encoder's output"""
        return State([block.first_cache(memory) for block in self.blocks], mask)

    def advance(self, tokens: Tensor, state: State, need_weights: bool = False):
        """The next tokens (batch, length) -> logits and weights as in forward, the state after"""
        x, length = self.embed(tokens, state.position), tokens.shape[1]
        causal = None  # a single query may attend to every key in the cache
        if length > 1:
            causal = causal_mask(state.position + length, device=x.device)[state.position :]
        caches, weights = [], []
        for block, cache in zip(self.blocks, state.caches, strict=True):
            x, both, cache = block.advance(x, cache, causal, state.mask, need_weights)
            caches.append(cache)
            weights.append(both)
        logits = self.norm(x) @ self.embedding.weight.T
        stacked = [torch.stack(w, dim=1) for w in zip(*weights, strict=True) if need_weights]
        return logits, stacked or None, State(caches, state.mask, state.position + length)

    def forward(self, target, memory, mask=None, need_weights=False):
        """Teacher forcing: each position attends to the true tokens up to its own."""
        return self.advance(target, self.first_state(memory, mask), need_weights)[:2]


class PreNormDecoder(TransformerDecoder):
    """Pre-norm blocks and one norm after the last."""

    block, final_norm = PreNormDecoderBlock, nn.LayerNorm


# --- both --------------------------------------------------------------------------------------


class Weights(NamedTuple):
    """All attention weights of a model, (batch, layers, heads, queries, keys), before dropout."""

    encoder: Tensor
    decoder: Tensor  # self-attention: target to target
    cross: Tensor  # cross-attention: target to source


class Transformer(nn.Module):
    """Encoder and decoder with attention alone, post-norm as in the paper.

    source (batch, keys), mask (batch, 1, keys), target (batch, length), which begins with <bos>
    -> logits (batch, length, vocab) of each next token, and Weights if need_weights, else None
    Where both languages share one vocabulary: model.encoder.embedding = model.decoder.embedding.
    """

    encoder_class, decoder_class = TransformerEncoder, TransformerDecoder

    def __init__(
        self,
        *,
        source_vocab_size: int,
        target_vocab_size: int,
        d_model: int,
        d_hidden: int,
        num_heads: int,
        num_layers: int,
        dropout: float = 0.0,
        max_length: int = 1000,
    ):
        super().__init__()
        sizes = {"d_model": d_model, "d_hidden": d_hidden, "num_heads": num_heads}
        sizes |= {"num_layers": num_layers, "dropout": dropout, "max_length": max_length}
        self.max_length = max_length
        self.encoder = self.encoder_class(vocab_size=source_vocab_size, **sizes)
        self.decoder = self.decoder_class(vocab_size=target_vocab_size, **sizes)

    def forward(self, source, mask, target, need_weights=False):
        memory, own = self.encoder(source, mask, need_weights)
        logits, weights = self.decoder(target, memory, mask, need_weights)
        return logits, Weights(own, *weights) if need_weights else None

    def encode(self, source: Tensor, mask: Tensor) -> State:
        return self.decoder.first_state(self.encoder(source, mask)[0], mask)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """tokens (batch,) -> logits (batch, vocab) of the next token, and the state after"""
        logits, (_, cross), state = self.decoder.advance(tokens.unsqueeze(1), state, True)
        return logits[:, 0], state._replace(weights=cross[:, :, :, 0])


class PreNormTransformer(Transformer):
    """The same with the norms at the entries: it trains without warm-up, and deeper."""

    encoder_class, decoder_class = PreNormEncoder, PreNormDecoder


def initialise(model: nn.Module) -> None:
    """Glorot's uniform weights, biases of zero, and embeddings of norm 1 on average."""
    for name, weights in model.named_parameters():
        if "embedding" in name:
            nn.init.normal_(weights, std=weights.shape[1] ** -0.5)
        elif weights.ndim > 1:
            nn.init.xavier_uniform_(weights)
        elif name.endswith("bias"):
            nn.init.zeros_(weights)
