"""What recipes share: a run that can be killed and resumed, averaging, early stopping, torchrun.

After each epoch its weights, and then the rest (optimiser, random numbers, history), are written to
the cache folder; a run that is started again goes on from the last epoch that is there whole, and
ends with the same weights as one that was never stopped.  Under torchrun each process takes its
rows of every batch, and the loss curve is that of one process.
"""

import argparse
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from d2lmini import checkpoint
from d2lmini.data import cache_folder
from d2lmini.train import fit, seed_everything


def train(
    model: nn.Module,
    *,
    settings: dict,
    batches: Callable[[int], list],
    loss_fn: Callable,
    held_out: Callable[[nn.Module], float | dict],
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[float], float],
    num_epochs: int,
    folder: Path,
    patience: int = 3,
    average: int = 5,
    clip: float = 1.0,
    best_from: int = 0,
    until: int | None = None,
) -> dict:
    """Train the model in place and leave it with the mean of its last weights; return the history.

    loss_fn, optimizer, schedule and clip are as for train.fit.
    batches(epoch): the batches of an epoch, the same each time it is asked, each a tensor or a
    tuple of tensors whose first axis torchrun may split.
    held_out(model): what early stopping watches, the lower the better, or {"held_out": that, and
    what else the history should hold}; after `patience` epochs without a new best the run ends.
    settings: whatever makes this run what it is; a saved state with others is refused, see State.
    average: how many of the last epochs, up to the best one, are averaged.
    best_from: epochs before it are neither chosen nor count for patience; for a run whose objective
    changes midway.
    until: leave off after this epoch, with the mean of the last weights, be they the best or not;
    the next call goes on from there, as after a kill.
    """
    rank, world = join_processes()
    trained = model
    if world > 1:
        settings = settings | {"processes": world}  # each draws random numbers of its own
        trained, loss_fn = DistributedDataParallel(model), loss_of_share(loss_fn, rank, world)
    state = State(folder, settings)
    history, kept = state.restore(model, optimizer, rank)
    for epoch in range(len(history), num_epochs if until is None else until):
        if stopped(history[best_from:], patience):
            break
        begun = time.perf_counter()
        rate = lambda done, epoch=epoch: schedule((epoch + done) / num_epochs)  # noqa: E731
        how = {"loss_fn": loss_fn, "optimizer": optimizer, "schedule": rate, "clip": clip}
        losses = fit(trained, batches(epoch), num_epochs=1, **how)
        model.eval()
        with torch.no_grad():
            measured = held_out(model)
        measured = measured if isinstance(measured, dict) else {"held_out": measured}
        told = {"loss": losses["loss"][0], **measured}
        seconds = round(time.perf_counter() - begun, 1)
        history.append({key: round(value, 4) for key, value in told.items()} | {"seconds": seconds})
        kept = [*kept, {key: t.detach().clone() for key, t in model.state_dict().items()}]
        kept = kept[-(average + patience) :]
        random = random_states(world)
        if rank == 0:
            state.save(optimizer, history, kept, random)
            report(history, num_epochs)
    eligible = range(min(best_from, len(history) - 1), len(history))
    best = min(eligible, key=lambda i: history[i]["held_out"])
    after = len(history) - 1 - best if until is None else 0
    chosen = kept[: len(kept) - after][-average:]
    model.load_state_dict(mean_of(chosen))
    model.eval()
    if world > 1:
        dist.barrier()
    return {"epochs": history, "best_epoch": best + 1, "averaged": len(chosen)}


def loss_of_share(loss_fn, rank, world):
    """A loss function for one process of several: it sees its rows of a batch, and what it returns
    has the value of the whole batch's loss; the mean of its gradient over the processes, which
    DistributedDataParallel takes, is the gradient of that.
    """

    def shared(model, batch):
        parts = (batch,) if isinstance(batch, Tensor) else batch
        enough = len(parts[0]) > rank  # else it sees a row that does not count
        mine = tuple(t[rank::world] if enough else t[:1] for t in parts)
        loss, n = loss_fn(model, mine[0] if isinstance(batch, Tensor) else mine)
        n = n if enough else 0
        sums = torch.stack([loss.detach() * n, torch.tensor(float(n))])
        dist.all_reduce(sums)
        total, count = sums.tolist()
        weighted = loss * (n * world / max(count, 1))
        return weighted + (total / max(count, 1) - weighted.detach()), count

    return shared


