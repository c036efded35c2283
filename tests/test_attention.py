import math
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.export import Dim, export

from d2lmini.attention import (
    AdditiveAttention,
    DotProductAttention,
    LearnedPositions,
    MultiHeadAttention,
    PositionalEncoding,
    alibi_bias,
    angles,
    causal_mask,
    masked_softmax,
    padding_mask,
    rotate,
)

examples = settings(derandomize=True, deadline=None, max_examples=50)
sizes = st.integers(1, 4)
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def random_mask(shape, seed, *, open_share=0.6):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator) < open_share


def naive_softmax(scores, mask):
    """One row at a time, over the allowed keys alone: slow enough to be obviously right."""
    weights = torch.zeros_like(scores)
    for i in range(len(scores)):
        allowed = [j for j in range(scores.shape[1]) if mask[i, j]]
        exps = [math.exp(scores[i, j]) for j in allowed]
        for j, e in zip(allowed, exps, strict=True):
            weights[i, j] = e / sum(exps)
    return weights


def naive_attention(q, k, v, mask, score):
    """One batch entry, one head, loops: (queries, d), (keys, d), (keys, d_value)."""
    scores = torch.tensor([[float(score(query, key)) for key in k] for query in q])
    weights = naive_softmax(scores.to(v.dtype), mask)
    output = torch.zeros(len(q), v.shape[1], dtype=v.dtype)
    for i in range(len(q)):
        for j in range(len(k)):
            output[i] += weights[i, j] * v[j]
    return output, weights


def mask_shapes(batch, heads, queries, keys):
    """Every shape that MultiHeadAttention takes."""
    return [
        (queries, keys),
        (batch, queries, keys),
        (batch, 1, keys),
        *[(batch, h, q, keys) for h in (1, heads) for q in (1, queries)],
    ]


# --- masks and softmax ---


def test_masks_by_hand():
    assert causal_mask(3).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert padding_mask(torch.tensor([2, 0, 4]), 4).tolist() == [
        [[True, True, False, False]],
        [[False] * 4],
        [[True] * 4],
    ]


@pytest.mark.parametrize(
    ("lengths", "error"),
    [
        ([2.0, 3.0], TypeError),
        ([True, False], TypeError),
        ([5], ValueError),
        ([-1], ValueError),
        ([[1, 2]], ValueError),
    ],
)
def test_lengths_that_make_no_sense_are_named(lengths, error):
    with pytest.raises(error, match="lengths must"):
        padding_mask(torch.tensor(lengths), 4)


@examples
@given(sizes, sizes, st.integers(0, 999), st.floats(0, 1))
def test_masked_softmax_agrees_with_loops(queries, keys, seed, open_share):
    torch.manual_seed(seed)
    scores = torch.randn(queries, keys, dtype=torch.float64) * 5
    mask = random_mask((queries, keys), seed, open_share=open_share)
    torch.testing.assert_close(masked_softmax(scores, mask), naive_softmax(scores, mask))


def test_masked_softmax_leaves_its_argument_alone():
    scores = torch.randn(2, 3, 4)
    before = scores.clone()
    masked_softmax(scores, padding_mask(torch.tensor([1, 0]), 4))
    assert torch.equal(scores, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_empty_row_is_zero_forward_and_backward(dtype):
    scores = torch.randn(2, 3, dtype=dtype).mul(100).requires_grad_()
    mask = torch.tensor([[True, False, True], [False, False, False]])
    weights = masked_softmax(scores, mask)
    assert weights.dtype == dtype
    assert weights[1].tolist() == [0, 0, 0]
    assert weights[0, 1] == 0 and weights[0].sum().item() == pytest.approx(1, abs=0.01)
    (weights * torch.tensor([1, 2, 3], dtype=dtype)).sum().backward()
    assert scores.grad.isfinite().all() and scores.grad[1].tolist() == [0, 0, 0]


def test_scores_as_large_as_float16_holds_do_not_overflow():
    scores = torch.tensor([[60000.0, -60000.0, 59000.0]], dtype=torch.float16)
    mask = torch.tensor([[False, True, True]])
    assert masked_softmax(scores, mask).tolist() == [[0, 0, 1]]


def test_noncontiguous_scores_work():
    scores = torch.randn(4, 2).T
    torch.testing.assert_close(masked_softmax(scores), masked_softmax(scores.contiguous()))


@pytest.mark.parametrize(
    "mask", [torch.ones(2, 2), torch.ones(2, 2, dtype=torch.int64), [[True, True]] * 2]
)
def test_a_mask_that_is_not_bool_is_refused(mask):
    with pytest.raises(TypeError, match="bool"):
        masked_softmax(torch.randn(2, 2), mask)


def test_scores_that_are_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"floating point, got torch\.int64"):
        masked_softmax(torch.tensor([[1, 2]]))


