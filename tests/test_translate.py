"""Decoding and its measures, against one sentence at a time, the formula and hand counts."""

import itertools
import math
from collections import Counter
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_attention import examples
from test_seq2seq import DECODERS, small
from test_transformer import SIZES, TRANSFORMERS, shaken
from test_transformer import small as small_transformer
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from d2lmini.seq2seq import Seq2Seq, Seq2SeqEncoder
from d2lmini.text import batch_of
from d2lmini.transformer import Transformer
from d2lmini.translate import (
    LiveRows,
    alignment_error_rate,
    beam,
    bleu,
    greedy,
    greedy_batch,
    top_k,
)

few = settings(examples, max_examples=10)
KINDS = [*DECODERS, *TRANSFORMERS]
every = pytest.mark.parametrize("kind", KINDS, ids=["plain", "attention", "post-norm", "pre-norm"])
SOURCES = [[4, 5, 6], [], [7], [4] * 500, [8, 9, 10, 4, 5], [5, 5]]


def model_of(kind):
    return small(kind) if kind in DECODERS else small_transformer(kind)


def tiny(kind, seed):
    """Four words can be said: <eos>, <unk>, 4 and 5."""
    torch.manual_seed(seed)
    if kind in TRANSFORMERS:
        model = kind(source_vocab_size=11, target_vocab_size=6, **SIZES)
    else:
        encoder = Seq2SeqEncoder(vocab_size=11, d_embed=4, d_hidden=5)
        decoder = kind(vocab_size=6, d_embed=6, d_hidden=7, d_memory=10)
        model = Seq2Seq(encoder, decoder)
    return shaken(model).double()


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


@every
def test_batched_greedy_gives_what_one_sentence_at_a_time_gives(kind):
    for model in (model_of(kind), *(tiny(kind, seed) for seed in range(3))):
        found = greedy(model, SOURCES, max_length=12, batch_size=4)
        assert found.ids == [one_by_one(model, ids, 12) for ids in SOURCES]


def test_weights_come_for_each_word_and_each_source_token():
    found = greedy(small(DECODERS[1]), SOURCES, max_length=5)
    for ids, source, weights in zip(found.ids, SOURCES, found.weights, strict=True):
        assert weights.shape == (len([*ids, 2][:5]), len(source))  # with <eos>, if it came in time
        if source:
            torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)).double())
    assert greedy(small(DECODERS[0]), SOURCES, max_length=5).weights is None


def test_a_transformers_weights_are_those_of_teacher_forcing():
    lengths = set()
    for seed in range(8):
        model = tiny(TRANSFORMERS[seed % 2], seed)
        found = greedy(model, SOURCES, max_length=12)
        for ids, source, weights in zip(found.ids, SOURCES, found.weights, strict=True):
            said = [*ids, 2][:12]
            target = torch.tensor([[1, *said[:-1]]])
            _, looked = model(*batch_of([source]), target, need_weights=True)
            expected = looked.cross[0, ..., : len(source)].movedim(2, 0)  # words first
            torch.testing.assert_close(weights, expected)
            lengths.add(len(ids))
    assert {0, 12} < lengths  # some ended at once, some never, some between


@every
@pytest.mark.parametrize("search", [greedy, top_k, beam])
def test_the_search_stops_when_all_have_ended(kind, search):
    model, steps = tiny(kind, 0), []
    step = model.step

    def counted(tokens, state):
        logits, state = step(tokens, state)
        logits[:, 2] = 50.0 if len(steps) == 2 else -50.0  # <eos> is the third word of all
        steps.append(tokens)
        return logits, state

    model.step = counted
    found = search(model, SOURCES[:3], max_length=20)
    assert [len(ids) for ids in found.ids] == [2, 2, 2] and len(steps) == 3


@every
@pytest.mark.parametrize("search", [greedy, top_k, beam])
def test_a_sentence_ends_at_eos_and_at_max_length_and_never_says_pad_or_bos(kind, search):
    model = model_of(kind)
    with torch.no_grad():
        model.decoder.embedding.weight[:2] *= 100
    for ids in search(model, SOURCES, max_length=3).ids:
        assert len(ids) <= 3
        assert not {0, 1, 2} & set(ids)


@every
@pytest.mark.parametrize("search", [greedy, top_k, beam])
def test_no_sentence_gives_no_translation_and_dropout_is_off(kind, search):
    model = model_of(kind).train()
    assert search(model, []).ids == []
    assert not model.training