def parser(program: str) -> argparse.ArgumentParser:
    """The options that every recipe has."""
    found = argparse.ArgumentParser(prog=f"python -m recipes.{program}")
    found.add_argument("--fresh", action="store_true", help="forget a run that was begun")
    found.add_argument("--epochs", type=at_least_one, help="a shorter run, to try; stores nothing")
    return found


def at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return int(text)


def begin(name: str, options: argparse.Namespace, *, seed: int) -> Path:
    """Seed, share the threads out, and return the folder of the run's state.

    A trial (--epochs) has a folder of its own, so that it leaves alone what the whole run saved.
    """
    if join_processes()[1] == 1:
        torch.set_num_threads(2)  # torchrun shares the cores out itself
    seed_everything(seed)
    folder = run_folder(f"{name}_{options.epochs}_epochs" if options.epochs else name)
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def run_folder(name: str) -> Path:
    return cache_folder() / "runs" / name


def stopped(history, patience):
    """Whether the last `patience` epochs brought no new best."""
    losses = [epoch["held_out"] for epoch in history]
    return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def mean_of(weights):
    """The mean of several sets of weights, name by name."""
    return {
        key: torch.stack([w[key].double() for w in weights]).mean(0).to(weights[0][key].dtype)
        for key in weights[0]
    }


def report(history, num_epochs):
    epoch = history[-1]
    left = (num_epochs - len(history)) * sum(e["seconds"] for e in history) / len(history)
    print(
        f"epoch {len(history)}/{num_epochs}  loss {epoch['loss']:.3f}  held-out "
        f"{epoch['held_out']:.3f}  {epoch['seconds']:.0f} s, about {left / 60:.0f} min left",
        flush=True,
    )


def join_processes() -> tuple[int, int]:
    """(rank, number of processes): (0, 1) unless torchrun started this."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")
    return int(os.environ.get("RANK", 0)), world


def random_states(world):
    """(processes, bytes): the state of each process's random numbers"""
    states = [torch.get_rng_state() for _ in range(world)]
    if world > 1:
        dist.all_gather(states, torch.get_rng_state())
    return torch.stack(states)


def shared_out(items: list, work: Callable[[list], list]) -> list:
    """work(items), a result for each of them; under torchrun each process does its share."""
    rank, world = join_processes()
    if world == 1:
        return work(items)
    parts, found = [None] * world, [None] * len(items)
    dist.all_gather_object(parts, work(items[rank::world]))
    for i, results in enumerate(parts):
        found[i::world] = results
    return found