@pytest.mark.parametrize(
    ("scores", "mask"),
    [
        ((2, 3, 4), (2, 4)),  # (batch, keys) would broadcast over the queries
        ((3, 3, 4), (3, 3)),
        ((2, 3, 4), (1, 3, 4)),
        ((2, 3, 4), (2, 3, 1)),
        ((2, 2, 3, 4), (2, 3, 4)),  # batch or heads? ambiguous where they are equal
        ((2, 3, 4), (2, 1, 3, 4)),
        ((3, 4), (1, 4)),
        ((2, 3, 4), (4,)),
    ],
)
def test_a_mask_of_another_shape_is_refused_with_both_shapes(scores, mask):
    with pytest.raises(ValueError) as error:
        masked_softmax(torch.randn(scores), torch.ones(mask, dtype=torch.bool))
    assert str(scores) in str(error.value) and str(mask) in str(error.value)


# --- one head ---


@examples
@given(sizes, sizes, sizes, sizes, st.integers(0, 999))
def test_dot_product_agrees_with_loops_and_torch(batch, queries, keys, d, seed):
    torch.manual_seed(seed)
    q = torch.randn(batch, queries, d, dtype=torch.float64, requires_grad=True)
    k = torch.randn(batch, keys, d, dtype=torch.float64, requires_grad=True)
    v = torch.randn(batch, keys, 3, dtype=torch.float64, requires_grad=True)
    mask = random_mask((batch, queries, keys), seed)
    output, weights = DotProductAttention()(q, k, v, mask)
    for b in range(batch):
        naive = naive_attention(q[b], k[b], v[b], mask[b], lambda x, y: x @ y / d**0.5)
        torch.testing.assert_close((output[b], weights[b]), naive)

    full = mask | ~mask.any(-1, keepdim=True)  # torch gives NaN where a row is empty
    ours = DotProductAttention()(q, k, v, full)[0]
    theirs = F.scaled_dot_product_attention(q, k, v, full)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(o.square().sum(), (q, k, v)) for o in (ours, theirs)]
    torch.testing.assert_close(*gradients)


@examples
@given(sizes, sizes, sizes, st.integers(0, 999))
def test_additive_agrees_with_loops(batch, queries, keys, seed):
    torch.manual_seed(seed)
    attention = AdditiveAttention(d_query=3, d_key=2, d_hidden=5).double()
    q = torch.randn(batch, queries, 3, dtype=torch.float64)
    k = torch.randn(batch, keys, 2, dtype=torch.float64)
    v = torch.randn(batch, keys, 4, dtype=torch.float64)
    mask = random_mask((batch, queries, keys), seed)
    W_q, W_k, w_v = (p.weight.detach() for p in (attention.W_q, attention.W_k, attention.w_v))
    output, weights = attention(q, k, v, mask)
    for b in range(batch):
        naive = naive_attention(
            q[b], k[b], v[b], mask[b], lambda x, y: w_v[0] @ torch.tanh(W_q @ x + W_k @ y)
        )
        torch.testing.assert_close((output[b], weights[b]), naive)


