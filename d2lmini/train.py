"""Training: a seed and a loop whose five steps you can see."""

import random

import numpy as np
import torch
from torch import nn
from tqdm import tqdm


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch.

    It repeats a run on one machine with one version and one number of threads; another machine
    may round sums differently (https://pytorch.org/docs/stable/notes/randomness.html).
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def fit(model, batches, *, loss_fn, optimizer, num_epochs, clip=1.0):
    """Run num_epochs over batches; return the mean loss of each epoch, per example.

    batches: re-iterable of (inputs, targets), where model(*inputs) gives what
    loss_fn(outputs, targets), a mean over the examples, compares with targets.
    clip: bound on the length of the gradient before each step, None for no bound.
    """
    history = []
    for epoch in range(num_epochs):
        model.train()
        total, count = 0.0, 0
        name = f"epoch {epoch + 1}/{num_epochs}"
        for inputs, targets in tqdm(batches, name, leave=False, delay=1):
            loss = loss_fn(model(*inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            total, count = total + loss.item() * len(targets), count + len(targets)
        history.append(total / count)
    return history
