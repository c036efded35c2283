"""The recipes' loop: killed and resumed it ends where an unbroken run ends."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from d2lmini import checkpoint
from d2lmini.data import DataUnavailable, Pair, describe
from d2lmini.text import train_subwords
from d2lmini.translate import BOS, EOS, bleu
from recipes import _augment, _multi30k, loop, multi30k_transformer

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, sys, time, torch
from pathlib import Path
from safetensors.torch import save_file
from torch import nn
from recipes import loop

folder, pause, size, dropout = Path(sys.argv[1]), *(float(a) for a in sys.argv[2:])
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Linear(8, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
x = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))

def batches(epoch):
    order = torch.randperm(40, generator=torch.Generator().manual_seed(epoch))
    return [x[rows] for rows in order.split(int(size))]

def loss_fn(model, batch):
    time.sleep(pause)
    real = batch[:, 0] > -0.5  # what counts, as tokens beside padding
    squares = (model(batch)[:, 0] - batch.sum(1)).square()
    return (squares * real).sum() / real.sum().clamp(min=1), real.sum().item()

loop.join_processes()
history = loop.train(
    model, settings={"seed": 0}, batches=batches, loss_fn=loss_fn,
    held_out=lambda m: loss_fn(m, x)[0].item(), optimizer=optimizer,
    schedule=lambda done: 1 - done, num_epochs=6, average=3, folder=folder,
)
doubled = loop.shared_out(list(range(5)), lambda items: [2 * i for i in items])
assert doubled == [0, 2, 4, 6, 8]
if loop.join_processes()[0] == 0:
    save_file(model.state_dict(), folder / "final.safetensors")
    losses = [epoch["loss"] for epoch in history["epochs"]]
    print(json.dumps({"losses": losses, "averaged": history["averaged"]}))
"""


def command(folder, pause=0.0, processes=1, size=10, dropout=0.3):
    program = folder / "program.py"
    program.write_text(PROGRAM)
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*start, str(program), *(str(a) for a in (folder, pause, size, dropout))]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def finish(folder, **more):
    start = command(folder, **more)
    done = subprocess.run(start, check=True, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    return load_file(folder / "final.safetensors"), json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("processes", "size", "end"),
    [(1, 10, signal.SIGKILL), (2, 7, signal.SIGTERM)],  # torchrun must end its processes itself
)
def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(
    tmp_path, processes, size, end
):
    """With batches of 7, the last of 5, two processes soon draw unlike random numbers."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    expected, _ = finish(whole, processes=processes, size=size)
    process = subprocess.Popen(
        command(broken, pause=0.2, processes=processes, size=size),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch 2/6"):
            time.sleep(0.3)  # in the middle of the third epoch
            process.send_signal(end)
            break
    assert process.wait() != 0
    assert not (broken / "final.safetensors").exists()
    found, _ = finish(broken, processes=processes, size=size)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("size", [20, 13])  # 40 rows: the last batch of 13 is a single row
def test_two_processes_train_as_one_does(tmp_path, size):
    """A batch is split between them, and its parts weigh what each counts."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir(), shared.mkdir()
    expected, told = finish(alone, size=size, dropout=0.0)
    found, told_by_two = finish(shared, size=size, dropout=0.0, processes=2)
    for key, weights in expected.items():
        torch.testing.assert_close(found[key], weights)
    assert told_by_two["losses"] == pytest.approx(told["losses"], abs=2e-4)
    with pytest.raises(ValueError, match="processes 2, not None"):  # one cannot go on with it
        loop.State(shared, {"seed": 0}).restore(None, None)


