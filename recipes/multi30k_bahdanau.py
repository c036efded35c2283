"""German to English on Multi30k with a recurrent encoder-decoder and Bahdanau's attention.

python -m recipes.multi30k_bahdanau      about half an hour on two cores
"""

from d2lmini.seq2seq import Seq2Seq, Seq2SeqAttentionDecoder, Seq2SeqEncoder
from recipes._multi30k import measure as measure
from recipes._multi30k import recipe

ARGUMENTS = {"d_embed": 256, "d_encoder": 192, "d_decoder": 320, "dropout": 0.4}
SETTINGS = {
    "seed": 0,
    "vocab_size": 4000,
    "max_tokens": 2500,
    "num_epochs": 16,
    "learning_rate": 2e-3,
    "warm_up": 0.04,
    "weight_decay": 0.01,
    "smoothing": 0.1,
    "patience": 3,
    "average": 4,
    "beam": None,
}


def build(*, vocab_size, d_embed, d_encoder, d_decoder, dropout, decoder=Seq2SeqAttentionDecoder):
    """Encoder and decoder share their embedding, for the two languages share their subwords."""
    model = Seq2Seq(
        Seq2SeqEncoder(vocab_size=vocab_size, d_embed=d_embed, d_hidden=d_encoder, dropout=dropout),
        decoder(
            vocab_size=vocab_size,
            d_embed=d_embed,
            d_hidden=d_decoder,
            d_memory=2 * d_encoder,
            dropout=dropout,
        ),
    )
    model.encoder.embedding = model.decoder.embedding
    return model


if __name__ == "__main__":
    recipe("multi30k_bahdanau", build, arguments=ARGUMENTS, settings=SETTINGS)
