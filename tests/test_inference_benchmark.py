"""The benchmark of fine-tuning: the peer is our model, and what is padded is the same."""

import pytest
import torch

from benchmarks import inference
from d2lmini.bert import BERTClassifier, BERTEncoder
from d2lmini.microworld import inferences
from d2lmini.text import train_wordpiece
from recipes._nli import labels_of, loss_of, make_batches

SIZES = {"d_model": 16, "d_hidden": 24, "num_heads": 2, "num_layers": 2, "dropout": 0.0}
SIZES |= {"max_length": 128, "vocab_size": 150}


@pytest.fixture
def batches():
    pairs = inferences(30, seed=1)
    pieces = train_wordpiece([text for pair in pairs for text in pair[:2]], vocab_size=150)
    encoded = inference.READING.encode(pieces, pairs)
    rows = list(zip(encoded, labels_of(pairs), strict=True))
    return make_batches(rows, inference.READING, 300, seed=0)


def test_the_peer_has_our_weights_and_padding_changes_no_loss(batches):
    torch.manual_seed(0)
    ours = BERTClassifier(BERTEncoder(**SIZES), num_classes=3).eval()
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    peer = inference.TransformersClassifier(ours, **SIZES).eval()
    for batch, wider in zip(batches, inference.wide(batches), strict=True):
        assert wider[0].shape == wider[1].shape == (len(batch[0]), inference.LENGTH)
        assert wider[2].shape == (len(batch[0]), 1, inference.LENGTH)
        expected = loss_of(ours, batch)
        torch.testing.assert_close(loss_of(peer, batch), expected)
        torch.testing.assert_close(loss_of(ours, wider), expected)


def test_the_page_and_the_bounds():
    rates = {
        "ours": [100.0, 300.0],
        "transformers": [50.0, 150.0],
        "ours, padded to 128": [25.0, 75.0],
    }
    assert [row[0] for row in inference.compare(rates).values()] == [2.0, 4.0]
    assert "| ours, padded to 128 | 50 |" in inference.page(rates)