def tiny(folder, losses, settings=None, **more):
    """Train with held-out losses that are given; the weight counts the steps."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    told = iter(losses)
    history = loop.train(
        model,
        settings=settings or {"seed": 0},
        batches=lambda epoch: [torch.ones(1, 1)],
        loss_fn=lambda model, batch: (-model(batch).sum(), 1),
        held_out=lambda model: next(told),
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        schedule=lambda done: 1.0,
        num_epochs=len(losses),
        folder=folder,
        **more,
    )
    return model.weight.item(), history


def test_it_stops_when_nothing_gets_better_and_averages_up_to_the_best(tmp_path):
    weight, history = tiny(tmp_path, [5.0, 4, 3, 6, 6, 6, 6, 6], patience=2, average=2)
    assert len(history["epochs"]) == 5 and history["best_epoch"] == 3
    assert weight == pytest.approx((2 + 3) / 2)  # after epochs 2 and 3


def test_epochs_before_the_first_that_counts_are_not_chosen_and_stop_nothing(tmp_path):
    losses = [5.0, 1.0, 4, 4, 4, 3, 6, 6, 6]
    weight, history = tiny(tmp_path / "a", losses, best_from=4, patience=2, average=2)
    assert len(history["epochs"]) == 8 and history["best_epoch"] == 6
    assert weight == pytest.approx((5 + 6) / 2)
    weight, history = tiny(tmp_path / "b", losses[:2], best_from=4)  # it ends before
    assert history["best_epoch"] == 2


def test_a_run_may_leave_off_and_go_on(tmp_path):
    losses = [5.0, 3, 4]
    weight, history = tiny(tmp_path, [*losses, 2.0, 1.0], until=3, average=2)
    assert len(history["epochs"]) == 3 and weight == pytest.approx((2 + 3) / 2)  # the last two
    weight, history = tiny(tmp_path, [2.0, 1.0, 0, 0, 0], until=5, average=2)  # epochs 4 and 5
    assert [epoch["held_out"] for epoch in history["epochs"]] == [*losses, 2.0, 1.0]
    assert weight == pytest.approx((4 + 5) / 2)


def test_a_run_with_other_settings_is_not_mistaken_for_this_one(tmp_path):
    tiny(tmp_path, [1.0], settings={"seed": 0, "d": 8})
    wanted = rf"begun with d 8, not 9: remove {tmp_path}, or run with --fresh"
    with pytest.raises(ValueError, match=wanted):
        tiny(tmp_path, [1.0], settings={"seed": 0, "d": 9})


def test_no_half_file_and_no_weights_that_are_not_needed_are_left(tmp_path):
    tiny(tmp_path, [5.0, 4, 3, 2], average=1, patience=1)
    names = ["epoch_3.safetensors", "epoch_4.safetensors", "state.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_a_run_killed_between_its_files_goes_on_from_the_older_state(tmp_path, monkeypatch):
    replace = loop.replace

    def killed(path, *rest):
        if path.name == "state.safetensors" and (tmp_path / "epoch_3.safetensors").exists():
            raise KeyboardInterrupt
        replace(path, *rest)

    losses = [5.0, 4, 3, 2]
    monkeypatch.setattr(loop, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        tiny(tmp_path, losses, average=1, patience=1)
    monkeypatch.setattr(loop, "replace", replace)
    weight, history = tiny(tmp_path, [3.0, 2.0, 0, 0], average=1, patience=1, until=4)
    assert [epoch["held_out"] for epoch in history["epochs"]] == losses
    assert weight == pytest.approx(4)


# --- Multi30k ---


@pytest.fixture
def parrot(monkeypatch):
    """A German model that says one thing greedily and another by beam, and its pairs."""
    true = ["Ein Hund z.B. schläft hier.", "Zwei Kinder singen laut."]
    greedily = ["Ein Hund.", "Zwei Kinder singen leise."]
    by_beam = ["ein Hund z.B. schläft dort.", "Zwei Kinder singen laut."]
    subwords = train_subwords([*true, *greedily, *by_beam], vocab_size=120)
    asked = []

    def search(texts):
        found = SimpleNamespace(ids=[subwords.encode(text).ids for text in texts])
        return lambda model, sources, **how: asked.append(how) or found

    monkeypatch.setattr(_multi30k, "greedy", search(greedily))
    monkeypatch.setattr(_multi30k, "beam", search(by_beam))
    pairs = [SimpleNamespace(source="a dog", target=text) for text in true]
    return SimpleNamespace(arguments=(None, subwords, pairs), asked=asked, by_beam=by_beam)


GERMAN = {"beam": 5, "length_penalty": 1.0, "lower": False, "target": "de"}


def test_the_four_measures_count_different_things(parrot):
    scores = _multi30k.score(*parrot.arguments, GERMAN)
    true = [pair.target for pair in parrot.arguments[2]]
    assert scores["bleu"].score == bleu(parrot.by_beam, true, lowercase=True).score
    assert scores["bleu_cased"].score == bleu(parrot.by_beam, true).score < scores["bleu"].score
    # spaCy keeps "z.B." whole, 13a makes four tokens of it: more that agrees
    assert 10 < scores["bleu_tokenised"].score < scores["bleu"].score - 5
    assert scores["bleu_greedy"].score < scores["bleu_tokenised"].score
    signs = {name: result.signature for name, result in scores.items()}
    assert "case:lc" in signs["bleu"] and signs["bleu"] == signs["bleu_greedy"]
    assert "case:mixed" in signs["bleu_cased"]
    assert "case:lc" in signs["bleu_tokenised"] and "tok:none" in signs["bleu_tokenised"]
    found = _multi30k.rounded({"test": scores})["test"]
    assert found["bleu"] == round(scores["bleu"].score, 2)


def test_what_is_measured_depends_on_language_capitals_and_beam(parrot):
    def names(**other):
        return [*_multi30k.score(*parrot.arguments, GERMAN | other)]

    assert names(lower=True) == ["bleu_greedy", "bleu", "bleu_tokenised"]
    assert names(lower=True, target="en") == ["bleu_greedy", "bleu"]
    assert names(beam=None) == ["bleu_greedy"]


def test_the_beam_is_searched_as_the_settings_say(parrot):
    _multi30k.score(*parrot.arguments, GERMAN | {"beam": 3, "length_penalty": 0.5})
    assert parrot.asked == [{}, {"width": 3, "length_penalty": 0.5}]


def test_targets_stand_between_bos_and_eos():
    subwords = train_subwords(["ab", "c"], vocab_size=30)
    ((source, target),) = _multi30k.encode([SimpleNamespace(source="ab", target="c")], subwords)
    assert subwords.decode(source) == "ab"
    assert (target[0], target[-1]) == (BOS, EOS) and subwords.decode(target[1:-1]) == "c"


def test_a_run_may_begin_with_both_directions():
    pairs = [([10 + i] * 3, [1, *[20 + i] * 4, 2]) for i in range(8)]
    turned = [([20 + i] * 4, [1, *[10 + i] * 3, 2]) for i in range(8)]
    settings = {"max_tokens": 12, "num_epochs": 12, "both_ways": 1 / 3}
    seen = []
    for epoch in range(12):
        batches = _augment.epoch_batches(pairs, epoch, settings)
        rows = [row for batch in batches for row in zip(batch[0], batch[2], strict=True)]
        plain = [tuple([i for i in t.tolist() if i] for t in row) for row in rows]
        assert len(plain) == 8  # as many steps as in an epoch of one direction
        assert all(row in pairs + turned for row in plain)
        seen.append(sum(row in turned for row in plain))
    assert all(number > 0 for number in seen[:4]) and sum(seen[:4]) < 32
    assert seen[4:] == [0] * 8
    del settings["both_ways"]
    assert len(_augment.epoch_batches(pairs, 0, settings)) == len(batches)


def test_a_share_of_the_pairs_gets_another_source_or_target():
    pairs = [([i], [1, i, 2]) for i in range(1000)]
    sources = [[[i, copy] for i in range(1000)] for copy in (7, 8, 9)]
    targets = [[1, i, 6, 2] for i in range(1000)]
    shares = {"back_translated": 0.4, "distilled": 0.3}
    found = _augment.varied(pairs, sources, targets, shares, seed=0)
    assert all(source[0] == target[1] == i for i, (source, target) in enumerate(found))
    used = Counter(source[1] for source, _ in found if len(source) > 1)
    assert used.keys() == {7, 8, 9} and all(100 < used[copy] < 170 for copy in used)
    assert 250 < sum(target in targets for _, target in found) < 350
    assert all(len(source) == 1 or len(target) == 3 for source, target in found)  # never both
    assert found == _augment.varied(pairs, sources, targets, shares, seed=0)
    assert found != _augment.varied(pairs, sources, targets, shares, seed=1)
    assert _augment.varied(pairs, [], [], {}, seed=0) == pairs


def test_other_sources_come_after_both_directions_and_other_targets_last():
    pairs = [([10 + i] * 3, [1, *[20 + i] * 4, 2]) for i in range(40)]
    settings = {"max_tokens": 12, "num_epochs": 4, "both_ways": 1 / 4}
    settings |= {"back_translated": 0.5, "distilled": 0.5, "distilled_from": 3 / 4}
    sources, targets = [[[60 + i] for i in range(40)]], [[1, 100 + i, 2] for i in range(40)]
    for epoch in range(4):
        batches = _augment.epoch_batches(pairs, epoch, settings, sources, targets)
        from_others = sum((batch[0][:, 0] >= 60).sum().item() for batch in batches)
        to_others = sum((batch[2][:, 1] >= 100).sum().item() for batch in batches)
        assert (from_others > 0, to_others > 0) == (epoch > 0, epoch == 3)
        if epoch == 3:
            assert from_others + to_others == 40


def test_own_translations_stand_between_bos_and_eos(monkeypatch):
    asked = {}

    def beam(model, source, **how):
        asked.update(how, model=model, source=source)
        return SimpleNamespace(ids=[[7], []])

    monkeypatch.setattr(_augment, "beam", beam)
    settings = {"beam": 3, "length_penalty": 0.5}
    found = _augment.own_translations("model", [([4], [1, 2]), ([5], [1, 2])], settings)
    assert found == [[BOS, 7, EOS], [BOS, EOS]]
    assert asked | {"width": 3, "length_penalty": 0.5, "source": [[4], [5]]} == asked


def test_what_a_run_has_made_is_kept(tmp_path):
    path, made = tmp_path / "new" / "targets.json", iter([[[1, 2]], [[3]], None])
    settings = {"seed": 0, "sizes": (1, 2)}
    assert _augment.once(path, settings, lambda: next(made)) == [[1, 2]]
    assert _augment.once(path, settings, lambda: next(made)) == [[1, 2]]
    assert _augment.once(path, settings | {"seed": 1}, lambda: next(made)) == [[3]]
    assert list(path.parent.iterdir()) == [path]


def test_a_teacher_translates_the_targets_back(monkeypatch):
    theirs = train_subwords(["ein hund", "a dog", "the hound"], vocab_size=60, lower=True)
    ours = train_subwords(["Ein Hund", "A dog", "The hound"], vocab_size=60)
    asked, said = [], iter([["a dog", "", "a dog"], ["the hound"] * 3, ["a dog"] * 3])

    def top_k(model, source, **how):
        asked.append((model, theirs.decode_batch(source)))
        return SimpleNamespace(ids=[found.ids for found in theirs.encode_batch(next(said))])

    monkeypatch.setattr(_augment, "top_k", top_k)
    pairs = [Pair("A dog", "Ein Hund")] * 3
    settings = {"seed": 0, "lower": False}
    found = _augment.back_translations("teacher", theirs, pairs, ours, settings)
    assert asked == [("teacher", ["ein hund"] * 3)] * 3
    assert ours.decode_batch(found[0]) == ["A dog", "", "A dog"]
    assert ours.decode_batch(found[1]) == ["The hound"] * 3


def test_smoothing_makes_certainty_dear_and_padding_counts_nothing():
    target = torch.tensor([[1, 5, 2, 0]])
    logits = 20 * torch.nn.functional.one_hot(target[:, 1:], 8).float()
    logits[:, 2] = torch.randn(8)  # at padding
    model = lambda source, mask, given: (logits, None)  # noqa: E731
    loss, count = _multi30k.loss_of(model, (None, None, target))
    assert loss < 1e-6 and count == 2
    assert _multi30k.loss_of(model, (None, None, target), smoothing=0.1)[0] > 1


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Run multi30k_transformer on a few pairs; return what it stored."""
    pairs = [Pair("Ein Hund", "A dog"), Pair("eine Katze", "a cat"), Pair("Ja.", "Yes.")]
    rows = {"train": pairs * 4, "validation": pairs[:2], "test": pairs[:1]}
    monkeypatch.setenv("D2LMINI_CACHE", str(tmp_path))
    monkeypatch.setattr(_multi30k, "multi30k", lambda split, **_: rows[split])
    about = lambda name, split, **_: {"rows": len(rows[split]), "sha256": split}  # noqa: E731
    monkeypatch.setattr(_multi30k, "describe", about)
    stored, made = {}, {}

    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)

    def save(name, model, subwords, card):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
        stored[name] = card | {"writes": subwords.decode(subwords.encode("Ein Hund").ids)}
        made[name] = model, subwords

    monkeypatch.setattr(checkpoint, "save", save)
    monkeypatch.setattr(checkpoint, "card", lambda name: stored[name])
    monkeypatch.setattr(checkpoint, "load", lambda name, model: made[name][0])
    monkeypatch.setattr(checkpoint, "tokenizer", lambda name: made[name][1])

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        sizes = {"d_model": 8, "d_hidden": 16, "num_heads": 2, "num_layers": 1, "dropout": 0.1}
        few = {"vocab_size": 60, "num_epochs": 2, "max_tokens": 30}
        settings, build = multi30k_transformer.SETTINGS | few, multi30k_transformer.build
        directions = {name: own | few for name, own in multi30k_transformer.DIRECTIONS.items()}
        directions["en-de-lower"] = {"lower": True, "num_epochs": 3}
        directions["en-de"]["teacher"] = "tiny_de-en"
        how = multi30k_transformer.train
        chosen = {"arguments": sizes, "settings": settings, "directions": directions}
        _multi30k.recipe("tiny", build, **chosen, how=how)
        return stored

    return start