@pytest.mark.parametrize(
    "attention",
    [
        AdditiveAttention(d_query=20, d_key=2, d_hidden=8, dropout=0.1),
        DotProductAttention(dropout=0.5),
    ],
)
def test_equal_keys_give_the_mean_of_the_first_values(attention):
    """The check of the d2l book, section on scoring functions, which any weights must pass."""
    d_query = 20 if isinstance(attention, AdditiveAttention) else 2
    values = torch.arange(40.0).reshape(1, 10, 4).repeat(2, 1, 1)
    mask = padding_mask(torch.tensor([2, 6]), 10)
    output, _ = attention.eval()(torch.randn(2, 1, d_query), torch.ones(2, 10, 2), values, mask)
    torch.testing.assert_close(output, torch.tensor([[[2.0, 3, 4, 5]], [[10.0, 11, 12, 13]]]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("need_weights", [True, False])
def test_every_floating_type_goes_through(dtype, need_weights):
    x = torch.randn(2, 3, 8, dtype=dtype)
    mask = padding_mask(torch.tensor([2, 0]), 3)
    for attention in (DotProductAttention(), AdditiveAttention(d_query=8, d_key=8, d_hidden=4)):
        assert attention.to(dtype)(x, x, x, mask)[0].dtype == dtype
    heads = MultiHeadAttention(d_model=8, num_heads=2).to(dtype)
    output, _ = heads(x, x, x, mask, need_weights=need_weights)
    assert output.dtype == dtype and output.isfinite().all() and not output[1].any()


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((2, 3, 4), (2, 5, 6), (2, 5, 4)),  # widths
        ((2, 3, 4), (2, 5, 4), (2, 6, 4)),  # a value for each key
        ((2, 3, 4), (1, 5, 4), (1, 5, 4)),  # batch
        ((3, 4), (5, 4), (5, 4)),  # no batch axis
    ],
)
def test_shapes_that_do_not_fit_are_named(q, k, v):
    with pytest.raises(ValueError) as error:
        DotProductAttention()(torch.randn(q), torch.randn(k), torch.randn(v))
    assert str(q) in str(error.value) and str(k) in str(error.value)


def test_dropout_touches_the_output_and_not_the_weights_that_are_returned():
    torch.manual_seed(0)
    attention = DotProductAttention(dropout=0.5)
    q, k, v = torch.randn(1, 4, 8), torch.randn(1, 6, 8), torch.randn(1, 6, 3)
    output, weights = attention(q, k, v)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 4))
    assert not torch.allclose(output, weights @ v)
    output, weights = attention.eval()(q, k, v)
    torch.testing.assert_close(output, weights @ v)


# --- several heads ---


def with_copied_weights(d_model, num_heads, bias):
    """Our module and torch's, with the same weights, in double precision."""
    ours = MultiHeadAttention(d_model=d_model, num_heads=num_heads, bias=bias).double()
    theirs = nn.MultiheadAttention(d_model, num_heads, bias=bias, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.W_q.weight, ours.W_k.weight, ours.W_v.weight]))
        theirs.out_proj.weight.copy_(ours.W_o.weight)
        if bias:
            theirs.in_proj_bias.copy_(torch.cat([ours.W_q.bias, ours.W_k.bias, ours.W_v.bias]))
            theirs.out_proj.bias.copy_(ours.W_o.bias)
    return ours, theirs


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 3])  # 2 == num_heads: a mask on the wrong axis would pass
def test_multi_head_agrees_with_torch_for_every_mask(batch, bias, need_weights):
    torch.manual_seed(batch)
    heads, queries, keys, d_model = 2, 3, 4, 8
    ours, theirs = with_copied_weights(d_model, heads, bias)
    q = torch.randn(batch, queries, d_model, dtype=torch.float64, requires_grad=True)
    k = torch.randn(batch, keys, d_model, dtype=torch.float64, requires_grad=True)
    v = torch.randn(batch, keys, d_model, dtype=torch.float64, requires_grad=True)
    for seed, shape in enumerate(mask_shapes(batch, heads, queries, keys)):
        mask = random_mask(shape, seed)
        mask[..., 0] = True  # torch gives NaN for an empty row
        full = mask.unsqueeze(1) if mask.ndim == 3 else mask
        full = full.expand(batch, heads, queries, keys)
        output, weights = ours(q, k, v, mask, need_weights=need_weights)
        expected, expected_weights = theirs(
            q, k, v, attn_mask=~full.flatten(0, 1), average_attn_weights=False
        )
        torch.testing.assert_close(output, expected)
        if need_weights:
            torch.testing.assert_close(weights, expected_weights)
        else:
            assert weights is None
        ours_grad, theirs_grad = (
            torch.autograd.grad(o.square().sum(), (q, k, v)) for o in (output, expected)
        )
        torch.testing.assert_close(ours_grad, theirs_grad)


