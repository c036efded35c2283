"""A small encoder, from nothing, on AG News: World, Sports, Business or Sci/Tech?

python -m recipes.ag_news_encoder      a minute or two on two cores for 4,999 rows of train
"""

from functools import partial

from d2lmini.data import TOPICS, ag_news
from recipes import _classification
from recipes._classification import build as build

ARGUMENTS = {"d_model": 96, "d_hidden": 192, "num_heads": 4, "num_layers": 1}
ARGUMENTS |= {"dropout": 0.3, "max_length": 128}
SETTINGS = {
    "seed": 0,
    "vocab_size": 8000,
    "max_tokens": 32 * 64,
    "num_epochs": 20,
    "learning_rate": 1e-3,
    "warm_up": 0.05,
    "weight_decay": 0.05,
    "word_dropout": 0.3,
    "patience": 5,
    "average": 3,
}
TASK = _classification.Task(
    name="ag_news",
    read=ag_news,
    classes=TOPICS,
    clean=lambda text: text.replace("\\", " ").replace("#36;", "$"),
    licence="trained on AG News, for research, whose texts are not here; weights CC BY-NC 4.0",
)

measure = partial(_classification.measure_of, TASK)


if __name__ == "__main__":
    _classification.recipe("ag_news_encoder", TASK, arguments=ARGUMENTS, settings=SETTINGS)
