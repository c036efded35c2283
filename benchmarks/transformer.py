"""Training, translating and attention beside d2l 1.0.3 and torch's own modules."""

from functools import partial
from statistics import median
from timeit import timeit

import torch
from torch import nn

from benchmarks.peers import D2L, Torch
from benchmarks.timing import in_turns, peak_mebibytes, ratio, rows, times_as_fast
from d2lmini import checkpoint
from d2lmini.attention import MultiHeadAttention
from d2lmini.data import multi30k
from d2lmini.text import batch_of, pad, train_subwords
from d2lmini.train import fit, seed_everything
from d2lmini.transformer import PreNormTransformer
from d2lmini.translate import BOS, PAD, greedy
from recipes import multi30k_transformer
from recipes._multi30k import encode, loss_of, make_batches

SIZES = {"d_model": 128, "d_hidden": 256, "num_heads": 4, "num_layers": 3, "dropout": 0.1}
NUM_STEPS = 32  # d2l's fixed length: 98 % of the captions fit
BATCH_SIZE = 128  # of d2l's sentences, as its book trains the Transformer
NUM_BATCHES = 16  # of the 174 of an epoch
NUM_PRODUCTS = 300  # which take nearly as long as a round of training
CACHE_BATCHES = (1, 8, 32, 128)  # the last is greedy's


def measure():
    return training(), decoding(), attention()


# --- training ----------------------------------------------------------------------------------


def trainer(model, batches):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, foreach=True)  # as in recipes
    return partial(fit, model, batches, loss_fn=loss_of, optimizer=optimizer, num_epochs=1)


def unpadded(batches):
    """The pairs of ids in these batches."""
    return [
        (ids[: real.sum()].tolist(), true[true != PAD].tolist())
        for source, mask, target in batches
        for ids, real, true in zip(source, mask, target, strict=True)
    ]


def fixed_length(pairs):
    """d2l's batches (source, valid lengths, target): every sentence cut or padded to NUM_STEPS."""
    batches = []
    for start in range(0, len(pairs), BATCH_SIZE):
        source, target = zip(*pairs[start : start + BATCH_SIZE], strict=True)
        batches.append((*padded_to(NUM_STEPS, source), padded_to(NUM_STEPS + 1, target)[0]))
    return batches


def padded_to(width, sequences):
    tokens, lengths = pad(sequences, PAD, max_length=width)
    return nn.functional.pad(tokens, (0, width - tokens.shape[1])), lengths


def real_tokens(batches):
    return sum((batch[2][:, 1:] != PAD).sum().item() for batch in batches)


def padded_share(batches):
    """How much of the target positions is padding, from 0 to 1."""
    return 1 - real_tokens(batches) / sum(batch[2][:, 1:].numel() for batch in batches)


def training():
    """Real target tokens per second of each; operations per second of ours and of a plain product;
    the padded share of the targets, of each.
    """
    train = multi30k("train", source="de", target="en")
    subwords = train_subwords([t for p in train for t in p], vocab_size=4000, lower=True)
    bucketed = make_batches(encode(train, subwords), 3000, seed=0)[:NUM_BATCHES]
    fixed = fixed_length(unpadded(bucketed))
    size = subwords.get_vocab_size()
    seed_everything(0)
    ours = PreNormTransformer(source_vocab_size=size, target_vocab_size=size, **SIZES)
    ours.encoder.embedding = ours.decoder.embedding
    models = {
        "ours": (ours, bucketed),
        "nn.Transformer": (Torch(vocab_size=size, **SIZES), bucketed),
        "d2l": (D2L(vocab_size=size, **SIZES), fixed),
    }
    a, b = torch.randn(2, 1024, 1024)
    jobs = {name: trainer(*pair) for name, pair in models.items()}
    jobs["product"] = partial(timeit, lambda: a @ b, number=NUM_PRODUCTS)
    seconds = in_turns(jobs)
    rates = {
        name: [real_tokens(batches) / s for s in seconds[name]]
        for name, (_, batches) in models.items()
    }
    return (
        rates,
        [useful_operations(ours, bucketed) / s for s in seconds["ours"]],
        [NUM_PRODUCTS * 2 * 1024**3 / s for s in seconds["product"]],
        {name: padded_share(batches) for name, (_, batches) in models.items()},
    )


