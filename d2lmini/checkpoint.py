"""Trained weights and the card that says where they come from.

data/checkpoints/NAME.safetensors holds the weights in half precision, NAME.json the card, and
NAME.tokenizer.json, if there is one, the tokeniser.  Nothing is ever unpickled.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parents[1] / "data/checkpoints"
CARD_KEYS = ("name", "recipe", "command", "seed", "model", "data", "metrics", "parameters")


class CheckpointError(Exception):
    """One line: which file is wrong, what was found and what is wanted."""


def save(name: str, model, tokenizer, card: dict, *, folder: Path = FOLDER) -> None:
    """Store the weights (in half precision), the tokeniser (from tokenizers) and the card.

    A comparison is a card alone: model and tokenizer are None.
    Raises ValueError if the card lacks a key of CARD_KEYS, before anything is written.
    """
    missing = [key for key in CARD_KEYS if key not in card]
    if missing or card["name"] != name:
        raise ValueError(f"the card of {name!r} lacks {missing} or has another name")
    folder.mkdir(parents=True, exist_ok=True)
    if model is not None:
        tensors = {key: t.detach().half().contiguous() for key, t in own_parameters(model).items()}
        save_file(tensors, folder / f"{name}.safetensors")
    if tokenizer is not None:
        tokenizer.save(str(folder / f"{name}.tokenizer.json"))
    text = json.dumps(card, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def card(name: str, *, folder: Path = FOLDER) -> dict:
    """The card of a checkpoint.

    Raises CheckpointError, with those there are, if it is missing, and if it is damaged, no JSON
    object, or lacks a key of CARD_KEYS.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.json") if ".tokenizer" not in p.name)
        raise CheckpointError(f"there is no card {name!r}; there are: {', '.join(known) or 'none'}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold a JSON object, got {type(content).__name__}")
    missing = [key for key in CARD_KEYS if key not in content]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}")
    return content


def load(name: str, model: nn.Module, *, folder: Path = FOLDER) -> nn.Module:
    """Fill the model, built from card(name)["model"], with the stored weights, and return it.

    Raises CheckpointError if the file is missing, damaged or no safetensors file (a pickle, say),
    and names each missing, unexpected or misshapen weight; the model is then unchanged.
    """
    path = folder / f"{name}.safetensors"
    fill(own_parameters(model), read(path), path)
    return model


def read(path: Path) -> dict[str, Tensor]:
    """{name: tensor} of a safetensors file.  Raises CheckpointError if it is missing or damaged."""
    if not path.is_file():
        raise CheckpointError(f"there is no {path}")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error


def fill(wanted: dict[str, Tensor], tensors: dict[str, Tensor], path: Path) -> None:
    """Copy tensors, which were read from path, into a model's own, wanted, of the same names.

    Raises CheckpointError, naming each fault, before anything is copied.
    """
    faults = [f"{key} is missing" for key in wanted if key not in tensors]
    for key, tensor in tensors.items():
        if key not in wanted:
            faults.append(f"{key} is not wanted")
        elif tensor.shape != wanted[key].shape:
            faults.append(f"{key} is {tuple(tensor.shape)}, wanted {tuple(wanted[key].shape)}")
    if faults:
        raise CheckpointError(f"{path} does not fit the model: {'; '.join(faults)}")
    with torch.no_grad():
        for key, tensor in wanted.items():
            tensor.copy_(tensors[key])


def tokenizer(name: str, *, folder: Path = FOLDER):
    """The tokeniser stored with a checkpoint, a tokenizers.Tokenizer."""
    from tokenizers import Tokenizer

    path = folder / f"{name}.tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # what tokenizers raises has no class of its own
        raise CheckpointError(f"{path} is missing or damaged: {error}") from error


def own_parameters(model: nn.Module) -> dict:
    """{name: tensor} of parameters and buffers, each shared tensor once, by its first name."""
    found = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        found.setdefault(id(tensor), (name, tensor))
    return dict(found.values())