@every
def test_sentences_that_have_ended_leave_the_batch_and_nothing_else_changes(kind):
    model, rows = tiny(kind, 3), []
    step, batch = model.step, batch_of(SOURCES * 2)

    def counted(tokens, state):
        rows.append(len(tokens))
        logits, state = step(tokens, state)
        logits[:, 2] += torch.linspace(-9, 9, len(SOURCES) * 2)[: len(tokens)]  # some end early
        return logits, state

    model.step = counted
    with torch.no_grad():
        words, weights = greedy_batch(LiveRows(model, range(12)), *batch, 12)
        assert rows[0] == 12 and rows[-1] < 9
        rows.clear()
        plain, looked = greedy_batch(model, *batch, 12)
    assert set(rows) == {12}
    assert plain.shape == words.shape
    assert kind is DECODERS[0] or weights.shape == looked.shape


@pytest.mark.parametrize("search", [greedy, top_k, beam])
@pytest.mark.parametrize("name", ["max_length", "batch_size"])
@pytest.mark.parametrize("size", [0, -1])
def test_a_length_or_batch_below_one_is_named(search, name, size):
    for source in (SOURCES, []):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got {size}"):
            search(small(DECODERS[0]), source, **{name: size})


@pytest.mark.parametrize("search", [greedy, top_k, beam])
@pytest.mark.parametrize(("source", "max_length"), [([4], 9), ([4] * 9, 8), ([4], 100)])
def test_too_few_positions_are_named_before_the_model_is_asked(search, source, max_length):
    model = Transformer(source_vocab_size=11, target_vocab_size=6, max_length=8, **SIZES)
    search(model, [[4], [4] * 8], max_length=8)
    model.encode = None
    with pytest.raises(ValueError, match=f"8 positions, .*{max_length} .* of {len(source)} tokens"):
        search(model, [[4], source], max_length=max_length, batch_size=1)


# --- logits that cannot be used ---


class Said(NamedTuple):
    words: torch.Tensor  # (batch, length), without <bos>

    def select(self, rows):
        return Said(self.words[rows])


class ByHand(nn.Module):
    """{what was said: {word: probability}}; after anything else, <eos>."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def encode(self, source, mask):
        return Said(torch.zeros(len(source), 0, dtype=torch.long))

    def step(self, tokens, state):
        words = torch.cat([state.words, tokens.unsqueeze(1)], dim=1)
        probabilities = torch.zeros(len(words), 6)
        for row, (_, *said) in enumerate(words.tolist()):
            for word, p in self.table.get(tuple(said), {2: 1.0}).items():
                probabilities[row, word] = p
        return probabilities.log(), Said(words)


class Logits(nn.Module):
    """The logits of source[i] are those of the token source[i][0]; dead ends after token 5."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def encode(self, source, mask):
        return Said(source[:, :1])

    def step(self, tokens, state):
        logits = self.table[state.words[:, 0]].clone()
        logits[tokens == 5] = -math.inf
        return logits, state


@pytest.mark.parametrize("search", [greedy, top_k, beam])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_sentence_without_a_usable_logit_is_named(search, batch_size, value):
    table = torch.zeros(5, 6)
    table[:, 5] = -math.inf
    sources = [[3], [3, 3], [4], [3]]
    search(Logits(table), sources, batch_size=batch_size, max_length=3)
    if math.isinf(value) and value < 0:
        table[4, 2:] = value  # <pad> and <bos>, which may not be written, are no way out
    else:
        table[4, 3] = value
    with pytest.raises(ValueError, match=rf"source\[2\] cannot .* largest logit is {value}$"):
        search(Logits(table), sources, batch_size=batch_size, max_length=3)


@pytest.mark.parametrize("width", [2, 3, 4, 9])
@pytest.mark.parametrize("last", [3, 100])
def test_a_dead_end_loses_against_any_other_beginning(width, last):
    """Token 5 is likeliest and leads nowhere; so does a sentence that has nothing else."""
    table = torch.zeros(5, 6)
    table[4] = torch.tensor([9.0, 9.0, -2.0, -8.0, -9.0, 5.0])
    found = beam(Logits(table), [[4]], width=width, max_length=last, length_penalty=0.0)
    assert found.ids == [[]]
    assert found.log_probs == pytest.approx([table[4, 2:].log_softmax(dim=0)[0].item()])
    with pytest.raises(ValueError, match=r"source\[0\] .* -inf$"):
        beam(Logits(table), [[4]], width=1)
    table[4, 2:5] = -math.inf
    with pytest.raises(ValueError, match=r"source\[0\] .* -inf$"):
        beam(Logits(table), [[4]], width=width)