@examples
@given(st.integers(1, 3), sizes, sizes, st.integers(0, 6), st.integers(0, 999))
def test_both_paths_agree_even_where_rows_are_empty(batch, queries, keys, which, seed):
    torch.manual_seed(seed)
    attention = MultiHeadAttention(d_model=4, num_heads=2).double()
    mask = random_mask(mask_shapes(batch, 2, queries, keys)[which], seed, open_share=0.4)
    results = []
    for need_weights in (True, False):
        torch.manual_seed(seed)
        q, k, v = (
            torch.randn(batch, n, 4, dtype=torch.float64, requires_grad=True)
            for n in (queries, keys, keys)
        )
        output, _ = attention(q, k, v, mask, need_weights=need_weights)
        results.append((output, *torch.autograd.grad(output.square().sum(), (q, k, v))))
        assert all(t.isfinite().all() for t in results[-1])
    torch.testing.assert_close(*results)
    axes = mask.unsqueeze(1) if mask.ndim == 3 else mask
    nothing = ~axes.expand(batch, 2, queries, keys).any(-1).any(1)  # in no head
    assert not results[0][0][nothing].any()


def test_one_head_is_dot_product_attention_between_projections():
    torch.manual_seed(0)
    heads, x = MultiHeadAttention(d_model=6, num_heads=1), torch.randn(2, 5, 6)
    output, weights = heads(x, x, x, causal_mask(5))
    inner, same = DotProductAttention()(heads.W_q(x), heads.W_k(x), heads.W_v(x), causal_mask(5))
    torch.testing.assert_close((output, weights[:, 0]), (heads.W_o(inner), same))


@pytest.mark.parametrize("need_weights", [True, False])
def test_the_future_cannot_change_the_past(need_weights):
    attention, x = MultiHeadAttention(d_model=8, num_heads=2), torch.randn(1, 5, 8)
    y = torch.cat([x[:, :3], x[:, 3:] + 1.0], dim=1)
    before, after = (attention(t, t, t, causal_mask(5), need_weights)[0] for t in (x, y))
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize("need_weights", [True, False])
def test_padding_changes_nothing(need_weights):
    attention, x = MultiHeadAttention(d_model=8, num_heads=2), torch.randn(2, 3, 8)
    padded = torch.cat([x, torch.randn(2, 2, 8) * 100], dim=1)
    alone = attention(x, x, x, need_weights=need_weights)[0]
    mask = padding_mask(torch.tensor([3, 3]), 5)
    among = attention(x, padded, padded, mask, need_weights=need_weights)[0]
    torch.testing.assert_close(alone, among)


def test_keys_have_no_order():
    attention, q, x = MultiHeadAttention(d_model=8, num_heads=4), *torch.randn(2, 2, 6, 8)
    order = torch.randperm(6)
    torch.testing.assert_close(attention(q, x, x)[0], attention(q, x[:, order], x[:, order])[0])


@pytest.mark.parametrize("need_weights", [True, False])
def test_gradients_agree_with_finite_differences(need_weights):
    torch.manual_seed(0)
    attention = MultiHeadAttention(d_model=4, num_heads=2, bias=True).double()
    mask = torch.tensor([[True, False, True], [False, False, False]])
    q, k, v = (torch.randn(1, n, 4, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3))
    assert torch.autograd.gradcheck(
        lambda q, k, v: attention(q, k, v, mask, need_weights)[0], (q, k, v)
    )


