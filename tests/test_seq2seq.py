"""Recurrent encoder and decoders: against loops, torch's GRU and each other."""

import pytest
import torch
from torch import nn

from d2lmini.attention import padding_mask
from d2lmini.seq2seq import Seq2Seq, Seq2SeqAttentionDecoder, Seq2SeqDecoder, Seq2SeqEncoder
from d2lmini.text import batch_of

DECODERS = [Seq2SeqDecoder, Seq2SeqAttentionDecoder]
both = pytest.mark.parametrize("kind", DECODERS, ids=["plain", "attention"])


def small(kind, dropout=0.0):
    torch.manual_seed(0)
    encoder = Seq2SeqEncoder(vocab_size=11, d_embed=4, d_hidden=5, dropout=dropout)
    decoder = kind(vocab_size=13, d_embed=6, d_hidden=7, d_memory=10, dropout=dropout)
    return Seq2Seq(encoder, decoder).double()


def test_the_encoder_is_a_gru_run_on_each_sentence_alone():
    encoder = small(Seq2SeqDecoder).encoder
    sentences = [[4, 5, 6, 7], [8], [9, 10]]
    outputs, last = encoder(*batch_of(sentences))
    for i, ids in enumerate(sentences):
        alone, state = encoder.gru(encoder.embedding(torch.tensor([ids])))
        torch.testing.assert_close(outputs[i, : len(ids)], alone[0])
        assert outputs[i, len(ids) :].abs().sum() == 0
        torch.testing.assert_close(last[i], state.flatten())


@both
def test_more_padding_changes_nothing(kind):
    model = small(kind)
    source, mask = batch_of([[4, 5, 6], [7, 8]])
    target = torch.tensor([[1, 5, 6], [1, 7, 2]])
    logits, weights = model(source, mask, target)
    wider = nn.functional.pad(source, (0, 4))
    again, looked = model(wider, padding_mask(torch.tensor([3, 2]), 7), target)
    torch.testing.assert_close(logits, again)
    if weights is not None:
        torch.testing.assert_close(weights, looked[..., :3])
        assert looked[..., 3:].abs().sum() == 0


@both
def test_step_by_step_gives_what_teacher_forcing_gives(kind):
    model = small(kind)
    source, mask = batch_of([[4, 5, 6], [7, 8], []])
    target = torch.tensor([[1, 5, 6, 9], [1, 7, 8, 8], [1, 3, 3, 3]])
    logits, weights = model(source, mask, target)
    state = model.encode(source, mask)
    for t in range(target.shape[1]):
        step, state = model.step(target[:, t], state)
        torch.testing.assert_close(step, logits[:, t])
        if weights is not None:
            torch.testing.assert_close(state.weights, weights[:, t])


@both
def test_the_future_cannot_change_the_past(kind):
    model = small(kind)
    source, mask = batch_of([[4, 5, 6]])
    before, _ = model(source, mask, torch.tensor([[1, 5, 6, 7]]))
    after, _ = model(source, mask, torch.tensor([[1, 5, 9, 9]]))
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_one_step_of_attention_is_bahdanaus_formula():
    """Scores, weights, context, concatenation, by hand and one key at a time."""
    model = small(Seq2SeqAttentionDecoder)
    decoder, attention = model.decoder, model.decoder.attention
    source, mask = batch_of([[4, 5, 6]])
    outputs, last = model.encoder(source, mask)
    hidden = torch.tanh(decoder.start(last[0]))
    scores = [
        attention.w_v(torch.tanh(attention.W_q(hidden) + attention.W_k(h))).item()
        for h in outputs[0]
    ]
    weights = torch.tensor(scores, dtype=torch.double).softmax(0)
    context = sum(a * h for a, h in zip(weights, outputs[0], strict=True))
    embedded = decoder.embedding.weight[1]
    hidden = decoder.cell(torch.cat([embedded, context]), hidden)
    mixed = torch.tanh(decoder.mix(torch.cat([hidden, context, embedded])))
    logits, looked = model(source, mask, torch.tensor([[1]]))
    torch.testing.assert_close(looked[0, 0], weights)
    torch.testing.assert_close(logits[0, 0], decoder.embedding.weight @ mixed)


@both
def test_gradients_are_right(kind):
    model = small(kind)
    source, mask = batch_of([[4, 5], [7]])
    target = torch.tensor([[1, 5], [1, 7]])
    names, parameters = zip(*model.named_parameters(), strict=True)

    def loss(*values):
        named = dict(zip(names, values, strict=True))
        logits, _ = torch.func.functional_call(model, named, (source, mask, target))
        return logits.square().mean()

    assert torch.autograd.gradcheck(loss, parameters, fast_mode=True)


@both
def test_a_state_is_selected_row_by_row(kind):
    model = small(kind)
    source, mask = batch_of([[4, 5, 6], [7, 8]])
    _, state = model.step(torch.tensor([1, 1]), model.encode(source, mask))
    chosen = state.select(torch.tensor([1, 1, 0]))
    assert chosen.hidden.shape[0] == 3
    one, _ = model.step(torch.tensor([5, 5, 5]), chosen)
    two, _ = model.step(torch.tensor([5, 5]), state)
    torch.testing.assert_close(one, two[[1, 1, 0]])


@both
@pytest.mark.parametrize("length", [0, 1, 500])
def test_sources_of_no_one_and_many_words_give_finite_logits_and_gradients(kind, length):
    model = small(kind)
    source, mask = batch_of([[4] * length, [5, 6]])
    logits, weights = model(source, mask, torch.tensor([[1, 5], [1, 6]]))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    if weights is not None and length == 0:
        assert weights[0].abs().sum() == 0


def test_dropout_is_off_in_eval_mode():
    model = small(Seq2SeqAttentionDecoder, dropout=0.5)
    source, mask = batch_of([[4, 5, 6]])
    target = torch.tensor([[1, 5]])
    assert not torch.equal(model(source, mask, target)[0], model(source, mask, target)[0])
    model.eval()
    assert torch.equal(model(source, mask, target)[0], model(source, mask, target)[0])
