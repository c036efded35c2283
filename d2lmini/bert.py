"""BERT: an encoder whose every position sees both sides, and the two tasks that pretrain it.

Paper: Devlin et al. 2019, "BERT", https://arxiv.org/abs/1810.04805

Blocks and stack are the Transformer's, post-norm; BERT has GELU in them, its own input layer, and
starts all weights at N(0, 0.02).  The PreNorm siblings train better from nothing.  Dropout is where
transformer.py has it; BERT's own code drops attention weights as well.

tokens and segments are ids (batch, length), padded at the end: [CLS] first text [SEP], of segment
0, then maybe second text [SEP], of segment 1.  mask (batch, 1, length) is True at real tokens.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lmini.attention import LearnedPositions
from d2lmini.checkpoint import CheckpointError, fill, read
from d2lmini.transformer import (
    AddNorm,
    PositionWiseFFN,
    PreNormEncoderBlock,
    TransformerEncoderBlock,
    run_blocks,
)

EPS = 1e-12  # of each layer norm


def initialise(module: nn.Module) -> None:
    """Weights of linear layers and all embeddings from N(0, 0.02), biases 0.  Source: the code."""
    for name, weights in module.named_parameters():
        if weights.ndim > 1:
            nn.init.normal_(weights, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(weights)


# --- encoder -----------------------------------------------------------------------------------


class GELUNetwork(PositionWiseFFN):
    """The position-wise network with GELU, x times the share of N(0, 1) below x, in ReLU's place.

    Source: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.W_2(F.gelu(self.W_1(x)))


class BERTBlock(TransformerEncoderBlock):
    """The Transformer's encoder block with GELU and BERT's epsilon in the norms."""

    def make_add_norm(self, d_model, dropout):
        return AddNorm(d_model=d_model, dropout=dropout, eps=EPS)

    def make_ffn(self, d_model, d_hidden):
        return GELUNetwork(d_model=d_model, d_hidden=d_hidden)


class PreNormBERTBlock(BERTBlock, PreNormEncoderBlock):
    """BERTBlock's parts in the order of PreNormEncoderBlock."""


class BERTEncoder(nn.Module):
    """Add token, segment and position embeddings, normalise the sum, then num_layers blocks.

    tokens (batch, length), segments of the same shape (None: all 0), mask (batch, 1, length)
    -> x (batch, length, d_model), and with need_weights weights
    (batch, layers, heads, length, length), else None
    Raises ValueError for more than max_length positions.
    """

    block = BERTBlock
    final_norm = nn.Identity  # post-norm needs none

    def __init__(
        self,
        *,
        vocab_size: int,
        d_model: int,
        d_hidden: int,
        num_heads: int,
        num_layers: int,
        dropout: float = 0.0,
        max_length: int = 512,
        num_segments: int = 2,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.segments = nn.Embedding(num_segments, d_model)
        self.positions = LearnedPositions(d_model=d_model, max_length=max_length)
        self.embedding_norm = nn.LayerNorm(d_model, eps=EPS)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            self.block(d_model=d_model, d_hidden=d_hidden, num_heads=num_heads, dropout=dropout)
            for _ in range(num_layers)
        )
        self.norm = self.final_norm(d_model)
        self.pooler = nn.Linear(d_model, d_model)
        initialise(self)

    def embed(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """What the first block reads: (batch, length) -> (batch, length, d_model)"""
        segments = torch.zeros_like(tokens) if segments is None else segments
        x = self.positions(self.embedding(tokens) + self.segments(segments))
        return self.dropout(self.embedding_norm(x))

    def forward(self, tokens, segments=None, mask=None, need_weights=False):
        x, weights = run_blocks(self.blocks, self.embed(tokens, segments), mask, need_weights)
        return self.norm(x), weights

    def pool(self, x: Tensor) -> Tensor:
        """One vector for a text, made from its [CLS]: (batch, length, d_model) -> (batch, d_model)

        The next-sentence task trains it, and nothing else does before fine-tuning.
        """
        return torch.tanh(self.pooler(x[:, 0]))


class PreNormBERTEncoder(BERTEncoder):
    """Pre-norm blocks and, because nothing has normalised their sum, one norm after the last."""

    block, final_norm = PreNormBERTBlock, nn.LayerNorm


# --- the two tasks -----------------------------------------------------------------------------


class MaskLM(nn.Module):
    """Predict the true token at chosen positions: the masked language model's output layer.

    x (batch, length, d_model), positions (batch, num_masked), ints -> logits
    (batch, num_masked, vocab).  Where a sequence has fewer of them than another its row is filled
    up with 0, the place of [CLS], which is never chosen; those logits mean nothing.
    The output matrix is the embedding (tied weights), with a bias of its own.
    """

    def __init__(self, *, embedding: nn.Embedding):
        super().__init__()
        vocab_size, d_model = embedding.weight.shape
        self.dense = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=EPS)
        self.embedding = embedding
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        initialise(self.dense)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        rows = torch.arange(len(x), device=x.device).unsqueeze(1)
        chosen = self.norm(F.gelu(self.dense(x[rows, positions])))  # (batch, num_masked, d_model)
        return F.linear(chosen, self.embedding.weight, self.bias)


class NextSentencePred(nn.Module):
    """Does the second text follow the first?

    The pooled [CLS] (batch, d_model) -> logits (batch, 2).  Class 0: it follows; class 1: it is
    from elsewhere (as the public weights number them).
    """

    def __init__(self, *, d_model: int):
        super().__init__()
        self.output = nn.Linear(d_model, 2)
        initialise(self)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.output(pooled)


