"""Others' Transformers of our size, behind one face: loss(batch), to be trained side by side.

d2l 1.0.3 ships the encoder and the parts; its book builds the decoder from them in the text, and so
does this file: each position's inputs are kept for the next call and projected anew.  As in ours,
one table of weights serves both embeddings and the output.  nn.Transformer drops attention weights
and the inner layer of its position-wise network by itself; that is turned off, as ours has neither.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from d2lmini.attention import PositionalEncoding, causal_mask
from d2lmini.translate import BOS, PAD
from recipes._multi30k import loss_of


class Ours(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def loss(self, batch):
        return loss_of(self.model, batch)


class Torch(nn.Module):
    """nn.Transformer between our embedding, positions and tied output layer."""

    def __init__(self, *, vocab_size, d_model, d_hidden, num_heads, num_layers, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        self.positions = PositionalEncoding(d_model=d_model, dropout=dropout)
        self.transformer = nn.Transformer(
            d_model,
            num_heads,
            num_layers,
            num_layers,
            d_hidden,
            dropout,
            batch_first=True,
            norm_first=True,
        )
        for part in self.transformer.modules():
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
            elif isinstance(part, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                part.dropout.p = 0.0

    def embed(self, tokens):
        return self.positions(self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim))

    def loss(self, batch):
        source, mask, target = batch
        hidden = ~mask[:, 0]  # torch's True means: hidden
        out = self.transformer(
            self.embed(source),
            self.embed(target[:, :-1]),
            tgt_mask=~causal_mask(target.shape[1] - 1),
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        logits = out @ self.embedding.weight.T
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PAD)


class D2L(nn.Module):
    """d2l's encoder, and a decoder of d2l's parts."""

    def __init__(self, *, vocab_size, d_model, d_hidden, num_heads, num_layers, dropout):
        super().__init__()
        from d2l import torch as d2l

        sizes = (d_model, d_hidden, num_heads, num_layers, dropout)
        self.encoder = d2l.TransformerEncoder(vocab_size, *sizes)
        self.embedding = self.encoder.embedding
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        self.positions = d2l.PositionalEncoding(d_model, dropout)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "own": d2l.MultiHeadAttention(d_model, num_heads, dropout),
                    "add_norm1": d2l.AddNorm(d_model, dropout),
                    "cross": d2l.MultiHeadAttention(d_model, num_heads, dropout),
                    "add_norm2": d2l.AddNorm(d_model, dropout),
                    "ffn": d2l.PositionWiseFFN(d_hidden, d_model),
                    "add_norm3": d2l.AddNorm(d_model, dropout),
                }
            )
            for _ in range(num_layers)
        )

    def decode(self, target, memory, lengths, kept):
        x = self.positions(self.embedding(target) * math.sqrt(self.embedding.embedding_dim))
        allowed = None  # how many keys each position may see
        if self.training:
            allowed = torch.arange(1, target.shape[1] + 1).repeat(len(target), 1)
        for i, block in enumerate(self.blocks):
            kept[i] = x if kept[i] is None else torch.cat([kept[i], x], dim=1)
            x = block["add_norm1"](x, block["own"](x, kept[i], kept[i], allowed))
            x = block["add_norm2"](x, block["cross"](x, memory, memory, lengths))
            x = block["add_norm3"](x, block["ffn"](x))
        return x @ self.embedding.weight.T

    def loss(self, batch):
        source, lengths, target = batch
        memory = self.encoder(source, lengths)
        logits = self.decode(target[:, :-1], memory, lengths, [None] * len(self.blocks))
        losses = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), reduction="none")
        real = target[:, 1:].flatten() != PAD
        return (losses * real).sum() / real.sum()

    @torch.no_grad()
    def write(self, source, lengths, num_steps):
        """The book's loop: num_steps words, one sentence at a time or a batch."""
        memory, kept = self.encoder(source, lengths), [None] * len(self.blocks)
        words = [torch.full((len(source), 1), BOS)]
        for _ in range(num_steps):
            logits = self.decode(words[-1], memory, lengths, kept)
            words.append(logits.argmax(dim=2))
        return torch.cat(words[1:], dim=1)