def useful_operations(model, batches):
    """Floating-point operations of products with weights and of attention, of real tokens alone.

    Two per weight and token forward, twice as many backward; padding and dropout count nothing.
    """
    d = SIZES["d_model"]
    matrices = {
        side: sum(p.numel() for n, p in part.named_parameters() if p.ndim == 2 and "embed" not in n)
        for side, part in (("source", model.encoder), ("target", model.decoder))
    }
    cross = sum(b.cross.W_k.weight.numel() * 2 for b in model.decoder.blocks)
    table, total = model.decoder.embedding.weight.numel(), 0
    for _, mask, target in batches:
        source_lengths = mask.sum(-1).flatten()
        target_lengths = (target[:, 1:] != PAD).sum(1)
        s, t = source_lengths.sum().item(), target_lengths.sum().item()
        total += 2 * (s * (matrices["source"] + cross) + t * (matrices["target"] - cross + table))
        scores = source_lengths**2 + target_lengths**2 / 2 + source_lengths * target_lengths
        total += 4 * d * SIZES["num_layers"] * scores.sum().item()
    return 3 * total


# --- decoding ----------------------------------------------------------------------------------


def decoding():
    """Subwords per second, ours and d2l's; and what with_cache measures, for each batch size."""
    name = "multi30k_transformer_de-en"
    arguments, subwords = checkpoint.card(name)["model"], checkpoint.tokenizer(name)
    model = checkpoint.load(name, multi30k_transformer.build(**arguments)).eval()
    peer = D2L(**arguments)
    ids = [subwords.encode(pair.source).ids for pair in multi30k("test")]

    def in_batches_of(size, sources):
        for start in range(0, len(sources), size):
            peer.greedy(*pad(sources[start : start + size], PAD), 16)

    some = ids[:50]  # enough of them one by one
    in_batches_of(1, some[:1])  # gives the lazy layers their shapes
    peer.eval()
    own = sum(len(target) + 1 for target in greedy(model, ids).ids)  # subwords, as all the counts
    jobs = {
        "ours": (own, partial(greedy, model, ids)),
        "d2l": (16 * len(some), partial(in_batches_of, 1, some)),
        "d2l, batches": (16 * len(ids), partial(in_batches_of, 128, sorted(ids, key=len))),
    }
    seconds = in_turns({name: job for name, (_, job) in jobs.items()}, rounds=5)
    rates = {name: [jobs[name][0] / s for s in times] for name, times in seconds.items()}
    return rates, {size: with_cache(model, ids[:size]) for size in CACHE_BATCHES}


def with_cache(model, ids, length=64):
    """Seconds of `length` steps of greedy decoding of one batch, with the cache and without.

    Without it each step calls the decoder as in training: all tokens so far go through all blocks,
    and the source's keys and values are projected once more.
    """
    source, mask = batch_of(ids)
    with torch.no_grad():
        memory, decoder = model.encoder(source, mask)[0], model.decoder

    @torch.no_grad()
    def cached():
        tokens, state = torch.full((len(ids), 1), BOS), decoder.first_state(memory, mask)
        for _ in range(length):
            logits, _, state = decoder.advance(tokens, state)
            tokens = logits.argmax(dim=-1)

    @torch.no_grad()
    def anew():
        tokens_so_far = torch.full((len(ids), 1), BOS)
        for _ in range(length):
            x = decoder.embed(tokens_so_far)
            for block in decoder.blocks:
                x, _ = block(x, memory, mask)
            logits = decoder.norm(x[:, -1:]) @ decoder.embedding.weight.T  # of the last alone
            tokens_so_far = torch.cat([tokens_so_far, logits.argmax(dim=-1)], dim=1)

    return in_turns({"cache": cached, "no cache": anew}, rounds=5)


# --- attention ---------------------------------------------------------------------------------