def test_a_table_with_a_dead_end_is_searched_as_without_it():
    model = ByHand({(): {4: 0.6, 5: 0.4}, (4,): {}, (5,): {3: 1.0}, (5, 3): {2: 1.0}})
    found = beam(model, [[]], width=3, length_penalty=0.0)
    assert found.ids == [[5, 3]] and found.log_probs == pytest.approx([math.log(0.4)])


@pytest.mark.parametrize("search", [greedy, top_k, beam])
def test_the_logits_of_the_model_are_left_alone(search):
    """A model may return a view of its weights."""
    model, weights = Logits(torch.zeros(5, 6)), torch.randn(1, 6).expand(9, 6).clone()
    before = weights.clone()
    model.step = lambda tokens, state: (weights[: len(tokens)], state)
    search(model, [[3], [4], [3]], max_length=4, **({"width": 3} if search is beam else {}))
    assert torch.equal(weights, before)


@pytest.mark.parametrize("penalty", [math.nan, math.inf, -math.inf])
def test_a_length_penalty_that_is_not_finite_is_refused(penalty):
    with pytest.raises(ValueError, match=f"length_penalty must be finite, got {penalty}"):
        beam(small(DECODERS[0]), SOURCES, length_penalty=penalty)


# --- devices ---


class Elsewhere(torch.Tensor):
    """A tensor that says it is on `meta` and keeps its numbers here, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here):
        how = {"strides": here.stride(), "dtype": here.dtype, "device": "meta"}
        tensor = torch.Tensor._make_wrapper_subclass(cls, here.shape, **how)
        tensor.here = here
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        """Refuse tensors of two devices, as a real one would; compute on the CPU."""
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        away = any(isinstance(t, cls) for t in tensors)
        if not all(isinstance(t, cls) == away or t.ndim == 0 for t in tensors):
            raise RuntimeError(f"{func} of tensors on two devices")
        kwargs = dict(kwargs or {})
        if kwargs.get("device") is not None:
            away = kwargs.pop("device").type == "meta"
        args, kwargs = tree_map_only(cls, lambda t: t.here, (args, kwargs))
        found = func(*args, **kwargs)
        return tree_map_only(torch.Tensor, cls, found) if away else found

    def tolist(self):
        return self.here.tolist()


class SecondDevice(TorchDispatchMode):
    """Tensors made on `meta` are Elsewhere."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return Elsewhere.__torch_dispatch__(func, types, args, kwargs)


@pytest.mark.parametrize("search", [greedy, top_k, beam])
def test_a_model_on_another_device_decodes_there(search):
    """(Not a recurrent one: torch packs its input by lengths that stay on the CPU.)"""
    model, options = tiny(Transformer, 1), {"max_length": 9}
    if search is top_k:
        options["k"] = 1
    expected = search(model, SOURCES, **options)
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    moved = Elsewhere(tensor.detach())
                    tensors[name] = nn.Parameter(moved, False) if name != "P" else moved
    with SecondDevice():
        found = search(model, SOURCES, **options)
    assert found.ids == expected.ids
    for here, there in zip(expected.weights or [], found.weights or [], strict=True):
        torch.testing.assert_close(there.here, here)


# --- sampling ---


