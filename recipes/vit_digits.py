"""A vision Transformer on scikit-learn's digits, beside what it has to beat and what it gave up.

python -m recipes.vit_digits      about two minutes on two cores

Three splits whose test sets do not overlap; the settings were chosen on a fourth.  All networks
take the same steps, on one thread.  The card has no weights: notebook 14 trains one of them.
"""

import json
import math
import time
from collections.abc import Callable
from hashlib import sha256

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from d2lmini.attention import LearnedPositions
from d2lmini.bert import PreNormBERTBlock
from d2lmini.train import Shuffled, fit, linear_decay, seed_everything
from d2lmini.transformer import initialise, run_blocks
from recipes import loop

ARGUMENTS = {"image_size": 8, "patch_size": 2, "num_classes": 10}
ARGUMENTS |= {"d_model": 48, "d_hidden": 96, "num_heads": 4, "num_layers": 2}
SETTINGS = {"steps": 675, "batch_size": 32, "learning_rate": 3e-3, "weight_decay": 0.3}
SETTINGS |= {"warm_up": 0.1}
SPLITS = (0, 1, 2)  # each is the seed of its networks, too; the settings were chosen on split 3
FEW = 200  # training images

# --- the model: notebook 14 builds it, and a test holds both to be equal -------------------------


def patches_of(images, patch_size):
    """Cut images into squares, row by row: (batch, height, width) -> (batch, patches, pixels)"""
    cut = images.unflatten(2, (-1, patch_size)).unflatten(1, (-1, patch_size))
    return cut.transpose(2, 3).flatten(3).flatten(1, 2)


def put_together(patches, patch_size):
    """The square image of these patches: (batch, patches, pixels) -> (batch, side, side)"""
    side = math.isqrt(patches.shape[1])
    cut = patches.unflatten(2, (patch_size, patch_size)).unflatten(1, (side, side))
    return cut.transpose(2, 3).flatten(3).flatten(1, 2)


class VisionTransformer(nn.Module):
    """images (batch, height, width) -> logits (batch, classes), and with need_weights weights
    (batch, layers, heads, 1 + patches, 1 + patches), else None"""

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        num_classes: int,
        d_model: int,
        d_hidden: int,
        num_heads: int,
        num_layers: int,
    ):
        super().__init__()
        self.patch_size, num_patches = patch_size, (image_size // patch_size) ** 2
        self.project = nn.Linear(patch_size**2, d_model)
        self.cls = nn.Parameter(torch.zeros(1, 1, d_model))
        self.positions = LearnedPositions(d_model=d_model, max_length=1 + num_patches)
        sizes = {"d_model": d_model, "d_hidden": d_hidden, "num_heads": num_heads}
        self.blocks = nn.ModuleList(PreNormBERTBlock(**sizes) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, num_classes)
        initialise(self)

    def forward(self, images, need_weights=False):
        x = self.project(patches_of(images, self.patch_size))  # (batch, patches, d_model)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)  # [cls] first
        x, weights = run_blocks(self.blocks, self.positions(x), need_weights=need_weights)
        return self.head(self.norm(x[:, 0])), weights


build = VisionTransformer


class WithoutPositions(VisionTransformer):
    """The same without positions: it sees a bag of patches."""

    def __init__(self, **sizes):
        super().__init__(**sizes)
        self.positions = nn.Identity()


class SmallConvolution(nn.Module):
    """Two layers of 3 x 3 filters and a linear layer: (batch, 8, 8) -> (batch, classes), None"""

    def __init__(self, *, num_classes: int = 10):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(64 * 16, num_classes),
        )

    def forward(self, images):
        return self.layers(images.unsqueeze(1)), None


# --- data --------------------------------------------------------------------------------------


def digits() -> tuple[Tensor, Tensor]:
    """Images (1797, 8, 8) from -1 (paper) to 1 (ink) and labels (1797,)."""
    pixels, labels = load_digits(return_X_y=True)
    return torch.tensor(pixels / 8 - 1, dtype=torch.float32).view(-1, 8, 8), torch.tensor(labels)


