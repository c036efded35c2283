"""What a translator of captions owes to attention, to its epochs and to its architecture: runs.

torchrun --nproc-per-node 2 -m recipes.comparisons      25 minutes on two cores
python -m recipes.comparisons      the same runs one after the other

What was run is kept, so that it may be stopped and started again.

For notebook 03: one vector against attention, and one vector after four times as many epochs.  For
notebook 05: recurrence with attention against a Transformer of the same size after as many epochs.
Each has its notebook's optimiser, rates and dropout, the batches of every epoch in a new order and
three seeds, and is measured by greedy decoding of the same held-out captions, which choose nothing.
"""

import argparse
from hashlib import sha256

import torch

from d2lmini.microworld import translations
from d2lmini.seq2seq import Seq2Seq, Seq2SeqAttentionDecoder, Seq2SeqDecoder, Seq2SeqEncoder
from d2lmini.text import Vocabulary
from d2lmini.train import Shuffled, fit, seed_everything
from d2lmini.transformer import PreNormTransformer
from d2lmini.translate import bleu, greedy
from recipes import _multi30k, loop

NAME = "comparisons"
RECURRENT = {
    "d": 128,
    "dropout": 0.35,
    "smoothing": 0.0,
    "rates": [4e-3, 2e-3, 1e-3, 3e-4],  # each for a quarter of the epochs
}
TRANSFORMER = {
    "d": 100,  # 614,600 weights, the recurrent model with attention has 604,544
    "dropout": 0.1,
    "smoothing": 0.1,
    "rate": 3e-3,
    "warm_up": 200,  # steps
    "num_heads": 4,
    "num_layers": 2,
}
RUNS = {  # name: (what it builds, epochs, the other settings)
    "one vector": ("one vector", 4, RECURRENT),
    "one vector, 16 epochs": ("one vector", 16, RECURRENT),
    "attention": ("attention", 4, RECURRENT),
    "attention, 8 epochs": ("attention", 8, RECURRENT),
    "Transformer, 8 epochs": ("Transformer", 8, TRANSFORMER),
}
DECODERS = {"one vector": Seq2SeqDecoder, "attention": Seq2SeqAttentionDecoder}
SEEDS = (0, 1, 2)
SPLITS = {"train": 20000, "held-out": 500}  # captions, as in the notebooks
MAX_TOKENS = 1500
FIGURES = ("bleu", "loss", "parameters", "quarters")  # what is kept of a run


def captions(split, count=None):
    return translations(count or SPLITS[split], languages=("en", "de"), seed=1, split=split)


def words_of(pair):
    return [[word.lower() for word in side] for side in (pair.source_words, pair.target_words)]


def build(kind, settings, source_vocab_size, target_vocab_size):
    d, dropout = settings["d"], settings["dropout"]
    if kind == "Transformer":
        return PreNormTransformer(
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
            d_model=d,
            d_hidden=4 * d,
            dropout=dropout,
            **{key: settings[key] for key in ("num_heads", "num_layers")},
        )
    size = {"d_embed": d, "d_hidden": d, "dropout": dropout}
    encoder = Seq2SeqEncoder(vocab_size=source_vocab_size, **size)
    decoder = DECODERS[kind](vocab_size=target_vocab_size, d_memory=2 * d, **size)
    return Seq2Seq(encoder, decoder)


def trainer(kind, model, settings, num_steps):
    """The optimiser and the schedule of the notebook that has this kind of model."""
    if kind == "Transformer":
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings["rate"], betas=(0.9, 0.98))

        def schedule(done):
            step = round(done * num_steps) + 1
            return min(step / settings["warm_up"], 1) * (1 - 0.95 * step / num_steps)

        return optimizer, schedule
    rates = settings["rates"]
    return torch.optim.Adam(model.parameters(), lr=1.0), lambda done: rates[int(len(rates) * done)]


