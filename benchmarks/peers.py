"""Others' Transformers and BERTs of our size, called as ours are, so that one loss trains all.

d2l 1.0.3 ships the encoder and the parts; its book builds the decoder from them in the text, and so
does this file: its cache holds each position's inputs, which every call projects anew.  As in ours,
both embeddings and the output share their weights.  The dropout of attention weights and inside the
feed-forward network, which nn.Transformer has and ours has not, is turned off.
"""

import math

import torch
from torch import nn

from d2lmini import bert
from d2lmini.attention import PositionalEncoding, causal_mask
from d2lmini.translate import BOS


class Torch(nn.Module):
    """nn.Transformer between our embedding, positions and tied output layer; in and out as ours."""

    def __init__(self, *, vocab_size, d_model, d_hidden, num_heads, num_layers, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)
        self.positions = PositionalEncoding(d_model=d_model, dropout=dropout)
        sizes = (d_model, num_heads, num_layers, num_layers, d_hidden, dropout)
        self.transformer = nn.Transformer(*sizes, batch_first=True, norm_first=True)
        for part in self.transformer.modules():
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
            elif isinstance(part, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                part.dropout.p = 0.0

    def embed(self, tokens):
        return self.positions(self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim))

    def forward(self, source, mask, target):
        hidden = ~mask[:, 0]  # torch's True means: hidden
        out = self.transformer(
            self.embed(source),
            self.embed(target),
            tgt_mask=~causal_mask(target.shape[1]),
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        return out @ self.embedding.weight.T, None


class D2L(nn.Module):
    """d2l's encoder, and a decoder of d2l's parts; valid lengths (batch,) in place of our mask."""

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

    def decode(self, target, memory, lengths, cache):
        x = self.positions(self.embedding(target) * math.sqrt(self.embedding.embedding_dim))
        allowed = None  # how many keys each position may see
        if self.training:
            allowed = torch.arange(1, target.shape[1] + 1).repeat(len(target), 1)
        for i, block in enumerate(self.blocks):
            cache[i] = x if cache[i] is None else torch.cat([cache[i], x], dim=1)
            x = block["add_norm1"](x, block["own"](x, cache[i], cache[i], allowed))
            x = block["add_norm2"](x, block["cross"](x, memory, memory, lengths))
            x = block["add_norm3"](x, block["ffn"](x))
        return x @ self.embedding.weight.T

    def forward(self, source, lengths, target):
        memory = self.encoder(source, lengths)
        return self.decode(target, memory, lengths, [None] * len(self.blocks)), None

    @torch.no_grad()
    def greedy(self, source, lengths, num_steps):
        """The book's loop: num_steps tokens, one sentence at a time or a batch."""
        memory, cache = self.encoder(source, lengths), [None] * len(self.blocks)
        tokens = [torch.full((len(source), 1), BOS)]
        for _ in range(num_steps):
            logits = self.decode(tokens[-1], memory, lengths, cache)
            tokens.append(logits.argmax(dim=2))
        return torch.cat(tokens[1:], dim=1)


class TransformersBERT(nn.Module):
    """transformers' BertForPreTraining; in and out as our BERTModel.

    masked_alone: its heads get the masked positions alone, and not all of which these are picked.
    """

    def __init__(self, *, masked_alone=False, **sizes):
        super().__init__()
        from transformers import BertConfig, BertForPreTraining

        theirs = {bert.SIZES[name]: value for name, value in sizes.items()}
        config = BertConfig(**theirs, attention_probs_dropout_prob=sizes["dropout"])
        self.model, self.masked_alone = BertForPreTraining(config), masked_alone

    def forward(self, tokens, segments, mask, positions):
        rows = torch.arange(len(tokens)).unsqueeze(1)
        if self.masked_alone:
            x, pooled = self.model.bert(tokens, mask[:, 0], segments, return_dict=False)
            return *self.model.cls(x[rows, positions], pooled), None
        words, pairs = self.model(tokens, mask[:, 0], segments, return_dict=False)
        return words[rows, positions], pairs, None


class D2LBERT(nn.Module):
    """d2l's BERTModel; valid lengths (batch,) in place of our mask."""

    def __init__(
        self, *, vocab_size, d_model, d_hidden, num_heads, num_layers, dropout, max_length
    ):
        super().__init__()
        from d2l import torch as d2l

        sizes = (d_model, d_hidden, num_heads, num_layers, dropout)
        self.model = d2l.BERTModel(vocab_size, *sizes, max_len=max_length)
        one = torch.zeros(1, 1, dtype=int)
        self(one, one, torch.ones(1), one)  # gives the lazy layers their shapes

    def forward(self, tokens, segments, lengths, positions):
        _, words, pairs = self.model(tokens, segments, lengths, positions)
        return words, pairs, None
