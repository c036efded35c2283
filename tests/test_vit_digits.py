"""The recipe of notebook 14 and the notebook: one model, one training, one card."""

import ast

import nbformat
import pytest
import torch

from d2lmini import checkpoint
from recipes import vit_digits

ROOT = checkpoint.FOLDER.parents[1]


def defined(sources):
    """{name: definition without its docstring} of the functions and classes in these sources."""
    found = {}
    for source in sources:
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                if ast.get_docstring(node):
                    node.body.pop(0)
                found[node.name] = ast.unparse(node)
    return found


@pytest.mark.parametrize("name", ["patches_of", "put_together", "VisionTransformer", "split_of"])
def test_notebook_and_recipe_define_the_same(name):
    cells = nbformat.read(ROOT / "notebooks/14_beyond_text.ipynb", as_version=4).cells
    notebook = defined(cell.source for cell in cells if cell.cell_type == "code")
    recipe = defined([(ROOT / "recipes/vit_digits.py").read_text(encoding="utf-8")])
    assert notebook[name] == recipe[name]


def test_cutting_and_putting_together_undo_each_other_and_shuffling_is_one_order():
    images, _ = vit_digits.digits()
    images = images[:5]
    patches = vit_digits.patches_of(images, 2)
    assert torch.equal(patches[:, 6], images[:, 2:4, 4:6].flatten(1))  # row 1, column 2
    assert torch.equal(vit_digits.put_together(patches, 2), images)
    mixed = vit_digits.patches_of(vit_digits.shuffled(images), 2)
    assert torch.equal(mixed, patches[:, vit_digits.order_of(16)])


def test_moved_images_are_the_same_a_pixel_on():
    images = torch.arange(64.0).view(1, 8, 8).repeat(50, 1, 1)
    moved = vit_digits.moved(images, torch.Generator().manual_seed(0))
    framed = torch.nn.functional.pad(images[0], (1, 1, 1, 1), value=-1.0)
    places = {(y, x): framed[y : y + 8, x : x + 8] for y in range(3) for x in range(3)}
    seen = {at for image in moved for at, place in places.items() if torch.equal(image, place)}
    assert seen == set(places)


def test_the_splits_test_on_images_of_their_own_and_the_card_has_their_means():
    card = checkpoint.card("vit_digits")
    labels = vit_digits.digits()[1]
    splits = [vit_digits.split_of(number, labels) for number in vit_digits.SPLITS]
    tested = torch.cat([test for _, test in splits])
    assert len(tested.unique()) == len(tested) == sum(card["data"]["test"])
    assert all(not set(train.tolist()) & set(test.tolist()) for train, test in splits)
    assert set(card["splits"]) == set(card["metrics"]["test"]) == set(vit_digits.ROWS)
    for name, row in card["splits"].items():
        assert card["metrics"]["test"][name] == pytest.approx(sum(row["accuracy"]) / 3, abs=1e-4)
    assert card["metrics"]["test"]["vit"] >= 0.97


@pytest.mark.parametrize("name", ["logistic", "neighbour"])
def test_what_is_quick_comes_out_as_the_card_says(name):
    again = vit_digits.ROWS[name](0)["accuracy"]
    assert again == pytest.approx(
        checkpoint.card("vit_digits")["splits"][name]["accuracy"][0], abs=0.005
    )
