"""One label for a whole text: an encoder's vectors, pooled into one, and a linear layer.

A pooling takes x (batch, positions, d_model) and mask (batch, 1, positions), True at real
positions, or None where all are real.  It gives the pooled vector (batch, d_model times `vectors`),
and shares (batch, positions): how much of it each position gave.  Padding gives nothing; a text
without a real position is a vector of zeros.
"""

import torch
from torch import Tensor, nn

from d2lmini.attention import DotProductAttention, masked_softmax
from d2lmini.transformer import TransformerEncoder


class MeanPooling(nn.Module):
    """The mean of the real vectors: attention whose scores are all equal."""

    vectors = 1

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shares = masked_softmax(x.new_zeros(len(x), 1, x.shape[1]), mask)  # (batch, 1, positions)
        return (shares @ x).squeeze(1), shares.squeeze(1)


class MaxPooling(nn.Module):
    """The largest real number of each feature; a share is that of the features a position won."""

    vectors = 1

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        real = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask.squeeze(1)
        lowest = torch.finfo(x.dtype).min
        largest, places = x.masked_fill(~real.unsqueeze(-1), lowest).max(dim=1)  # (batch, d_model)
        won = x.new_full(largest.shape, 1 / x.shape[2])
        shares = x.new_zeros(x.shape[:2]).scatter_add(1, places, won) * real
        return largest.masked_fill(~real.any(dim=1, keepdim=True), 0.0), shares


class ClsPooling(nn.Module):
    """The vector at the first position, where a [CLS] stands: training must teach it to gather."""

    vectors = 1

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        real = x.new_ones(x.shape[:2]) if mask is None else mask.squeeze(1).to(x.dtype)
        shares = real * (torch.arange(x.shape[1], device=x.device) == 0)
        return x[:, 0] * real[:, :1], shares


class AttentionPooling(nn.Module):
    """Attention with one query that is learned; it begins at zero, as the mean."""

    vectors = 1

    def __init__(self, *, d_model: int):
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, d_model))
        self.attention = DotProductAttention()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pooled, shares = self.attention(self.query.expand(len(x), 1, -1), x, x, mask)
        return pooled.squeeze(1), shares.squeeze(1)


class MeanMaxPooling(nn.Module):
    """Mean and maximum side by side; a share is the mean of both."""

    vectors = 2

    def __init__(self):
        super().__init__()
        self.poolings = nn.ModuleList([MeanPooling(), MaxPooling()])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pooled, shares = zip(*(pooling(x, mask) for pooling in self.poolings), strict=True)
        return torch.cat(pooled, dim=-1), sum(shares) / 2


class TextClassifier(nn.Module):
    """An encoder, a pooling, and one layer that says which class the text has.

    tokens (batch, positions), mask (batch, 1, positions) -> logits (batch, num_classes), and the
    shares of the pooling (batch, positions)
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        pooling: nn.Module,
        *,
        num_classes: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.dropout = nn.Dropout(dropout)
        width = pooling.vectors * encoder.embedding.embedding_dim
        self.output = nn.Linear(width, num_classes)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, _ = self.encoder(tokens, mask)
        pooled, shares = self.pooling(x, mask)
        return self.output(self.dropout(pooled)), shares