def test_a_recipe_stores_a_card_that_says_what_it_did(small, monkeypatch):
    held, measure = [], _multi30k.evaluate
    found = lambda model, batches, **how: held.append(batches) or measure(model, batches, **how)  # noqa: E731
    monkeypatch.setattr(_multi30k, "evaluate", found)
    small("de-en"), small("en-de")
    assert {sum(len(batch[0]) for batch in batches) for batches in held} == {2}
    stored = small("en-de-lower")
    assert [*stored] == ["tiny_de-en", "tiny_en-de", "tiny_en-de-lower"]
    assert [card["settings"]["lower"] for card in stored.values()] == [True, False, True]
    assert [card["writes"] for card in stored.values()] == ["ein hund", "Ein Hund", "ein hund"]
    assert [card["epochs"] for card in stored.values()] == [2, 2, 3]
    card = stored["tiny_en-de"]
    assert card["data"]["name"] == "multi30k en-de"
    assert card["data"]["rows"] == {"train": 12, "validation": 2, "test": 1}
    assert card["data"]["sha256"]["test"] == "test"
    assert card["command"] == "python -m recipes.tiny en-de"
    dropouts = [card["model"]["dropout"] for card in stored.values()]
    assert dropouts == [0.1, multi30k_transformer.DIRECTIONS["en-de"]["dropout"], 0.1]
    assert dropouts == [card["settings"]["dropout"] for card in stored.values()]
    sha256 = hashlib.sha256(b"tiny_de-en").hexdigest()
    assert card["settings"]["teacher"] == {"name": "tiny_de-en", "sha256": sha256}
    assert card["signatures"].keys() == card["metrics"]["test"].keys() >= {"bleu_cased"}