def attention_job(kind, length):
    torch.manual_seed(0)
    batch = max(1, 4096 // length)
    x = torch.randn(batch, length, SIZES["d_model"], requires_grad=True)
    if kind == "ours":
        module = MultiHeadAttention(d_model=SIZES["d_model"], num_heads=4, bias=True)
    else:
        module = nn.MultiheadAttention(SIZES["d_model"], 4, batch_first=True)

    def job():
        output, _ = module(x, x, x, need_weights=False)
        output.sum().backward()

    return job


def attend_once(kind, length):
    attention_job(kind, length)()


def attention_peak(kind, length):
    """MiB that a process grows at its peak."""
    return peak_mebibytes(partial(attend_once, kind, length), partial(attend_once, kind, 8))[0]


def attention():
    rows = []
    for length in (64, 256, 1024, 4096):
        kinds = ("ours", "nn.MultiheadAttention")
        seconds = in_turns({kind: attention_job(kind, length) for kind in kinds}, rounds=21)
        rows.append((length, seconds, {kind: attention_peak(kind, length) for kind in kinds}))
    return rows


# --- the page ----------------------------------------------------------------------------------

PAGE = """## Transformer

Training: {sizes}; {counts[0]} batches of Multi30k, German to English, 4,000 subwords, tied
embeddings and output. d2l: the same sentences in its own way, {counts[1]} per batch, each cut or
padded to {counts[2]}, and with its dropout of attention weights, which the others do not have.
Most of its difference is padding.

| | real target tokens per second | padding among the targets |
|---|---:|---:|
{training}

Useful operations of ours (no padding): {products[0]:.0f} GFLOP/s, where products of 1024 x 1024
float32 matrices reach {products[1]:.0f}: {products[2]:.0%}; the aim is 50 %.

Greedy decoding of the test set of 2016: ours until <eos>, in batches of 128; d2l 16 subwords each,
by its loop for one sentence at a time (the first 50) and in batches of 128. d2l's model has our
size and is untrained: its speed alone is measured.

| | subwords per second |
|---|---:|
{decoding}

Seconds of 64 steps of greedy decoding for one batch, with the key-value cache, and without: then
all tokens so far go through the decoder at every step, and the source's keys and values are
projected anew with them. A small batch is all calls and little arithmetic.

| batch | cache | no cache | no cache / cache |
|---:|---:|---:|---:|
{cache}

Self-attention forward and backward, 4,096 tokens, width 128, 4 heads, no weights asked for:
milliseconds, and MiB that the process grows at its peak.

| length | ours | nn.MultiheadAttention | nn / ours | ours MiB | nn MiB |
|---:|---:|---:|---:|---:|---:|
{attention}
"""


def page(trained, decoded, attended):
    """The results in Markdown."""
    (rates, useful, plain, padded), (written, seconds) = trained, decoded
    return PAGE.format(
        sizes=", ".join(f"{key} {value}" for key, value in SIZES.items()),
        counts=(NUM_BATCHES, BATCH_SIZE, NUM_STEPS),
        training=rows((n, f"{median(r):,.0f}", f"{padded[n]:.0%}") for n, r in rates.items()),
        products=(median(useful) / 1e9, median(plain) / 1e9, ratio(useful, plain)),
        decoding=rows((name, f"{median(rate):,.0f}") for name, rate in written.items()),
        cache=rows(
            (size, *(f"{median(s):.2f}" for s in pair.values()), f"{times_as_fast(pair):.2f}")
            for size, pair in seconds.items()
        ),
        attention=rows(
            (
                *(length, *(f"{1e3 * median(s):.1f}" for s in pair.values())),
                *(f"{times_as_fast(pair):.2f}", *(f"{peak:.0f}" for peak in peaks.values())),
            )
            for length, pair, peaks in attended
        ),
    )


def compare(trained, decoded, attended):
    """{what is compared: (times as fast, aim, what makes the run fail)}"""
    rates, (written, seconds), largest = trained[0], decoded, CACHE_BATCHES[-1]
    one_by_one, in_batches = (ratio(written["ours"], written[n]) for n in ("d2l", "d2l, batches"))
    found = {
        "training, ours / d2l": (ratio(rates["ours"], rates["d2l"]), 2, 1.7),
        "training, ours / nn.Transformer": (ratio(rates["ours"], rates["nn.Transformer"]), 1, 0.9),
        "translating, ours / d2l one by one": (one_by_one, 20, 20),
        "translating, ours / d2l in batches": (in_batches, 1, 0.9),
        f"64 steps in batches of {largest}, cache / none": (times_as_fast(seconds[largest]), 5, 5),
    }
    for length, pair, _ in attended:  # where both run the same fused function, the clock decides
        text = f"attention at length {length}, ours / nn.MultiheadAttention"
        found[text] = times_as_fast(pair), 1, 0.95
    return found
