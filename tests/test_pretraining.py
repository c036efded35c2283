"""The pretraining recipes: their examples, loss and baselines, and a run that goes on."""

import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from d2lmini import checkpoint
from d2lmini.microworld import stories
from d2lmini.text import Special, train_wordpiece
from recipes import _pretraining, bert_microworld


def few_documents(split):
    """Stories, and two texts of one sentence."""
    seed, count = {"train": (1, 60), "validation": (2, 12), "test": (3, 12)}[split]
    return [*stories(count, seed=seed), ["A cat sleeps."], ["The dog and the cat sleep."]]


@pytest.fixture(scope="module")
def pretraining():
    """Pieces, encoded documents, batches, a model and what score wants beside them."""
    texts = few_documents("train")
    pieces = train_wordpiece([sentence for text in texts for sentence in text], vocab_size=150)
    documents, settings = _pretraining.encode(texts, pieces), {"max_length": 40, "max_tokens": 600}
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 2, "max_length": 40}
    model = bert_microworld.build(vocab_size=150, **sizes)
    return SimpleNamespace(
        pieces=pieces,
        documents=documents,
        settings=settings,
        batches=_pretraining.make_batches(documents, 150, settings, seed=5),
        model=model,
        baselines=(
            _pretraining.log_unigrams(documents, 150),
            _pretraining.common_pieces(documents, 150, share=0.1),
        ),
    )


def test_examples_are_drawn_by_their_seed_and_single_sentences_have_no_pair(pretraining):
    again = _pretraining.make_batches(pretraining.documents, 150, pretraining.settings, seed=5)
    for batch, same in zip(pretraining.batches, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(batch, same, strict=True))
        assert batch[0].numel() <= 600
    other = _pretraining.make_batches(pretraining.documents, 150, pretraining.settings, seed=6)
    assert any(
        a[0].shape != b[0].shape or not torch.equal(a[0], b[0])
        for a, b in zip(again, other, strict=False)
    )
    labels = Counter(label for *_, found in again for label in found.tolist())
    assert labels[_pretraining.NO_PAIR] == 2 and abs(labels[0] - labels[1]) <= 1
    for inputs, segments, mask, *_, found in again:
        alone = found == _pretraining.NO_PAIR
        assert not segments[alone].any() and segments[~alone].any(dim=1).all()
        assert (inputs == Special.SEP).sum(dim=1).tolist() == [1 if a else 2 for a in alone]
        assert torch.equal(mask[:, 0], inputs != Special.PAD)


def test_the_loss_is_a_mean_over_real_slots_plus_one_over_real_pairs(pretraining):
    for batch in pretraining.batches:
        *_, positions, targets, labels = batch
        words, pairs, _ = pretraining.model(*batch[:4])
        word_losses = [
            -words[row, slot].log_softmax(-1)[targets[row, slot]].item()
            for row in range(len(targets))
            for slot in range(positions.shape[1])
            if positions[row, slot] > 0
        ]
        pair_losses = [
            -pairs[row].log_softmax(-1)[label].item()
            for row, label in enumerate(labels.tolist())
            if label != _pretraining.NO_PAIR
        ]
        loss, count = _pretraining.loss_of(pretraining.model, batch)
        expected = np.mean(word_losses) + (np.mean(pair_losses) if pair_losses else 0)
        assert loss.item() == pytest.approx(expected, rel=1e-4)
        assert count == len(word_losses)


