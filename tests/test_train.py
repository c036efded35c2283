import random

import numpy as np
import pytest
import torch
from torch import nn

from d2lmini.train import fit, seed_everything


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_seed_repeats_python_numpy_and_torch():
    seed_everything(3)
    first = draws()
    seed_everything(3)
    assert draws() == first
    seed_everything(4)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


def line_problem():
    seed_everything(0)
    x = torch.randn(32, 2)
    y = x @ torch.tensor([[2.0], [-1.0]]) + 0.5
    return nn.Linear(2, 1), [((x[i : i + 8],), y[i : i + 8]) for i in range(0, 32, 8)]


def test_fit_finds_the_line_and_its_losses_fall():
    model, batches = line_problem()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = fit(model, batches, loss_fn=nn.MSELoss(), optimizer=optimizer, num_epochs=60)
    assert len(history) == 60 and history[-1] < 1e-4 < history[0]
    torch.testing.assert_close(model.weight, torch.tensor([[2.0, -1.0]]), atol=0.02, rtol=0)


def test_history_is_the_mean_over_examples_and_not_over_batches():
    """A batch of 1 and one of 3, a model that does not learn."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    batches = [
        ((torch.zeros(1, 1),), torch.full((1, 1), 2.0)),
        ((torch.zeros(3, 1),), torch.zeros(3, 1)),
    ]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert fit(model, batches, loss_fn=nn.MSELoss(), optimizer=optimizer, num_epochs=1) == [1.0]


@pytest.mark.parametrize(("clip", "step"), [(1.0, 1.0), (None, 8.0)])
def test_clipping_bounds_the_step(clip, step):
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    batches = [((torch.full((1, 1), 2.0),), torch.full((1, 1), 2.0))]  # gradient -8
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(model, batches, loss_fn=nn.MSELoss(), optimizer=optimizer, num_epochs=1, clip=clip)
    assert model.weight.item() == pytest.approx(step, rel=1e-4)


def test_fit_trains_in_training_mode():
    model, batches = line_problem()
    model.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fit(model, batches, loss_fn=nn.MSELoss(), optimizer=optimizer, num_epochs=1)
    assert model.training
