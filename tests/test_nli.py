"""Decomposable attention against loops; padding, order, the empty text, and its errors."""

import pytest
import torch

from d2lmini.attention import padding_mask
from d2lmini.nli import DecomposableAttention


@pytest.fixture
def model():
    torch.manual_seed(0)
    return (
        DecomposableAttention(vocab_size=30, d_model=6, d_hidden=5, num_classes=4).double().eval()
    )


def padded(*rows, to):
    """-> tokens (batch, to), filled up with 0, and their mask (batch, 1, to)"""
    tokens = torch.zeros(len(rows), to, dtype=torch.long)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.tensor(row, dtype=torch.long)
    return tokens, padding_mask(torch.tensor([len(row) for row in rows]), to)


def naive(model, premise, hypothesis):
    """One pair, word by word: slow enough to be obviously right."""
    a = [model.null, *(model.embedding.weight[i] for i in premise)]
    b = [model.null, *(model.embedding.weight[i] for i in hypothesis)]

    def aligned(word, others):
        exps = [torch.exp(model.F(word) @ model.F(other)) for other in others]
        weights = [e / sum(exps) for e in exps]
        return weights, sum(w * other for w, other in zip(weights, others, strict=True))

    found, sums = [], []
    for words, others in ((a, b), (b, a)):
        rows, total = [], 0
        for word in words:
            weights, beta = aligned(word, others)
            rows.append(torch.stack(weights))
            total = total + model.G(torch.cat([word, beta]))
        found.append(torch.stack(rows))
        sums.append(total)
    return model.H(torch.cat(sums)), found


PAIRS = [([3, 4, 5, 6], [7, 8]), ([9], [3, 9, 4]), ([], [11]), ([12, 13], [])]


def test_it_is_what_the_loops_compute_and_padding_changes_nothing(model):
    for width in (4, 9):
        premises, premise_mask = padded(*(a for a, _ in PAIRS), to=width)
        hypotheses, hypothesis_mask = padded(*(b for _, b in PAIRS), to=3)
        premises = premises.masked_fill(~premise_mask[:, 0], 29)  # whatever stands there
        logits, weights = model(premises, hypotheses, premise_mask, hypothesis_mask)
        assert weights[0].shape == (4, 1 + width, 4) and weights[1].shape == (4, 4, 1 + width)
        for i, (a, b) in enumerate(PAIRS):
            expected, (to_b, to_a) = naive(model, a, b)
            torch.testing.assert_close(logits[i], expected)
            m, n = 1 + len(a), 1 + len(b)
            torch.testing.assert_close(weights[0][i, :m, :n], to_b)
            torch.testing.assert_close(weights[1][i, :n, :m], to_a)
            assert not weights[0][i, :, n:].any() and not weights[1][i, :, m:].any()


def test_without_masks_all_tokens_are_real(model):
    premises, hypotheses = torch.tensor([[3, 4, 5]]), torch.tensor([[6, 7]])
    logits, (to_b, to_a) = model(premises, hypotheses)
    torch.testing.assert_close(logits[0], naive(model, [3, 4, 5], [6, 7])[0])
    torch.testing.assert_close(to_b.sum(dim=-1), torch.ones(1, 4).double())
    torch.testing.assert_close(to_a.sum(dim=-1), torch.ones(1, 3).double())


def test_the_order_of_words_changes_nothing_but_which_text_they_are_in_does(model):
    premise, hypothesis = torch.tensor([[3, 4, 5]]), torch.tensor([[6, 7, 8]])
    before = model(premise, hypothesis)[0]
    torch.testing.assert_close(model(premise[:, [2, 0, 1]], hypothesis.flip(1))[0], before)
    assert not torch.allclose(model(hypothesis, premise)[0], before)


def test_null_takes_weight_and_learns(model):
    """A word that nothing resembles can look at NULL, whose vector gets a gradient."""
    logits, (to_b, _) = model(torch.tensor([[3]]), torch.tensor([[4]]))
    assert (to_b[..., 0] > 0).all()
    logits.sum().backward()
    assert model.null.grad.abs().sum() > 0


def test_gradients_are_those_of_small_differences(model):
    premises, mask = padded([3, 4], [5], to=3)

    def from_vectors(vectors):
        weights = {"embedding.weight": vectors}
        inputs = (premises, premises.flip(0), mask, mask.flip(0))
        return torch.func.functional_call(model, weights, inputs)[0]

    assert torch.autograd.gradcheck(from_vectors, model.embedding.weight[:30])


def test_dropout_is_off_in_eval_and_on_in_training():
    torch.manual_seed(0)
    model = DecomposableAttention(vocab_size=9, d_model=8, d_hidden=8, dropout=0.5)
    pair = torch.tensor([[3, 4]]), torch.tensor([[5, 6]])
    assert not torch.equal(model(*pair)[0], model(*pair)[0])
    model.eval()
    assert torch.equal(model(*pair)[0], model(*pair)[0])
    assert model(*pair)[0].shape == (1, 3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"premises": torch.zeros(3, dtype=torch.long)}, ValueError, r"\(batch, length\).*\(3,\)"),
        ({"hypotheses": torch.zeros(3, 4, dtype=torch.long)}, ValueError, "2 premises .* 3"),
        ({"premise_mask": torch.ones(2, 1, 4)}, TypeError, "bool.*float32"),
        ({"premise_mask": torch.ones(2, 4).bool()}, ValueError, r"\(2, 4\).*\(batch, 1, length\)"),
        ({"hypothesis_mask": torch.ones(2, 1, 3).bool()}, ValueError, r"\(2, 1, 3\).*\(2, 4\)"),
    ],
)
def test_what_does_not_fit_is_named(model, change, error, words):
    given = {"premises": torch.ones(2, 4).long(), "hypotheses": torch.ones(2, 4).long()}
    with pytest.raises(error, match=words):
        model(**given | change)
