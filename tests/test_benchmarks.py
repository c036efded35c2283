"""What the benchmarks count and how they compare; the measuring itself is make bench."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import bert, inference, peers, run, timing, transformer
from d2lmini.bert import load_public_weights
from d2lmini.text import Special, batch_of
from d2lmini.transformer import PreNormTransformer
from recipes._multi30k import make_batches
from recipes._pretraining import NO_PAIR
from recipes._pretraining import make_batches as make_pairs


def model():
    torch.manual_seed(0)
    return PreNormTransformer(source_vocab_size=50, target_vocab_size=50, **transformer.SIZES)


def test_useful_operations_are_what_torch_counts_where_nothing_is_padded():
    """torch counts the whole causal square, we its half; and thrice: once forward, twice back."""
    source, mask = batch_of([[4, 5, 6, 7, 8], [9, 8, 7, 6, 5]])
    ours, target = model(), torch.randint(4, 50, (2, 8))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ours(source, mask, target[:, :-1], need_weights=True)  # the fused path is not counted
    hidden = 4 * transformer.SIZES["d_model"] * transformer.SIZES["num_layers"] * 2 * 7**2 / 2
    useful = transformer.useful_operations(ours, [(source, mask, target)])
    assert useful / 3 + hidden == pytest.approx(counter.get_total_flops())


def test_padding_is_no_useful_operation():
    source, mask = batch_of([[4, 5, 6]])
    target = torch.tensor([[1, 7, 8, 2]])
    wider = (F.pad(source, (0, 5)), F.pad(mask, (0, 5)), F.pad(target, (0, 6)))
    ours = model()
    useful = transformer.useful_operations(ours, [(source, mask, target)])
    assert transformer.useful_operations(ours, [wider]) == useful


def test_jobs_take_turns_and_the_ratio_is_that_of_the_median_round():
    order = []
    seconds = timing.in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["b", "a", "a", "b"] * 2  # every other round backwards
    assert [len(times) for times in seconds.values()] == [3, 3]
    assert timing.ratio([2.0, 9.0, 4.0], [1.0, 1.0, 1.0]) == 4.0


def test_fixed_length_batches_are_cut_and_padded_as_in_the_book():
    long = list(range(4, 60))
    pairs = [([4, 5], [1, 6, 2]), (long, [1, *long, 2])]
    ((source, lengths, target),) = batches = transformer.fixed_length(pairs)
    assert source.shape == (2, transformer.NUM_STEPS) and target.shape == (
        2,
        transformer.NUM_STEPS + 1,
    )
    assert lengths.tolist() == [2, transformer.NUM_STEPS]
    assert transformer.real_tokens(batches) == 2 + transformer.NUM_STEPS
    assert transformer.padded_share(batches) == pytest.approx(
        (transformer.NUM_STEPS - 2) / (2 * transformer.NUM_STEPS)
    )


def test_all_compare_the_same_sentences():
    pairs = [([4, 5], [1, 6, 2]), ([4, 5, 6, 7], [1, 8, 9, 6, 2])]
    assert transformer.unpadded(make_batches(pairs, 50, seed=0)) == pairs


def test_torchs_peer_has_our_weights_and_our_dropout():
    """It has one module of positions for both sides, so one dropout less."""
    ours, theirs = model(), peers.Torch(vocab_size=50, **transformer.SIZES)
    ours.encoder.embedding = ours.decoder.embedding
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    assert count(ours) == count(theirs)
    attentions = [m for m in theirs.modules() if isinstance(m, torch.nn.MultiheadAttention)]
    assert attentions and all(m.dropout == 0 for m in attentions)
    dropped = sum(m.p > 0 for m in theirs.modules() if isinstance(m, torch.nn.Dropout))
    assert dropped == sum(m.p > 0 for m in ours.modules() if isinstance(m, torch.nn.Dropout)) - 1


def test_one_loss_trains_ours_and_torchs_peer():
    """It is called as ours is, and padding changes nothing."""
    (batch,) = make_batches([([4, 5], [1, 6, 2]), ([4, 5, 6, 7], [1, 8, 9, 6, 2])], 50, seed=0)
    source, mask, target = batch
    wider = F.pad(source, (0, 3)), F.pad(mask, (0, 3)), F.pad(target, (0, 2))
    for contestant in (model().eval(), peers.Torch(vocab_size=50, **transformer.SIZES).eval()):
        loss, count = transformer.loss_of(contestant, batch)
        assert count == 6
        torch.testing.assert_close(transformer.loss_of(contestant, wider), (loss, count))


# --- BERT --------------------------------------------------------------------------------------

SIZES = {"vocab_size": 50, "d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 2}
SIZES |= {"dropout": 0.0, "max_length": 64}


def bert_batches():
    """Ours, of short texts in pairs and of one that is alone."""
    generator = np.random.default_rng(0)
    documents = [[generator.integers(5, 50, 9) for _ in range(k)] for k in (9, 8, 5, 1)]
    return make_pairs(documents, 50, {"max_length": 64, "max_tokens": 128}, seed=0)


@pytest.mark.parametrize("masked_alone", [False, True])
def test_transformers_peer_is_our_bert_in_loss_and_in_padding(tmp_path, masked_alone):
    torch.manual_seed(0)
    peer = peers.TransformersBERT(**SIZES, masked_alone=masked_alone)
    peer.model.save_pretrained(tmp_path)
    ours = load_public_weights(tmp_path, heads=True)
    assert not any(m.p for m in peer.modules() if isinstance(m, torch.nn.Dropout))
    for batch in bert_batches():
        torch.testing.assert_close(bert.loss_of(peer, batch), bert.loss_of(ours, batch))


def test_berts_batches_of_fixed_length_hold_the_same_examples():
    batches, rows = bert_batches(), []
    for inputs, _, mask, positions, targets, labels in batches:
        for i, length in enumerate(mask.sum(dim=(1, 2))):
            real = targets[i] != 0
            rows.append((inputs[i, :length], positions[i, real], targets[i, real], labels[i]))
    fixed = bert.fixed_length(batches)
    wide = [row for batch in fixed for row in zip(*batch, strict=True)]
    assert len(wide) == len(rows) and all(len(batch[0]) <= bert.BATCH_SIZE for batch in fixed)
    for (inputs, _, length, positions, targets, label), row in zip(wide, rows, strict=True):
        assert inputs.shape == (bert.LENGTH,) and positions.shape == targets.shape == (10,)
        assert not inputs[int(length) :].any()
        real = targets != 0
        found = inputs[: int(length)], positions[real], targets[real], label
        assert all(map(torch.equal, found, row))


def test_padding_and_tokens_of_both_kinds_of_batches():
    batches = bert_batches()
    tokens = bert.tokens_in(batches)
    assert bert.count(batches) == (sum(len(batch[0]) for batch in batches), tokens)
    fixed = bert.fixed_length(batches)
    assert sum(batch[2].sum() for batch in fixed) == tokens
    places = bert.LENGTH * sum(len(batch[0]) for batch in batches)
    assert bert.padded_share(fixed, tokens) == pytest.approx(1 - tokens / places)


def test_some_batches_are_short_and_some_long():
    batches = [(torch.zeros(1, width),) for width in torch.randperm(80).tolist()]
    assert [batch[0].shape[1] for batch in bert.some(batches)] == [10, 30, 50, 70]


def test_paragraphs_are_split_as_d2l_does(monkeypatch):
    """Its last sentence alone keeps the full stop; a paragraph of one sentence has no pair."""
    lines = [" = Title = ", " One here . Two <unk> there . Three . ", " Alone here . ", " "]
    monkeypatch.setattr(bert, "wikitext2", lambda split: lines)
    assert bert.paragraphs() == [["one here", "two <unk> there", "three ."]]


def test_our_way_begins_with_the_same_sentences():
    """What the corpus left out is [UNK], and no word that pieces are learned from."""
    line = "the old man walks along the long road and sees a <unk> by the sea ."
    way = bert.by_pieces([[line, "a road by the sea", line]] * 8)
    documents = way.args[0]
    assert [len(sentences) for sentences in documents] == [3] * 8
    assert [(ids == Special.UNK).sum() for ids in documents[0]] == [1, 0, 1]
    assert len(documents[0][0]) == len(line.split())
    assert all((batch[5] != NO_PAIR).all() for batch in way())


def test_a_process_of_its_own_says_what_its_job_needs():
    added, whole = timing.peak_mebibytes(partial(np.ones, 8 << 20), partial(np.ones, 8))
    assert 64 <= added < 80 and whole > added + 20


# --- the run -----------------------------------------------------------------------------------

SLOW = {
    "training, ours / d2l": "1.60, at least 1.7",
    "training, ours / nn.Transformer": "0.80, at least 0.9",
    "translating, ours / d2l one by one": "19.00, at least 20",
    "translating, ours / d2l in batches": "0.80, at least 0.9",
    "64 steps in batches of 128, cache / none": "4.50, at least 5",
    "attention at length 64, ours / nn.MultiheadAttention": "0.90, at least 0.95",
    "BERT examples, ours / d2l": "4.50, at least 5",
    "BERT training, ours / transformers": "0.95, at least 1",
    "BERT training, ours / d2l": "1.10, at least 1.2",
    "fine-tuning, ours / transformers": "0.95, at least 1",
    "fine-tuning, by length / padded to 128": "0.95, at least 1",
}


def measured_as(monkeypatch, found):
    """Let all sections measure what gives these ratios."""
    d2l, torchs, singly, together, kept, attention, *found = found
    examples, transformers, d2l_bert, tuned, wide = found
    rates = {"ours": [1.0], "nn.Transformer": [1 / torchs], "d2l": [1 / d2l]}
    written = {"ours": [1.0], "d2l": [1 / singly], "d2l, batches": [1 / together]}
    seconds = {1: {"cache": [0.1], "no cache": [0.1]}, 128: {"cache": [1.0], "no cache": [kept]}}
    times = {"ours": [1.0], "nn.MultiheadAttention": [attention]}
    padded = dict.fromkeys(rates, 0.25)
    monkeypatch.setattr(transformer, "training", lambda: (rates, [1e11], [2e11], padded))
    monkeypatch.setattr(transformer, "decoding", lambda: (written, seconds))
    monkeypatch.setattr(transformer, "attention", lambda: [(64, times, {"ours": 1.0, "nn": 2.0})])
    prepared = {name: (300, 9000, [1.0], (30.0, 400.0), 2.5) for name in ("ours", "d2l")}
    prepared["d2l"] = (300, 9000, [examples], (900.0, 1000.0), 1.5)
    trained = {"ours": 1.0, "transformers": 1 / transformers, "d2l": 1 / d2l_bert}
    trained = {name: ([rate], 0.25) for name, rate in trained.items()}
    monkeypatch.setattr(bert, "measure", lambda: ((100, 200), prepared, trained))
    tuning = {"ours": [1.0], "transformers": [1 / tuned], "ours, padded to 128": [1 / wide]}
    monkeypatch.setattr(inference, "measure", lambda: (tuning,))


@pytest.mark.parametrize("slow", [None, *SLOW])
def test_the_run_fails_where_one_comparison_falls_short(monkeypatch, tmp_path, capsys, slow):
    found = dict.fromkeys(SLOW, 100.0)  # times as fast
    if slow:
        found[slow] = float(SLOW[slow].split(",")[0])
    measured_as(monkeypatch, found.values())
    monkeypatch.setattr(run, "RESULTS", tmp_path / "RESULTS.md")
    assert run.main() == int(slow is not None)
    wanted = [f"too slow: {slow}: {SLOW[slow]} is wanted"] if slow else []
    assert capsys.readouterr().err.splitlines() == wanted
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| 1 | 0.10 | 0.10 | 1.00 |" in page and "| ours | 1 | 25% |" in page
    assert "50%; the aim is 50 %" in page
    attention = found["attention at length 64, ours / nn.MultiheadAttention"]
    assert f"| 64 | 1000.0 | {1000 * attention:.1f} | {attention:.2f} | 1 | 2 |" in page
    assert "| ours | 300 | 30.0 | 300 | 9,000 | 30 | 400 | 2.5 |" in page
    assert all(f"| {name} | {value:.2f} | " in page for name, value in found.items())


def test_one_section_runs_alone_and_stores_nothing(monkeypatch, tmp_path, capsys):
    measured_as(monkeypatch, dict.fromkeys(SLOW, 100.0).values())
    monkeypatch.setattr(run, "RESULTS", tmp_path / "RESULTS.md")
    assert run.main(["bert"]) == 0
    page = capsys.readouterr().out
    assert "## BERT" in page and "## Transformer" not in page and "translating" not in page
    assert not (tmp_path / "RESULTS.md").exists()
