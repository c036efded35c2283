"""Attention: which keys may each query look at, and how much does it take from each?

Papers: Bahdanau, Cho, Bengio 2015, https://arxiv.org/abs/1409.0473 (additive);
Vaswani et al. 2017, sections 3.2 and 3.5, https://arxiv.org/abs/1706.03762 (scaled dot product,
heads, sinusoids); Su et al. 2021, https://arxiv.org/abs/2104.09864 (rotary);
Press et al. 2022, https://arxiv.org/abs/2108.12409 (ALiBi)

Masks, everywhere in d2lmini: bool, True = may attend, with axes (queries, keys) or
(batch, queries or 1, keys).  F.scaled_dot_product_attention agrees; nn.MultiheadAttention means
the opposite: pass it ~mask.  A query that may attend to nothing gets zeros, never NaN.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# --- masks -------------------------------------------------------------------------------------


def causal_mask(length: int, *, device=None) -> Tensor:
    """Each position may attend to itself and to those before it.  -> (length, length), bool"""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_mask(lengths: Tensor, max_length: int) -> Tensor:
    """The first lengths[b] keys of sequence b are real.  (batch,) -> bool (batch, 1, max_length)

    Raises TypeError if lengths are not whole numbers, ValueError if they are not one axis of
    numbers from 0 to max_length.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must be whole numbers, got {lengths.dtype}")
    if lengths.ndim != 1:
        raise ValueError(f"lengths must be (batch,), got {tuple(lengths.shape)}")
    if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= max_length:
        raise ValueError(
            f"lengths must lie in 0..{max_length}, got {lengths.min()} to {lengths.max()}"
        )
    return (torch.arange(max_length, device=lengths.device) < lengths[:, None]).unsqueeze(1)


