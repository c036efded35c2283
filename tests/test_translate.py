"""Decoding and its measures, against one sentence at a time, the formula and hand counts."""

import math
from collections import Counter

import pytest
import torch
from test_seq2seq import DECODERS, small

from d2lmini.translate import alignment_error_rate, batch_of, bleu, greedy

both = pytest.mark.parametrize("kind", DECODERS, ids=["plain", "attention"])
SOURCES = [[4, 5, 6], [], [7], [4] * 500, [8, 9, 10, 4, 5], [5, 5]]


def one_by_one(model, ids, max_length):
    """The simplest loop there is: a batch of one, one word at a time."""
    model.eval()
    state, token, words = model.encode(*batch_of([ids])), torch.tensor([1]), []
    with torch.no_grad():
        while len(words) < max_length:
            logits, state = model.step(token, state)
            logits[0, [0, 1]] = -math.inf
            token = logits.argmax(dim=-1)
            if token.item() == 2:
                break
            words.append(token.item())
    return words


@both
def test_batched_greedy_gives_what_one_sentence_at_a_time_gives(kind):
    model = small(kind)
    found = greedy(model, SOURCES, max_length=12, batch_size=4)
    assert found.ids == [one_by_one(model, ids, 12) for ids in SOURCES]


def test_weights_come_for_each_word_and_each_source_token():
    found = greedy(small(DECODERS[1]), SOURCES, max_length=5)
    for ids, source, weights in zip(found.ids, SOURCES, found.weights, strict=True):
        assert weights.shape[1] == len(source)
        assert weights.shape[0] in (len(ids), len(ids) + 1)  # with <eos>, if it came
        if source:
            torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)).double())
    assert greedy(small(DECODERS[0]), SOURCES, max_length=5).weights is None


def test_a_sentence_ends_at_eos_and_at_max_length_and_never_says_pad_or_bos():
    model = small(DECODERS[0])
    with torch.no_grad():
        model.decoder.embedding.weight[:2] *= 100
    for ids in greedy(model, SOURCES, max_length=3).ids:
        assert len(ids) <= 3
        assert not {0, 1, 2} & set(ids)


def test_no_sentence_gives_no_translation_and_a_wrong_length_is_named():
    assert greedy(small(DECODERS[0]), []).ids == []
    with pytest.raises(ValueError, match="max_length must be at least 1, got 0"):
        greedy(small(DECODERS[0]), SOURCES, max_length=0)


# --- BLEU ---


def bleu_by_hand(hypotheses, references):
    """Papineni et al. 2002, for words that blanks divide; no n-gram count may be zero."""
    logs, lengths = [], [sum(len(s.split()) for s in side) for side in (hypotheses, references)]
    for n in (1, 2, 3, 4):
        hits = total = 0
        for hypothesis, reference in zip(hypotheses, references, strict=True):
            counts = [
                Counter(zip(*(s.split()[i:] for i in range(n)), strict=False))
                for s in (hypothesis, reference)
            ]
            hits += (counts[0] & counts[1]).total()
            total += counts[0].total()
        logs.append(math.log(hits / total))
    brevity = min(1, math.exp(1 - lengths[1] / lengths[0]))
    return 100 * brevity * math.exp(sum(logs) / 4)


def test_bleu_is_the_formula():
    hypotheses = ["the cat sat on the old mat today", "a dog sees the big red ball"]
    references = ["the cat sat on the mat today", "a dog sees the big red ball there"]
    result = bleu(hypotheses, references)
    assert result.score == pytest.approx(bleu_by_hand(hypotheses, references))
    assert "tok:13a" in result.signature and "case:mixed" in result.signature


def test_case_counts_unless_told_and_the_signature_says_so():
    assert bleu(["The Cat Sat On"], ["the cat sat on"]).score < 1
    lower = bleu(["The Cat Sat On"], ["the cat sat on"], lowercase=True)
    assert lower.score == pytest.approx(100) and "case:lc" in lower.signature


def test_bleu_wants_a_reference_for_each_hypothesis():
    with pytest.raises(ValueError, match="got 2 and 1"):
        bleu(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="got 0 and 0"):
        bleu([], [])


# --- alignment error rate ---


def test_the_alignment_error_rate_counts_by_hand():
    weights = [torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])]  # links 0-0 and 2-1
    assert alignment_error_rate(weights, [[(0, 0), (2, 1)]]) == 0
    assert alignment_error_rate(weights, [[(1, 0), (1, 1)]]) == 1
    assert alignment_error_rate(weights, [[(0, 0), (1, 1)]]) == pytest.approx(1 - 2 / 4)
    sure, possible = [[(0, 0)]], [[(0, 0), (2, 1)]]
    assert alignment_error_rate(weights, sure, possible) == pytest.approx(1 - (1 + 2) / (2 + 1))
    assert alignment_error_rate(weights, sure, [[]]) == pytest.approx(1 - (1 + 1) / (2 + 1))


def test_links_are_wanted_for_every_pair():
    with pytest.raises(ValueError, match="2 weights need links each, got 1 and 1"):
        alignment_error_rate([torch.ones(1, 1)] * 2, [[]])
