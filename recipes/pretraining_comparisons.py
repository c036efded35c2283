"""What a small pretraining owes to its two tasks, its text, its steps and its width: many runs.

python -m recipes.pretraining_comparisons      about twenty minutes on one core; under torchrun
with two processes half of that.  What was run is kept, so that it may be stopped and started again.

Each run is notebook 09's live run with one thing changed, over three seeds.
"""

import argparse
from collections import Counter
from hashlib import sha256

import torch

from d2lmini import checkpoint
from d2lmini.bert import PreNormBERTModel
from d2lmini.microworld import stories
from d2lmini.train import fit, linear_decay, seed_everything
from recipes import _pretraining, loop

NAME, PIECES = "pretraining_comparisons", "bert_microworld"
SETTINGS = {
    "stories": 4000,
    "steps": 1200,
    "d_model": 64,
    "words": 1.0,  # weight of the task in the loss
    "pairs": 1.0,
    "num_heads": 4,
    "num_layers": 2,
    "max_length": 64,
    "max_tokens": 2048,
    "learning_rate": 4e-3,
    "warm_up": 0.1,
    "weight_decay": 0.01,
}
CHANGES = {  # name: what it has in place of SETTINGS
    "as in the notebook": {},
    "words alone": {"pairs": 0.0},
    "pairs alone": {"words": 0.0},
    "250 stories": {"stories": 250},
    "300 steps": {"steps": 300},
    "width 16": {"d_model": 16},
}
SEEDS = (0, 1, 2)
POINT = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "mlm_train", "nsp_train")
SPLITS = {"train": (1, 4000), "validation": (2, 500)}  # seed, stories
EVERY = 50  # steps between two points of a curve


def documents(split, count=None):
    seed, most = SPLITS[split]
    return stories(count or most, seed=seed, lexicon="full")


def pretrain(settings, seed, pieces):
    """Train once -> a curve, [{"step", and each of POINT}, ...]."""
    vocab_size = pieces.get_vocab_size()
    train = _pretraining.encode(documents("train", settings["stories"]), pieces)
    held = _pretraining.held_out_batches(documents("validation"), pieces, settings)
    baselines = (
        _pretraining.log_unigrams(train, vocab_size),
        _pretraining.common_pieces(train, vocab_size),
    )
    batches, epoch = [], 0
    while len(batches) < settings["steps"]:
        batches += _pretraining.make_batches(train, vocab_size, settings, seed=1000 + epoch)
        epoch += 1
    seed_everything(seed)
    model = PreNormBERTModel(
        vocab_size=vocab_size,
        d_hidden=2 * settings["d_model"],
        **{key: settings[key] for key in ("d_model", "num_heads", "num_layers", "max_length")},
    )

    sums = Counter()  # in training, since the last point

    def loss_fn(model, batch):
        (words, _, masked), (pairs, _, asked) = _pretraining.losses_of(model, batch)
        sums.update(
            words=words.item(), masked=masked.item(), pairs=pairs.item(), asked=len(batch[0])
        )
        loss = settings["words"] * words / masked + settings["pairs"] * pairs / asked
        return loss, masked.item()

    optimizer = loop.adamw(model, settings)
    rate, curve = linear_decay(warm_up=settings["warm_up"], end=0.02), []
    for start in range(0, settings["steps"], EVERY):
        schedule = lambda done, start=start: rate((start + done * EVERY) / settings["steps"])  # noqa: E731
        how = {"loss_fn": loss_fn, "optimizer": optimizer, "schedule": schedule, "num_epochs": 1}
        sums.clear()
        fit(model, batches[start : start + EVERY], **how)
        point = _pretraining.score(model, held, *baselines)
        point |= {"mlm_train": sums["words"] / sums["masked"]}
        point |= {"nsp_train": sums["pairs"] / sums["asked"]}
        curve.append({"step": start + EVERY} | {key: round(point[key], 4) for key in POINT})
    return curve


def main():
    parser = argparse.ArgumentParser(prog=f"python -m recipes.{NAME}")
    parser.add_argument("--only", help="runs whose name begins so; stores nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pieces, folder = checkpoint.tokenizer(PIECES), loop.run_folder(NAME)

    def make(name, seed):
        return {"curve": pretrain(SETTINGS | CHANGES[name], seed, pieces)}

    wanted = [(name, seed) for seed in SEEDS for name in CHANGES]
    wanted = [(name, seed) for name, seed in wanted if name.startswith(options.only or "")]
    found = loop.results(folder, wanted, lambda name, seed: SETTINGS | CHANGES[name], make)
    if options.only or loop.join_processes()[0] > 0:
        return
    runs = {name: {} for name in CHANGES}
    for (name, seed), result in zip(wanted, found, strict=True):
        runs[name][seed] = result["curve"]
    last = {name: [curve[-1] for curve in curves.values()] for name, curves in runs.items()}
    loop.store_comparison(
        NAME,
        seconds=sum(result["seconds"] for result in found),
        seed=SEEDS,
        model={},  # one for each run
        changes=CHANGES,
        runs=runs,
        settings=SETTINGS,
        data={
            "name": "microworld stories",
            "rows": {split: count for split, (_, count) in SPLITS.items()},
            "sha256": {
                split: sha256("\n".join(" ".join(s) for s in documents(split)).encode()).hexdigest()
                for split in SPLITS
            },
        },
        licence="figures MIT, as the text is made by this project",
        metrics={"validation": {name: mean_of(points) for name, points in last.items()}},
    )


def mean_of(points):
    """The mean over seeds of each figure."""
    return {key: round(sum(point[key] for point in points) / len(points), 4) for key in POINT}


if __name__ == "__main__":
    main()
