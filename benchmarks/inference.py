"""Fine-tuning BERT on sentence pairs, beside transformers and beside batches padded to 128."""

from statistics import median

import torch.nn.functional as F
from torch import nn

from benchmarks.bert import passes
from benchmarks.timing import in_turns, ratio, rows
from d2lmini import bert
from d2lmini.bert import BERTClassifier, BERTEncoder
from d2lmini.data import nli
from d2lmini.text import train_wordpiece
from d2lmini.train import seed_everything
from recipes._nli import labels_of, loss_of, make_batches
from recipes.nli_bert import READING, SETTINGS

SIZES = {"d_model": 256, "d_hidden": 1024, "num_heads": 4, "num_layers": 4}
SIZES |= {"dropout": 0.0, "max_length": 128, "vocab_size": 8000}
LENGTH = 128  # to which d2l pads its pairs
NUM_PAIRS, ROUNDS = 256, 15  # a round is worth a few per cent, no more


class TransformersClassifier(nn.Module):
    """transformers' BertForSequenceClassification with our weights; in and out as ours."""

    def __init__(self, ours: BERTClassifier, **sizes):
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        theirs = {bert.SIZES[name]: value for name, value in sizes.items()}
        dropout = {"attention_probs_dropout_prob": sizes["dropout"]}
        config = BertConfig(**theirs, **dropout, num_labels=ours.output.out_features)
        self.model = BertForSequenceClassification(config)
        weights = {f"bert.{bert.published(n)}": t for n, t in ours.encoder.state_dict().items()}
        weights |= {f"classifier.{name}": t for name, t in ours.output.state_dict().items()}
        missing, unexpected = self.model.load_state_dict(weights, strict=False)
        assert not unexpected and not [name for name in missing if "position_ids" not in name]

    def forward(self, tokens, segments, mask):
        return self.model(tokens, mask[:, 0], segments, return_dict=False)[0], None


def wide(batches):
    """The same batches, each pair padded to LENGTH."""
    return [
        tuple(F.pad(t, (0, LENGTH - t.shape[-1])) if t.ndim > 1 else t for t in batch)
        for batch in batches
    ]


def measure():
    """{name: pairs per second of each round} of a pass over NUM_PAIRS real pairs."""
    seed_everything(0)
    train = nli("train")
    pairs = train[:: len(train) // NUM_PAIRS][:NUM_PAIRS]
    texts = [text for pair in train[::20] for text in pair[:2]]
    pieces = train_wordpiece(texts, vocab_size=SIZES["vocab_size"])
    encoded = list(zip(READING.encode(pieces, pairs), labels_of(pairs), strict=True))
    batches = make_batches(encoded, READING, SETTINGS["max_tokens"], seed=0)
    ours = BERTClassifier(BERTEncoder(**SIZES), num_classes=3)
    contestants = {
        "ours": (ours, batches),
        "transformers": (TransformersClassifier(ours, **SIZES), batches),
        "ours, padded to 128": (ours, wide(batches)),
    }
    settings = SETTINGS | {"learning_rate": 1e-5}
    jobs = passes(contestants, settings, loss_of)
    seconds = in_turns(jobs, rounds=ROUNDS)
    return ({name: [len(pairs) / s for s in times] for name, times in seconds.items()},)


PAGE = """## Inference

Fine-tuning: {sizes}; {count} real pairs in batches of similar length, of up to {positions:,}
positions, by our loss and optimiser; transformers' BertForSequenceClassification with the same
weights and batches.

| | pairs per second |
|---|---:|
{training}
"""


def page(rates):
    """The results in Markdown."""
    return PAGE.format(
        sizes=", ".join(f"{key} {value}" for key, value in SIZES.items()),
        count=NUM_PAIRS,
        positions=SETTINGS["max_tokens"],
        training=rows((name, f"{median(rate):,.0f}") for name, rate in rates.items()),
    )


def compare(rates):
    """{what is compared: (times as fast, aim, what makes the run fail)}"""
    ours = rates["ours"]
    return {
        "fine-tuning, ours / transformers": (ratio(ours, rates["transformers"]), 1, 1),
        "fine-tuning, by length / padded to 128": (ratio(ours, rates["ours, padded to 128"]), 2, 1),
    }
