"""The Transformer: against torch's with the same weights, loops, and itself one word at a time.

torch's masks mean the opposite (~mask), and its layers give NaN where a query may attend to
nothing, so the comparisons keep one key open; ours is tested without any elsewhere.  torch's layers
stay in training mode with dropout 0: in eval mode they take another path.

CLOSE bounds the largest difference in a tensor, divided by the largest size of what torch gives
(or by 1, where that is more; for gradients of weights by the largest of all).  Gradients are sums
over batch and positions, here up to 35: float32 keeps digits, not places.  Found: 2e-6 and 3e-15.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_attention import examples, mask_shapes, naive_attention, random_mask
from torch import nn

from d2lmini import checkpoint
from d2lmini.attention import causal_mask, padding_mask
from d2lmini.text import batch_of
from d2lmini.transformer import (
    AddNorm,
    PositionWiseFFN,
    PreNormDecoderBlock,
    PreNormEncoderBlock,
    PreNormTransformer,
    Transformer,
    TransformerDecoderBlock,
    TransformerEncoderBlock,
    run_blocks,
)

few = settings(examples, max_examples=10)
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-10}
TRANSFORMERS = [Transformer, PreNormTransformer]
both = pytest.mark.parametrize("kind", TRANSFORMERS, ids=["post-norm", "pre-norm"])
dtypes = pytest.mark.parametrize("dtype", CLOSE, ids=["float32", "float64"])
SIZES = {"d_model": 8, "d_hidden": 12, "num_heads": 2, "num_layers": 2}
SOURCES = [[4, 5, 6], [7, 8], [9, 10, 4]]
TARGET = torch.tensor([[1, 5, 6, 9, 4], [1, 7, 8, 8, 2], [1, 3, 3, 3, 12]])


def small(kind, **sizes):
    torch.manual_seed(0)
    model = kind(source_vocab_size=11, target_vocab_size=13, **SIZES | sizes)
    return shaken(model).double()


def shaken(model):
    """Biases that are not 0 and norms that are not 1, so that a lost one is seen."""
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.2 * torch.randn_like(weights)
    return model


# --- torch's layers with the same weights ---

NAMES = {
    "attention.W_o": "self_attn.out_proj",
    "attention": "self_attn",
    "cross.W_o": "multihead_attn.out_proj",
    "cross": "multihead_attn",
    "add_norm1.norm": "norm1",
    "add_norm2.norm": "norm2",
    "add_norm3.norm": "norm3",
    "ffn.W_1": "linear1",
    "ffn.W_2": "linear2",
    "blocks": "layers",
}


def as_torch(module, of):
    """{torch's name: of(our parameter)}, with torch's one matrix for W_q, W_k and W_v."""
    named = {}
    for name, weights in module.named_parameters():
        for old, new in NAMES.items():
            name = name.replace(old + ".", new + ".")
        for letter in "qkv":
            name = name.replace(f"W_{letter}.", "in_proj_")
        if "embedding" not in name:
            named.setdefault(name, []).append(of(weights))
    return {name: torch.cat(parts) for name, parts in named.items()}


def assert_near(found, expected, at_least):
    assert found.shape == expected.shape and found.dtype == expected.dtype
    size = max(expected.abs().max().item(), at_least)
    assert (found - expected).abs().max().item() <= CLOSE[found.dtype] * size


def assert_same(ours, theirs, inputs, run_ours, run_theirs):
    """Outputs, and gradients of every weight and input, for one random direction."""
    theirs.load_state_dict(as_torch(ours, torch.Tensor.detach))  # strict: every name, none left
    results = []
    for run in (run_ours, run_theirs):
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        output = run(*leaves)
        torch.manual_seed(0)
        (output * torch.randn_like(output)).sum().backward()
        results.append((output, [x.grad for x in leaves]))
    (output, grads), (expected, expected_grads) = results
    assert_near(output, expected, at_least=1.0)
    for found, wanted in zip(grads, expected_grads, strict=True):
        assert_near(found, wanted, at_least=1.0)
    found = as_torch(ours, lambda weights: weights.grad)
    wanted = {name: weights.grad for name, weights in theirs.named_parameters()}
    assert found.keys() == wanted.keys()
    size = max(grad.abs().max().item() for grad in wanted.values())
    for name, grad in wanted.items():  # one size for all: W_k's bias has gradient 0
        assert_near(found[name], grad, at_least=size)


def options(d_model, d_hidden, heads, norm_first, dtype):
    return {
        "d_model": d_model,
        "nhead": heads,
        "dim_feedforward": d_hidden,
        "dropout": 0.0,
        "batch_first": True,
        "norm_first": norm_first,
        "dtype": dtype,
    }


shapes = {
    "batch": st.integers(1, 3),
    "length": st.integers(1, 5),
    "keys": st.integers(1, 5),
    "heads": st.integers(1, 3),
    "d_head": st.integers(3, 5),  # a norm over two numbers, almost equal, magnifies rounding
    "d_hidden": st.integers(1, 9),
    "need_weights": st.booleans(),
    "seed": st.integers(0, 999),
}
encoder_shapes = {name: drawn for name, drawn in shapes.items() if name != "keys"}


@dtypes
@pytest.mark.parametrize("block", [TransformerEncoderBlock, PreNormEncoderBlock])
@few
@given(**encoder_shapes, which=st.integers(0, 6))
def test_an_encoder_block_is_torchs_layer(
    block, dtype, batch, length, heads, d_head, d_hidden, need_weights, seed, which
):
    torch.manual_seed(seed)
    d_model = heads * d_head
    ours = shaken(block(d_model=d_model, d_hidden=d_hidden, num_heads=heads)).to(dtype)
    pre = block is PreNormEncoderBlock
    theirs = nn.TransformerEncoderLayer(**options(d_model, d_hidden, heads, pre, dtype))
    mask = random_mask(mask_shapes(batch, heads, length, length)[which], seed)
    mask[..., 0] = True
    full = (mask.unsqueeze(1) if mask.ndim == 3 else mask).expand(batch, heads, length, length)
    assert_same(
        ours,
        theirs,
        [torch.randn(batch, length, d_model, dtype=dtype)],
        lambda x: ours(x, mask, need_weights)[0],
        lambda x: theirs(x, src_mask=~full.flatten(0, 1)),
    )


@dtypes
@pytest.mark.parametrize("block", [TransformerDecoderBlock, PreNormDecoderBlock])
@few
@given(**shapes)
def test_a_decoder_block_is_torchs_layer(
    block, dtype, batch, length, keys, heads, d_head, d_hidden, need_weights, seed
):
    torch.manual_seed(seed)
    d_model = heads * d_head
    ours = shaken(block(d_model=d_model, d_hidden=d_hidden, num_heads=heads)).to(dtype)
    pre = block is PreNormDecoderBlock
    theirs = nn.TransformerDecoderLayer(**options(d_model, d_hidden, heads, pre, dtype))
    mask = padding_mask(torch.randint(1, keys + 1, (batch,)), keys)
    assert_same(
        ours,
        theirs,
        [torch.randn(batch, n, d_model, dtype=dtype) for n in (length, keys)],
        lambda x, memory: ours(x, memory, mask, need_weights)[0],
        lambda x, memory: theirs(
            x, memory, tgt_mask=~causal_mask(length), memory_key_padding_mask=~mask[:, 0]
        ),
    )


@dtypes
@both
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@few
@given(**shapes)
def test_the_whole_model_is_torchs_between_embedding_and_output_layer(
    kind, dtype, batch, length, keys, heads, d_head, d_hidden, need_weights, seed
):
    torch.manual_seed(seed)
    d_model = 2 * heads * d_head
    sizes = {"d_model": d_model, "d_hidden": d_hidden, "num_heads": heads, "num_layers": 2}
    ours = shaken(kind(source_vocab_size=7, target_vocab_size=9, **sizes)).to(dtype)
    layer = options(d_model, d_hidden, heads, kind is PreNormTransformer, dtype)
    theirs = nn.Transformer(num_encoder_layers=2, num_decoder_layers=2, **layer)
    if kind is Transformer:
        theirs.encoder.norm = theirs.decoder.norm = None
    mask = padding_mask(torch.randint(1, keys + 1, (batch,)), keys)
    source, target = torch.randint(7, (batch, keys)), torch.randint(9, (batch, length))

    def run_theirs(source_table, target_table):
        embedded = [
            table[tokens] * math.sqrt(d_model) + ours.encoder.positions.P[: tokens.shape[1]]
            for table, tokens in ((source_table, source), (target_table, target))
        ]
        hidden = theirs(
            *embedded,
            tgt_mask=~causal_mask(length),
            src_key_padding_mask=~mask[:, 0],
            memory_key_padding_mask=~mask[:, 0],
        )
        return hidden @ target_table.T

    def run_ours(*tables):
        names = ("encoder.embedding.weight", "decoder.embedding.weight")
        named = dict(zip(names, tables, strict=True))
        arguments = (source, mask, target, need_weights)
        return torch.func.functional_call(ours, named, arguments)[0]

    tables = [ours.encoder.embedding.weight, ours.decoder.embedding.weight]
    assert_same(ours, theirs, tables, run_ours, run_theirs)


class GELUNetwork(PositionWiseFFN):
    def forward(self, x):
        return self.W_2(nn.functional.gelu(self.W_1(x)))


class BERTsBlock(TransformerEncoderBlock):
    def make_ffn(self, d_model, d_hidden):
        return GELUNetwork(d_model=d_model, d_hidden=d_hidden)

    def make_add_norm(self, d_model, dropout):
        return AddNorm(d_model=d_model, dropout=dropout, eps=1e-12)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_a_stack_of_blocks_with_another_network_and_norm_is_torchs():
    torch.manual_seed(0)
    blocks = nn.ModuleList(
        shaken(BERTsBlock(d_model=6, d_hidden=9, num_heads=2)) for _ in range(3)
    ).double()
    layer = nn.TransformerEncoderLayer(
        **options(6, 9, 2, False, torch.float64), activation="gelu", layer_norm_eps=1e-12
    )
    theirs = nn.TransformerEncoder(layer, 3)
    theirs.load_state_dict(as_torch(nn.ModuleDict({"blocks": blocks}), torch.Tensor.detach))
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    mask = padding_mask(torch.tensor([5, 3]), 5)
    output, weights = run_blocks(blocks, x, mask, need_weights=True)
    torch.testing.assert_close(output, theirs(x, src_key_padding_mask=~mask[:, 0]))
    assert weights.shape == (2, 3, 2, 5, 5)  # (batch, layers, heads, queries, keys)
    torch.testing.assert_close(weights[:, 0], blocks[0](x, mask, need_weights=True)[1])
    fused, nothing = run_blocks(blocks, x, mask)
    torch.testing.assert_close(fused, output)
    assert nothing is None


# --- the parts, by loops ---


def test_add_norm_is_mean_and_variance_at_each_position():
    torch.manual_seed(0)
    part = shaken(AddNorm(d_model=6)).double()
    x, y = torch.randn(2, 2, 3, 6, dtype=torch.float64)
    output = part(x, y)
    for b in range(2):
        for i in range(3):
            z = x[b, i] + y[b, i]
            variance = ((z - z.mean()) ** 2).mean()
            z = (z - z.mean()) / (variance + 1e-5).sqrt() * part.norm.weight + part.norm.bias
            torch.testing.assert_close(output[b, i], z)


def test_dropout_of_a_sublayer_spares_what_went_in():
    part = AddNorm(d_model=6, dropout=1.0)
    x, y = torch.randn(2, 3, 6)
    torch.testing.assert_close(part(x, y), part.norm(x))


def test_the_position_wise_network_is_a_convolution_of_width_one():
    torch.manual_seed(0)
    ffn, x = PositionWiseFFN(d_model=6, d_hidden=10), torch.randn(2, 5, 6)
    convolutions = nn.Conv1d(6, 10, 1), nn.Conv1d(10, 6, 1)
    with torch.no_grad():
        for convolution, layer in zip(convolutions, (ffn.W_1, ffn.W_2), strict=True):
            convolution.weight.copy_(layer.weight.unsqueeze(2))
            convolution.bias.copy_(layer.bias)
    expected = convolutions[1](torch.relu(convolutions[0](x.mT))).mT
    torch.testing.assert_close(ffn(x), expected)


def test_each_head_of_a_block_is_attention_by_loops():
    """The heads of the first encoder block, side by side, then W_o, add & norm, network."""
    torch.manual_seed(0)
    block = shaken(TransformerEncoderBlock(d_model=6, d_hidden=5, num_heads=2)).double()
    x, mask = torch.randn(1, 4, 6, dtype=torch.float64), random_mask((4, 4), 3)
    heads, attention = [], block.attention
    output, weights = block(x, mask, need_weights=True)
    for h, part in enumerate((slice(0, 3), slice(3, 6))):
        q, k, v = (W(x[0])[:, part] for W in (attention.W_q, attention.W_k, attention.W_v))
        head, naive_weights = naive_attention(q, k, v, mask, lambda a, b: a @ b / 3**0.5)
        heads.append(head)
        torch.testing.assert_close(weights[0, h], naive_weights)
    y = block.add_norm1(x[0], attention.W_o(torch.cat(heads, dim=1)))
    torch.testing.assert_close(output[0], block.add_norm2(y, block.ffn(y)))


@both
@pytest.mark.parametrize("start", [0, 3])
def test_tokens_are_embedded_times_the_root_of_d_model_plus_the_sinusoids(kind, start):
    model = small(kind)
    for side in (model.encoder, model.decoder):
        x = side.embed(torch.tensor([[4, 5, 4]]), start)
        for i, token in enumerate((4, 5, 4)):
            expected = side.embedding.weight[token].detach() * 8**0.5
            for j in range(4):
                angle = (start + i) / 10000 ** (2 * j / 8)
                expected[2 * j] += math.sin(angle)
                expected[2 * j + 1] += math.cos(angle)
            torch.testing.assert_close(x[0, i], expected, rtol=0, atol=1e-6)  # a float32 table


# --- masks and time ---


@both
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_future_cannot_change_the_past(kind, need_weights, training):
    model = small(kind).train(training)
    source, mask = batch_of(SOURCES)
    before, _ = model(source, mask, TARGET, need_weights)
    for place in range(1, 5):
        changed = TARGET.clone()
        changed[:, place] = 11
        after, _ = model(source, mask, changed, need_weights)
        torch.testing.assert_close(before[:, :place], after[:, :place])
        assert not torch.isclose(before[:, place], after[:, place]).all(-1).any()


@both
def test_step_by_step_gives_what_teacher_forcing_gives(kind):
    model = small(kind)
    source, mask = batch_of([*SOURCES[:2], []])
    logits, weights = model(source, mask, TARGET, need_weights=True)
    state = model.encode(source, mask)
    for t in range(TARGET.shape[1]):
        step, state = model.step(TARGET[:, t], state)
        torch.testing.assert_close(step, logits[:, t])
        torch.testing.assert_close(state.weights, weights.cross[:, :, :, t])
    assert state.position == 5


@both
@pytest.mark.parametrize("chunks", [(2, 3), (1, 3, 1), (4, 1), (5,)])
def test_several_words_at_once_give_what_teacher_forcing_gives(kind, chunks):
    model = small(kind)
    source, mask = batch_of(SOURCES)
    logits, weights = model(source, mask, TARGET, need_weights=True)
    for need_weights in (True, False):
        state, start = model.encode(source, mask), 0
        for chunk in chunks:
            end = start + chunk
            words = TARGET[:, start:end]
            found, step_weights, state = model.decoder.advance(words, state, need_weights)
            torch.testing.assert_close(found, logits[:, start:end])
            if need_weights:
                torch.testing.assert_close(step_weights[0], weights.decoder[..., start:end, :end])
                torch.testing.assert_close(step_weights[1], weights.cross[..., start:end, :])
            else:
                assert step_weights is None
            start = end


@both
def test_words_that_all_stand_at_position_0_do_not_give_what_teacher_forcing_gives(kind):
    """The comparison above can fail: only the first word is right."""
    model = small(kind)
    source, mask = batch_of(SOURCES)
    logits, _ = model(source, mask, TARGET)
    state = model.encode(source, mask)
    for t in range(TARGET.shape[1]):
        step, state = model.step(TARGET[:, t], state._replace(position=0))
        assert torch.allclose(step, logits[:, t]) == (t == 0)


@both
def test_more_padding_changes_nothing_and_nobody_looks_at_it(kind):
    model = small(kind)
    source, mask = batch_of(SOURCES)
    logits, weights = model(source, mask, TARGET, need_weights=True)
    wider = nn.functional.pad(source, (0, 4), value=9)  # whatever stands there
    hidden = padding_mask(torch.tensor([3, 2, 3]), 7)
    for need_weights in (True, False):
        again, weights_again = model(wider, hidden, TARGET, need_weights)
        torch.testing.assert_close(logits, again)
    _, weights_again = model(wider, hidden, TARGET, need_weights=True)
    torch.testing.assert_close(weights_again.cross[..., :3], weights.cross)
    torch.testing.assert_close(weights_again.decoder, weights.decoder)
    torch.testing.assert_close(weights_again.encoder[:, :, :, :3, :3], weights.encoder)
    for attended in (weights_again.cross, weights_again.encoder):
        assert not attended.masked_select(~hidden[:, None, None]).any()


@both
def test_a_sentence_is_what_it_is_alone(kind):
    model = small(kind)
    logits, _ = model(*batch_of(SOURCES), TARGET)
    for i, ids in enumerate(SOURCES):
        alone, _ = model(*batch_of([ids]), TARGET[i : i + 1])
        torch.testing.assert_close(alone[0], logits[i])


@both
@pytest.mark.parametrize("length", [0, 1, 500])
@pytest.mark.parametrize("need_weights", [True, False])
def test_sources_of_no_one_and_many_words_give_finite_logits_and_gradients(
    kind, length, need_weights
):
    model = small(kind)
    source, mask = batch_of([[4] * length, [5, 6]])
    logits, weights = model(source, mask, TARGET[:2], need_weights)
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    if need_weights:
        total = weights.cross.sum(-1)
        expected = torch.zeros_like(total) if length == 0 else torch.ones_like(total)
        torch.testing.assert_close(total[0], expected[0])


@both
def test_weights_of_all_layers_and_heads_sum_to_one_and_never_look_ahead(kind):
    model = small(kind, num_layers=3)
    source, mask = batch_of([ids * 2 for ids in SOURCES])
    _, weights = model(source, mask, TARGET, need_weights=True)
    assert [tuple(w.shape[1:]) for w in weights] == [(3, 2, 6, 6), (3, 2, 5, 5), (3, 2, 5, 6)]
    for w in weights:
        torch.testing.assert_close(w.sum(-1), torch.ones_like(w[..., 0]))
    assert not weights.decoder.triu(1).any() and weights.decoder[..., -1, :].all()
    x = model.encoder.embed(source)
    for layer, block in enumerate(model.encoder.blocks):
        x, block_weights = block(x, mask, need_weights=True)
        torch.testing.assert_close(weights.encoder[:, layer], block_weights)
    memory, x = model.encoder.norm(x), model.decoder.embed(TARGET)
    for layer, block in enumerate(model.decoder.blocks):
        x, (own, cross) = block(x, memory, mask, need_weights=True)
        torch.testing.assert_close(weights.decoder[:, layer], own)
        torch.testing.assert_close(weights.cross[:, layer], cross)


@both
def test_only_positions_tell_the_encoder_the_order_of_words(kind):
    encoder, tokens = small(kind).encoder, torch.tensor([[4, 5, 6, 7, 4]])
    order = torch.tensor([3, 0, 4, 1, 2])
    mask = padding_mask(torch.tensor([5]), 5)
    assert not torch.allclose(
        encoder(tokens[:, order], mask)[0], encoder(tokens, mask)[0][:, order]
    )
    encoder.positions.P.zero_()
    found, weights_again = encoder(tokens[:, order], mask, need_weights=True)
    expected, weights = encoder(tokens, mask, need_weights=True)
    torch.testing.assert_close(found, expected[:, order])
    torch.testing.assert_close(weights_again, weights[..., order, :][..., order])


# --- the state between two words ---


@both
def test_a_state_is_selected_row_by_row(kind):
    model, rows = small(kind), torch.tensor([1, 1, 2, 0])
    source, mask = batch_of(SOURCES)
    fresh = model.encode(source, mask)
    _, later = model.step(torch.tensor([1, 1, 1]), fresh)
    for state in (fresh, later):
        chosen = state.select(rows)
        assert chosen.position == state.position
        if state.weights is not None:
            torch.testing.assert_close(chosen.weights, state.weights[rows])
        words = torch.tensor([5, 6, 7])
        one, after = model.step(words[rows], chosen)
        two, expected = model.step(words, state)
        torch.testing.assert_close(one, two[rows])
        torch.testing.assert_close(after.weights, expected.weights[rows])


@both
def test_a_step_leaves_the_state_before_it_as_it_was(kind):
    model = small(kind)
    _, state = model.step(TARGET[:, 0], model.encode(*batch_of(SOURCES)))
    first, _ = model.step(TARGET[:, 1], state)
    model.step(TARGET[:, 2], state)
    again, _ = model.step(TARGET[:, 1], state)
    assert torch.equal(first, again) and state.position == 1


# --- weights ---


@both
def test_the_output_layer_is_the_embedding(kind):
    """Words that are never given have a gradient from the output alone, given words from both."""
    model = small(kind)
    source, mask = batch_of(SOURCES)
    table = model.decoder.embedding.weight
    assert not any("out" in name for name, _ in model.named_parameters())
    model(source, mask, TARGET)[0].sum().backward()
    assert table.grad.abs().sum(1).min() > 0  # 10 is never given
    as_output = table.grad[10].clone()
    for word in (0, 10, 11):  # the same for all words that are not given
        torch.testing.assert_close(table.grad[word], as_output)
    for word in (1, 5, 9):
        assert not torch.allclose(table.grad[word], as_output)


@both
def test_a_shared_embedding_is_stored_once_and_comes_back_shared(kind, tmp_path):
    torch.manual_seed(0)
    sizes = {"source_vocab_size": 13, "target_vocab_size": 13, **SIZES}
    model, other, apart = (shaken(kind(**sizes)) for _ in range(3))
    for each in (model, other):
        each.encoder.embedding = each.decoder.embedding
    card = dict.fromkeys(checkpoint.CARD_KEYS, 0) | {"name": "tiny", "model": sizes}
    checkpoint.save("tiny", model, None, card, folder=tmp_path)
    checkpoint.load("tiny", other, folder=tmp_path)
    assert other.encoder.embedding.weight is other.decoder.embedding.weight
    for name, weights in model.named_parameters():
        torch.testing.assert_close(other.get_parameter(name), weights.half().float())
    with pytest.raises(checkpoint.CheckpointError, match=r"embedding\.weight is missing"):
        checkpoint.load("tiny", apart, folder=tmp_path)


def count(module):
    return sum(weights.numel() for weights in module.parameters())


@pytest.mark.parametrize(("d", "d_hidden", "layers"), [(8, 12, 2), (16, 64, 3)])
def test_the_number_of_parameters_is_a_formula(d, d_hidden, layers):
    attention = 4 * d**2 + 4 * d
    network, norm = 2 * d * d_hidden + d_hidden + d, 2 * d
    encoder_block = attention + network + 2 * norm
    decoder_block = 2 * attention + network + 3 * norm
    sizes = {"d_model": d, "d_hidden": d_hidden, "num_heads": 2}
    assert count(PreNormEncoderBlock(**sizes)) == encoder_block
    assert count(TransformerDecoderBlock(**sizes)) == decoder_block
    words = {"source_vocab_size": 11, "target_vocab_size": 13, "num_layers": layers}
    whole = layers * (encoder_block + decoder_block) + (11 + 13) * d
    assert count(Transformer(**sizes, **words)) == whole
    pre = PreNormTransformer(**sizes, **words)
    assert count(pre) == whole + 2 * norm
    pre = PreNormTransformer(**sizes, **words | {"source_vocab_size": 13})
    pre.encoder.embedding = pre.decoder.embedding
    assert count(pre) == whole + 2 * norm - 11 * d


@both
def test_weights_start_in_glorots_range_and_embeddings_with_length_one(kind):
    torch.manual_seed(0)
    model = kind(
        source_vocab_size=500,
        target_vocab_size=500,
        d_model=64,
        d_hidden=128,
        num_heads=2,
        num_layers=1,
    )
    for name, weights in model.named_parameters():
        if "embedding" in name:
            assert weights.norm(dim=1).mean().item() == pytest.approx(1, abs=0.02)
        elif weights.ndim == 2:
            bound = math.sqrt(6 / sum(weights.shape))
            assert 0.99 * bound < weights.abs().max().item() <= bound
        else:
            assert weights.unique().tolist() == [float("norm" in name and "weight" in name)]


@both
def test_dropout_is_where_the_paper_has_it_and_off_in_eval_mode(kind):
    """On both embeddings and on what each of the 2 + 3 sublayers of a layer adds: 2 + 2 * 5."""
    model = small(kind, dropout=0.5)
    acting = [m for m in model.modules() if isinstance(m, nn.Dropout) and m.p]
    assert len(acting) == 12 and {m.p for m in acting} == {0.5}
    arguments = (*batch_of(SOURCES), TARGET)
    calm = model.eval()(*arguments)[0]
    assert torch.equal(model(*arguments)[0], calm)
    for one in acting:  # each of them is used: alone, it changes what is said
        one.train()
        assert not torch.allclose(model(*arguments)[0], calm)
        one.eval()


@both
def test_gradients_agree_with_finite_differences(kind):
    model = small(kind, num_layers=1)
    source, mask = batch_of([[4, 5], []])
    names, parameters = zip(*model.named_parameters(), strict=True)

    def loss(*values):
        named = dict(zip(names, values, strict=True))
        arguments = (source, mask, TARGET[:2, :2])
        return torch.func.functional_call(model, named, arguments)[0].square().mean()

    assert torch.autograd.gradcheck(loss, parameters, fast_mode=True)


# --- errors ---


@both
def test_sentences_beyond_max_length_are_refused_with_both_lengths(kind):
    model = small(kind, max_length=4)
    source, mask = batch_of([[4] * 5])
    with pytest.raises(ValueError, match=r"positions up to 4, but max_length=4"):
        model.encode(source, mask)
    source, mask = batch_of([[4] * 4])
    with pytest.raises(ValueError, match=r"positions up to 4, but max_length=4"):
        model(source, mask, TARGET[:1])
    state = model.encode(source, mask)
    for t in range(4):
        _, state = model.step(TARGET[:1, t], state)
    with pytest.raises(ValueError, match=r"positions up to 4, but max_length=4"):
        model.step(TARGET[:1, 4], state)


@both
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"d_model": 8, "num_heads": 3}, "num_heads=3 must divide d_model=8"),
        ({"d_model": 7, "num_heads": 7}, "d=7 must be even"),
    ],
)
def test_sizes_that_do_not_fit_are_named(kind, sizes, message):
    with pytest.raises(ValueError, match=message):
        small(kind, **sizes)


@both
def test_masks_that_do_not_fit_are_named(kind):
    model = small(kind)
    source, mask = batch_of(SOURCES[:2])
    with pytest.raises(TypeError, match=r"True = may attend, got torch\.float32"):
        model(source, mask.float(), TARGET[:2])
    for wrong in (mask[:, 0], mask[:1], mask[..., :2], mask.mT):
        with pytest.raises(ValueError) as error:
            model(source, wrong, TARGET[:2])
        assert str(tuple(wrong.shape)) in str(error.value)
    with pytest.raises(ValueError, match="3 sequences of queries, but 2 of keys and values"):
        model.decoder(TARGET, model.encoder(source, mask)[0], mask)