def test_gradients_of_additive_attention_agree_with_finite_differences():
    torch.manual_seed(0)
    attention = AdditiveAttention(d_query=3, d_key=2, d_hidden=4).double()
    mask = torch.tensor([[[True, False, True], [False, False, False]]])
    q, k, v = (
        torch.randn(1, n, d, dtype=torch.float64, requires_grad=True)
        for n, d in ((2, 3), (3, 2), (3, 5))
    )
    assert torch.autograd.gradcheck(lambda q, k, v: attention(q, k, v, mask)[0], (q, k, v))


@pytest.mark.parametrize("shape", [(2, 4), (1, 3, 4), (4,), (2, 3, 3), (2, 3, 3, 4), (1, 2, 3, 4)])
def test_multi_head_refuses_a_mask_that_does_not_fit(shape):
    """batch == num_heads == 2, so that a mask over the wrong axis would broadcast in silence."""
    attention, mask = MultiHeadAttention(d_model=8, num_heads=2), torch.ones(shape) > 0
    with pytest.raises(ValueError) as error:
        attention(torch.randn(2, 3, 8), torch.randn(2, 4, 8), torch.randn(2, 4, 8), mask)
    assert str(shape) in str(error.value)


def test_multi_head_refuses_batches_that_differ_even_for_keys_that_are_projected():
    attention, x = MultiHeadAttention(d_model=8, num_heads=2), torch.randn(3, 4, 8)
    k, v = attention.project(x[:1], x[:1])
    with pytest.raises(ValueError, match="3 sequences of queries, but 1 of keys and values"):
        attention.attend(x, k, v)


@pytest.mark.parametrize("num_heads", [0, 3])
def test_heads_must_divide_the_width(num_heads):
    with pytest.raises(ValueError, match=f"num_heads={num_heads} must divide d_model=8"):
        MultiHeadAttention(d_model=8, num_heads=num_heads)


@pytest.mark.parametrize("need_weights", [True, False])
def test_queries_may_come_one_by_one_with_the_keys_projected_once(need_weights):
    torch.manual_seed(0)
    attention = MultiHeadAttention(d_model=8, num_heads=2, bias=True)
    q, k, v = torch.randn(2, 3, 8), torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    mask = padding_mask(torch.tensor([4, 2]), 4)
    output, weights = attention(q, k, v, mask)
    projected = attention.project(k, v)
    assert [tuple(x.shape) for x in projected] == [(2, 2, 4, 4)] * 2
    for i in range(3):
        found, row_weights = attention.attend(q[:, i : i + 1], *projected, mask, need_weights)
        torch.testing.assert_close(found, output[:, i : i + 1])
        if need_weights:
            torch.testing.assert_close(row_weights, weights[:, :, i : i + 1])


# --- traced, exported, compiled ---


class BothPaths(nn.Module):
    """MultiHeadAttention with and without weights, as a function of tensors alone."""

    def __init__(self):
        super().__init__()
        self.attention = MultiHeadAttention(d_model=8, num_heads=2, bias=True)

    def forward(self, *tensors):
        fused, _ = self.attention(*tensors, need_weights=False)
        return fused, *self.attention(*tensors)


def exported(module, example):
    dims = {size: Dim(name, min=2, max=50) for name, size in (("b", 3), ("q", 4), ("k", 5))}
    shapes = [{i: dims[n] for i, n in enumerate(x.shape) if n in dims} for x in example]
    return export(module, example, dynamic_shapes=(tuple(shapes),)).module()


def compiled(module, example):
    torch.compiler.reset()
    found = torch.compile(module, fullgraph=True, backend="eager")
    found(*example)
    return found


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning")
@pytest.mark.parametrize("which", [0, 2, 6, 7])
@pytest.mark.parametrize("way", [torch.jit.trace, exported, compiled])
def test_several_heads_can_be_traced_and_serve_other_sizes_and_empty_rows(way, which):
    if torch.__version__ < "2.4" and sys.version_info >= (3, 12) and way is not torch.jit.trace:
        pytest.skip("torch 2.3 compiles up to Python 3.11")
    torch.manual_seed(0)
    module = BothPaths().eval()

    def arguments(batch, queries, keys, mask):
        x = [torch.randn(batch, n, 8) for n in (queries, keys, keys)]
        return *x, *map(mask, mask_shapes(batch, 2, queries, keys)[which : which + 1])

    found = way(module, arguments(3, 4, 5, lambda shape: torch.ones(shape, dtype=torch.bool)))
    for sizes in ((3, 4, 5), (2, 6, 3), (7, 2, 4)):
        given = arguments(*sizes, lambda shape: random_mask(shape, 1, open_share=0.3))
        torch.testing.assert_close(found(*given), module(*given))


