"""What tests of several recipes need."""

import pytest

from d2lmini import checkpoint


@pytest.fixture
def own_cards(monkeypatch, tmp_path):
    """A folder of the test's own, in which cards and checkpoints are stored and looked for."""
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    for function in (checkpoint.save, checkpoint.card, checkpoint.load, checkpoint.tokenizer):
        monkeypatch.setitem(function.__kwdefaults__, "folder", tmp_path)
    return tmp_path