def test_the_baselines_are_those_counted_by_hand(pretraining):
    """What the frequency of pieces costs on the same slots, and sharing an uncommon piece."""
    sentences = [sentence.tolist() for text in pretraining.documents for sentence in text]
    counts = Counter(i for sentence in sentences for i in sentence)
    total = sum(counts.values()) + 150
    often = Counter(i for sentence in sentences for i in {*sentence})
    costs, right, known = [], [], []
    for batch in pretraining.batches:
        inputs, segments, _, positions, targets, labels = (t.tolist() for t in batch)
        for row, label in enumerate(labels):
            tokens = inputs[row]
            for position, true in zip(positions[row], targets[row], strict=True):
                if position:
                    tokens[position] = true
                    costs.append(-np.log((counts[true] + 1) / total))
            if label == _pretraining.NO_PAIR:
                continue
            rare = [i >= 5 and often[i] <= 0.1 * len(sentences) for i in tokens]
            sides = [
                {i for i, s, r in zip(tokens, segments[row], rare, strict=True) if r and s == side}
                for side in (0, 1)
            ]
            right.append((0 if sides[0] & sides[1] else 1) == label)
            known.append(label)
    means = _pretraining.score(pretraining.model, pretraining.batches, *pretraining.baselines)
    assert means["mlm_unigram_loss"] == pytest.approx(np.mean(costs), rel=1e-5)
    assert means["nsp_overlap_accuracy"] == pytest.approx(np.mean(right))
    assert np.mean(right) > 0.6  # two stories rarely share a pair of actors
    assert means["loss"] == means["mlm_loss"] + means["nsp_loss"]


@pytest.fixture
def small_bert(monkeypatch, tmp_path):
    """Run a pretraining recipe on a few stories; return what it stored."""
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path))
    stored = {}
    save = lambda name, model, pieces, card: stored.update({name: (model, pieces, card)})  # noqa: E731
    monkeypatch.setattr(checkpoint, "save", save)

    def start(*arguments, **more):
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        sizes = {"d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 1, "dropout": 0.1}
        few = {"vocab_size": 120, "num_epochs": 3, "max_tokens": 400}
        _pretraining.recipe(
            "tiny_bert",
            bert_microworld.build,
            few_documents,
            arguments=sizes | {"max_length": 40},
            settings=bert_microworld.SETTINGS | few | more,
            about=lambda: {"name": "a few stories"},
            licence="none",
        )
        return stored

    return start


def test_a_pretraining_recipe_stores_what_can_be_measured_again(small_bert):
    model, pieces, card = small_bert()["tiny_bert"]
    assert card["command"] == "python -m recipes.tiny_bert" and card["epochs"] == 3
    assert card["model"]["vocab_size"] == pieces.get_vocab_size() == 120
    assert card["tokens"] > 3 * 60 * 20
    for epoch in card["history"]["epochs"]:
        assert epoch.keys() == {
            "loss",
            "held_out",
            "seconds",
            "mlm_loss",
            "mlm_accuracy",
            "nsp_accuracy",
        }
    first = card["history"]["epochs"][0]
    found = card["metrics"]["test"]
    assert first["mlm_loss"] < found["mlm_unigram_loss"] + 0.1  # where its output bias begins
    assert found["mlm_loss"] < found["mlm_unigram_loss"]
    assert found.keys() == set(_pretraining.METRICS)
    again = bert_microworld.build(**card["model"])
    again.load_state_dict(model.state_dict())
    assert _pretraining.measure(few_documents, again, pieces, card) == card["metrics"]


def test_pretraining_goes_on_where_it_was_left_and_a_trial_stores_nothing(small_bert, capsys):
    assert small_bert("--epochs", "1") == {}
    whole = small_bert()["tiny_bert"][0].state_dict()
    small_bert()
    assert "going on after epoch 3" in capsys.readouterr().out
    again = small_bert("--fresh")["tiny_bert"][0].state_dict()
    assert all(torch.equal(again[name], weights) for name, weights in whole.items())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_small_bert_reads_stories_and_captions(split, monkeypatch):
    monkeypatch.setattr(
        bert_microworld, "SPLITS", {"train": (1, 9), "validation": (2, 5), "test": (3, 5)}
    )
    texts = bert_microworld.documents(split)
    count = bert_microworld.SPLITS[split][1]
    assert [len(text) > 1 for text in texts] == [True] * count + [False] * 4 * count
    about = bert_microworld.about()
    assert about["rows"][split] == len(texts) and len({*about["sha256"].values()}) == 3
