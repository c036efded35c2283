"""The comparison of starts: its labels, its points, and that what is done is kept."""

import json
import sys

import pytest
import torch

from d2lmini import checkpoint
from d2lmini.bert import PreNormBERTModel
from d2lmini.microworld import Inference, inferences, tag_names, tagged_captions
from d2lmini.text import train_wordpiece
from recipes import label_curve

SETTINGS = label_curve.SETTINGS | {"seeds": [1, 2], "rates": [1e-3, 3e-3]}
FEW = {"encoder": "tiny_bert", "max_tokens": 80, "held_out": 8, "steps": {2: 1, 6: 3}}
TASKS = {
    "tagging": FEW,
    "inference": FEW | {"tuned_up_to": 2},
    "real_inference": FEW | {"encoder": "bert_of_nobody"},
}


@pytest.fixture
def tiny(monkeypatch, own_cards):
    """A tiny encoder as a checkpoint, and a function that runs the recipe on it."""
    label_curve.tokenizer_of.cache_clear(), label_curve.held_out.cache_clear()
    texts = [" ".join(caption.words) for caption in tagged_captions(50, lexicon="full")]
    pieces = train_wordpiece(texts, vocab_size=120)
    sizes = {"d_model": 8, "d_hidden": 8, "num_heads": 2, "num_layers": 1, "max_length": 64}
    sizes["vocab_size"] = pieces.get_vocab_size()
    card = dict.fromkeys(checkpoint.CARD_KEYS, 0) | {"name": "tiny_bert", "model": sizes}
    checkpoint.save("tiny_bert", PreNormBERTModel(**sizes), pieces, card)

    def start(*arguments, **more):
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        label_curve.main(SETTINGS | more, TASKS)

    yield start
    label_curve.tokenizer_of.cache_clear(), label_curve.held_out.cache_clear()


def test_the_card_has_every_point_of_what_is_at_hand(tiny, capsys, monkeypatch):
    tiny()
    assert (
        "real_inference is left out: there is no card 'bert_of_nobody'" in capsys.readouterr().out
    )
    card = checkpoint.card("label_curve")
    found = card["metrics"]["test"]
    assert [*found] == ["tagging", "inference"]
    for task, starts in found.items():
        assert [*starts] == ["pretrained", "random"]
        for start, by_size in starts.items():
            assert [*by_size] == ["2", "6"]
            for size, measures in by_size.items():
                assert len(measures["accuracy"]) == 2  # one for each seed
                assert all(0 <= value <= 1 for value in measures["accuracy"])
                assert ("unseen" in measures) == (task == "tagging")
                tried = card["validation"][task][start]
                assert (size in tried) == (task == "tagging" or size == "2")
                rate = card["rates"][task][start][size]
                assert tried.get(size, tried["2"])[str(rate)] == max(
                    tried.get(size, tried["2"]).values()
                )
    assert not (checkpoint.FOLDER / "label_curve.safetensors").exists()
    monkeypatch.setattr(label_curve, "point", None)  # nothing is left to do
    tiny()
    assert checkpoint.card("label_curve")["metrics"]["test"] == found


def test_a_point_with_other_settings_is_made_anew_and_others_stay(tiny, monkeypatch):
    tiny()
    asked, point = [], label_curve.point
    monkeypatch.setattr(label_curve, "point", lambda *item: asked.append(item[:3]) or point(*item))
    monkeypatch.setitem(FEW, "steps", {2: 1, 6: 4})
    tiny()
    assert {(task, size) for task, _, size in asked} == {("tagging", 6)}  # inference has its own


def test_a_trial_stores_no_card(tiny):
    tiny("--epochs", "1")
    assert not (checkpoint.FOLDER / "label_curve.json").exists()
    runs = checkpoint.FOLDER / "cache/runs/label_curve_1_epochs"
    assert len([*runs.glob("*.json")]) == 2 * 2 * 2  # tasks, starts, to choose and to measure


def test_both_starts_see_the_same_labels_and_differ_in_the_encoder_alone(tiny, monkeypatch):
    seen, models = [], []

    def fit(model, batches, **how):
        seen.append(batches)
        models.append({name: p.detach().clone() for name, p in model.named_parameters()})

    monkeypatch.setattr(label_curve, "fit", fit)
    settings = SETTINGS | {"tasks": {"tagging": FEW}}
    for start in label_curve.STARTS:
        label_curve.point("tagging", start, 6, 1, 1e-3, "validation", settings)
    assert len(seen[0]) == len(seen[1]) == 3
    for one, other in zip(*seen, strict=True):
        assert all(map(torch.equal, one, other))
    stored = checkpoint.read(checkpoint.FOLDER / "tiny_bert.safetensors")
    name = "blocks.0.attention.W_q.weight"
    pretrained, random = (model[f"encoder.{name}"] for model in models)
    torch.testing.assert_close(pretrained, stored[f"encoder.{name}"].float())
    assert not torch.equal(pretrained, random)
    torch.testing.assert_close(*(model["output.weight"] for model in models))


def test_the_first_piece_of_a_word_has_its_tag():
    (caption,) = tagged_captions(1, seed=3)
    pieces = train_wordpiece([" ".join(caption.words)], vocab_size=30)
    ((encoding, labels, words),) = label_curve.encode([caption], pieces)
    assert len(encoding.ids) > len(caption.words) + 2
    asked = [i for i in labels if i != label_curve.NO_LABEL]
    assert [tag_names()[i] for i in asked] == [*caption.tags]
    firsts = [i for i, word in enumerate(encoding.word_ids) if labels[i] >= 0 or word is None]
    assert firsts[0] == 0 and firsts[-1] == len(labels) - 1  # [CLS] and [SEP], without a label
    named = dict(zip(words, labels, strict=True))
    assert len(named) == len({word.lower() for word in caption.words}) + 1
    shorter = label_curve.encode([caption._replace(words=caption.words[:2])], pieces)
    *inputs, padded, _ = label_curve.batch_of([(encoding, labels, words), *shorter])
    assert padded[0].tolist() == labels and inputs[0].shape == padded.shape
    assert {*padded[1, len(shorter[0][1]) :].tolist()} == {label_curve.NO_LABEL}


def test_pairs_have_the_number_of_their_label():
    pieces = train_wordpiece(["a dog"], vocab_size=14)
    rows = [*inferences(3, seed=0), Inference("A dog sleeps.", "A dog runs.", "neutral")]
    assert label_curve.encode(rows, pieces)[-1][1] == [2]


def test_accuracy_on_words_seen_and_unseen_adds_up(tiny):
    settings = SETTINGS | {"tasks": {"tagging": FEW}}
    found = label_curve.point("tagging", "random", 2, 1, 1e-3, "test", settings)
    count = sum(len(row.words) for row in label_curve.read("tagging", "test", 8, 0))
    unseen = found["unseen_words"]
    total = found["unseen"] * unseen + found["seen"] * (count - unseen)
    assert 0 < unseen < count and total / count == pytest.approx(found["accuracy"], abs=1e-3)
    assert json.loads(json.dumps(found)) == found
