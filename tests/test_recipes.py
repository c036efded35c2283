"""The recipes' loop: killed and resumed it ends where an unbroken run ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from d2lmini.text import train_subwords
from recipes import multi30k, multi30k_transformer, run

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys, time, torch
from pathlib import Path
from safetensors.torch import save_file
from torch import nn
from recipes import run

folder, pause = Path(sys.argv[1]), float(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 1))
optimizer = torch.optim.AdamW(model.parameters())
x = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))

def batches(epoch):
    order = torch.randperm(40, generator=torch.Generator().manual_seed(epoch))
    return [x[rows] for rows in order.split(10)]

def loss_fn(model, batch):
    time.sleep(pause)
    return (model(batch)[:, 0] - batch.sum(1)).square().mean()

history = run.train(
    model, name="tiny", settings={"seed": 0}, batches=batches, loss_fn=loss_fn,
    held_out=lambda m: loss_fn(m, x).item(), optimizer=optimizer,
    rate=lambda done: 0.05 * (1 - done), num_epochs=6, average=3, folder=folder,
)
if run.join_processes()[0] == 0:
    save_file(model.state_dict(), folder / "final.safetensors")
    print("best", history["best_epoch"], "averaged", history["averaged"])
"""


def command(folder, pause=0.0, processes=1):
    program = folder / "program.py"
    program.write_text(PROGRAM)
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        start += ["--master-port", "29517"]
    return [*start, str(program), str(folder), str(pause)]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def finish(folder, **more):
    subprocess.run(command(folder, **more), check=True, env=ENVIRONMENT, capture_output=True)
    return load_file(folder / "final.safetensors")


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    expected = finish(whole)
    process = subprocess.Popen(
        command(broken, pause=0.2), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("epoch 2/6"):
            time.sleep(0.3)  # in the middle of the third epoch
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    assert not (broken / "final.safetensors").exists()
    found = finish(broken)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_two_processes_under_torchrun_share_the_batches(tmp_path):
    found = finish(tmp_path, processes=2)
    assert all(tensor.isfinite().all() for tensor in found.values())
    history = run.State(tmp_path, {"seed": 0})
    assert history.path.is_file()


def tiny(folder, losses, settings=None, **more):
    """Train with held-out losses that are given; the weight counts the steps."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    told = iter(losses)
    history = run.train(
        model,
        name="tiny",
        settings=settings or {"seed": 0},
        batches=lambda epoch: [torch.ones(1, 1)],
        loss_fn=lambda model, batch: -model(batch).sum(),
        held_out=lambda model: next(told),
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        rate=lambda done: 1.0,
        num_epochs=len(losses),
        folder=folder,
        **more,
    )
    return model.weight.item(), history


def test_it_stops_when_nothing_gets_better_and_averages_up_to_the_best(tmp_path):
    weight, history = tiny(tmp_path, [5.0, 4, 3, 6, 6, 6, 6, 6], patience=2, average=2)
    assert len(history["epochs"]) == 5 and history["best_epoch"] == 3
    assert weight == pytest.approx((2 + 3) / 2)  # after epochs 2 and 3


def test_a_run_with_other_settings_is_not_mistaken_for_this_one(tmp_path):
    tiny(tmp_path, [1.0], settings={"seed": 0, "d": 8})
    with pytest.raises(ValueError, match=r"another d: remove it, or run with --fresh"):
        tiny(tmp_path, [1.0], settings={"seed": 0, "d": 9})


def test_the_saved_state_is_never_half_a_file(tmp_path):
    tiny(tmp_path, [2.0, 1.0])
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


# --- Multi30k ---


@pytest.fixture
def parrot(monkeypatch):
    """A German model whose search always writes the same two sentences, and its pairs."""
    said, true = ["ein Hund schläft.", "Zwei Kinder singen."], ["Ein Hund schläft.", "Zwei singen."]
    subwords = train_subwords([*said, *true], vocab_size=80)
    found = SimpleNamespace(ids=[subwords.encode(text).ids for text in said])
    for search in ("greedy", "beam"):
        monkeypatch.setattr(multi30k, search, lambda *_, **__: found)
    return subwords, [SimpleNamespace(source="a dog", target=text) for text in true]


def test_capitals_count_in_one_of_the_four_measures_alone(parrot):
    settings = {"beam": 5, "lower": False, "target": "de"}
    scores = multi30k.score(None, *parrot, settings)
    assert scores["bleu"] == scores["bleu_greedy"] == scores["bleu_tokenised"]
    assert 0 < scores["bleu_cased"] < scores["bleu"] < 100


def test_a_model_without_capitals_has_two_measures_and_without_a_beam_one(parrot):
    settings = {"beam": 5, "lower": True, "target": "de"}
    assert [*multi30k.score(None, *parrot, settings)] == ["bleu_greedy", "bleu"]
    assert [*multi30k.score(None, *parrot, settings | {"beam": None})] == ["bleu_greedy"]


def test_one_program_serves_both_directions(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["recipe", "en-de", "--epochs", "2"])
    options = multi30k.read_options("multi30k_transformer", ("de-en", "en-de"))
    assert (options.direction, options.epochs) == ("en-de", 2)
    monkeypatch.setattr(sys, "argv", ["recipe"])
    assert multi30k.read_options("multi30k_bahdanau", ("de-en",)).direction == "de-en"


def test_the_transformer_of_the_recipe_has_one_table():
    sizes = {"d_model": 8, "d_hidden": 16, "num_heads": 2, "num_layers": 1, "dropout": 0.1}
    model = multi30k_transformer.build(vocab_size=20, **sizes)
    assert model.encoder.embedding is model.decoder.embedding