# --- positions ---


@examples
@given(st.integers(0, 9), st.integers(1, 5), st.integers(0, 500))
def test_the_sinusoids_are_the_papers_formula(length, pairs, start):
    d = 2 * pairs
    angle = angles(length, d, start=start)
    assert angle.shape == (length, pairs) and angle.dtype == torch.float64
    positions = PositionalEncoding(d_model=d, max_length=start + length)
    table = positions(torch.zeros(1, length, d), start)[0]
    for p in range(length):
        for j in range(pairs):
            expected = (start + p) / 10000 ** (2 * j / d)
            assert angle[p, j].item() == pytest.approx(expected, rel=1e-12)
            assert table[p, 2 * j].item() == pytest.approx(math.sin(expected), abs=1e-6)
            assert table[p, 2 * j + 1].item() == pytest.approx(math.cos(expected), abs=1e-6)


def sinusoids(length, d):
    return PositionalEncoding(d_model=d, max_length=length).P.double()


def test_one_rotation_takes_every_position_k_further():
    """p_(i+k) = R_k p_i, with R_k the same for all i: blocks that turn each pair."""
    table, k = sinusoids(50, 6), 7
    blocks = [
        torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]], dtype=torch.double)
        for a in (k / 10000 ** (j / 6) for j in (0, 2, 4))
    ]
    R = torch.block_diag(*blocks)
    torch.testing.assert_close(R @ R.T, torch.eye(6, dtype=torch.double))
    torch.testing.assert_close(table[:-k] @ R.T, table[k:], rtol=0, atol=1e-6)


def test_the_product_of_two_sinusoids_depends_on_their_distance_alone():
    products = sinusoids(40, 8) @ sinusoids(40, 8).T
    for distance in range(40):
        same = products.diagonal(distance)
        torch.testing.assert_close(same, same[:1].expand_as(same), rtol=0, atol=1e-5)
    assert products.diagonal(0)[0].item() == pytest.approx(4)  # d / 2, its length squared
    assert (products[0, 1:] < 3.99).all()


@pytest.mark.parametrize("kind", [PositionalEncoding, LearnedPositions])
def test_positions_are_added_from_start_on(kind):
    positions, x = kind(d_model=8, max_length=10), torch.randn(2, 9, 8)
    whole = positions(x)
    torch.testing.assert_close(whole, x + positions.P[:9])
    for start in range(9):
        torch.testing.assert_close(positions(x[:, start:], start), whole[:, start:])


@pytest.mark.parametrize("kind", [PositionalEncoding, LearnedPositions])
def test_positions_beyond_max_length_are_refused_with_both_numbers(kind):
    positions = kind(d_model=8, max_length=10)
    assert positions(torch.zeros(1, 3, 8), 7).shape == (1, 3, 8)
    for length, start, last in ((11, 0, 10), (3, 8, 10), (1, 12, 12)):
        with pytest.raises(ValueError, match=f"positions up to {last}, but max_length=10"):
            positions(torch.zeros(1, length, 8), start)


@pytest.mark.parametrize("make", [lambda: PositionalEncoding(d_model=7), lambda: angles(3, 7)])
def test_an_odd_width_is_refused_for_it_has_no_pairs(make):
    with pytest.raises(ValueError, match="d=7 must be even"):
        make()


@pytest.mark.parametrize("kind", [PositionalEncoding, LearnedPositions])
def test_dropout_follows_the_sum(kind):
    torch.manual_seed(0)
    positions, x = kind(d_model=8, dropout=0.5), torch.full((1, 50, 8), 9.0)
    output = positions(x)
    dropped = output == 0
    assert 0.4 < dropped.float().mean() < 0.6
    torch.testing.assert_close(output, (2 * (x + positions.P[:50])).masked_fill(dropped, 0.0))
    torch.testing.assert_close(positions.eval()(x), x + positions.P[:50])


