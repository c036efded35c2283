"""Which optimiser, schedule and norm brings a small Transformer to a given held-out loss first?

torchrun --nproc-per-node 2 -m recipes.optimizers      about twenty minutes on two cores
python -m recipes.optimizers      the same runs one after the other

The course's Transformer learns to translate the microworld's captions, as in notebook 05 but
without dropout, with a narrower network in each block, and from pairs that are seen once.  Every
contestant gets as many tries: each of its rates with one seed.  The rate that reaches the target
first (else, that ends lowest) is then run with five other seeds.  A run that is done is kept, and
the next call makes the others.
The result is a card without weights: the held-out loss over the steps of every run.
"""

import functools
import time
from functools import partial
from hashlib import sha256

import torch
import torch.nn.functional as F

from d2lmini.microworld import translations
from d2lmini.text import Vocabulary, batch_of, buckets, pad
from d2lmini.train import evaluate, fit, inverse_square_root, linear_decay, seed_everything
from d2lmini.transformer import PreNormTransformer, Transformer
from d2lmini.translate import BOS, EOS, PAD
from recipes import loop

NAME = "optimizers"
ARGUMENTS = {"d_model": 64, "d_hidden": 128, "num_heads": 4, "num_layers": 2}
SETTINGS = {
    "seed": 0,  # of the runs that choose the rates
    "seeds": [1, 2, 3, 4, 5],
    "steps": 500,
    "every": 10,  # steps between two looks at the held-out loss
    "target": 1.0,  # nats per word
    "max_tokens": 400,
    "held_out": 200,
    "warm_up": 0.1,
    "clip": 1.0,
    "most": 20.0,  # a loss above it, or none, is written as this
}
CLASSES = {  # what is not said here is torch's default
    "SGD": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "AdaGrad": (torch.optim.Adagrad, {}),
    "RMSProp": (torch.optim.RMSprop, {}),
    "Adam": (torch.optim.Adam, {}),
    "AdamW": (torch.optim.AdamW, {}),
}
DECAY, WARM_UP, CONSTANT = "warm-up, linear decay", "warm-up", "constant"
ADAPTIVE = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
BASE = {"optimizer": "AdamW", "norm": "pre", "schedule": DECAY, "rates": ADAPTIVE}
ARMS = {  # each changes one thing of BASE, or adds warm-up to the one before
    "SGD": BASE | {"optimizer": "SGD", "rates": [0.1, 0.3, 1.0, 3.0, 10.0]},
    "momentum": BASE | {"optimizer": "momentum", "rates": [0.03, 0.1, 0.3, 1.0, 3.0]},
    "AdaGrad": BASE | {"optimizer": "AdaGrad", "rates": [3e-3, 1e-2, 3e-2, 0.1, 0.3]},
    "RMSProp": BASE | {"optimizer": "RMSProp"},
    "Adam": BASE | {"optimizer": "Adam"},
    "AdamW": BASE,
    "constant": BASE | {"schedule": CONSTANT},
    "warm-up": BASE | {"schedule": WARM_UP},
    "inverse square root": BASE | {"schedule": "warm-up, inverse square root"},
    "post-norm, constant": BASE | {"norm": "post", "schedule": CONSTANT},
    "post-norm, warm-up": BASE | {"norm": "post", "schedule": WARM_UP},
}


def schedules(warm_up: float) -> dict:
    """{name: a function of the share of the run that is done}"""
    return {
        CONSTANT: lambda done: 1.0,
        WARM_UP: lambda done: min(1.0, done / warm_up),
        "warm-up, inverse square root": inverse_square_root(warm_up=warm_up),
        DECAY: linear_decay(warm_up=warm_up),
    }


# --- the task ------------------------------------------------------------------------------------


@functools.cache
def pairs(split: str, count: int, seed: int) -> list:
    """[(English words, German words), ...] in lower case"""
    found = translations(count, languages=("en", "de"), seed=seed, split=split)
    return [
        tuple([word.lower() for word in side] for side in (pair.source_words, pair.target_words))
        for pair in found
    ]


@functools.cache
def vocabularies() -> tuple[Vocabulary, Vocabulary]:
    sides = zip(*pairs("train", 20000, 1), strict=True)
    return tuple(Vocabulary.build(side) for side in sides)


def batches_of(rows, max_tokens, *, steps=None, generator=None) -> list[tuple]:
    """source, mask, target of captions of similar length; the first `steps` batches, if given"""
    english, german = vocabularies()
    examples = [(english.encode(s), [BOS, *german.encode(t), EOS]) for s, t in rows]
    lengths = [max(len(source), len(target)) for source, target in examples]
    batches = []
    for batch in buckets(lengths, max_tokens=max_tokens, generator=generator)[:steps]:
        sources, targets = zip(*(examples[i] for i in batch), strict=True)
        batches.append((*batch_of(sources), pad(targets, PAD)[0]))
    if steps and len(batches) < steps:
        raise ValueError(f"{len(rows)} pairs make {len(batches)} batches, not {steps}")
    return batches


def loss_of(model, batch):
    """Mean cross entropy of the real next words in nats, and how many they are."""
    source, mask, target = batch
    logits, _ = model(source, mask, target[:, :-1])
    true = target[:, 1:].flatten()
    loss = F.cross_entropy(logits.flatten(0, 1), true, ignore_index=PAD)
    return loss, (true != PAD).sum().item()


@functools.cache
def held_out(count, max_tokens):
    return batches_of(pairs("held-out", count, 1), 4 * max_tokens)


