"""Weights and cards: what is stored comes back, and nothing wrong is taken for right."""

import json
import pickle

import pytest
import torch
from torch import nn

from d2lmini import checkpoint
from d2lmini.checkpoint import CARD_KEYS, CheckpointError

CARD = dict.fromkeys(CARD_KEYS, 0) | {"name": "tiny", "model": {"d": 3}}


class Tied(nn.Module):
    def __init__(self, d=3):
        super().__init__()
        self.embed = nn.Embedding(5, d)
        self.out = nn.Linear(d, 5, bias=False)
        self.out.weight = self.embed.weight


@pytest.fixture
def stored(tmp_path):
    torch.manual_seed(0)
    model = Tied()
    checkpoint.save("tiny", model, None, CARD, folder=tmp_path)
    return model, tmp_path


def test_what_is_saved_comes_back_in_half_precision_and_tied_weights_stay_tied(stored):
    model, folder = stored
    card = checkpoint.card("tiny", folder=folder)
    other = checkpoint.load("tiny", Tied(**card["model"]), folder=folder)
    torch.testing.assert_close(other.embed.weight, model.embed.weight.half().float())
    assert other.out.weight is other.embed.weight
    assert (folder / "tiny.safetensors").stat().st_size < 200


def test_a_tokeniser_comes_back(tmp_path):
    from tokenizers import Tokenizer, models

    tokens = Tokenizer(models.WordLevel({"<unk>": 0, "cat": 1}, unk_token="<unk>"))
    checkpoint.save("tiny", Tied(), tokens, CARD, folder=tmp_path)
    again = checkpoint.tokenizer("tiny", folder=tmp_path)
    assert again.encode("cat").ids == [1]
    (tmp_path / "tiny.tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tiny\.tokenizer\.json is missing or damaged"):
        checkpoint.tokenizer("tiny", folder=tmp_path)


def test_a_card_without_a_key_is_refused_before_anything_is_written(tmp_path):
    incomplete = {key: value for key, value in CARD.items() if key != "metrics"}
    with pytest.raises(ValueError, match="metrics"):
        checkpoint.save("tiny", Tied(), None, incomplete, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged or no safetensors"),
        (pickle.dumps({"embed.weight": 1}), "damaged or no safetensors"),
        ("half", "damaged or no safetensors"),
    ],
)
def test_a_damaged_file_or_a_pickle_is_refused(stored, content, message):
    _, folder = stored
    path = folder / "tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-7] if content == "half" else content)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load("tiny", Tied(), folder=folder)


def test_every_weight_that_does_not_fit_is_named_and_the_model_is_left_alone(stored):
    _, folder = stored
    model = nn.Module()
    model.embed, model.more = nn.Embedding(5, 4), nn.Linear(1, 1, bias=False)
    before = model.embed.weight.clone()
    with pytest.raises(CheckpointError) as error:
        checkpoint.load("tiny", model, folder=folder)
    assert "embed.weight is (5, 3), wanted (5, 4)" in str(error.value)
    assert "more.weight is missing" in str(error.value)
    assert torch.equal(model.embed.weight, before)
    smaller = nn.Module()
    with pytest.raises(CheckpointError, match=r"embed\.weight is not wanted"):
        checkpoint.load("tiny", smaller, folder=folder)


def test_a_missing_or_damaged_card_is_named(stored):
    _, folder = stored
    with pytest.raises(CheckpointError, match="no card 'other'; there are: tiny"):
        checkpoint.card("other", folder=folder)
    (folder / "tiny.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tiny\.json is damaged"):
        checkpoint.card("tiny", folder=folder)
    (folder / "tiny.json").write_text(json.dumps({"name": "tiny"}))
    with pytest.raises(CheckpointError, match="lacks recipe"):
        checkpoint.card("tiny", folder=folder)
    with pytest.raises(CheckpointError, match=r"there is no .*none\.safetensors"):
        checkpoint.load("none", Tied(), folder=folder)


@pytest.mark.parametrize("content", ["3", "null", "[]", '"name"'])
def test_a_card_that_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "tiny.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"tiny\.json must hold a JSON object, got"):
        checkpoint.card("tiny", folder=tmp_path)


def test_a_comparison_is_a_card_without_weights(tmp_path):
    checkpoint.save("tiny", None, None, CARD, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.json"]
    assert checkpoint.card("tiny", folder=tmp_path) == CARD