def run(kind, epochs, settings, seed):
    """Train once -> {"bleu", "quarters": BLEU by length of the source, "loss", "parameters"}."""
    train, held = captions("train"), captions("held-out")
    english, german = (Vocabulary.build(words_of(pair)[side] for pair in train) for side in (0, 1))
    encoded = []
    for pair in train:
        source, target = words_of(pair)
        target = [Vocabulary.bos_id, *german.encode(target), Vocabulary.eos_id]
        encoded.append((english.encode(source), target))
    batches = _multi30k.make_batches(encoded, MAX_TOKENS, seed=seed)
    seed_everything(seed)
    model = build(kind, settings, len(english), len(german))
    optimizer, schedule = trainer(kind, model, settings, epochs * len(batches))
    generator = torch.Generator().manual_seed(seed)
    history = fit(
        model,
        Shuffled(batches, generator),
        loss_fn=lambda *item: _multi30k.loss_of(*item, smoothing=settings["smoothing"]),
        optimizer=optimizer,
        schedule=schedule,
        num_epochs=epochs,
    )
    written = greedy(model, [english.encode(words_of(pair)[0]) for pair in held]).ids
    said = [text_of(german.decode(ids)) for ids in written]
    return score(said, held) | {
        "loss": round(history["loss"][-1], 4),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def text_of(words):
    return " ".join(words).replace(" ,", ",").replace(" .", ".")


def score(said, pairs):
    """BLEU of all, and of each quarter, from the shortest sources to the longest."""
    true = [pair.target.lower() for pair in pairs]
    whole, *quarters = (
        round(bleu([said[i] for i in rows], [true[i] for i in rows]).score, 2)
        for rows in (range(len(pairs)), *quarters_of(pairs))
    )
    return {"bleu": whole, "quarters": quarters}


def quarters_of(pairs):
    """The places of the pairs in four equal parts, by the length of the source."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].source_words))
    return [order[len(order) * k // 4 : len(order) * (k + 1) // 4] for k in range(4)]


def mean_words(pairs):
    """The mean length of the sources in each quarter."""
    return [
        round(sum(len(pairs[i].source_words) for i in rows) / len(rows), 2)
        for rows in quarters_of(pairs)
    ]


def main():
    parser = argparse.ArgumentParser(prog=f"python -m recipes.{NAME}")
    parser.add_argument("--only", help="runs whose name begins so; stores nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = loop.run_folder(NAME)

    def made_with(name, seed):
        kind, epochs, settings = RUNS[name]
        return settings | {"kind": kind, "epochs": epochs, "captions": SPLITS}

    wanted = [(name, seed) for seed in SEEDS for name in RUNS]
    wanted = [(name, seed) for name, seed in wanted if name.startswith(options.only or "")]
    found = loop.results(folder, wanted, made_with, lambda name, seed: run(*RUNS[name], seed))
    if options.only or loop.join_processes()[0] > 0:
        return
    test = {name: {figure: [] for figure in FIGURES} for name in RUNS}
    for (name, _), result in zip(wanted, found, strict=True):
        for figure in FIGURES:  # a number for each seed
            test[name][figure].append(result[figure])
    pairs = {split: captions(split) for split in SPLITS}
    texts = {
        split: "\n".join(f"{pair.source}\t{pair.target}" for pair in found)
        for split, found in pairs.items()
    }
    loop.store_comparison(
        NAME,
        seconds=sum(result["seconds"] for result in found),
        seed=SEEDS,
        model={},  # one for each run
        settings={
            name: item[2] | {"kind": item[0], "epochs": item[1]} for name, item in RUNS.items()
        },
        mean_words=mean_words(pairs["held-out"]),
        data={
            "name": "microworld captions, English to German",
            "rows": SPLITS,
            "sha256": {split: sha256(text.encode()).hexdigest() for split, text in texts.items()},
        },
        licence="figures MIT, as the text is made by this project",
        metrics={"test": test},
    )


if __name__ == "__main__":
    main()