@every
def test_sampling_from_the_one_likeliest_word_is_greedy_search(kind):
    for model in (model_of(kind), tiny(kind, 1)):
        expected = greedy(model, SOURCES, max_length=9)
        found = top_k(model, SOURCES, k=1, max_length=9)
        assert found.ids == expected.ids
        for ours, theirs in zip(found.weights or [], expected.weights or [], strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("k", [1, 2, 3, 99])
def test_words_are_drawn_by_their_probabilities_among_the_likeliest(k):
    model = small(DECODERS[0])
    logits = torch.tensor([9.0, 9.0, 1.0, -2.0, 2.0, 1.5])  # <pad> and <bos> may not be said
    model.step = lambda tokens, state: (logits.repeat(len(tokens), 1), state)
    model.encode = lambda source, mask: SimpleNamespace(select=lambda rows: None)
    generator = torch.Generator().manual_seed(0)
    found = top_k(model, [[4]] * 20_000, k=k, generator=generator, max_length=1).ids
    words = torch.tensor([ids[0] if ids else 2 for ids in found])
    share = torch.bincount(words, minlength=6) / len(words)
    expected = torch.zeros(6)
    likeliest = [4, 5, 2, 3][:k]
    expected[likeliest] = logits[likeliest].softmax(dim=0)
    torch.testing.assert_close(share, expected, atol=0.015, rtol=0)
    generator.manual_seed(0)
    again = top_k(model, [[4]] * 128, k=k, generator=generator, max_length=1).ids
    assert again == found[:128]  # a batch


def test_a_wrong_number_of_likeliest_words_is_named():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        top_k(small(DECODERS[0]), SOURCES, k=0)


# --- beam search ---


def log_probs(model, source, said):
    """Teacher forcing: log probabilities of the words said (batch, length), (batch, length)."""
    target = nn.functional.pad(said[:, :-1], (1, 0), value=1)
    logits, _ = model(*batch_of([source] * len(said)), target)
    logits[..., [0, 1]] = -math.inf
    return logits.log_softmax(dim=-1).gather(2, said.unsqueeze(2)).squeeze(2)


def score(log_prob, length, penalty):
    return log_prob / ((5 + length) / 6) ** penalty


def all_sentences(model, source, max_length):
    """[(what is said, log probability)] of all there are."""
    found = []
    for length in range(1, max_length + 1):
        last = (2, 3, 4, 5) if length == max_length else (2,)
        said = list(itertools.product(*[(3, 4, 5)] * (length - 1), last))
        totals = log_probs(model, source, torch.tensor(said)).sum(dim=1)
        found += zip(said, totals.tolist(), strict=True)
    return found


@torch.no_grad()
def naive_beam(model, source, width, penalty, max_length):
    """One source, a list of beginnings, each extended by teacher forcing from the start."""
    beginnings, best = [(0.0, ())], (-math.inf,)
    for length in range(1, max_length + 1):
        candidates = [(total, said) for total, said in beginnings if 2 in said]
        longer = [(*said, word) for _, said in beginnings if 2 not in said for word in (2, 3, 4, 5)]
        if longer:
            totals = log_probs(model, source, torch.tensor(longer)).sum(dim=1)
            candidates += zip(totals.tolist(), longer, strict=True)
        beginnings = sorted(candidates, reverse=True)[:width]
        for total, said in beginnings:
            if len(said) == length and (2 in said or length == max_length):
                best = max(best, (score(total, length, penalty), said, total))
    return [word for word in best[1] if word != 2], best[2]


@every
@few
@given(st.integers(0, 999), st.sampled_from([0.0, 0.6, 1.0]), st.sampled_from([3, 4]))
def test_a_beam_that_is_wide_enough_finds_the_best_of_all_sentences(
    kind, seed, penalty, max_length
):
    model, source = tiny(kind, seed), [4, 5, 6]
    everything = all_sentences(model, source, max_length)
    assert len(everything) == {3: 40, 4: 121}[max_length]
    assert sum(math.exp(total) for _, total in everything) == pytest.approx(1)
    said, total = max(everything, key=lambda one: score(one[1], len(one[0]), penalty))
    best = score(total, len(said), penalty)
    options = {"length_penalty": penalty, "max_length": max_length}
    found = beam(model, [source], width=len(everything), **options)
    assert found.ids == [[word for word in said if word != 2]]
    assert found.log_probs == pytest.approx([total], abs=1e-5)
    totals = {tuple(w for w in said if w != 2): (t, len(said)) for said, t in everything}
    for width in (1, 2, 3, 5, 8):
        found = beam(model, [source], width=width, **options)
        total, length = totals[tuple(found.ids[0])]
        assert found.log_probs == pytest.approx([total], abs=1e-5)
        assert score(total, length, penalty) <= best + 1e-9


def test_a_narrow_beam_misses_some_and_the_penalty_matters():
    """The comparison above can fail."""
    models = [tiny(Transformer, seed) for seed in range(20)]
    found = {
        (width, penalty): [
            beam(m, [[4, 5, 6]], width=width, length_penalty=penalty, max_length=4).ids
            for m in models
        ]
        for width in (1, 121)
        for penalty in (0.0, 1.0)
    }
    assert found[1, 0.0] != found[121, 0.0]
    assert found[121, 0.0] != found[121, 1.0]


@every
@few
@given(
    st.integers(0, 999),
    st.sampled_from([0.0, 0.6, 1.0, 3.0]),
    st.integers(1, 5),
    st.integers(1, 6),
)
def test_beams_side_by_side_are_lists_of_beginnings(kind, seed, penalty, width, max_length):
    model, sources = tiny(kind, seed), [[4, 5, 6], [], [7], [8, 9, 10, 4, 5]]
    found = beam(model, sources, width=width, length_penalty=penalty, max_length=max_length)
    for i, source in enumerate(sources):
        ids, total = naive_beam(model, source, width, penalty, max_length)
        assert found.ids[i] == ids
        assert found.log_probs[i] == pytest.approx(total, abs=1e-5)


def test_a_sentence_that_has_ended_keeps_its_place_in_the_beam():
    """<eos> of 0.4 and 4 4 of 0.204 leave no place among two to 4 5 of 0.198, which would win."""
    quarters = dict.fromkeys((2, 3, 4, 5), 0.25)
    model = ByHand({(): {2: 0.4, 4: 0.6}, (4,): {4: 0.34, 5: 0.33, 3: 0.33}, (4, 4): quarters})
    options = {"length_penalty": 9.0, "max_length": 3}
    found = beam(model, [[]], width=2, **options)
    assert found.ids[0][:2] == [4, 4]
    assert found.log_probs == pytest.approx([math.log(0.6 * 0.34 / 4)])
    found = beam(model, [[]], width=4, **options)
    assert found.ids[0] in ([4, 5], [4, 3])
    assert found.log_probs == pytest.approx([math.log(0.6 * 0.33)])


def test_a_sentence_that_was_pushed_out_of_the_beam_is_not_forgotten():
    """<eos> of 0.3 gives way to two beginnings of 0.35, which then divide into four."""
    halves = {4: 0.5, 5: 0.5}
    model = ByHand({(): {2: 0.3, 4: 0.7}, (4,): halves, (4, 4): halves, (4, 5): halves})
    found = beam(model, [[]], width=2, length_penalty=0.0, max_length=4)
    assert found.ids == [[]] and found.log_probs == pytest.approx([math.log(0.3)])
    found = beam(model, [[]], width=2, length_penalty=3.0, max_length=4)
    assert len(found.ids[0]) == 3 and found.log_probs == pytest.approx([math.log(0.7 / 4)])


@every
def test_a_beam_of_width_one_is_greedy_search(kind):
    for model in (model_of(kind), tiny(kind, 1)):
        expected = greedy(model, SOURCES, max_length=9).ids
        for penalty in (0.0, 0.6, 2.0):
            found = beam(model, SOURCES, width=1, length_penalty=penalty, max_length=9)
            assert found.ids == expected and found.weights is None


@every
def test_batched_beams_are_what_each_sentence_gives_alone(kind):
    """In the batch of all six, 500 words stand beside none: all but one are padded."""
    options = {"width": 3, "max_length": 8, "length_penalty": 1.0}
    for model in (model_of(kind), tiny(kind, 1)):
        alone = [beam(model, [ids], **options) for ids in SOURCES]
        for batch_size in (2, 6):
            found = beam(model, SOURCES, batch_size=batch_size, **options)
            assert found.ids == [one.ids[0] for one in alone]
            assert found.log_probs == pytest.approx([one.log_probs[0] for one in alone], abs=1e-5)


@every
def test_log_probabilities_are_those_of_teacher_forcing(kind):
    for model in (model_of(kind), tiny(kind, 1)):
        found = beam(model, SOURCES, width=4, max_length=6)
        for ids, source, total in zip(found.ids, SOURCES, found.log_probs, strict=True):
            said = torch.tensor([[*ids, 2][:6]])  # <eos> counts, if it came in time
            assert total == pytest.approx(log_probs(model, source, said).sum().item(), abs=1e-5)


@every
@few
@given(st.integers(0, 999), st.integers(1, 6))
def test_a_stronger_length_penalty_never_gives_a_shorter_sentence(kind, seed, width):
    """The penalty chooses among the same sentences, whatever it is, so this can be proven."""
    model, sources = tiny(kind, seed), [[4, 5, 6], [], [7]]
    lengths = [
        [len(ids) for ids in beam(model, sources, width=width, length_penalty=p, max_length=6).ids]
        for p in (-1.0, 0.0, 0.6, 1.0, 3.0)
    ]
    for shorter, longer in itertools.pairwise(lengths):
        assert all(a <= b for a, b in zip(shorter, longer, strict=True))


@pytest.mark.parametrize("width", [0, -1])
def test_a_beam_without_width_is_named(width):
    with pytest.raises(ValueError, match=f"width must be at least 1, got {width}"):
        beam(small(DECODERS[0]), SOURCES, width=width)


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


@pytest.mark.parametrize(
    "texts", [("il est calme .", "il est calme ."), (["a"], "a"), ("a", ["a"])]
)
def test_bleu_of_a_bare_string_is_refused(texts):
    with pytest.raises(TypeError, match="must be lists of texts, got a string"):
        bleu(*texts)


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
    and_eos = [torch.cat([weights[0], torch.tensor([[1.0, 0.0, 0.0]])])]  # one link too many
    assert alignment_error_rate(and_eos, [[(0, 0), (2, 1)]]) == pytest.approx(1 - 4 / 5)


def test_links_are_wanted_for_every_pair():
    with pytest.raises(ValueError, match="2 weights need links each, got 1 and 1"):
        alignment_error_rate([torch.ones(1, 1)] * 2, [[]])
