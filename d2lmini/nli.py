"""Natural language inference without reading order: align the words of two texts, and compare.

Paper: Parikh et al. 2016, "A Decomposable Attention Model for Natural Language Inference",
https://arxiv.org/abs/1606.01933

tokens are ids (batch, length), padded at the end; a mask (batch, 1, length) is True at real tokens.
"""

import torch
from torch import Tensor, nn

from d2lmini.attention import masked_softmax


class DecomposableAttention(nn.Module):
    """Attend, compare, aggregate: which words of the other text belong to a word, do the two
    agree, and what do all comparisons add up to?

    premises (batch, m), hypotheses (batch, n), their masks (batch, 1, m) and (batch, 1, n), None
    where all tokens are real -> logits (batch, num_classes) and two weights: of each premise token
    over the hypothesis (batch, 1 + m, 1 + n), of each hypothesis token over the premise
    (batch, 1 + n, 1 + m).  Position 0 is NULL, a learned vector before each text, for words that
    have no counterpart; so an empty text is allowed.
    The order of words changes nothing, as long as each keeps its own text.
    Raises ValueError if shapes do not fit.  Source: section 3 of the paper, without 3.4; embeddings
    are learned from the start, not GloVe's.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        d_model: int,
        d_hidden: int,
        num_classes: int = 3,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.null = nn.Parameter(torch.zeros(d_model))
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)  # vectors of length about 1
        self.F = two_layers(d_model, d_hidden, d_hidden, dropout)
        self.G = two_layers(2 * d_model, d_hidden, d_hidden, dropout)
        self.H = nn.Sequential(
            two_layers(2 * d_hidden, d_hidden, d_hidden, dropout), nn.Linear(d_hidden, num_classes)
        )

    def forward(self, premises, hypotheses, premise_mask=None, hypothesis_mask=None):
        a, real_a = self.embed(premises, premise_mask)  # (batch, 1 + m, d_model)
        b, real_b = self.embed(hypotheses, hypothesis_mask)  # (batch, 1 + n, d_model)
        if len(a) != len(b):
            raise ValueError(f"{len(a)} premises do not fit {len(b)} hypotheses")
        scores = self.F(a) @ self.F(b).mT  # (batch, 1 + m, 1 + n)
        to_b = masked_softmax(scores, real_b)
        to_a = masked_softmax(scores.mT, real_a)  # (batch, 1 + n, 1 + m)
        v_a = self.G(torch.cat([a, to_b @ b], dim=-1))  # (batch, 1 + m, d_hidden)
        v_b = self.G(torch.cat([b, to_a @ a], dim=-1))  # (batch, 1 + n, d_hidden)
        sum_a = v_a.masked_fill(~real_a.mT, 0.0).sum(dim=1)  # padding adds nothing
        sum_b = v_b.masked_fill(~real_b.mT, 0.0).sum(dim=1)
        return self.H(torch.cat([sum_a, sum_b], dim=-1)), (to_b, to_a)

    def embed(self, tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """NULL and the tokens' vectors (batch, 1 + length, d_model); which are real (batch, 1, ...)

        Raises TypeError if mask is not bool, ValueError with both shapes if it does not fit.
        """
        if tokens.ndim != 2:
            raise ValueError(f"tokens must be (batch, length), got {tuple(tokens.shape)}")
        batch_size, length = tokens.shape
        if mask is None:
            mask = torch.ones(batch_size, 1, length, dtype=torch.bool, device=tokens.device)
        if mask.dtype != torch.bool:
            raise TypeError(f"mask must be bool with True = a real token, got {mask.dtype}")
        if mask.shape != (batch_size, 1, length):
            raise ValueError(
                f"mask {tuple(mask.shape)} does not fit tokens {tuple(tokens.shape)}: "
                "give (batch, 1, length)"
            )
        null = self.null.expand(batch_size, 1, -1)
        x = torch.cat([null, self.embedding(tokens)], dim=1)
        return x, nn.functional.pad(mask, (1, 0), value=True)


def two_layers(d_in: int, d_hidden: int, d_out: int, dropout: float) -> nn.Sequential:
    """Dropout, a linear layer and ReLU, twice: (..., d_in) -> (..., d_out)"""
    layers = (nn.Dropout(dropout), nn.Linear(d_in, d_hidden), nn.ReLU())
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(d_hidden, d_out), nn.ReLU())
