"""The comparison of optimisers: its schedules, its runs, and that what is done is kept."""

import sys

import pytest
import torch

from d2lmini import checkpoint
from recipes import optimizers

SIZES = {"d_model": 8, "d_hidden": 8, "num_heads": 2, "num_layers": 1}
SETTINGS = optimizers.SETTINGS | {"seeds": [1, 2], "steps": 4, "every": 2, "max_tokens": 60}
SETTINGS |= {"held_out": 8, "target": 5.0}
ARMS = {
    "AdamW": optimizers.ARMS["AdamW"] | {"rates": [1e-3, 3e-2]},
    "post-norm, constant": optimizers.ARMS["post-norm, constant"] | {"rates": [1e-2]},
}


@pytest.fixture
def tiny(monkeypatch, own_cards):
    """A function that runs the recipe, small."""
    threads = torch.get_num_threads()

    def start(*arguments, **more):
        monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
        optimizers.main(SETTINGS | more, ARMS, SIZES)

    yield start
    torch.set_num_threads(threads)


def test_the_card_has_each_arm_at_the_rate_that_was_best_with_another_seed(tiny, monkeypatch):
    tiny()
    card = checkpoint.card("optimizers")
    for name, arm in ARMS.items():
        tuned = card["tuning"][name]
        assert [*tuned] == [str(rate) for rate in arm["rates"]]
        assert all(len(curve) == 2 for curve in [*tuned.values(), *card["runs"][name]])
        first = {
            rate: (optimizers.steps_to(5.0, curve, 2) or 99, curve[-1])
            for rate, curve in tuned.items()
        }
        assert str(card["rates"][name]) == min(first, key=first.get)
        measures = card["metrics"]["held-out"]
        assert len(measures["loss"][name]) == len(measures["steps"][name]) == 2
    monkeypatch.setattr(optimizers, "run", None)  # nothing is left to do, whatever the target
    tiny(target=1.0)
    again = checkpoint.card("optimizers")
    assert again["runs"]["post-norm, constant"] == card["runs"]["post-norm, constant"]
    assert again["metrics"]["held-out"]["steps"]["AdamW"] == [None, None]


def test_a_run_with_other_settings_is_made_anew(tiny, monkeypatch):
    tiny()
    asked, run = [], optimizers.run
    monkeypatch.setattr(optimizers, "run", lambda *item: asked.append(item[1:3]) or run(*item))
    tiny()
    assert not asked
    tiny(clip=0.5)
    assert len(asked) == 3 + 2 * 2


def test_a_trial_stores_no_card(tiny):
    tiny("--epochs", "1")
    assert not (checkpoint.FOLDER / "optimizers.json").exists()


def test_a_run_is_repeated_by_its_seed_and_a_loss_that_is_no_number_is_written_as_the_most():
    settings = SETTINGS | {"sizes": SIZES}
    arm = ARMS["AdamW"]
    first, second, other = (
        optimizers.run(arm, 1e-2, seed, settings)["curve"] for seed in (1, 1, 2)
    )
    assert first == second != other
    settings |= {"clip": None}
    broken = optimizers.run(arm | {"optimizer": "SGD"}, 1e30, 1, settings)["curve"]
    assert broken[-1] == settings["most"]


def test_arms_change_one_thing_of_the_base_or_the_warm_up_alone():
    base = optimizers.ARMS["AdamW"]
    for name, arm in optimizers.ARMS.items():
        assert len(arm["rates"]) == len(base["rates"])  # as many tries for each
        changed = {key for key in ("optimizer", "norm", "schedule") if arm[key] != base[key]}
        assert len(changed) <= 1 or (name.startswith("post-norm") and "optimizer" not in changed)
    posts = [optimizers.ARMS[f"post-norm, {kind}"] for kind in ("constant", "warm-up")]
    assert [arm["schedule"] for arm in posts] == ["constant", "warm-up"]


def test_schedules_begin_and_end_where_they_should():
    found = {
        name: [f(x) for x in (0, 0.05, 0.1, 0.4, 1)]
        for name, f in optimizers.schedules(0.1).items()
    }
    assert found.pop("constant") == [1] * 5
    assert all(values[:3] == pytest.approx([0, 0.5, 1]) for values in found.values())
    ends = {name: values[3:] for name, values in found.items()}
    assert ends["warm-up"] == [1, 1]
    assert ends["warm-up, linear decay"] == pytest.approx([2 / 3, 0])
    assert ends["warm-up, inverse square root"] == pytest.approx([0.5, 0.1**0.5])


def test_steps_to_a_target():
    assert optimizers.steps_to(1.0, [3.0, 1.0, 1.2, 0.5], 10) == 20
    assert optimizers.steps_to(0.1, [3.0, 1.0], 10) is None