class BERTModel(nn.Module):
    """BERT with both heads, for pretraining.

    tokens, segments, mask as BERTEncoder, positions as MaskLM -> logits of the masked tokens
    (batch, num_masked, vocab), logits of the next sentence (batch, 2), and weights as BERTEncoder
    """

    encoder_class = BERTEncoder

    def __init__(
        self,
        *,
        vocab_size: int,
        d_model: int,
        d_hidden: int,
        num_heads: int,
        num_layers: int,
        dropout: float = 0.0,
        max_length: int = 512,
        num_segments: int = 2,
    ):
        super().__init__()
        sizes = {"d_model": d_model, "d_hidden": d_hidden, "num_heads": num_heads}
        sizes |= {"num_layers": num_layers, "dropout": dropout, "max_length": max_length}
        self.encoder = self.encoder_class(vocab_size=vocab_size, num_segments=num_segments, **sizes)
        self.mask_lm = MaskLM(embedding=self.encoder.embedding)
        self.next_sentence = NextSentencePred(d_model=d_model)

    def forward(self, tokens, segments, mask, positions, need_weights=False):
        x, weights = self.encoder(tokens, segments, mask, need_weights)
        return self.mask_lm(x, positions), self.next_sentence(self.encoder.pool(x)), weights


class PreNormBERTModel(BERTModel):
    """The same with the norms at the entries."""

    encoder_class = PreNormBERTEncoder


class BERTClassifier(nn.Module):
    """A pretrained encoder, its pooled [CLS], and a new layer that says which class a text has.

    tokens, segments, mask as BERTEncoder -> logits (batch, num_classes), and weights as there
    """

    def __init__(self, encoder: BERTEncoder, *, num_classes: int, dropout: float = 0.0):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(encoder.pooler.out_features, num_classes)
        initialise(self.output)

    def forward(self, tokens, segments=None, mask=None, need_weights=False):
        x, weights = self.encoder(tokens, segments, mask, need_weights)
        return self.output(self.dropout(self.encoder.pool(x))), weights


class BERTTagger(BERTClassifier):
    """The same new layer at every token, which says the class of each.

    tokens, segments, mask as BERTEncoder -> logits (batch, length, num_classes), and weights
    """

    def forward(self, tokens, segments=None, mask=None, need_weights=False):
        x, weights = self.encoder(tokens, segments, mask, need_weights)
        return self.output(self.dropout(x)), weights


# --- public weights ----------------------------------------------------------------------------

SIZES = {  # our name: config.json's
    "vocab_size": "vocab_size",
    "d_model": "hidden_size",
    "d_hidden": "intermediate_size",
    "num_heads": "num_attention_heads",
    "num_layers": "num_hidden_layers",
    "dropout": "hidden_dropout_prob",
    "max_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
}
FIXED = {"hidden_act": "gelu", "layer_norm_eps": EPS, "position_embedding_type": "absolute"}
NAMES = {  # part of our name: part of the public one
    "embedding.": "embeddings.word_embeddings.",
    "segments.": "embeddings.token_type_embeddings.",
    "positions.P": "embeddings.position_embeddings.weight",
    "embedding_norm.": "embeddings.LayerNorm.",
    "blocks.": "encoder.layer.",
    "attention.W_q.": "attention.self.query.",
    "attention.W_k.": "attention.self.key.",
    "attention.W_v.": "attention.self.value.",
    "attention.W_o.": "attention.output.dense.",
    "add_norm1.norm.": "attention.output.LayerNorm.",
    "ffn.W_1.": "intermediate.dense.",
    "ffn.W_2.": "output.dense.",
    "add_norm2.norm.": "output.LayerNorm.",
    "pooler.": "pooler.dense.",
    "mask_lm.dense.": "cls.predictions.transform.dense.",
    "mask_lm.norm.": "cls.predictions.transform.LayerNorm.",
    "mask_lm.bias": "cls.predictions.bias",
    "next_sentence.output.": "cls.seq_relationship.",
}
TIED = {  # what a file may hold a second time
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}


def load_public_weights(folder: str | Path, heads: bool = False) -> BERTEncoder | BERTModel:
    """BERT as Hugging Face's transformers stores it: config.json and model.safetensors.

    heads: with both heads, as a BERTModel; without, what the file has of heads is left aside.
    Raises CheckpointError, which names each missing, unexpected or misshapen tensor, or what
    config.json lacks or wants that this BERT does not have.
    """
    folder = Path(folder)
    model = (BERTModel if heads else BERTEncoder)(**sizes_of(folder / "config.json"))
    found = {plain(name): t for name, t in read(folder / "model.safetensors").items()}
    tensors = {
        name: tensor
        for name, tensor in found.items()
        if name != "embeddings.position_ids"  # 0, 1, 2, ...: nothing that was learned
        and (heads or not name.startswith("cls."))
        and not (TIED.get(name) in found and torch.equal(tensor, found[TIED[name]]))
    }
    wanted = {published(name): parameter for name, parameter in model.named_parameters()}
    fill(wanted, tensors, folder / "model.safetensors")
    return model


def sizes_of(path):
    """The arguments of BERTEncoder that a config.json asks for."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        sizes = {ours: config[theirs] for ours, theirs in SIZES.items()}
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is missing or damaged, or lacks {error}") from error
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise CheckpointError(f"{path} has {key}={config[key]!r}, this BERT {value!r}")
    return sizes


def plain(name):
    """A name in a file, without the prefix and the older names of layer norm's parameters."""
    name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
    return name.replace("LayerNorm.beta", "LayerNorm.bias")


def published(name):
    """The public name of a parameter of ours."""
    name = name.removeprefix("encoder.")
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name