def split_of(number, labels):
    """Rows for training and for testing: one of five folds, each with all classes alike"""
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)
    train, test = list(folds)[number]
    return torch.tensor(train), torch.tensor(test)


def moved(images, generator):
    """Each image up to a pixel up or down and left or right, by lot; what comes in is paper"""
    framed = F.pad(images, (1, 1, 1, 1), value=-1.0)
    shifts = torch.randint(3, (2, len(images), 1), generator=generator)
    down, right = shifts + torch.arange(images.shape[1])  # (images, side) each
    which = torch.arange(len(images))[:, None, None]
    return framed[which, down[:, :, None], right[:, None, :]]


def shuffled(images, patch_size=2):
    """All images with their patches in one other order, the same for all."""
    patches = patches_of(images, patch_size)
    return put_together(patches[:, order_of(patches.shape[1])], patch_size)


def order_of(num_patches):
    """Which patch is put in each place."""
    return torch.randperm(num_patches, generator=torch.Generator().manual_seed(14))


# --- measures ----------------------------------------------------------------------------------


@torch.no_grad()
def accuracy(model, images, labels) -> float:
    """Share of images (images, 8, 8) whose class has the largest logit."""
    return (model(images)[0].argmax(dim=-1) == labels).double().mean().item()


def likeness(P):
    """Cosines between the vectors of all places, after their mean was taken away

    P (1 + places, d_model), [cls] first -> (places, places)
    """
    vectors = F.normalize(P[1:] - P[1:].mean(dim=0), dim=-1)
    return vectors @ vectors.mT


