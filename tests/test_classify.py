"""Poolings against loops, padding that changes nothing, and a classifier that learns."""

import pytest
import torch
import torch.nn.functional as F

from d2lmini.attention import padding_mask
from d2lmini.classify import (
    AttentionPooling,
    ClsPooling,
    MaxPooling,
    MeanMaxPooling,
    MeanPooling,
    TextClassifier,
)
from d2lmini.transformer import PreNormEncoder

LENGTHS = [5, 3, 1]


def attention_pooling():
    pooling = AttentionPooling(d_model=8)
    torch.nn.init.normal_(pooling.query)
    return pooling


POOLINGS = {
    "mean": MeanPooling,
    "max": MaxPooling,
    "cls": ClsPooling,
    "attention": attention_pooling,
    "mean and max": MeanMaxPooling,
}
every_pooling = pytest.mark.parametrize("name", POOLINGS)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def naive(name, x, pooling):
    """One text, its real vectors (positions, d_model) -> one vector"""
    if name == "mean and max":
        return torch.cat([naive("mean", x, pooling), naive("max", x, pooling)])
    if name == "max":
        return torch.stack([max(column) for column in x.T])
    if name == "cls":
        return x[0]
    query = pooling.query.flatten() if name == "attention" else torch.zeros(x.shape[1])
    exps = [torch.exp(query @ row / x.shape[1] ** 0.5) for row in x]
    return sum(e / sum(exps) * row for e, row in zip(exps, x, strict=True))


@every_pooling
def test_it_is_that_of_the_real_vectors_alone(name):
    pooling, x = POOLINGS[name](), torch.randn(3, 5, 8) - 2  # so that 0 would be the largest
    pooled, shares = pooling(x, padding_mask(torch.tensor(LENGTHS), 5))
    assert pooled.shape == (3, 8 * pooling.vectors) and shares.shape == (3, 5)
    for i, length in enumerate(LENGTHS):
        torch.testing.assert_close(pooled[i], naive(name, x[i, :length], pooling))
        assert shares[i, :length].sum().item() == pytest.approx(1, abs=1e-5)
        assert not shares[i, length:].any()


@every_pooling
def test_no_mask_means_that_all_are_real(name):
    pooling, x = POOLINGS[name](), torch.randn(2, 4, 8)
    for mine, masked in zip(pooling(x), pooling(x, padding_mask([4, 4], 4)), strict=True):
        torch.testing.assert_close(mine, masked)


@every_pooling
def test_a_text_without_words_is_zeros_and_spoils_no_gradient(name):
    pooling, x = POOLINGS[name](), torch.randn(2, 4, 8, requires_grad=True)
    pooled, shares = pooling(x, padding_mask([0, 2], 4))
    assert not pooled[0].any() and not shares[0].any()
    (slope,) = torch.autograd.grad(pooled.square().sum(), x)
    assert slope.isfinite().all() and not slope[0].any() and slope[1].any()


def test_attention_pooling_begins_as_the_mean():
    x, mask = torch.randn(2, 4, 8), padding_mask([4, 2], 4)
    for found, mean in zip(
        AttentionPooling(d_model=8)(x, mask), MeanPooling()(x, mask), strict=True
    ):
        torch.testing.assert_close(found, mean)


def test_a_share_of_the_maximum_is_that_of_the_features_won():
    x = torch.tensor([[[3.0, 0.0, 1.0, 9.0], [4.0, -1.0, 0.0, 8.0]]])
    assert MaxPooling()(x)[1].tolist() == [[0.75, 0.25]]


def classifier(name):
    sizes = {"d_model": 8, "d_hidden": 16, "num_heads": 2, "num_layers": 2}
    return TextClassifier(PreNormEncoder(vocab_size=20, **sizes), POOLINGS[name](), num_classes=3)


@every_pooling
def test_a_text_alone_and_in_a_padded_batch_is_judged_alike(name):
    model, tokens = classifier(name).eval(), torch.randint(1, 20, (3, 5))
    together, _ = model(tokens, padding_mask(LENGTHS, 5))
    for i, length in enumerate(LENGTHS):
        alone, _ = model(tokens[i : i + 1, :length])
        torch.testing.assert_close(alone[0], together[i])


@every_pooling
def test_it_can_learn_which_word_is_there(name):
    model, tokens = classifier(name), torch.randint(4, 20, (64, 6))
    labels = torch.arange(64) % 3
    tokens[torch.arange(64), torch.randint(0, 6, (64,))] = labels + 1
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.cross_entropy(model(tokens)[0], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5 and all(p.grad is not None for p in model.parameters())