def results(
    folder: Path, items: list[tuple], made_with: Callable[..., dict], make: Callable[..., dict]
) -> list[dict]:
    """make(*item) and the seconds it took, for each item; processes share the items out.

    Each result is written to the folder at once, and is read from there by the next call, unless
    made_with(*item), what the result depends on beside the item, has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def work(mine):
        found, begun = [], time.perf_counter()
        for done, item in enumerate(mine):
            name, about = ", ".join(map(str, item)), json.loads(json.dumps(made_with(*item)))
            path, started = folder / f"{name}.json", time.perf_counter()
            stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            if stored.get("made_with") != about:
                result = make(*item)
                result = {"seconds": round(time.perf_counter() - started, 2)} | result
                stored = {"made_with": about, "result": result}
                half = path.with_suffix(".part")
                half.write_text(json.dumps(stored), encoding="utf-8")
                os.replace(half, path)
                stored = json.loads(json.dumps(stored))  # as the next call finds it
                left = (time.perf_counter() - begun) / (done + 1) * (len(mine) - done - 1) / 60
                numbers = {k: v for k, v in result.items() if isinstance(v, int | float)}
                print(f"{name}: {numbers}, about {left:.0f} min left", flush=True)
            found.append(stored["result"])
        return found

    return shared_out(items, work)


class State:
    """A run's state in files that are replaced in one go, so that no kill halves one.

    The weights of each epoch that is kept have a file of their own, written once and before the
    state that counts them in.
    """

    def __init__(self, folder: Path, settings: dict):
        self.path = folder / "state.safetensors"
        self.settings = json.loads(json.dumps(settings))

    def save(self, optimizer, history, kept, random):
        """kept: the weights after the last epochs, the newest last."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace(self.weights_of(len(history)), kept[-1])
        tensors = {"random": random}
        for i, slots in optimizer.state_dict()["state"].items():
            filled = {k: t for k, t in slots.items() if t is not None}
            tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(t) for k, t in filled.items()}
        about = {"settings": self.settings, "history": history, "kept": len(kept)}
        replace(self.path, tensors, about)
        self.weights_of(len(history) - len(kept)).unlink(missing_ok=True)  # no longer kept

    def weights_of(self, epoch):
        return self.path.with_name(f"epoch_{epoch}.safetensors")

    def restore(self, model, optimizer, rank=0):
        """Fill model, optimiser and the random numbers of process `rank`; return the history and
        the weights kept for averaging.

        Raises ValueError, naming what differs, if the saved run had other settings.
        """
        if not self.path.is_file():
            return [], []
        with safe_open(self.path, framework="pt") as file:
            about = json.loads(file.metadata()["about"])
        begun, wanted = about["settings"], self.settings
        unlike = sorted(k for k in {*begun, *wanted} if begun.get(k) != wanted.get(k))
        if unlike:
            other = ", ".join(f"{k} {begun.get(k)!r}, not {wanted.get(k)!r}" for k in unlike)
            raise ValueError(
                f"a run was begun with {other}: remove {self.path.parent}, or run with --fresh"
            )
        tensors = load_file(self.path)
        torch.set_rng_state(tensors.pop("random")[rank].clone())  # torch 2.14 crashes on a view
        slots = optimizer.state_dict()
        for key, tensor in tensors.items():
            _, number, slot = key.split(".")
            slots["state"].setdefault(int(number), {})[slot] = tensor
        optimizer.load_state_dict(slots)
        done = len(about["history"])
        kept = [load_file(self.weights_of(i + 1)) for i in range(done - about["kept"], done)]
        model.load_state_dict(kept[-1])
        print(f"going on after epoch {done}, from {self.path}", flush=True)
        return about["history"], kept


def replace(path, tensors, about=None):
    """Write the file beside the one that is there, and only then put it in its place."""
    half = path.with_suffix(".part")
    save_file(tensors, half, metadata={"about": json.dumps(about)})
    os.replace(half, path)


def adamw(model, settings: dict, *, betas=(0.9, 0.98)) -> torch.optim.AdamW:
    """AdamW, whose weight decay is for matrices and not for norms and biases."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    return torch.optim.AdamW(groups, lr=rate, betas=betas, weight_decay=decay, foreach=True)


def card(name: str, *, command: str, model, arguments: dict, history: dict, settings: dict, **more):
    """The card of a finished run; more: data, metrics, signatures, licence.

    seconds: of the epochs alone, as they went on a machine that may have had other work.
    """
    return made_by(command) | {
        "name": name,
        "seed": settings["seed"],
        "model": arguments,
        "parameters": sum(p.numel() for p in model.parameters()),  # shared ones count once
        "epochs": len(history["epochs"]),
        "history": history,
        "seconds": round(sum(epoch["seconds"] for epoch in history["epochs"])),
        "settings": settings,
        **more,
    }


def store_comparison(name: str, *, seconds: float, **more) -> None:
    """Store the card of recipes/name.py, which keeps no weights.

    more: seed, model, settings, data, metrics, licence, and what the recipe compares.
    """
    about = {"name": name, "parameters": 0, "seconds": round(seconds)}
    checkpoint.save(name, None, None, made_by(f"python -m recipes.{name}") | about | more)
    print(f"stored {checkpoint.FOLDER / name}.json")


def made_by(command: str) -> dict:
    """What a card says of the command, the machine and the day."""
    _, processes = join_processes()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    return {
        "recipe": command.split()[2].replace(".", "/") + ".py",
        "command": command,
        "machine": machine + f", {processes} processes" * (processes > 1),
        "date": date.today().isoformat(),
    }
