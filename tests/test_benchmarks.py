"""What the benchmarks count and how they compare; the measuring itself is make bench."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import peers, run
from d2lmini.text import batch_of
from d2lmini.transformer import PreNormTransformer
from recipes._multi30k import make_batches


def model():
    torch.manual_seed(0)
    return PreNormTransformer(source_vocab_size=50, target_vocab_size=50, **run.SIZES)


def test_useful_operations_are_what_torch_counts_where_nothing_is_padded():
    """torch counts the whole causal square, we its half; and thrice: once forward, twice back."""
    source, mask = batch_of([[4, 5, 6, 7, 8], [9, 8, 7, 6, 5]])
    ours, target = model(), torch.randint(4, 50, (2, 8))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ours(source, mask, target[:, :-1], need_weights=True)  # the fused path is not counted
    hidden = 4 * run.SIZES["d_model"] * run.SIZES["num_layers"] * 2 * 7**2 / 2
    useful = run.useful_operations(ours, [(source, mask, target)])
    assert useful / 3 + hidden == pytest.approx(counter.get_total_flops())


def test_padding_is_no_useful_operation():
    source, mask = batch_of([[4, 5, 6]])
    target = torch.tensor([[1, 7, 8, 2]])
    wider = (F.pad(source, (0, 5)), F.pad(mask, (0, 5)), F.pad(target, (0, 6)))
    ours = model()
    useful = run.useful_operations(ours, [(source, mask, target)])
    assert run.useful_operations(ours, [wider]) == useful


def test_jobs_take_turns_and_the_ratio_is_that_of_the_median_round():
    order = []
    seconds = run.in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert [len(times) for times in seconds.values()] == [3, 3]
    assert run.ratio([2.0, 9.0, 4.0], [1.0, 1.0, 1.0]) == 4.0


def test_fixed_length_batches_are_cut_and_padded_as_in_the_book():
    long = list(range(4, 60))
    pairs = [([4, 5], [1, 6, 2]), (long, [1, *long, 2])]
    ((source, lengths, target),) = batches = run.fixed_length(pairs)
    assert source.shape == (2, run.NUM_STEPS) and target.shape == (2, run.NUM_STEPS + 1)
    assert lengths.tolist() == [2, run.NUM_STEPS]
    assert run.real_tokens(batches) == 2 + run.NUM_STEPS
    assert run.padded_share(batches) == pytest.approx((run.NUM_STEPS - 2) / (2 * run.NUM_STEPS))


def test_all_compare_the_same_sentences():
    pairs = [([4, 5], [1, 6, 2]), ([4, 5, 6, 7], [1, 8, 9, 6, 2])]
    assert run.unpadded(make_batches(pairs, 50, seed=0)) == pairs


def test_torchs_peer_has_our_weights_and_our_dropout():
    """It has one module of positions for both sides, so one dropout less."""
    ours, theirs = model(), peers.Torch(vocab_size=50, **run.SIZES)
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
    for contestant in (model().eval(), peers.Torch(vocab_size=50, **run.SIZES).eval()):
        loss, count = run.loss_of(contestant, batch)
        assert count == 6
        torch.testing.assert_close(run.loss_of(contestant, wider), (loss, count))


SLOW = {
    "training, ours / d2l": "1.60, at least 1.7",
    "training, ours / nn.Transformer": "0.80, at least 0.9",
    "translating, ours / d2l one by one": "19.00, at least 20",
    "translating, ours / d2l in batches": "0.80, at least 0.9",
    "64 steps in batches of 128, cache / none": "4.50, at least 5",
    "attention at length 64, ours / nn.MultiheadAttention": "0.90, at least 0.95",
}


@pytest.mark.parametrize("slow", [None, *SLOW])
def test_the_run_fails_where_one_comparison_falls_short(monkeypatch, tmp_path, capsys, slow):
    found = dict.fromkeys(SLOW, 100.0)  # times as fast
    if slow:
        found[slow] = float(SLOW[slow].split(",")[0])
    d2l, torchs, singly, together, kept, attention = found.values()
    rates = {"ours": [1.0], "nn.Transformer": [1 / torchs], "d2l": [1 / d2l]}
    written = {"ours": [1.0], "d2l": [1 / singly], "d2l, batches": [1 / together]}
    seconds = {1: {"cache": [0.1], "no cache": [0.1]}, 128: {"cache": [1.0], "no cache": [kept]}}
    times = {"ours": [1.0], "nn.MultiheadAttention": [attention]}
    padded = dict.fromkeys(rates, 0.25)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(run, "training", lambda: (rates, [1e11], [2e11], padded))
    monkeypatch.setattr(run, "decoding", lambda: (written, seconds))
    monkeypatch.setattr(run, "attention", lambda: [(64, times, {"ours": 1.0, "nn": 2.0})])
    assert run.main() == int(slow is not None)
    wanted = [f"too slow: {slow}: {SLOW[slow]} is wanted"] if slow else []
    assert capsys.readouterr().err.splitlines() == wanted
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| 1 | 0.10 | 0.10 | 1.00 |" in page and "| ours | 1 | 25% |" in page
    assert "50%; the aim is 50 %" in page
    assert f"| 64 | 1000.0 | {1000 * attention:.1f} | {attention:.2f} | 1 | 2 |" in page