def build(norm: str, **sizes):
    english, german = vocabularies()
    kind = {"pre": PreNormTransformer, "post": Transformer}[norm]
    return kind(source_vocab_size=len(english), target_vocab_size=len(german), **sizes)


# --- one run -------------------------------------------------------------------------------------


def run(arm: dict, rate: float, seed: int, settings: dict) -> dict:
    """Train once -> {"curve": the held-out loss at each look, "seconds": of processor time}"""
    count = settings["steps"] * settings["max_tokens"] // 9 + 50  # a caption has 9 tokens or more
    generator = torch.Generator().manual_seed(seed)
    batches = batches_of(
        pairs("train", count, 1 + seed),
        settings["max_tokens"],
        steps=settings["steps"],
        generator=generator,
    )
    held = held_out(settings["held_out"], settings["max_tokens"])
    seed_everything(seed)
    model = build(arm["norm"], **settings["sizes"])
    kind, more = CLASSES[arm["optimizer"]]
    optimizer = kind(model.parameters(), lr=rate, **more)
    curve, seconds = [], 0.0
    steps, every = settings["steps"], settings["every"]
    whole = schedules(settings["warm_up"])[arm["schedule"]]
    for start in range(0, steps, every):
        part = batches[start : start + every]
        share = len(part) / steps
        schedule = lambda done, begun=start / steps, share=share: whole(begun + done * share)  # noqa: E731
        how = {"loss_fn": loss_of, "optimizer": optimizer, "clip": settings["clip"]}
        begun = time.process_time()
        fit(model, part, num_epochs=1, schedule=schedule, **how)
        seconds += time.process_time() - begun
        loss = evaluate(model, held, loss_fn=loss_of)
        curve.append(round(loss, 4) if loss < settings["most"] else settings["most"])
    return {"curve": curve, "seconds": round(seconds, 2)}


def steps_to(target: float, curve: list[float], every: int) -> int | None:
    """The first look at which the loss is at most the target, as a number of steps."""
    looks = (every * (i + 1) for i, loss in enumerate(curve) if loss <= target)
    return next(looks, None)


# --- all runs ------------------------------------------------------------------------------------


def made_with(settings, arms, name, *_) -> dict:
    """The settings on which a run depends."""
    shared = {k: v for k, v in settings.items() if k not in ("seed", "seeds", "target")}
    return shared | {key: arms[name][key] for key in ("optimizer", "norm", "schedule")}


def compare(folder, settings, arms) -> tuple[dict, dict, dict, float]:
    """curves of the tuning {arm: {rate: curve}}, rates {arm: rate}, curves {arm: [one a seed]},
    and the seconds of processor time of all"""
    every, target = settings["every"], settings["target"]
    tried = [(name, rate, settings["seed"]) for name, arm in arms.items() for rate in arm["rates"]]
    how = (
        partial(made_with, settings, arms),
        lambda name, rate, seed: run(arms[name], rate, seed, settings),
    )
    found = loop.results(folder, tried, *how)
    tuning, rates = {name: {} for name in arms}, {}
    for (name, rate, _), result in zip(tried, found, strict=True):
        tuning[name][rate] = result["curve"]
    for name, curves in tuning.items():
        first = {r: (steps_to(target, c, every) or float("inf"), c[-1]) for r, c in curves.items()}
        rates[name] = min(first, key=first.get)
    wanted = [(name, rates[name], seed) for seed in settings["seeds"] for name in arms]
    results = loop.results(folder, wanted, *how)
    runs, seconds = {name: [] for name in arms}, {name: [] for name in arms}
    for (name, *_), result in zip(wanted, results, strict=True):
        runs[name].append(result["curve"])
        seconds[name].append(result["seconds"])
    total = sum(result["seconds"] for result in (*found, *results))
    return tuning, rates, runs, seconds, total


def main(settings=SETTINGS, arms=ARMS, sizes=ARGUMENTS):
    options = loop.parser(NAME).parse_args()
    folder = loop.begin(NAME, options, seed=settings["seed"])
    torch.set_num_threads(1)  # so small a model is no faster on two
    settings = settings | {"sizes": sizes}
    if options.epochs:  # a trial: so many steps of each arm, at its first rate
        few = {"steps": options.epochs, "every": options.epochs, "seeds": settings["seeds"][:1]}
        settings |= few
        arms = {name: arm | {"rates": arm["rates"][:1]} for name, arm in arms.items()}
    tuning, rates, runs, seconds, total = compare(folder, settings, arms)
    if loop.join_processes()[0] > 0 or options.epochs:
        return
    every, last = (
        settings["every"],
        {name: [c[-1] for c in curves] for name, curves in runs.items()},
    )
    steps = {
        name: [steps_to(settings["target"], curve, every) for curve in curves]
        for name, curves in runs.items()
    }
    rows = {"held-out": settings["held_out"]}
    text = repr(pairs("held-out", settings["held_out"], 1))
    loop.store_comparison(
        NAME,
        seconds=total,
        seed=settings["seed"],
        model=sizes,
        parameters=sum(p.numel() for p in build("pre", **sizes).parameters()),
        data={
            "name": "microworld captions, English to German",
            "rows": rows,
            "sha256": {"held-out": sha256(text.encode()).hexdigest()},
        },
        settings={k: v for k, v in settings.items() if k != "sizes"},
        arms=arms,
        rates=rates,
        tuning=tuning,
        runs=runs,
        seconds_of_runs=seconds,
        metrics={"held-out": {"loss": last, "steps": steps}},
        licence="figures MIT, as the text is made by this project",
    )


if __name__ == "__main__":
    main()
