"""The head explorer's page: what it carries, and what it refuses."""

import json
import re

import pytest
import torch

from d2lmini import explorer
from d2lmini.explorer import HeadWeights, explore_heads, packed


def head_weights(queries=("ein", "Hund"), keys=("a", "<!-- <script>", "</script>")):
    torch.manual_seed(0)
    weights = torch.randn(2, 3, len(queries), len(keys)).softmax(dim=-1)  # 2 layers, 3 heads
    return HeadWeights(queries, keys, weights)


@pytest.fixture
def shown(monkeypatch):
    seen = {}
    monkeypatch.setattr(explorer, "display", lambda data, raw: seen.update(data))
    return seen


def carried(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])


def test_the_page_carries_every_weight_in_hundredths_and_a_picture_for_where_scripts_do_not_run(
    shown,
):
    given = head_weights()
    explore_heads({"A <dog>": {"cross": given}}, caption="Heads & words", alt="a heat map", head=1)
    page = shown["text/html"]
    data = carried(page)
    assert (data["layer"], data["head"]) == (0, 1)
    (example,) = data["examples"]
    assert example["name"] == "A <dog>"
    (kind,) = example["kinds"]
    assert kind["keys"] == ["a", "<!-- <script>", "</script>"]
    torch.testing.assert_close(
        torch.tensor(kind["weights"]) / 100, given.weights, atol=0.005001, rtol=0
    )
    assert re.search(r'<img src="data:image/png[^>]*alt="a heat map"', page)
    assert "<figcaption>Heads &amp; words</figcaption>" in page
    assert not re.search("https?://(?!www.w3.org)", page)  # nothing from outside
    assert shown["text/plain"] == "Heads & words [a heat map]"


def test_a_word_cannot_open_or_end_markup(shown):
    explore_heads({"x": {"cross": head_weights()}}, caption="c", alt="a heat map")
    assert "<" not in re.search(r'json">(.*?)</script>', shown["text/html"], re.S)[1]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3, 2), (2, 3, 2, 2)])
def test_weights_that_do_not_fit_the_words_are_named(shape):
    with pytest.raises(ValueError, match=r"'cross' of 'A dog': weights .* 2 queries, 3 keys"):
        packed("A dog", "cross", HeadWeights(("ein", "Hund"), ("a", "dog", "."), torch.rand(shape)))


def test_sentences_must_have_the_same_attentions():
    for examples in ({}, {"a": {"cross": head_weights()}, "b": {"encoder": head_weights()}}):
        with pytest.raises(ValueError, match="all have the same attentions"):
            explore_heads(examples, caption="c", alt="a")


def test_a_text_typed_brings_its_own_heads(monkeypatch):
    seen = {}
    monkeypatch.setattr(explorer, "text_field", lambda page, **rest: seen.update(rest, page=page))
    explorer.type_heads(
        lambda text: {"cross": head_weights(queries=text.split())},
        label="sentence",
        value="ein Hund",
        caption="c",
        alt="a heat map",
    )
    assert seen["value"] == "ein Hund" and seen["text"] == "c [a heat map]"
    (example,) = carried(seen["page"]("zwei rote Hunde"))["examples"]
    assert example["kinds"][0]["queries"] == ["zwei", "rote", "Hunde"]