def test_what_a_run_translates_for_itself_lies_beside_its_state(small, capsys):
    small("de-en"), small("en-de")
    folder = loop.run_folder("tiny_en-de")
    names = {"state.safetensors", "sources.json", "targets.json"}
    names |= {"epoch_1.safetensors", "epoch_2.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    said = capsys.readouterr().out
    steps = [
        "translating the training set back, 3 of 3",
        "epoch 1/2",
        "translating the training set\n",
    ]
    places = [said.rindex(step) for step in [*steps, "epoch 2/2"]]
    assert places == sorted(places)
    small("en-de")  # all is there
    assert "translating" not in capsys.readouterr().out
    small("en-de", "--fresh")
    assert "translating the training set back, 1 of 3" in capsys.readouterr().out


def test_a_trial_leaves_the_whole_run_alone_and_stores_nothing(small, capsys):
    small("de-en")
    state = loop.run_folder("tiny_de-en") / "state.safetensors"
    before = state.read_bytes()
    stored = small("de-en", "--epochs", "1", "--fresh")
    assert state.read_bytes() == before and [*stored] == ["tiny_de-en"]
    assert stored["tiny_de-en"]["epochs"] == 2
    small("de-en")  # and the whole run still goes on
    assert "going on after epoch 2" in capsys.readouterr().out


def test_one_process_of_several_stores(small, monkeypatch):
    monkeypatch.setattr(loop, "join_processes", lambda: (1, 1))
    assert small("de-en") == {}


def test_one_program_serves_both_directions(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recipe", "en-de", "--epochs", "2"])
    options = _multi30k.read_options("multi30k_transformer", multi30k_transformer.DIRECTIONS)
    assert (options.direction, options.epochs) == ("en-de", 2)
    monkeypatch.setattr(sys, "argv", ["recipe", "en-de", "--epochs", "0"])
    with pytest.raises(SystemExit):
        _multi30k.read_options("multi30k_transformer", multi30k_transformer.DIRECTIONS)
    assert "argument --epochs: must be at least 1, got 0" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["recipe"])
    assert _multi30k.read_options("multi30k_bahdanau", _multi30k.DE_EN).direction == "de-en"


@pytest.mark.parametrize("direction", ["de-en", "en-de"])
def test_the_transformers_card_has_the_settings_of_its_recipe(direction):
    """and is as good as was wanted, so that a worse one is noticed"""
    card = checkpoint.card(f"multi30k_transformer_{direction}")
    recipe = multi30k_transformer
    source, target = direction.split("-")
    wanted = recipe.SETTINGS | recipe.ARGUMENTS | recipe.DIRECTIONS[direction]
    wanted |= {"source": source, "target": target}
    if "teacher" in wanted:
        weights = (checkpoint.FOLDER / f"{wanted['teacher']}.safetensors").read_bytes()
        sha256 = hashlib.sha256(weights).hexdigest()
        wanted["teacher"] = {"name": wanted["teacher"], "sha256": sha256}
    assert card["settings"] == wanted
    least = {"de-en": {"bleu_greedy": 40, "bleu": 41.5}, "en-de": {"bleu_tokenised": 41}}
    assert all(card["metrics"]["test"][key] >= value for key, value in least[direction].items())


HOW = {
    "bleu_greedy": {"lowercase": True},
    "bleu": {"lowercase": True},
    "bleu_tokenised": {"lowercase": True, "tokenize": "none"},
    "bleu_cased": {},
}
TRANSLATORS = sorted(path.stem for path in checkpoint.FOLDER.glob("multi30k_*.safetensors"))


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translators_card_says_which_rows_were_read_and_how_bleu_was_counted(name):
    card = checkpoint.card(name)
    signatures = {key: bleu(["a"], ["a"], **HOW[key]).signature for key in card["metrics"]["test"]}
    assert card["signatures"] == signatures
    languages = {key: card["settings"][key] for key in ("source", "target")}
    try:
        found = {split: describe("multi30k", split, **languages) for split in ("train", "test")}
    except DataUnavailable as reason:
        pytest.skip(str(reason))
    for split, about in found.items():
        assert card["data"]["sha256"][split] == about["sha256"]
        assert card["data"]["rows"][split] == about["rows"]


def test_the_transformer_of_the_recipe_has_one_table():
    sizes = {"d_model": 8, "d_hidden": 16, "num_heads": 2, "num_layers": 1, "dropout": 0.1}
    model = multi30k_transformer.build(vocab_size=20, **sizes)
    assert model.encoder.embedding is model.decoder.embedding
