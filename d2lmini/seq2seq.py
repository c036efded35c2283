"""Recurrent encoder and decoder, with and without attention.

Papers: Cho et al. 2014, https://arxiv.org/abs/1406.1078 (encoder and decoder);
Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473 (attention, section 3).

Tokens are ids (batch, length), padded at the end; `mask` (batch, 1, keys) is True at real tokens.
Every model offers encode(source, mask) -> state and step(tokens, state) -> (logits, state).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from d2lmini.attention import AdditiveAttention


class State(NamedTuple):
    """The state of a decoder between two steps."""

    hidden: Tensor  # (batch, d_hidden): the GRU's
    memory: Tensor  # (batch, keys, d_memory): the encoder's output
    projected: Tensor | None  # (batch, keys, d_hidden): W_k of the memory, for attention
    mask: Tensor  # (batch, 1, keys), bool
    weights: Tensor | None = None  # (batch, keys): the attention weights of the last step

    def select(self, rows: Tensor) -> "State":
        """The states of these rows of the batch, in this order.  rows: indices (rows,)"""
        return State(*(None if part is None else part.index_select(0, rows) for part in self))


class Seq2SeqEncoder(nn.Module):
    """A bidirectional GRU over the source.

    source (batch, keys), mask (batch, 1, keys)
    -> outputs (batch, keys, 2 d_hidden), zeros at padding, and the last states (batch, 2 d_hidden)
    A source without any token gives zeros.
    """

    def __init__(self, *, vocab_size: int, d_embed: int, d_hidden: int, dropout: float = 0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(d_embed, d_hidden, batch_first=True, bidirectional=True)

    def forward(self, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        lengths = mask.sum(dim=-1).flatten()  # (batch,)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embedding(source)),
            lengths.clamp(min=1).cpu(),  # packing refuses length 0: read one token, then zero it
            batch_first=True,
            enforce_sorted=False,
        )
        outputs, last = self.gru(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(
            outputs, batch_first=True, total_length=source.shape[1]
        )
        not_empty = (lengths > 0).unsqueeze(1)  # (batch, 1)
        return outputs * not_empty.unsqueeze(2), last.transpose(0, 1).flatten(1) * not_empty


class Seq2SeqDecoder(nn.Module):
    """A GRU that predicts each next word; its context is one vector, the same at every step.

    Hidden state, context and the previous word's embedding are projected to d_embed; their products
    with the embeddings of all words are the logits (tied weights).
    d_memory: twice the d_hidden of the encoder.
    """

    def __init__(
        self, *, vocab_size: int, d_embed: int, d_hidden: int, d_memory: int, dropout: float = 0.0
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_embed)
        nn.init.normal_(self.embedding.weight, std=d_embed**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.start = nn.Linear(d_memory, d_hidden)
        self.cell = nn.GRUCell(d_embed + d_memory, d_hidden)
        self.mix = nn.Linear(d_hidden + d_memory + d_embed, d_embed)

    def first_state(self, outputs: Tensor, last: Tensor, mask: Tensor) -> State:
        """The state before the first word, from the encoder's output."""
        return State(torch.tanh(self.start(last)), last.unsqueeze(1), None, mask)

    def context(self, state: State) -> tuple[Tensor, Tensor | None]:
        """The context of the next step (batch, d_memory), and the attention weights or None."""
        return state.memory[:, 0], None

    def advance(self, embedded: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: the previous word's embedding (batch, d_embed) -> features (batch, ...)."""
        context, weights = self.context(state)
        hidden = self.cell(torch.cat([embedded, context], dim=-1), state.hidden)
        features = torch.cat([hidden, context, embedded], dim=-1)
        return features, state._replace(hidden=hidden, weights=weights)

    def logits(self, features: Tensor) -> Tensor:
        """(..., features) -> (..., vocab)"""
        mixed = self.dropout(torch.tanh(self.mix(features)))
        return mixed @ self.embedding.weight.T

    def forward(self, target: Tensor, state: State) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: each step gets the true previous word, whatever the model predicted."""
        features, weights = [], []
        for embedded in self.dropout(self.embedding(target)).unbind(dim=1):
            step, state = self.advance(embedded, state)
            features.append(step)
            weights.append(state.weights)
        weights = None if state.weights is None else torch.stack(weights, dim=1)
        return self.logits(torch.stack(features, dim=1)), weights


class Seq2SeqAttentionDecoder(Seq2SeqDecoder):
    """The same with Bahdanau's attention: hidden state as query, memory as keys and values."""

    def __init__(
        self, *, vocab_size: int, d_embed: int, d_hidden: int, d_memory: int, dropout: float = 0.0
    ):
        super().__init__(
            vocab_size=vocab_size,
            d_embed=d_embed,
            d_hidden=d_hidden,
            d_memory=d_memory,
            dropout=dropout,
        )
        self.attention = AdditiveAttention(d_query=d_hidden, d_key=d_memory, d_hidden=d_hidden)

    def first_state(self, outputs, last, mask):
        projected = self.attention.W_k(outputs)  # once, not at every step
        return State(torch.tanh(self.start(last)), outputs, projected, mask)

    def context(self, state):
        query = state.hidden.unsqueeze(1)  # (batch, 1, d_hidden)
        context, weights = self.attention.attend(query, state.projected, state.memory, state.mask)
        return context.squeeze(1), weights.squeeze(1)


class Seq2Seq(nn.Module):
    """An encoder and a decoder, with or without attention.

    source (batch, keys), mask (batch, 1, keys), target (batch, length), which begins with <bos>
    -> logits (batch, length, vocab) for the word after each, and weights (batch, length, keys) or
    None without attention
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, source: Tensor, mask: Tensor) -> State:
        return self.decoder.first_state(*self.encoder(source, mask), mask)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """tokens (batch,) -> logits (batch, vocab) for the next word, and the state after it"""
        embedded = self.decoder.dropout(self.decoder.embedding(tokens))
        features, state = self.decoder.advance(embedded, state)
        return self.decoder.logits(features), state

    def forward(self, source: Tensor, mask: Tensor, target: Tensor):
        return self.decoder(target, self.encode(source, mask))
