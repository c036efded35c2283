"""German to English on Multi30k without attention: the source as one vector.

python -m recipes.multi30k_seq2seq       about twenty minutes on two cores
"""

from functools import partial

from d2lmini.seq2seq import Seq2SeqDecoder
from recipes import multi30k_bahdanau
from recipes._multi30k import measure as measure
from recipes._multi30k import recipe

ARGUMENTS = {"d_embed": 256, "d_encoder": 192, "d_decoder": 320, "dropout": 0.4}
SETTINGS = multi30k_bahdanau.SETTINGS
build = partial(multi30k_bahdanau.build, decoder=Seq2SeqDecoder)

if __name__ == "__main__":
    recipe("multi30k_seq2seq", build, arguments=ARGUMENTS, settings=SETTINGS)
