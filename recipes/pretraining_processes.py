"""One process against two: the same steps of bert_microworld's pretraining, timed, and their loss.

python -m recipes.pretraining_processes      about three minutes on two cores that do nothing else

It starts itself once for each way to use the cores, one after the other, each time from the same
weights and on the same batches; with two processes by torchrun, which gives each half of a batch.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from hashlib import sha256

import torch
from torch.nn.parallel import DistributedDataParallel

from d2lmini import checkpoint
from d2lmini.microworld import stories
from d2lmini.train import fit, linear_decay, seed_everything
from recipes import _pretraining, bert_microworld, loop

NAME = "pretraining_processes"
STORIES = 3000
SETTINGS = bert_microworld.SETTINGS | bert_microworld.ARGUMENTS
STEPS, EVERY = 300, 25  # in all, and between two points of the curve
WAYS = {  # name: processes, threads of each
    "1 process, 1 thread": (1, 1),
    "1 process, 2 threads": (1, 2),
    "2 processes, 1 thread each": (2, 1),
}


def pretrain(steps, threads):
    """Train for so many steps -> {"loss": [...], "tokens": [...], "seconds": [...]}, a number for
    every EVERY of them; under torchrun this is one of the processes."""
    rank, world = loop.join_processes()
    torch.set_num_threads(threads)
    texts = stories(STORIES, seed=1, lexicon="full")
    pieces = checkpoint.tokenizer("bert_microworld")
    documents, vocab_size = _pretraining.encode(texts, pieces), pieces.get_vocab_size()
    batches, epoch = [], 0
    while len(batches) < steps:
        batches += _pretraining.make_batches(documents, vocab_size, SETTINGS, seed=1000 + epoch)
        epoch += 1
    batches = batches[:steps]
    seed_everything(SETTINGS["seed"])
    model = bert_microworld.build(vocab_size=vocab_size, **bert_microworld.ARGUMENTS)
    trained, loss_fn = model, _pretraining.loss_of
    if world > 1:
        trained, loss_fn = DistributedDataParallel(model), loop.loss_of_share(loss_fn, rank, world)
    rate = linear_decay(warm_up=SETTINGS["warm_up"], end=0.02)
    optimizer = loop.adamw(model, SETTINGS)
    told = {"loss": [], "tokens": [], "seconds": []}
    for start in range(0, steps, EVERY):
        part, begun = batches[start : start + EVERY], time.perf_counter()
        schedule = lambda done, start=start: rate((start + done * EVERY) / steps)  # noqa: E731
        how = {"loss_fn": loss_fn, "optimizer": optimizer, "schedule": schedule, "num_epochs": 1}
        told["loss"] += fit(trained, part, **how)["loss"]
        told["seconds"].append(time.perf_counter() - begun)
        told["tokens"].append(_pretraining.tokens_in(part))
    return told


def start(steps, processes, threads):
    """What `pretrain` tells, from new processes with that many threads each."""
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [sys.executable, "-m", *(torchrun if processes > 1 else [])]
    command += [f"recipes.{NAME}", "--steps", str(steps), "--pretrain", str(threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def rate_of(told):
    """Tokens a second, without the first steps, in which memory is found and threads start."""
    counted = slice(1 if len(told["seconds"]) > 1 else 0, None)
    return sum(told["tokens"][counted]) / sum(told["seconds"][counted])


def main():
    parser = argparse.ArgumentParser(prog=f"python -m recipes.{NAME}")
    parser.add_argument("--steps", type=int, default=STEPS, help="fewer, to try; stores nothing")
    parser.add_argument("--pretrain", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pretrain:
        told = pretrain(options.steps, options.pretrain)
        if loop.join_processes()[0] == 0:
            print(json.dumps(told))
        return
    begun, found = time.perf_counter(), {}
    for way, (processes, threads) in WAYS.items():
        found[way] = start(options.steps, processes, threads)
        print(f"{way:28s}{rate_of(found[way]):10,.0f} tokens a second", flush=True)
    losses = [torch.tensor(told["loss"]) for told in found.values()]
    apart = max((losses[0] - other).abs().max().item() for other in losses[1:])
    print(f"their losses differ by at most {apart:.4f}")
    if options.steps < STEPS:
        return
    text = "\n".join(" ".join(story) for story in stories(STORIES, seed=1, lexicon="full"))
    loop.store_comparison(
        NAME,
        seconds=time.perf_counter() - begun,
        seed=SETTINGS["seed"],
        model=bert_microworld.ARGUMENTS,
        steps=STEPS,
        every=EVERY,
        loss={way: [round(x, 5) for x in told["loss"]] for way, told in found.items()},
        settings=SETTINGS,
        data={
            "name": "microworld stories",
            "rows": {"train": STORIES},
            "sha256": {"train": sha256(text.encode()).hexdigest()},
        },
        licence="figures MIT, as the text is made by this project",
        metrics={
            "train": {
                "loss_apart": round(apart, 5),
                "tokens_per_second": {way: round(rate_of(told)) for way, told in found.items()},
            }
        },
    )


if __name__ == "__main__":
    main()
