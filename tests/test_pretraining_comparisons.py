"""The recipes that compare small pretrainings: what a run tells, and how fast it is said to be."""

from d2lmini import checkpoint
from recipes import pretraining_comparisons, pretraining_processes


def tiny(monkeypatch, **changes):
    monkeypatch.setattr(pretraining_comparisons, "EVERY", 1)
    small = {"stories": 30, "steps": 2, "d_model": 8, "max_tokens": 500}
    settings = pretraining_comparisons.SETTINGS | small | changes
    pieces = checkpoint.tokenizer(pretraining_comparisons.PIECES)
    monkeypatch.setitem(pretraining_comparisons.SPLITS, "validation", (2, 10))
    return pretraining_comparisons.pretrain(settings, 0, pieces)


def test_a_run_tells_a_point_for_each_look_and_is_repeated_by_its_seed(monkeypatch):
    curve = tiny(monkeypatch)
    assert [point["step"] for point in curve] == [1, 2]
    assert all(point.keys() == {"step", *pretraining_comparisons.POINT} for point in curve)
    assert tiny(monkeypatch) == curve


def test_each_change_changes_one_thing():
    settings = pretraining_comparisons.SETTINGS
    for name, change in pretraining_comparisons.CHANGES.items():
        assert len(change) == (name != "as in the notebook")
        assert all(settings[key] != value for key, value in change.items())


def test_the_speed_leaves_the_first_steps_out():
    told = {"tokens": [1000, 300, 500], "seconds": [100.0, 3.0, 1.0]}
    assert pretraining_processes.rate_of(told) == 200
    assert pretraining_processes.rate_of({"tokens": [90], "seconds": [3.0]}) == 30
