"""What the benchmarks count and how they compare; the measuring itself is make bench."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import run
from d2lmini.transformer import PreNormTransformer
from d2lmini.translate import batch_of


def test_useful_operations_are_what_torch_counts_where_nothing_is_padded():
    """torch counts the whole causal square, we its half; and thrice: once forward, twice back."""
    torch.manual_seed(0)
    model = PreNormTransformer(source_vocab_size=50, target_vocab_size=50, **run.SIZES)
    source, mask = batch_of([[4, 5, 6, 7, 8], [9, 8, 7, 6, 5]])
    target = torch.randint(4, 50, (2, 8))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(source, mask, target[:, :-1], need_weights=True)  # the fused path is not counted
    hidden = 4 * run.SIZES["d_model"] * run.SIZES["num_layers"] * 2 * 7**2 / 2
    useful = run.useful_operations(model, [(source, mask, target)])
    assert useful / 3 + hidden == pytest.approx(counter.get_total_flops())


def test_jobs_take_turns_and_the_ratio_is_that_of_the_median_round():
    order = []
    seconds = run.in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert [len(times) for times in seconds.values()] == [3, 3]
    assert run.ratio([2.0, 9.0, 4.0], [1.0, 1.0, 1.0]) == 4.0


def test_fixed_length_batches_are_cut_and_padded_as_in_the_book():
    long = list(range(4, 60))
    ((source, lengths, target),) = run.fixed_length([([4, 5], [1, 6, 2]), (long, [1, *long, 2])])
    assert source.shape == (2, run.NUM_STEPS) and target.shape == (2, run.NUM_STEPS + 1)
    assert lengths.tolist() == [2, run.NUM_STEPS]
    assert run.real_tokens([(source, lengths, target)]) == 2 + run.NUM_STEPS
