"""Training: a seed, a loop whose five steps you can see, and the schedules of its learning rate.

A loss function takes (model, batch) and returns the mean loss and the number of things it is the
mean of (tokens, sentences), so that an average over batches of unlike sizes means the same.
"""

import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch.

    It repeats a run on one machine with one version and one number of threads; another machine
    may round sums differently (https://pytorch.org/docs/stable/notes/randomness.html).
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def fit(model, batches, *, loss_fn, optimizer, num_epochs, held_out=None, schedule=None, clip=1.0):
    """Train for num_epochs; return {"loss": [...], "held_out": [...]}, one mean per epoch each.

    batches, held_out: lists of batches, or what else has a length and can be gone through again.
    loss_fn(model, batch) -> (mean loss, number of things it is the mean of).
    schedule(done): what to multiply each learning rate with, done from 0 to 1 being the share of
    the run behind it.  clip: bound on the gradient norm before each step, None for no bound.
    Raises ValueError for a generator, which is empty after one epoch, and for no batches.
    """
    check_batches(batches)
    history, rates = {"loss": [], "held_out": []}, [group["lr"] for group in optimizer.param_groups]
    for epoch in range(num_epochs):
        model.train()
        total, count, name = 0.0, 0, f"epoch {epoch + 1}/{num_epochs}"
        for i, batch in enumerate(tqdm(batches, name, leave=False, delay=1)):
            if schedule is not None:
                set_rates(optimizer, rates, schedule((epoch + i / len(batches)) / num_epochs))
            loss, n = loss_fn(model, to_device(batch, model))
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            total, count = total + loss.item() * n, count + n
        history["loss"].append(total / count)
        if held_out is not None:
            history["held_out"].append(evaluate(model, held_out, loss_fn=loss_fn))
    set_rates(optimizer, rates, 1.0)  # as they were
    return history


@torch.no_grad()
def evaluate(model, batches, *, loss_fn) -> float:
    """The mean loss over batches, each thing counting alike; the model is left in eval mode."""
    model.eval()
    losses = [loss_fn(model, to_device(batch, model)) for batch in batches]
    return sum(float(loss) * n for loss, n in losses) / sum(n for _, n in losses)


def check_batches(batches):
    if isinstance(batches, Iterator):
        raise ValueError(
            "batches must be a list, or something else that can be gone through again for each "
            f"epoch, got a {type(batches).__name__}, which is empty after one"
        )
    if not len(batches):
        raise ValueError("fit needs at least one batch, got none")


def set_rates(optimizer, rates, factor):
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def to_device(batch, model):
    """The batch, a tensor or a tuple or list that may hold tensors, where the model's are."""
    if isinstance(batch, Tensor):
        return batch.to(next(model.parameters()).device)
    if isinstance(batch, (tuple, list)):
        parts = [to_device(part, model) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


class Shuffled:
    """Batches in a new order, drawn with generator, each time they are gone through."""

    def __init__(self, batches: list, generator: torch.Generator | None = None):
        self.batches, self.generator = batches, generator

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        order = torch.randperm(len(self), generator=self.generator).tolist()
        return (self.batches[i] for i in order)


# --- schedules: functions of the share of the run that is done, for fit --------------------------


def linear_decay(*, warm_up: float = 0.0, end: float = 0.0) -> Callable[[float], float]:
    """From 0 straight up to 1 in the first warm_up share of the run, then straight down to end."""

    def schedule(done):
        if done < warm_up:
            return done / warm_up
        return 1 - (1 - end) * (done - warm_up) / (1 - warm_up)

    return schedule


def inverse_square_root(*, warm_up: float) -> Callable[[float], float]:
    """From 0 straight up to 1 in the first warm_up share of the run, then as 1 / sqrt(step).

    Source: Vaswani et al. 2017, section 5.3, whose largest rate is d_model ** -0.5 * warmup ** -0.5
    """

    def schedule(done):
        return done / warm_up if done < warm_up else (warm_up / done) ** 0.5

    return schedule