def test_sinusoids_are_no_parameters_and_not_stored_but_learned_positions_are():
    assert not PositionalEncoding(d_model=8).state_dict()
    assert not list(PositionalEncoding(d_model=8).parameters())
    learned = LearnedPositions(d_model=8, max_length=10)
    assert {name: tuple(p.shape) for name, p in learned.named_parameters()} == {"P": (10, 8)}
    learned(torch.zeros(1, 3, 8), 4).sum().backward()
    assert learned.P.grad.sum(1).tolist() == [0] * 4 + [8] * 3 + [0] * 3
    lengths = LearnedPositions(d_model=64, max_length=500).P.norm(dim=1)
    assert lengths.mean().item() == pytest.approx(1, abs=0.05)


@examples
@given(sizes, sizes, sizes, st.integers(0, 300), st.integers(0, 999))
def test_rotation_is_multiplication_by_a_complex_number_of_length_one(
    batch, length, pairs, start, seed
):
    torch.manual_seed(seed)
    x = torch.randn(batch, 2, length, 2 * pairs, dtype=torch.float64, requires_grad=True)
    numbers = torch.view_as_complex(x.unflatten(-1, (pairs, 2)))
    frequencies = 10000.0 ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    angle = torch.arange(start, start + length).unsqueeze(1) * frequencies
    expected = torch.view_as_real(numbers * torch.exp(1j * angle)).flatten(-2)
    found = rotate(x, start)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad((r * x.detach().roll(1)).sum(), x) for r in (found, expected)]
    torch.testing.assert_close(*gradients)


@examples
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 30), st.integers(0, 999))
def test_the_score_of_turned_vectors_depends_on_their_offset_alone(here, there, offset, seed):
    torch.manual_seed(seed)
    q, k = torch.randn(2, 1, 6, dtype=torch.float64)
    scores = [(rotate(q, p + offset) @ rotate(k, p).T).item() for p in (here, there)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)


def test_rotation_keeps_lengths_and_the_first_position_and_may_start_anywhere():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 20, 8)
    turned = rotate(x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[..., 0, :], x[..., 0, :])
    for start in (1, 7, 19):
        torch.testing.assert_close(rotate(x[..., start:, :], start), turned[..., start:, :])
    with pytest.raises(ValueError, match="d=7 must be even"):
        rotate(x[..., :7])


@pytest.mark.parametrize("dtype", DTYPES[:3])
def test_rotation_is_as_exact_as_its_numbers(dtype):
    """The angle itself, 399 say, has too many digits for float16 and bfloat16."""
    torch.manual_seed(0)
    x = torch.randn(400, 8, dtype=torch.float64).to(dtype)
    turned = rotate(x)
    assert turned.dtype == dtype
    error = (turned.double() - rotate(x.double())).abs().max().item()
    assert error <= 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize(("heads", "queries", "keys"), [(1, 3, 3), (4, 5, 5), (8, 2, 6), (2, 1, 4)])
def test_alibi_takes_slope_times_distance_from_each_score(heads, queries, keys):
    bias = alibi_bias(heads, queries, keys)
    assert bias.shape == (heads, queries, keys)
    for h in range(heads):
        for i in range(queries):
            for j in range(keys):
                distance = abs(keys - queries + i - j)  # the last query stands at the last key
                assert bias[h, i, j].item() == pytest.approx(-distance / 2 ** (8 * (h + 1) / heads))
    assert not bias[:, -1, -1].any()


def test_alibi_slopes_of_eight_heads_are_a_half_a_quarter_and_so_on():
    assert (-alibi_bias(8, 2)[:, 1, 0]).tolist() == [2.0**-h for h in range(1, 9)]
    assert torch.equal(alibi_bias(4, 6), alibi_bias(4, 6, 6))
    assert torch.equal(alibi_bias(4, 2, 6), alibi_bias(4, 6)[:, -2:])