def check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless mask is bool and fits scores of this shape, (..., queries, keys).

    It may be (queries, keys), or have the axes of the scores, with 1 where all heads or all
    queries share it.  Nothing else: a mask (batch, keys) would broadcast over the wrong axis.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask must be a bool tensor with True = may attend, got {found}")
    if torch.jit.is_tracing():
        return  # sizes are tensors there
    same_axes = mask.ndim == len(shape) > 2 and all(
        size == wanted or (size == 1 and 0 < axis < len(shape) - 1)
        for axis, (size, wanted) in enumerate(zip(mask.shape, shape, strict=True))
    )
    if not same_axes and tuple(mask.shape) not in (tuple(shape), tuple(shape[-2:])):
        raise ValueError(
            f"mask {tuple(mask.shape)} does not fit scores {tuple(shape)}: "
            "give (queries, keys) or (batch, queries or 1, keys)"
        )


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the last axis; a row with no key to attend to becomes all zeros, never NaN.

    scores: (..., queries, keys), left unchanged.  mask: bool, True = may attend, (queries, keys)
    or with the axes of the scores, 1 where queries or heads share it.
    Raises TypeError if mask is not bool, because 0/1 and 0/-inf masks are easy to confuse, and
    ValueError with both shapes if it does not fit.
    """
    if not scores.is_floating_point():
        raise TypeError(f"scores must be floating point, got {scores.dtype}")
    if mask is None:
        return scores.softmax(dim=-1)
    check_mask(mask, scores.shape)
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(dim=-1).masked_fill(~mask, 0.0)


# --- scoring functions -------------------------------------------------------------------------


def check_batch(queries: Tensor, keys: Tensor, values: Tensor) -> None:
    """Raise ValueError unless there are three axes each, one batch size, one value per key."""
    if torch.jit.is_tracing():
        return
    q, k, v = shapes = [tuple(x.shape) for x in (queries, keys, values)]
    if not len(q) == len(k) == len(v) == 3 or not q[0] == k[0] == v[0] or k[1] != v[1]:
        raise ValueError(
            "queries (batch, queries, width), keys (batch, keys, width) and values "
            "(batch, keys, width) are wanted, got {}, {} and {}".format(*shapes)
        )


class AdditiveAttention(nn.Module):
    """Score a query and a key by a small network: w_v . tanh(W_q q + W_k k).

    queries (batch, queries, d_query), keys (batch, keys, d_key), values (batch, keys, d_value)
    -> output (batch, queries, d_value), weights (batch, queries, keys) before dropout
    Source: Bahdanau et al. 2015, appendix A.1.2; no biases.
    """

    def __init__(self, *, d_query: int, d_key: int, d_hidden: int, dropout: float = 0.0):
        super().__init__()
        self.W_q = nn.Linear(d_query, d_hidden, bias=False)
        self.W_k = nn.Linear(d_key, d_hidden, bias=False)
        self.w_v = nn.Linear(d_hidden, 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries, keys, values, mask=None):
        check_batch(queries, keys, values)
        return self.attend(queries, self.W_k(keys), values, mask)

    def attend(self, queries, projected, values, mask=None):
        """The same for projected = W_k(keys), computed once for all steps of a decoder."""
        q = self.W_q(queries).unsqueeze(2)  # (batch, queries, 1, d_hidden)
        k = projected.unsqueeze(1)  # (batch, 1, keys, d_hidden)
        scores = self.w_v(torch.tanh(q + k)).squeeze(-1)  # (batch, queries, keys)
        weights = masked_softmax(scores, mask)
        return self.dropout(weights) @ values, weights


class DotProductAttention(nn.Module):
    """Score a query and a key of one width d by q . k / sqrt(d); there is nothing to learn.

    queries (batch, queries, d), keys (batch, keys, d), values (batch, keys, d_value)
    -> output (batch, queries, d_value), weights (batch, queries, keys) before dropout
    Source: Vaswani et al. 2017, section 3.2.1.
    """

    def __init__(self, *, dropout: float = 0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries, keys, values, mask=None):
        check_batch(queries, keys, values)
        d = queries.shape[-1]
        if keys.shape[-1] != d:
            raise ValueError(
                "queries and keys must share their width, "
                f"got {tuple(queries.shape)} and {tuple(keys.shape)}"
            )
        scores = queries @ keys.mT / math.sqrt(d)  # (batch, queries, keys)
        weights = masked_softmax(scores, mask)
        return self.dropout(weights) @ values, weights


class MultiHeadAttention(nn.Module):
    """Attend `num_heads` times in parallel, each in its own d_head = d_model / num_heads subspace.

    queries (batch, queries, d_model); keys, values (batch, keys, d_model)
    mask: (queries, keys), (batch, queries or 1, keys) or (batch, heads or 1, queries or 1, keys)
    -> output (batch, queries, d_model), weights (batch, heads, queries, keys) before dropout;
    weights are None with need_weights=False, which takes torch's fused, leaner path.
    Raises ValueError if num_heads does not divide d_model or shapes do not fit.
    Source: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, *, d_model: int, num_heads: int, dropout: float = 0.0, bias: bool = False):
        super().__init__()
        if num_heads < 1 or d_model % num_heads:
            raise ValueError(f"num_heads={num_heads} must divide d_model={d_model}")
        self.num_heads, self.d_head = num_heads, d_model // num_heads
        self.W_q = nn.Linear(d_model, d_model, bias=bias)
        self.W_k = nn.Linear(d_model, d_model, bias=bias)
        self.W_v = nn.Linear(d_model, d_model, bias=bias)
        self.W_o = nn.Linear(d_model, d_model, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries, keys, values, mask=None, need_weights=True):
        check_batch(queries, keys, values)
        return self.attend(queries, *self.project(keys, values), mask, need_weights)

    def project(self, keys, values):
        """The keys and values of all heads, each (batch, heads, keys, d_head)."""
        return self.split_heads(self.W_k(keys)), self.split_heads(self.W_v(values))

    def attend(self, queries, k, v, mask=None, need_weights=True):
        """The same for k, v = project(keys, values), computed once for all steps of a decoder."""
        q = self.split_heads(self.W_q(queries))  # (batch, heads, queries, d_head)
        mask = self.with_head_axis(mask, q, k)
        if need_weights:
            scores = q @ k.mT / math.sqrt(self.d_head)  # (batch, heads, queries, keys)
            weights = masked_softmax(scores, mask)
            heads = self.dropout(weights) @ v  # (batch, heads, queries, d_head)
        else:
            weights, heads = None, self.fused(q, k, v, mask)
        return self.W_o(heads.transpose(1, 2).flatten(2)), weights

    def split_heads(self, x):
        """(batch, positions, d_model) -> (batch, heads, positions, d_head)"""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def with_head_axis(self, mask, q, k):
        """Check the sizes of q, k and mask, and give mask the head axis."""
        if not torch.jit.is_tracing() and q.shape[0] != k.shape[0]:
            raise ValueError(f"{len(q)} sequences of queries, but {len(k)} of keys and values")
        batch, heads, queries, keys = *q.shape[:3], k.shape[2]
        if isinstance(mask, Tensor) and mask.ndim == 3:
            check_mask(mask, (batch, queries, keys))
            return mask.unsqueeze(1)
        if mask is not None:
            check_mask(mask, (batch, heads, queries, keys))
        return mask

    def fused(self, q, k, v, mask):
        """The same heads without storing the weights: torch gives NaN for an empty row, so open it
        before the call and zero its output after."""
        dropout = self.dropout.p if self.training else 0.0
        empty = None if mask is None else ~mask.any(dim=-1, keepdim=True)  # (..., queries or 1, 1)
        traced = torch.jit.is_tracing() or torch.compiler.is_compiling()  # for every mask
        if empty is None or not (traced or empty.any()):
            return F.scaled_dot_product_attention(q, k, v, mask, dropout)
        heads = F.scaled_dot_product_attention(q, k, v, mask | empty, dropout)
        return heads.masked_fill(empty, 0.0)


