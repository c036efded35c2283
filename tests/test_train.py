import random
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

from d2lmini.train import (
    Shuffled,
    evaluate,
    fit,
    inverse_square_root,
    linear_decay,
    seed_everything,
    to_device,
)


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_seed_repeats_python_numpy_and_torch():
    seed_everything(3)
    first = draws()
    seed_everything(3)
    assert draws() == first
    seed_everything(4)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


def squared_error(model, batch):
    inputs, targets = batch
    return nn.functional.mse_loss(model(inputs), targets), len(targets)


def line_problem():
    seed_everything(0)
    x = torch.randn(32, 2)
    y = x @ torch.tensor([[2.0], [-1.0]]) + 0.5
    model = nn.Linear(2, 1)
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 32, 8)]
    return model, batches, torch.optim.SGD(model.parameters(), lr=0.1)


def still(rate=0.1):
    """A model that says 0, and an optimiser."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    return model, torch.optim.SGD(model.parameters(), lr=rate)


UNLIKE = [  # a batch of one, which 0 misses by 2, and one of three, which it hits
    (torch.zeros(1, 1), torch.full((1, 1), 2.0)),
    (torch.zeros(3, 1), torch.zeros(3, 1)),
]


def test_fit_finds_the_line_and_its_losses_fall():
    model, batches, optimizer = line_problem()
    history = fit(model, batches, loss_fn=squared_error, optimizer=optimizer, num_epochs=60)
    assert len(history["loss"]) == 60 and history["loss"][-1] < 1e-4 < history["loss"][0]
    assert history["held_out"] == []
    torch.testing.assert_close(model.weight, torch.tensor([[2.0, -1.0]]), atol=0.02, rtol=0)


def test_a_loss_is_the_mean_over_what_counts_and_not_over_batches():
    model, optimizer = still()
    how = {"loss_fn": squared_error, "optimizer": optimizer, "num_epochs": 1}
    assert fit(model, UNLIKE, held_out=UNLIKE, **how) == {"loss": [1.0], "held_out": [1.0]}
    assert evaluate(model, UNLIKE, loss_fn=squared_error) == 1.0


def test_the_held_out_curve_is_measured_without_dropout_or_gradient():
    model, optimizer = still()
    seen = []

    def loss_fn(model, batch):
        seen.append((model.training, torch.is_grad_enabled()))
        return squared_error(model, batch)

    fit(model, UNLIKE, held_out=UNLIKE, loss_fn=loss_fn, optimizer=optimizer, num_epochs=2)
    assert seen == [*[(True, True)] * 2, *[(False, False)] * 2] * 2


@pytest.mark.parametrize(("clip", "step"), [(1.0, 1.0), (None, 8.0)])
def test_clipping_bounds_the_step(clip, step):
    model, optimizer = still(rate=1.0)
    batches = [(torch.full((1, 1), 2.0), torch.full((1, 1), 2.0))]  # gradient -8
    fit(model, batches, loss_fn=squared_error, optimizer=optimizer, num_epochs=1, clip=clip)
    assert model.weight.item() == pytest.approx(step, rel=1e-4)


def test_a_schedule_multiplies_the_rate_of_each_group_and_leaves_it_as_it_was():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    groups = [{"params": model[0].parameters(), "lr": 1.0}, {"params": model[1].parameters()}]
    optimizer, seen = torch.optim.SGD(groups, lr=0.1), []

    def loss_fn(model, batch):
        seen.append([group["lr"] for group in optimizer.param_groups])
        return squared_error(model, batch)

    how = {"loss_fn": loss_fn, "optimizer": optimizer, "num_epochs": 2}
    fit(model, UNLIKE, schedule=lambda done: 1 - done, **how)
    assert np.allclose(seen, [[1, 0.1], [0.75, 0.075], [0.5, 0.05], [0.25, 0.025]])
    assert [group["lr"] for group in optimizer.param_groups] == [1, 0.1]


def test_linear_decay_rises_and_falls_straight():
    schedule = linear_decay(warm_up=0.2, end=0.05)
    found = [schedule(done) for done in (0, 0.1, 0.2, 0.6, 1)]
    assert found == pytest.approx([0, 0.5, 1, 0.525, 0.05])
    assert [linear_decay()(done) for done in (0, 0.5, 1)] == [1, 0.5, 0]


def test_the_inverse_square_root_is_the_papers_formula():
    steps, warm_up, d_model = 1000, 100, 512
    schedule = inverse_square_root(warm_up=warm_up / steps)
    largest = d_model**-0.5 * warm_up**-0.5
    for step in (1, 50, 100, 101, 400, 1000):
        paper = d_model**-0.5 * min(step**-0.5, step * warm_up**-1.5)
        assert largest * schedule(step / steps) == pytest.approx(paper)
    assert schedule(0) == 0


@pytest.mark.parametrize(
    ("batches", "match"),
    [
        ((b for b in UNLIKE), "gone through again for each epoch, got a generator"),
        ([], "at least one batch, got none"),
    ],
)
def test_batches_that_cannot_be_gone_through_again_are_refused(batches, match):
    model, optimizer = still()
    with pytest.raises(ValueError, match=match):
        fit(model, batches, loss_fn=squared_error, optimizer=optimizer, num_epochs=2)


def test_batches_go_where_the_model_is():
    Named = namedtuple("Named", "tokens label")
    model = nn.Linear(1, 1, device="meta")
    batch = (torch.ones(1), [Named(torch.ones(2), "a")], 4)
    moved = to_device(batch, model)
    assert moved[0].device.type == moved[1][0].tokens.device.type == "meta"
    assert moved[1][0].label == "a" and moved[2] == 4


def test_shuffled_batches_come_in_another_order_each_time():
    batches = Shuffled([*range(50)], torch.Generator().manual_seed(0))
    first, second = list(batches), list(batches)
    assert len(batches) == 50 and first != second
    assert sorted(first) == sorted(second) == [*range(50)]
    assert list(Shuffled([*range(50)], torch.Generator().manual_seed(0))) == first


def test_fit_trains_in_training_mode():
    model, batches, optimizer = line_problem()
    model.eval()
    fit(model, batches, loss_fn=squared_error, optimizer=optimizer, num_epochs=1)
    assert model.training
