"""BERT is transformers' BERT: the same outputs and gradients from the same weights."""

import contextlib
import json
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertForPreTraining
from transformers import BertModel as ReferenceEncoder

from d2lmini import bert, checkpoint
from d2lmini.attention import padding_mask
from d2lmini.bert import (
    BERTClassifier,
    BERTEncoder,
    BERTModel,
    BERTTagger,
    MaskLM,
    NextSentencePred,
    PreNormBERTEncoder,
    PreNormBERTModel,
    load_public_weights,
)
from d2lmini.data import DataUnavailable, minilm_folder

SIZES = {"vocab_size": 50, "d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 2}
SIZES |= {"max_length": 12}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
both_types = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
both_models = pytest.mark.parametrize("model", [BERTModel, PreNormBERTModel])
both_encoders = pytest.mark.parametrize("encoder", [BERTEncoder, PreNormBERTEncoder])


@contextlib.contextmanager
def default_type(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield dtype
    finally:
        torch.set_default_dtype(before)


@pytest.fixture
def default_dtype(dtype):
    with default_type(dtype):
        yield dtype


def reference(kind, seed=0, **sizes):
    """A model of transformers with random weights, the biases too."""
    torch.manual_seed(seed)
    sizes = {theirs: (SIZES | sizes).get(ours) for ours, theirs in bert.SIZES.items()}
    sizes |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    sizes = {key: value for key, value in sizes.items() if value is not None}
    model = kind(BertConfig(attn_implementation="eager", **sizes))
    for weights in model.parameters():
        nn.init.normal_(weights, std=0.3)
    return model.to(torch.get_default_dtype())


def batch(lengths, seed=0, *, vocab_size=50, num_segments=2, num_masked=3, **_):
    """tokens, segments, mask and positions of random texts; no real token is 0, the padding."""
    torch.manual_seed(seed)
    lengths = torch.tensor(lengths)
    shape = (len(lengths), int(lengths.max()))
    mask = padding_mask(lengths, shape[1])
    tokens = torch.randint(1, vocab_size, shape).masked_fill(~mask[:, 0], 0)
    segments = torch.randint(0, num_segments, shape)
    positions = torch.stack([torch.randint(0, int(n), (num_masked,)) for n in lengths])
    return tokens, segments, mask, positions


def stored(model, folder):
    model.save_pretrained(folder)
    return folder


def rewritten(folder, change):
    """The folder after change(tensors) of its weights."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file({key: t.contiguous() for key, t in tensors.items()}, path)
    return folder


def assert_same_gradients(ours, theirs, losses, dtype):
    """of every weight, by its public name"""
    for model, loss in zip((ours, theirs), losses, strict=True):
        model.zero_grad()
        loss.backward(retain_graph=True)
    expected = {bert.plain(name): p.grad for name, p in theirs.named_parameters()}
    found = {bert.published(name): p.grad for name, p in ours.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        size = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=TOLERANCE[dtype] * size)


CASES = [  # sizes, lengths of the texts
    ({}, [7, 12, 1]),
    ({"num_heads": 4, "num_layers": 1, "d_hidden": 8}, [5, 5]),
    ({"d_model": 24, "num_heads": 3, "num_layers": 3, "num_segments": 3, "vocab_size": 31}, [2, 9]),
    ({"num_heads": 1, "max_length": 9, "num_segments": 1}, [9]),
]
every_case = pytest.mark.parametrize(("sizes", "lengths"), CASES, ids=range(len(CASES)))


@both_types
@every_case
def test_the_encoder_is_transformers_berts_forward_and_backward(
    default_dtype, sizes, lengths, tmp_path
):
    theirs = reference(ReferenceEncoder, **sizes)
    ours = load_public_weights(stored(theirs, tmp_path))
    tokens, segments, mask, _ = batch(lengths, **sizes)
    real, limit = mask[:, 0], {"rtol": 0, "atol": TOLERANCE[default_dtype]}
    expected = theirs(tokens, real, segments, output_attentions=True)
    direction = torch.randn(expected.last_hidden_state.shape)
    loss = (expected.last_hidden_state * direction)[real].sum() + expected.pooler_output.sum()
    for need_weights in (True, False):
        x, weights = ours(tokens, segments, mask, need_weights)
        torch.testing.assert_close(x[real], expected.last_hidden_state[real], **limit)
        torch.testing.assert_close(ours.pool(x), expected.pooler_output, **limit)
        if need_weights:
            torch.testing.assert_close(weights, torch.stack(expected.attentions, 1), **limit)
        our_loss = (x * direction)[real].sum() + ours.pool(x).sum()
        assert_same_gradients(ours, theirs, (our_loss, loss), default_dtype)


def assert_same_heads(ours, theirs, tokens, segments, mask, positions):
    """Logits of both heads, and the gradients of the summed losses."""
    dtype, rows = torch.get_default_dtype(), torch.arange(len(tokens)).unsqueeze(1)
    expected = theirs(tokens, mask[:, 0], segments)
    expected = expected.prediction_logits[rows, positions], expected.seq_relationship_logits
    found = ours(tokens, segments, mask, positions)[:2]
    losses = []
    for masked, pair in (found, expected):
        loss = F.cross_entropy(masked.flatten(0, 1), tokens[rows, positions].flatten())
        losses.append(loss + F.cross_entropy(pair, torch.arange(len(tokens)) % 2))
    for logits, wanted in zip(found, expected, strict=True):
        limit = TOLERANCE[dtype] * max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(logits, wanted, rtol=0, atol=limit)
    assert_same_gradients(ours, theirs, losses, dtype)


@both_types
@every_case
def test_both_heads_and_their_losses_are_those_of_transformers(
    default_dtype, sizes, lengths, tmp_path
):
    theirs = reference(BertForPreTraining, **sizes)
    ours = load_public_weights(stored(theirs, tmp_path), heads=True)
    assert_same_heads(ours, theirs, *batch(lengths, **sizes))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(
    num_heads=st.integers(1, 4),
    d_head=st.integers(2, 6),
    d_hidden=st.integers(1, 30),
    num_layers=st.integers(0, 3),
    num_segments=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_any_configuration_is_that_of_transformers(
    tmp_path_factory, num_heads, d_head, d_hidden, num_layers, num_segments, lengths, seed
):
    sizes = {"num_heads": num_heads, "d_model": num_heads * d_head, "d_hidden": d_hidden}
    sizes |= {"num_layers": num_layers, "num_segments": num_segments}
    with default_type(torch.float64):
        theirs = reference(BertForPreTraining, seed, **sizes)
        ours = load_public_weights(stored(theirs, tmp_path_factory.mktemp("public")), heads=True)
        assert_same_heads(ours, theirs, *batch(lengths, seed, **sizes))


# --- the file ---


@pytest.mark.parametrize("kind", [ReferenceEncoder, BertForPreTraining])
def test_the_prefix_of_the_names_is_optional_and_heads_are_left_aside(kind, tmp_path):
    """A file of BertModel's has no prefix, one of BertForPreTraining's has bert. before it."""
    theirs = reference(kind)
    names = load_file(stored(theirs, tmp_path) / "model.safetensors")
    assert any(name.startswith("bert.") for name in names) == (kind is BertForPreTraining)
    ours = load_public_weights(tmp_path)
    assert isinstance(ours, BERTEncoder)
    assert torch.equal(ours.embedding.weight, theirs.get_input_embeddings().weight)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: t.pop("pooler.dense.bias"), "pooler.dense.bias is missing"),
        (
            lambda t: t.pop("encoder.layer.1.attention.self.query.weight"),
            "encoder.layer.1.attention.self.query.weight is missing",
        ),
        (lambda t: t.update({"crane": torch.zeros(1)}), "crane is not wanted"),
        (
            lambda t: t.update({"encoder.layer.2.output.dense.bias": torch.zeros(16)}),
            "encoder.layer.2.output.dense.bias is not wanted",
        ),
        (
            lambda t: t.update({"embeddings.LayerNorm.bias": torch.zeros(17)}),
            r"embeddings.LayerNorm.bias is \(17,\), wanted \(16,\)",
        ),
        (
            lambda t: t.update(
                {k: v.T for k, v in t.items() if k == "encoder.layer.0.output.dense.weight"}
            ),
            r"encoder.layer.0.output.dense.weight is \(24, 16\), wanted \(16, 24\)",
        ),
    ],
)
def test_a_tensor_that_is_missing_unexpected_or_misshapen_is_named(change, fault, tmp_path):
    folder = rewritten(stored(reference(ReferenceEncoder), tmp_path), change)
    with pytest.raises(checkpoint.CheckpointError, match=fault):
        load_public_weights(folder)


def test_all_faults_are_named_at_once(tmp_path):
    def spoil(tensors):
        del tensors["pooler.dense.bias"], tensors["pooler.dense.weight"]
        tensors["crane"] = torch.zeros(1)

    folder = rewritten(stored(reference(ReferenceEncoder), tmp_path), spoil)
    with pytest.raises(checkpoint.CheckpointError) as error:
        load_public_weights(folder)
    for fault in ("pooler.dense.bias", "pooler.dense.weight is missing", "crane is not wanted"):
        assert fault in str(error.value)


def test_heads_that_a_file_lacks_are_named_when_they_are_wanted(tmp_path):
    folder = stored(reference(ReferenceEncoder), tmp_path)
    with pytest.raises(checkpoint.CheckpointError, match=r"cls.seq_relationship.weight is missing"):
        load_public_weights(folder, heads=True)


def test_position_ids_older_names_and_a_second_copy_of_the_tied_weights_are_no_error(tmp_path):
    theirs = reference(BertForPreTraining)

    def age(tensors):
        tensors["bert.embeddings.position_ids"] = torch.arange(12).unsqueeze(0)
        tensors["cls.predictions.decoder.weight"] = theirs.get_input_embeddings().weight.clone()
        tensors["cls.predictions.decoder.bias"] = theirs.cls.predictions.bias.clone()
        for name in [name for name in tensors if "LayerNorm" in name]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensors.pop(name)

    tensors = load_file(stored(theirs, tmp_path) / "model.safetensors")
    ours = load_public_weights(rewritten(tmp_path, age), heads=True)
    for name, weights in ours.named_parameters():
        (expected,) = (t for n, t in tensors.items() if bert.plain(n) == bert.published(name))
        assert torch.equal(weights, expected), name

    def untie(tensors):
        tensors["cls.predictions.decoder.weight"] += 1

    with pytest.raises(checkpoint.CheckpointError, match=r"decoder.weight is not wanted"):
        load_public_weights(rewritten(tmp_path, untie), heads=True)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"hidden_act": "relu"}, "hidden_act='relu', this BERT 'gelu'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps=1e-05, this BERT 1e-12"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ({"hidden_size": None}, "lacks 'hidden_size'"),
    ],
)
def test_a_configuration_of_another_kind_is_refused(change, fault, tmp_path):
    path = stored(reference(ReferenceEncoder), tmp_path) / "config.json"
    config = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    with pytest.raises(checkpoint.CheckpointError, match=fault):
        load_public_weights(tmp_path)


def test_a_folder_without_files_is_named(tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match=r"config.json is missing"):
        load_public_weights(tmp_path)
    stored(reference(ReferenceEncoder), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(checkpoint.CheckpointError, match=r"there is no .*model.safetensors"):
        load_public_weights(tmp_path)


def test_the_public_minilm_is_the_one_that_transformers_loads():
    try:
        folder = minilm_folder()
    except DataUnavailable as reason:
        pytest.skip(str(reason))
    theirs = ReferenceEncoder.from_pretrained(folder, attn_implementation="eager").eval()
    ours = load_public_weights(folder).eval()
    tokens, segments, mask, _ = batch([40, 64, 3], vocab_size=30_000)
    with torch.no_grad():
        expected = theirs(tokens, mask[:, 0], segments)
        x, _ = ours(tokens, segments, mask)
    real = mask[:, 0]
    torch.testing.assert_close(x[real], expected.last_hidden_state[real], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pool(x), expected.pooler_output, rtol=0, atol=1e-5)


# --- properties ---


@both_models
def test_padding_changes_nothing(model):
    model = model(**SIZES).eval()
    tokens, segments, mask, positions = batch([5, 12])
    together = model(tokens, segments, mask, positions, need_weights=True)
    alone = model(tokens[:1, :5], segments[:1, :5], None, positions[:1], need_weights=True)
    torch.testing.assert_close(together[0][:1], alone[0])
    torch.testing.assert_close(together[1][:1], alone[1])
    torch.testing.assert_close(together[2][:1, :, :, :5, :5], alone[2])
    assert not together[2][0, :, :, :, 5:].any()


@both_models
def test_weights_come_of_every_layer_and_head_and_their_rows_sum_to_1(model):
    *_, weights = model(**SIZES)(*batch([5, 12, 1]), need_weights=True)
    assert weights.shape == (3, 2, 2, 12, 12)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 2, 12))
    *_, weights = model(**SIZES)(*batch([5]))
    assert weights is None


@both_encoders
def test_a_classifier_gives_logits_and_weights_and_trains_the_pooler(encoder):
    model = BERTClassifier(encoder(**SIZES), num_classes=3, dropout=0.1)
    tokens, segments, mask, _ = batch([5, 12])
    logits, weights = model(tokens, segments, mask, need_weights=True)
    assert logits.shape == (2, 3) and weights.shape == (2, 2, 2, 12, 12)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.encoder.pooler.parameters())
    model.eval()
    assert torch.equal(model(tokens, None, mask)[0], model(tokens, 0 * segments, mask)[0])


@both_encoders
def test_a_tagger_has_one_layer_for_every_token_and_none_for_places(encoder):
    model = BERTTagger(encoder(**SIZES), num_classes=7, dropout=0.1).eval()
    tokens, segments, mask, _ = batch([5, 12])
    logits, weights = model(tokens, segments, mask, need_weights=True)
    assert logits.shape == (2, 12, 7) and weights.shape == (2, 2, 2, 12, 12)
    x, _ = model.encoder(tokens, segments, mask)
    for row in range(2):
        for place in range(12):
            by_hand = model.output.weight @ x[row, place] + model.output.bias
            torch.testing.assert_close(logits[row, place], by_hand)
    alone, _ = model(tokens[:1, :5], segments[:1, :5], mask[:1, :, :5])
    torch.testing.assert_close(alone[0], logits[0, :5])  # padding changes nothing
    logits.square().sum().backward()
    assert all(p.grad is None for p in model.encoder.pooler.parameters())  # it is not asked


@both_models
def test_the_output_matrix_is_the_embedding_before_and_after_a_step(model, tmp_path):
    model = model(**SIZES)
    assert model.mask_lm.embedding is model.encoder.embedding
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    masked, pair, _ = model(*batch([5, 12]))
    (masked.square().mean() + pair.sum()).backward()
    optimizer.step()
    x = torch.randn(1, 4, 16)
    positions = torch.tensor([[2]])
    before = model.mask_lm(x, positions)
    with torch.no_grad():
        model.encoder.embedding.weight[7] = 0
        model.mask_lm.bias[7] = 0.5
    after = model.mask_lm(x, positions)
    assert after[0, 0, 7] == 0.5
    assert torch.equal(after[..., :7], before[..., :7])
    assert "mask_lm.embedding.weight" not in dict(model.named_parameters())
    assert "mask_lm.embedding.weight" not in checkpoint.own_parameters(model)


def test_only_the_chosen_positions_are_projected_each_with_its_own_vector():
    """d2l's shapes: three masked positions in each of two texts"""
    torch.manual_seed(0)
    embedding = nn.Embedding(100, 8)
    head, x = MaskLM(embedding=embedding), torch.randn(2, 8, 8)
    positions = torch.tensor([[1, 5, 2], [6, 1, 0]])
    logits = head(x, positions)
    assert logits.shape == (2, 3, 100)
    for row in range(2):
        for slot, position in enumerate(positions[row]):
            y = head.norm(F.gelu(head.dense(x[row, position])))
            expected = embedding.weight @ y + head.bias
            torch.testing.assert_close(logits[row, slot], expected)
    assert NextSentencePred(d_model=8)(x[:, 0]).shape == (2, 2)


@both_encoders
def test_without_positions_and_segments_the_order_of_the_words_is_lost(encoder):
    model = encoder(**SIZES).eval()
    tokens = torch.tensor([[3, 4, 5, 6]])
    order = torch.tensor([2, 0, 3, 1])
    told, shuffled = model(tokens)[0], model(tokens[:, order])[0]
    assert (told[:, order] - shuffled).abs().max() > 1e-3
    nn.init.zeros_(model.positions.P)
    torch.testing.assert_close(model(tokens)[0][:, order], model(tokens[:, order])[0])


def test_every_position_sees_both_sides():
    model = BERTEncoder(**SIZES).eval()
    x = model.embed(torch.tensor([[3, 4, 5]])).detach().requires_grad_()
    y, _ = bert.run_blocks(model.blocks[:1], x)
    y[0, 1, 0].backward()
    assert (x.grad[0] != 0).any(dim=-1).all()


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="max_length=12"):
        BERTEncoder(**SIZES)(torch.ones(1, 13, dtype=torch.long))


def test_bert_base_has_the_parameters_that_it_should_have():
    sizes = {"vocab_size": 30_522, "d_model": 768, "d_hidden": 3072, "num_heads": 12}
    with torch.device("meta"):
        encoder = BERTEncoder(**sizes, num_layers=12)
        model = BERTModel(**sizes, num_layers=12)
    assert sum(p.numel() for p in encoder.parameters()) == 109_482_240
    heads = (768**2 + 768) + 2 * 768 + 30_522 + (2 * 768 + 2)
    assert sum(p.numel() for p in model.parameters()) == 109_482_240 + heads


@both_models
def test_weights_start_at_a_deviation_of_0_02_and_biases_at_0(model):
    torch.manual_seed(0)
    model = model(**SIZES | {"vocab_size": 500, "d_model": 64, "d_hidden": 128})
    classifier = BERTClassifier(model.encoder, num_classes=50)
    for name, weights in [*model.named_parameters(), *classifier.output.named_parameters()]:
        if weights.ndim > 1:
            error = 4 * 0.02 / math.sqrt(weights.numel())
            assert weights.std().item() == pytest.approx(0.02, abs=error), name
            assert weights.mean().item() == pytest.approx(0, abs=error), name
        else:
            assert (weights == ("norm" in name and name.endswith("weight"))).all(), name


def test_new_weights_expect_what_they_should():
    """ln V and ln 2 nats: what guessing costs"""
    torch.manual_seed(0)
    tokens, segments, mask, positions = batch([12] * 8, vocab_size=500)
    for model in (BERTModel, PreNormBERTModel):
        masked, pair, _ = model(**SIZES | {"vocab_size": 500})(tokens, segments, mask, positions)
        labels = tokens.gather(1, positions)
        loss = F.cross_entropy(masked.flatten(0, 1), labels.flatten()).item()
        assert loss == pytest.approx(math.log(500), abs=0.1)
        assert F.cross_entropy(pair, torch.arange(8) % 2).item() == pytest.approx(
            math.log(2), abs=0.1
        )


@both_models
def test_it_learns_to_fill_in_a_word_that_its_neighbour_gives_away(model):
    """Each text is five times the same word, one of them hidden."""
    torch.manual_seed(0)
    model = model(**SIZES | {"d_model": 48})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        words = torch.randint(5, 50, (32, 1))
        tokens = words.repeat(1, 5)
        positions = torch.randint(1, 5, (32, 1))
        masked, _, _ = model(tokens.scatter(1, positions, 4), None, None, positions)
        loss = F.cross_entropy(masked[:, 0], words[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