# --- positions ---------------------------------------------------------------------------------


def angles(length: int, d: int, *, start: int = 0, device=None) -> Tensor:
    """Position times frequency, p / 10000^(2j/d), for p from start.  -> (length, d / 2), float64

    Wavelengths run from 2 pi to almost 10000 times 2 pi positions.  ValueError if d is odd.
    """
    if d % 2:
        raise ValueError(f"positions come in pairs of a sine and a cosine: d={d} must be even")
    positions = torch.arange(start, start + length, dtype=torch.float64, device=device)
    frequencies = 10000 ** (-torch.arange(0, d, 2, dtype=torch.float64, device=device) / d)
    return positions.unsqueeze(1) * frequencies


class PositionalEncoding(nn.Module):
    """Add to each position p a vector of its own, sin and cos of p / 10000^(2j/d_model).

    x (batch, positions, d_model) -> the same shape, after dropout
    start: the position of the first, for a decoder that is given one token at a time.
    Raises ValueError if d_model is odd, or for a position beyond max_length.
    Source: Vaswani et al. 2017, section 3.5.
    """

    def __init__(self, *, d_model: int, max_length: int = 1000, dropout: float = 0.0):
        super().__init__()
        angle = angles(max_length, d_model)
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # sin, cos, sin, ...
        self.register_buffer("P", table.to(torch.get_default_dtype()), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        end = start + x.shape[1]
        if end > len(self.P):
            raise ValueError(f"positions up to {end - 1}, but max_length={len(self.P)}")
        return self.dropout(x + self.P[start:end])


class LearnedPositions(PositionalEncoding):
    """A learned table instead of sinusoids; it knows no position beyond max_length."""

    def __init__(self, *, d_model: int, max_length: int = 1000, dropout: float = 0.0):
        nn.Module.__init__(self)
        self.P = nn.Parameter(torch.randn(max_length, d_model) * d_model**-0.5)
        self.dropout = nn.Dropout(dropout)


def rotate(x: Tensor, start: int = 0) -> Tensor:
    """Rotary positions: turn each pair (2j, 2j+1) of queries or keys by p / 10000^(2j/d).

    x: (..., positions, d), the first at position start.  The product of a turned query and a turned
    key depends on how far they are apart, not on where they are.  Source: Su et al. 2021.
    """
    angle = angles(x.shape[-2], x.shape[-1], start=start, device=x.device)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)  # rounded last
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def alibi_bias(num_heads: int, num_queries: int, num_keys: int | None = None) -> Tensor:
    """What ALiBi adds to the scores: minus slope times distance.  -> (heads, queries, keys)

    Head h = 1, 2, ... has slope 2^(-8 h / num_heads).  The last query stands at the last key.
    Source: Press et al. 2022, section 3, for num_heads a power of two.
    """
    num_keys = num_queries if num_keys is None else num_keys
    slopes = 2.0 ** (-8 / num_heads * torch.arange(1, num_heads + 1))
    queries = torch.arange(num_keys - num_queries, num_keys).unsqueeze(1)
    distance = (queries - torch.arange(num_keys)).abs()
    return -slopes[:, None, None] * distance