def grid_likeness(cosines, side):
    """Correlation, over pairs of places on a grid, of their cosine with how near they lie"""
    place = torch.arange(side * side)
    at = torch.stack([place // side, place % side], dim=1).float()
    pairs = torch.ones(len(at), len(at)).triu(1).bool()
    both = torch.stack([cosines[pairs], -torch.cdist(at, at)[pairs]])
    return torch.corrcoef(both)[0, 1].item()


# --- runs --------------------------------------------------------------------------------------


def learn(model, images, labels, *, seed, move=False):
    """Train in place for SETTINGS["steps"] steps, however few the images are."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(images), generator=generator)
    batches = Shuffled(list(rows.split(SETTINGS["batch_size"])), generator)

    def loss_fn(model, batch):
        seen = moved(images[batch], generator) if move else images[batch]
        return F.cross_entropy(model(seen)[0], labels[batch]), len(batch)

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=SETTINGS["learning_rate"], weight_decay=SETTINGS["weight_decay"]
    )
    epochs = max(1, round(SETTINGS["steps"] / len(batches)))
    schedule = linear_decay(warm_up=SETTINGS["warm_up"])
    fit(model, batches, loss_fn=loss_fn, optimizer=optimizer, num_epochs=epochs, schedule=schedule)
    model.eval()


def network(kind: Callable, *, seen: Callable = lambda images: images, few=None, move=False):
    """A row of the card: split -> {measure: value} of a network that is trained on it.

    seen: what is done to all images; few: the number of training images, None for all.
    """

    def run(number):
        images, labels = digits()
        images, (train, test) = seen(images), split_of(number, labels)
        if few:  # the first of an order drawn by lot
            order = torch.randperm(len(train), generator=torch.Generator().manual_seed(number))
            train = train[order[:few]]
        seed_everything(number)
        model = kind(**(ARGUMENTS if issubclass(kind, VisionTransformer) else {}))
        learn(model, images[train], labels[train], seed=number, move=move)
        found = {"accuracy": accuracy(model, images[test], labels[test])}
        if kind is VisionTransformer and seen is not shuffled:
            cosines = likeness(model.positions.P.detach())
            found["grid"] = grid_likeness(cosines, 4)
            if number == 0:
                found["cosines"] = [[round(c, 3) for c in row] for row in cosines.tolist()]
        return found

    return run


def old(kind: Callable, few=None):
    """A row of the card: split -> {"accuracy": ...} of a method of scikit-learn."""

    def run(number):
        images, labels = digits()
        train, test = split_of(number, labels)
        if few:
            order = torch.randperm(len(train), generator=torch.Generator().manual_seed(number))
            train = train[order[:few]]
        flat = images.flatten(1).numpy()
        fitted = kind().fit(flat[train], labels[train])
        return {"accuracy": float(fitted.score(flat[test], labels[test].numpy()))}

    return run


def logistic():
    return LogisticRegression(max_iter=1000)


def nearest():
    return KNeighborsClassifier(1)


ROWS = {
    "vit": network(VisionTransformer),
    "logistic": old(logistic),
    "neighbour": old(nearest),
    "convolution": network(SmallConvolution),
    "vit_moved": network(VisionTransformer, move=True),
    "vit_shuffled": network(VisionTransformer, seen=shuffled),
    "convolution_shuffled": network(SmallConvolution, seen=shuffled),
    "vit_no_positions": network(WithoutPositions),
    "vit_few": network(VisionTransformer, few=FEW),
    "convolution_few": network(SmallConvolution, few=FEW),
    "neighbour_few": old(nearest, few=FEW),
    "convolution_few_shuffled": network(SmallConvolution, seen=shuffled, few=FEW),
}


def measure_all(folder) -> tuple[dict, dict, float]:
    """{row: {measure: [one for each split]}}, {row: cosines of the first split}, and the seconds of
    processor time; what is finished is kept in the folder, for a run that was stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    path, settings = folder / "runs.json", json.loads(json.dumps([ARGUMENTS, SETTINGS, FEW]))
    state = {"settings": settings, "seconds": 0.0, "runs": {}}
    if path.is_file():
        state = json.loads(path.read_text())
    if state["settings"] != settings:
        raise ValueError(f"a run was begun with other settings: run with --fresh, or remove {path}")
    runs = state["runs"]
    for run, name, number in ((f"{name} {n}", name, n) for name in ROWS for n in SPLITS):
        if run not in runs:
            begun = time.process_time()
            runs[run] = ROWS[name](number)
            state["seconds"] += time.process_time() - begun
            path.write_text(json.dumps(state))
            print(run, {key: runs[run][key] for key in runs[run] if key != "cosines"}, flush=True)
    rows = {name: [dict(runs[f"{name} {n}"]) for n in SPLITS] for name in ROWS}
    cosines = {name: row[0].pop("cosines") for name, row in rows.items() if "cosines" in row[0]}
    rows = {
        name: {key: [round(found[key], 4) for found in row] for key in row[0]}
        for name, row in rows.items()
    }
    return rows, cosines, state["seconds"]


def main():
    options = loop.parser("vit_digits").parse_args()
    folder = loop.begin("vit_digits", options, seed=0)
    torch.set_num_threads(1)
    rows, cosines, seconds = measure_all(folder)
    images, labels = digits()
    means = {name: round(sum(row["accuracy"]) / len(SPLITS), 4) for name, row in rows.items()}
    print(means)
    loop.store_comparison(
        "vit_digits",
        seconds=seconds,
        seed=list(SPLITS),
        model=ARGUMENTS,
        parameters=sum(p.numel() for p in build(**ARGUMENTS).parameters()),
        parameters_convolution=sum(p.numel() for p in SmallConvolution().parameters()),
        settings=SETTINGS | {"few": FEW},
        data={
            "name": "scikit-learn's load_digits, three of five stratified folds as test sets",
            "rows": len(images),
            "test": [len(split_of(number, labels)[1]) for number in SPLITS],
            "sha256": sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest(),
        },
        metrics={"test": means},
        splits=rows,
        cosines={name: cosines[name] for name in ("vit", "vit_moved")},
        licence="MIT, as the code; the digits are CC BY 4.0 (UCI, Alpaydin and Kaynak 1998)",
    )


if __name__ == "__main__":
    main()
