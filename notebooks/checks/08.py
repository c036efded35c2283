"""Cases of the exercises in 08_bert_data: what check("08.k", ...) tries."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import torch

from d2lmini.learn import Case


def draws(high, *shape, seed=0):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def texts(answer):
    return [str(part) for part in answer]


# --- 1: sentences ------------------------------------------------------------------------------


def exercise_1(sentences_of):
    for paragraph, hint in (
        ("This is great ! Why not ?", "! and ? end a sentence, too, and stay"),
        (" It rains . She takes a coat . \n", "each sentence keeps its full stop"),
        ("It costs 3.5 dollars , e.g. at noon . No", "a mark is a word of its own"),
        ("no mark at all", "what follows the last mark is a sentence"),
        ("", "no words, no sentence"),
    ):
        yield Case(
            repr(paragraph),
            lambda paragraph=paragraph: texts(sentences_of(paragraph)),
            cut_at(paragraph, ".!?"),
            hint,
        )


def cut_at(paragraph, marks):
    sentences = [[]]
    for word in paragraph.split():
        sentences[-1].append(word)
        if word in [*marks]:
            sentences.append([])
    return [" ".join(sentence) for sentence in sentences if sentence]


wrong_1 = {
    "full stops alone": lambda paragraph: cut_at(paragraph, "."),
    "split at ' . '": lambda paragraph: paragraph.split(" . "),
    "any full stop": lambda paragraph: [
        part.strip() for part in re.split(r"(?<=[.!?])", paragraph) if part.strip()
    ],
    "marks lost": lambda paragraph: [
        part.strip() for part in re.split(r" [.!?](?: |$)", paragraph) if part.strip()
    ],
    "the rest lost": lambda paragraph: [
        part for part in cut_at(paragraph, ".!?") if part[-1] in ".!?"
    ],
    "an empty one": lambda paragraph: [*cut_at(paragraph, ".!?"), ""],
    "lists of words": lambda paragraph: [part.split() for part in cut_at(paragraph, ".!?")],
}
right_1 = {
    "a regular expression": lambda paragraph: [
        " ".join(part.split()) for part in re.split(r"(?<=\s[.!?])\s", paragraph) if part.strip()
    ],
    "a tuple": lambda paragraph: tuple(cut_at(paragraph, ".!?")),
}


# --- 2: phrases --------------------------------------------------------------------------------


def exercise_2(join_phrase):
    for title, lines, hint in (
        (
            "new york, three times",
            ["she left new york", "new york is new", "a new york cab is new"],
            "the pair that is most frequent, wherever it stands",
        ),
        (
            "a pair within one sentence",
            ["a b a b a b", "c a", "d a", "c a"],
            "count every place, not every sentence",
        ),
        ("the same word three times", ["no no no", "no no yes"], "from left to right"),
        ("across the border", ["x y z", "z x w", "y z"], "pairs end with their sentence"),
    ):
        sentences = [line.split() for line in lines]
        yield Case(
            title,
            lambda sentences=sentences: [texts(row) for row in join_phrase(sentences)],
            joined_by(sentences),
            hint,
        )


def joined_by(sentences, best=None):
    best = best or Counter(p for s in sentences for p in pairwise(s)).most_common(1)[0][0]
    rows = []
    for sentence in sentences:
        row, i = [], 0
        while i < len(sentence):
            step = 2 if tuple(sentence[i : i + 2]) == best else 1
            row.append("_".join(sentence[i : i + step]))
            i += step
        rows.append(row)
    return rows


def by_sentences(sentences):
    counts = Counter(pair for sentence in sentences for pair in set(pairwise(sentence)))
    return joined_by(sentences, counts.most_common(1)[0][0])


def first_place_alone(sentences):
    rows = joined_by(sentences)
    for i, (row, sentence) in enumerate(zip(rows, sentences, strict=True)):
        if row != sentence:
            return [*sentences[:i], row, *sentences[i + 1 :]]
    return rows


def glued(sentences):
    return [[word.replace("_", "") for word in row] for row in joined_by(sentences)]


def overlapping(sentences):
    best = Counter(p for s in sentences for p in pairwise(s)).most_common(1)[0][0]
    return [
        ["_".join(best) if pair == best else pair[0] for pair in pairwise(row)] + row[-1:]
        for row in sentences
    ]


wrong_2 = {
    "counted by sentence": by_sentences,
    "the first sentence alone": first_place_alone,
    "without _": glued,
    "places used twice": overlapping,
    "unchanged": lambda sentences: sentences,
    "the first pair": lambda sentences: joined_by(sentences, tuple(sentences[0][:2])),
}
right_2 = {
    "a loop": joined_by,
    "tuples": lambda sentences: tuple(map(tuple, joined_by(sentences))),
}


# --- 3: strings of letters ---------------------------------------------------------------------


def exercise_3(letter_ngrams):
    for word, n in (("where", 3), ("banana", 2), ("her", 5), ("a", 4)):
        marked = f"<{word}>"
        yield Case(
            f"{word}, n = {n}",
            lambda word=word, n=n: texts(letter_ngrams(word, n)),
            [marked[i : i + n] for i in range(len(marked) - n + 1)],
            "all of n characters, in order, the marks among them; repeated ones stay",
        )


def cut(marked, n, last=1):
    return [marked[i : i + n] for i in range(len(marked) - n + last)]


wrong_3 = {
    "no marks": lambda word, n: cut(word, n),
    "the last lost": lambda word, n: cut(f"<{word}>", n, 0),
    "one mark": lambda word, n: cut(f"<{word}", n),
    "side by side": lambda word, n: cut(f"<{word}>", n)[::n],
    "a set": lambda word, n: sorted(set(cut(f"<{word}>", n))),
    "short ends": lambda word, n: [f"<{word}>"[i : i + n] for i in range(len(word) + 2)],
    "n = 3": lambda word, n: cut(f"<{word}>", 3),
}
right_3 = {
    "zip": lambda word, n: [
        "".join(t) for t in zip(*(f"<{word}>"[i:] for i in range(n)), strict=False)
    ],
    "a tuple": lambda word, n: tuple(cut(f"<{word}>", n)),
}


# --- 4: fewest pieces --------------------------------------------------------------------------


def exercise_4(fewest_pieces):
    for word, pieces, hint in (
        ("abcd", "a ab ##b ##c ##d ##bcd", "a + ##bcd is shorter than ab + ##c + ##d"),
        ("unable", "un ##able unable", "a whole word is one piece"),
        ("abc", "ab a ##bc", "longest match fails here, and two pieces spell it"),
        ("abc", "a b c bc ##ab", "only pieces with ## go on a word: there is no way"),
        ("aaaaa", "a ##a ##aa", "count every piece, repeated ones as well"),
    ):
        vocabulary = set(pieces.split())
        yield Case(
            f"{word} with {pieces}",
            lambda word=word, vocabulary=vocabulary: fewest_pieces(word, vocabulary),
            fewest(word, vocabulary),
            hint,
        )


def spellings(word, vocabulary, start=0, marked=True):
    """Every way to spell the word"""
    if start == len(word):
        yield []
    for end in range(start + 1, len(word) + 1):
        piece = "##" * (start > 0 and marked) + word[start:end]
        if piece in vocabulary:
            for rest in spellings(word, vocabulary, end, marked):
                yield [piece, *rest]


def fewest(word, vocabulary):
    return min(map(len, spellings(word, vocabulary)), default=0)


def greedy(word, vocabulary):
    start, count = 0, 0
    while start < len(word):
        ends = range(len(word), start, -1)
        fits = (e for e in ends if "##" * (start > 0) + word[start:e] in vocabulary)
        start, count = next(fits, None), count + 1
        if start is None:
            return 0
    return count


wrong_4 = {
    "longest match": greedy,
    "the most pieces": lambda w, v: max(map(len, spellings(w, v)), default=0),
    "the first that fits": lambda w, v: len(next(spellings(w, v), [])),
    "without ##": lambda w, v: min(map(len, spellings(w, v, marked=False)), default=0),
    "the number of ways": lambda w, v: sum(1 for _ in spellings(w, v)),
    "different pieces": lambda w, v: min((len(set(s)) for s in spellings(w, v)), default=0),
    "infinite": lambda w, v: min(map(len, spellings(w, v)), default=float("inf")),
}
right_4 = {
    "all spellings": fewest,
    "NumPy": lambda w, v: np.int64(fewest(w, v)),
    "a float": lambda w, v: float(fewest(w, v)),
}


# --- 5: whole words ----------------------------------------------------------------------------


def exercise_5(whole_words):
    for row, hint in (
        ("[CLS] an un ##hash ##able key [SEP]", "## joins the piece before it"),
        ("[CLS] it [SEP] rain ##s again [SEP] [PAD] [PAD]", "specials belong to no word"),
        ("[CLS] it [UNK] a ##b ##c [SEP]", "[UNK] is special, too"),
        ("[CLS] [SEP]", "no word, no list"),
    ):
        tokens = row.split()
        yield Case(
            row,
            lambda tokens=tokens: [[int(i) for i in word] for word in whole_words(tokens)],
            words_at(tokens),
            hint,
        )


def words_at(tokens, specials=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), shift=0):
    words = []
    for place, token in enumerate(tokens):
        if token in specials:
            continue
        if token.startswith("##") and words:
            words[-1].append(place + shift)
        else:
            words.append([place + shift])
    return words


wrong_5 = {
    "each piece": lambda tokens: [[i] for word in words_at(tokens) for i in word],
    "specials too": lambda tokens: words_at(tokens, ()),
    "padding too": lambda tokens: words_at(tokens, ("[CLS]", "[SEP]")),
    "from one": lambda tokens: words_at(tokens, shift=1),
    "long words alone": lambda tokens: [word for word in words_at(tokens) if len(word) > 1],
    "tokens": lambda tokens: [[tokens[i] for i in word] for word in words_at(tokens)],
    "counted without specials": lambda tokens: words_at(
        [token for token in tokens if token[0] != "["]
    ),
}
right_5 = {
    "lists": words_at,
    "tuples": lambda tokens: tuple(map(tuple, words_at(tokens))),
    "arrays": lambda tokens: [np.array(word) for word in words_at(tokens)],
}


# --- 6: the order task -------------------------------------------------------------------------


def exercise_6(order_examples):
    documents = [["a1", "a2", "a3"], ["b1"], ["c1", "c2"]]
    for swap in ([False, False, False], [True, False, True], [False, True, True]):
        yield Case(
            f"documents of 3, 1 and 2 sentences, swap {swap}",
            lambda swap=swap: [
                (str(a), str(b), int(c)) for a, b, c in order_examples(documents, swap)
            ],
            examples_of(documents, swap),
            "neighbours within a document; one of swap for each; label 1 where turned",
        )


def examples_of(documents, swap, flip=0, turn=True):
    pairs = [pair for document in documents for pair in pairwise(document)]
    return [
        (b, a, 1 - flip) if turned and turn else (a, b, int(turned) ^ flip)
        for (a, b), turned in zip(pairs, swap, strict=True)
    ]


wrong_6 = {
    "labels the other way": lambda d, s: examples_of(d, s, flip=1),
    "labelled but not turned": lambda d, s: examples_of(d, s, turn=False),
    "turned but not labelled": lambda d, s: [(a, b, 0) for a, b, _ in examples_of(d, s)],
    "across documents": lambda d, s: examples_of(
        [[line for document in d for line in document]], [*s, False, False]
    ),
    "no sentence twice": lambda d, s: examples_of(d, s)[::2],
    "swap for each document": lambda d, s: [
        example
        for document, turned in zip(d, s, strict=False)
        for example in examples_of([document], [turned] * (len(document) - 1))
    ],
}
right_6 = {
    "lists": lambda d, s: [[*example] for example in examples_of(d, s)],
    "labels as bool": lambda d, s: [(a, b, bool(c)) for a, b, c in examples_of(d, s)],
}


# --- 7: padding --------------------------------------------------------------------------------


def exercise_7(padding_share):
    for lengths, batch_size in (
        ([3, 5, 8, 2], 2),
        ([4, 9, 2, 7, 6], 2),
        ([6, 6, 6], 3),
        ([1, 10, 3, 4, 20, 5, 7], 3),
    ):
        yield Case(
            f"lengths {lengths}, batches of {batch_size}",
            lambda lengths=lengths, n=batch_size: padding_share(list(lengths), n),
            padded(lengths, batch_size),
            "one minus real places over all places; the last batch has fewer rows",
        )


def in_batches(lengths, n):
    return [lengths[i : i + n] for i in range(0, len(lengths), n)]


def padded(lengths, n):
    return 1 - sum(lengths) / sum(len(b) * max(b) for b in in_batches(lengths, n))


wrong_7 = {
    "to the longest of all": lambda lengths, n: 1 - sum(lengths) / len(lengths) / max(lengths),
    "a mean over batches": lambda lengths, n: np.mean(
        [1 - sum(b) / len(b) / max(b) for b in in_batches(lengths, n)]
    ),
    "the last batch full": lambda lengths, n: (
        1 - sum(lengths) / sum(n * max(b) for b in in_batches(lengths, n))
    ),
    "the last batch lost": lambda lengths, n: padded(lengths[: len(lengths) // n * n], n),
    "sorted": lambda lengths, n: padded(sorted(lengths), n),
    "the real share": lambda lengths, n: 1 - padded(lengths, n),
    "over real places": lambda lengths, n: padded(lengths, n) / (1 - padded(lengths, n)),
}
right_7 = {
    "a loop": padded,
    "a tensor": lambda lengths, n: torch.tensor(padded(lengths, n)),
}


# --- 8: the rate -------------------------------------------------------------------------------


def exercise_8(rate_is_right):
    for count, total, share in (
        (1500, 10_000, 0.15),
        (1600, 10_000, 0.15),
        (1395, 10_000, 0.15),
        (1385, 10_000, 0.15),
        (3, 10, 0.8),
        (5, 10, 0.8),
        (0, 20, 0.15),
        (152_000, 1_000_000, 0.15),
    ):
        yield Case(
            f"{count:,} of {total:,}, {share} wanted",
            lambda count=count, total=total, share=share: rate_is_right(count, total, share),
            inside(count, total, share),
            "|count - n p| against 3 √(n p (1 - p)), on both sides",
        )


def inside(count, total, share, errors=3):
    return abs(count - total * share) <= errors * (total * share * (1 - share)) ** 0.5


wrong_8 = {
    "one error": lambda *a: inside(*a, errors=1),
    "two errors": lambda *a: inside(*a, errors=2),
    "a fixed tolerance": lambda count, total, share: abs(count / total - share) < 0.01,
    "upwards alone": lambda count, total, share: (
        count <= total * share + 3 * (total * share * (1 - share)) ** 0.5
    ),
    "no root": lambda count, total, share: (
        abs(count - total * share) <= 3 * total * share * (1 - share)
    ),
    "p for p (1 - p)": lambda count, total, share: (
        abs(count - total * share) <= 3 * (total * share) ** 0.5
    ),
    "the measured share": lambda count, total, share: (
        abs(count - total * share) <= 3 * (count * (1 - count / total)) ** 0.5
    ),
    "always": lambda *a: True,
}
right_8 = {
    "shares": lambda count, total, share: (
        abs(count / total - share) <= 3 * (share * (1 - share) / total) ** 0.5
    ),
    "NumPy": lambda *a: np.bool_(inside(*a)),
}


# --- 9: masks ----------------------------------------------------------------------------------


def exercise_9(masked_batch):
    for name, rows, columns, mask_id in (("3 rows of 40", 3, 40, 4), ("7 rows of 25", 7, 25, 103)):
        tokens, other = draws(90, rows, columns) + 200, draws(90, rows, columns, seed=1) + 400
        generator = torch.Generator().manual_seed(2)
        draw = torch.rand(rows, columns, generator=generator)
        chosen = torch.rand(rows, columns, generator=generator) < 0.5
        given = tokens, chosen, draw, other, mask_id
        inputs, labels = by_loop(*given)
        for part, want in enumerate((inputs, labels)):
            yield Case(
                f"{name}, [MASK] is {mask_id}: the {('inputs', 'labels')[part]}",
                lambda given=given, part=part: masked_batch(*copies(given))[part],
                want,
                ("below 0.8, below 0.9, else; only where chosen", "true tokens, or -100")[part],
            )

        def left_alone(given=given):
            mine = copies(given)
            masked_batch(*mine)[0]
            return mine[0]

        yield Case(f"{name}: the tokens it was given", left_alone, tokens, "make new tensors")


def copies(given):
    return [part.clone() if isinstance(part, torch.Tensor) else part for part in given]


def by_loop(tokens, chosen, draw, other, mask_id):
    inputs, labels = tokens.clone(), torch.full_like(tokens, -100)
    for place in map(tuple, chosen.nonzero().tolist()):
        labels[place] = tokens[place]
        if draw[place] < 0.8:
            inputs[place] = mask_id
        elif draw[place] < 0.9:
            inputs[place] = other[place]
    return inputs, labels


def changed(tokens, chosen, draw, other, mask_id):
    inputs, labels = by_loop(tokens, chosen, draw, other, mask_id)
    tokens.copy_(inputs)
    return tokens, labels


wrong_9 = {
    "everywhere": lambda t, c, d, o, m: (
        by_loop(t, torch.ones_like(c), d, o, m)[0],
        by_loop(t, c, d, o, m)[1],
    ),
    "always [MASK]": lambda t, c, d, o, m: (
        t.masked_fill(c, m),
        by_loop(t, c, d, o, m)[1],
    ),
    "none stays": lambda t, c, d, o, m: by_loop(t, c, d.clamp(max=0.89), o, m),
    "labels of what is hidden": lambda t, c, d, o, m: (
        by_loop(t, c, d, o, m)[0],
        torch.where(c & (d < 0.8), t, -100),
    ),
    "labels from the inputs": lambda t, c, d, o, m: (
        by_loop(t, c, d, o, m)[0],
        torch.where(c, by_loop(t, c, d, o, m)[0], -100),
    ),
    "labels everywhere": lambda t, c, d, o, m: (by_loop(t, c, d, o, m)[0], t),
    "0 for -100": lambda t, c, d, o, m: (by_loop(t, c, d, o, m)[0], torch.where(c, t, 0)),
    "id 4": lambda t, c, d, o, m: by_loop(t, c, d, o, 4),
    "in place": changed,
    "the other way": lambda t, c, d, o, m: by_loop(t, c, 1 - d, o, m),
}
right_9 = {
    "a loop": by_loop,
    "a list": lambda *given: [*by_loop(*given)],
}
