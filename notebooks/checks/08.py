"""Cases of the exercises in 08_bert_data: what check("08.k", ...) tries."""

import math
import re
from collections import Counter
from fractions import Fraction
from itertools import groupby, pairwise

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
        ("This is great ! Why not ? Wait !", "! and ? end a sentence, too, and stay"),
        (" It rains . She takes a coat . \n", "each sentence keeps its full stop"),
        ("It costs 3.5 dollars , e.g. at noon . No", "a mark is a word of its own"),
        (
            "He said : go ; she went . and so on .",
            "no other mark ends one, and none needs a capital",
        ),
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


def cut_where(is_end, keep=True, rest=True):
    """An answer that closes a sentence at each word that is_end names"""

    def sentences_of(paragraph):
        found, words = [], []
        for word in paragraph.split():
            words += [word] if keep or not is_end(word) else []
            if is_end(word):
                found, words = [*found, " ".join(words)], []
        return [*found, " ".join(words)] if words and rest else found

    return sentences_of


def by_regex(pattern):
    return lambda paragraph: re.split(pattern, " ".join(paragraph.split()))


def marks_in_a_row(paragraph):
    """Wait ? ! is one sentence: the text does not say"""
    words = " ".join(paragraph.split())
    return re.findall(r"\S.*?(?:(?:(?<!\S)[.!?](?!\S) ?)+|$)", words)


wrong_1 = {
    "full stops alone": cut_where(lambda word: word == "."),
    "no question mark": cut_where(lambda word: word in {".", "!"}),
    "no exclamation mark": cut_where(lambda word: word in {".", "?"}),
    "semicolons too": cut_where(lambda word: word in {".", "!", "?", ";"}),
    "colons too": cut_where(lambda word: word in {".", "!", "?", ":"}),
    "words that end with a mark": cut_where(lambda word: word[-1] in ".!?"),
    "words that hold a mark": cut_where(lambda word: {*word} & {*".!?"}),
    "all punctuation": cut_where(lambda word: not word[0].isalnum()),
    "marks lost": cut_where(lambda word: word in {".", "!", "?"}, keep=False),
    "the rest lost": cut_where(lambda word: word in {".", "!", "?"}, rest=False),
    "before a capital alone": by_regex(r"(?<= [.!?]) (?=[A-Z])"),
    "split at ' . '": by_regex(r" \. "),
    "blanks kept": lambda paragraph: [s for s in re.split(r"(?<= [.!?]) ", paragraph) if s],
    "an empty one": lambda paragraph: [*cut_at(paragraph, ".!?"), ""],
    "lists of words": lambda paragraph: [part.split() for part in cut_at(paragraph, ".!?")],
}
right_1 = {
    "a loop": cut_where(lambda word: word in {".", "!", "?"}),
    "a regular expression": lambda paragraph: [
        " ".join(part.split()) for part in re.split(r"(?<=\s[.!?])\s", paragraph) if part.strip()
    ],
    "marks in a row as one": lambda paragraph: [part.strip() for part in marks_in_a_row(paragraph)],
    "a tuple": lambda paragraph: tuple(cut_at(paragraph, ".!?")),
}


# --- 2: phrases --------------------------------------------------------------------------------


def exercise_2(join_phrase):
    for title, lines, hint in (
        (
            "new york, three times",
            ["she left new york", "new york is new", "a new yorker knew york", "new york"],
            "the pair that is most frequent, wherever it stands; whole words alone",
        ),
        (
            "a pair within one sentence",
            ["a b a b a b", "c a", "d a", "c a"],
            "count every place, not every sentence",
        ),
        ("the same word three times", ["no no no", "no no yes"], "from left to right"),
        (
            "late, then",
            [
                "it was late",
                "then we ate",
                "she came late",
                "then it rained",
                "he is late",
                "then it",
            ],
            "pairs end with their sentence",
        ),
        (
            "it is, is it",
            ["it is very cold", "is it very cold", "it is late", "is it late", "very cold"],
            "a pair has an order",
        ),
        (
            "if, then",
            ["if it rains then go", "if so then stay", "if not then he will", "then he goes"],
            "neighbours alone",
        ),
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


def all_neighbours(sentences):
    return [pair for sentence in sentences for pair in pairwise(sentence)]


def joined_with(pairs_of):
    """An answer that joins the commonest of pairs_of(sentences)"""
    return lambda sentences: joined_by(sentences, Counter(pairs_of(sentences)).most_common(1)[0][0])


def two_commonest_words(sentences):
    (a, _), (b, _) = Counter(word for s in sentences for word in s).most_common(2)
    return [(a, b)]


def likeliest(sentences):
    single = Counter(word for sentence in sentences for word in sentence)
    pairs = Counter(all_neighbours(sentences))
    return [max(pairs, key=lambda p: pairs[p] / single[p[0]] / single[p[1]])]


def as_text(sentences):
    a, b = Counter(all_neighbours(sentences)).most_common(1)[0][0]
    return [" ".join(row).replace(f"{a} {b}", f"{a}_{b}").split() for row in sentences]


def once_a_sentence(sentences):
    rows = joined_by(sentences)
    for row in rows:
        places = [i for i, word in enumerate(row) if "_" in word]
        for i in reversed(places[1:]):
            row[i : i + 1] = row[i].split("_")
    return rows


def first_place_alone(sentences):
    rows = joined_by(sentences)
    for i, (row, sentence) in enumerate(zip(rows, sentences, strict=True)):
        if row != sentence:
            return [*sentences[:i], row, *sentences[i + 1 :]]
    return rows


def from_the_right(sentences):
    best = Counter(all_neighbours(sentences)).most_common(1)[0][0]
    rows = joined_by([row[::-1] for row in sentences], best[::-1])
    return [["_".join(word.split("_")[::-1]) for word in row[::-1]] for row in rows]


def overlapping(sentences):
    best = Counter(all_neighbours(sentences)).most_common(1)[0][0]
    return [
        ["_".join(best) if pair == best else pair[0] for pair in pairwise(row)] + row[-1:]
        for row in sentences
    ]


def again_and_again(sentences):
    while max(Counter(all_neighbours(sentences)).values(), default=0) > 1:
        sentences = joined_by(sentences)
    return sentences


def as_places(sentences):
    best = Counter(all_neighbours(sentences)).most_common(1)[0][0]
    rows = []
    for sentence in sentences:
        row = [*sentence]
        for i in range(len(row) - 1):
            if (row[i], row[i + 1]) == best:
                row[i], row[i + 1] = "_".join(best), None
        rows.append([word for word in row if word])
    return rows


wrong_2 = {
    "counted by sentence": joined_with(lambda rows: [p for row in rows for p in {*pairwise(row)}]),
    "from sentence to sentence": joined_with(
        lambda rows: pairwise(word for row in rows for word in row)
    ),
    "in either order": joined_with(lambda rows: [tuple(sorted(p)) for p in all_neighbours(rows)]),
    "not only neighbours": joined_with(
        lambda rows: [(a, b) for row in rows for i, a in enumerate(row) for b in row[i + 1 :]]
    ),
    "the two commonest words": joined_with(two_commonest_words),
    "the likeliest": joined_with(likeliest),
    "the first pair": joined_with(lambda rows: [tuple(rows[0][:2])]),
    "new york": joined_with(lambda rows: [("new", "york")]),
    "parts of words too": as_text,
    "once a sentence": once_a_sentence,
    "the first sentence alone": first_place_alone,
    "from the right": from_the_right,
    "places used twice": overlapping,
    "again and again": again_and_again,
    "without _": lambda rows: [[w.replace("_", "") for w in row] for row in joined_by(rows)],
    "texts": lambda rows: [" ".join(row) for row in joined_by(rows)],
    "unchanged": lambda rows: rows,
}
right_2 = {
    "a loop": joined_by,
    "places marked": as_places,
    "tuples": lambda rows: tuple(map(tuple, joined_by(rows))),
}


# --- 3: strings of letters ---------------------------------------------------------------------


def exercise_3(letter_ngrams):
    for word, n in (("where", 3), ("banana", 2), ("Her", 5), ("a", 4)):
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
    "the first lost": lambda word, n: cut(f"<{word}>", n)[1:],
    "one mark": lambda word, n: cut(f"<{word}", n),
    "n - 1 marks at each end": lambda word, n: cut("<" * (n - 1) + word + ">" * (n - 1), n),
    "marks at every string": lambda word, n: [f"<{string}>" for string in cut(word, n)],
    "blanks for marks": lambda word, n: cut(f" {word} ", n),
    "side by side": lambda word, n: cut(f"<{word}>", n)[::n],
    "each once": lambda word, n: list(dict.fromkeys(cut(f"<{word}>", n))),
    "sorted": lambda word, n: sorted(cut(f"<{word}>", n)),
    "short ends": lambda word, n: [f"<{word}>"[i : i + n] for i in range(len(word) + 2)],
    "a short word as it is": lambda word, n: cut(f"<{word}>", n) or [f"<{word}>"],
    "the whole word too": lambda word, n: [*cut(f"<{word}>", n), f"<{word}>"],
    "up to n": lambda word, n: [s for k in range(1, n + 1) for s in cut(f"<{word}>", k)],
    "n = 3": lambda word, n: cut(f"<{word}>", 3),
    "lower case": lambda word, n: cut(f"<{word.lower()}>", n),
}
right_3 = {
    "zip": lambda word, n: [
        "".join(t) for t in zip(*(f"<{word}>"[i:] for i in range(n)), strict=False)
    ],
    "looking ahead": lambda word, n: re.findall(f"(?=(.{{{n}}}))", f"<{word}>"),
    "a tuple": lambda word, n: tuple(cut(f"<{word}>", n)),
}


# --- 4: fewest pieces --------------------------------------------------------------------------


def exercise_4(fewest_pieces):
    for word, pieces, hint in (
        ("abcd", "a ab ##b ##c ##d ##bcd", "a + ##bcd is shorter than ab + ##c + ##d"),
        ("unable", "un ##able unable", "a whole word is one piece"),
        ("abc", "ab a ##bc", "longest match fails here, and two pieces spell it"),
        ("abc", "a b c bc ##ab", "only pieces with ## go on a word: there is no way"),
        ("abc", "##abc ##ab ##c bc", "a piece with ## begins no word"),
        ("abcdef", "abcd abc a ##b ##e ##f ##def ##cdef", "neither end has to be long: abc ##def"),
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


def fewest_with(spell=lambda start, part: "##" * (start > 0) + part, none=0, best=min):
    """An answer by length of what is spelled, with the right pieces or others"""

    def fewest_pieces(word, vocabulary):
        count = {0: 0}
        for end in range(1, len(word) + 1):
            ways = [count[s] + 1 for s in count if spell(s, word[s:end]) in vocabulary]
            if ways:
                count[end] = best(ways)
        return count.get(len(word), none)

    return fewest_pieces


def greedy(word, vocabulary, skip=False):
    start, count = 0, 0
    while start < len(word):
        ends = range(len(word), start, -1)
        fits = (e for e in ends if "##" * (start > 0) + word[start:e] in vocabulary)
        end = next(fits, None)
        if end is None and not skip:
            return 0
        start, count = end or start + 1, count + (end is not None)
    return count


def from_the_end(word, vocabulary):
    end, count = len(word), 0
    while end:
        fits = (s for s in range(end) if "##" * (s > 0) + word[s:end] in vocabulary)
        end, count = next(fits, None), count + 1
        if end is None:
            return 0
    return count


def better_of_both(word, vocabulary):
    found = greedy(word, vocabulary), from_the_end(word, vocabulary)
    return min(found) or max(found)


def two_at_most(word, vocabulary):
    borders = range(1, len(word))
    two = any(word[:i] in vocabulary and "##" + word[i:] in vocabulary for i in borders)
    return 1 if word in vocabulary else 2 * two


def breadth_first(word, vocabulary):
    reached, count = {0}, 0
    while reached and len(word) not in reached:
        steps = [(s, e) for s in reached for e in range(s + 1, len(word) + 1)]
        reached = {e for s, e in steps if "##" * (s > 0) + word[s:e] in vocabulary}
        count += 1
    return count if reached else 0


wrong_4 = {
    "longest match": greedy,
    "longest match, passing over": lambda w, v: greedy(w, v, skip=True),
    "longest match from the end": from_the_end,
    "the better of both": better_of_both,
    "longest first, with a way back": lambda w, v: len(next(reversed([*spellings(w, v)]), [])),
    "the first that fits": lambda w, v: len(next(spellings(w, v), [])),
    "two at most": two_at_most,
    "whole words alone": lambda w, v: int(w in v),
    "the most pieces": fewest_with(best=max),
    "without ##": fewest_with(lambda start, part: part),
    "with or without ##": lambda w, v: fewest_with(lambda s, p: p if p in v else "##" + p)(w, v),
    "## at the beginning too": lambda w, v: fewest_with(
        lambda s, p: p if s == 0 and p in v else "##" + p
    )(w, v),
    "different pieces": lambda w, v: min((len(set(s)) for s in spellings(w, v)), default=0),
    "the number of ways": lambda w, v: sum(1 for _ in spellings(w, v)),
    "the number of borders": lambda w, v: fewest_with()(w, v) - 1,
    "the number of letters": lambda w, v: len(w),
    "infinite": fewest_with(none=math.inf),
    "[UNK] is one": fewest_with(none=1),
    "-1": fewest_with(none=-1),
}
right_4 = {
    "by length": fewest_with(),
    "breadth first": breadth_first,
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
        ("[CLS] an ##swer [MASK] , see [ 1 ] # ##s [SEP]", "[MASK] is special, a bracket is not"),
        ("[CLS] [SEP]", "no word, no list"),
    ):
        tokens = row.split()
        yield Case(
            row,
            lambda tokens=tokens: [[int(i) for i in word] for word in whole_words(tokens)],
            words_at(tokens),
            hint,
        )


SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def words_at(tokens, special=SPECIALS.__contains__, goes_on=lambda token: token[:2] == "##"):
    words = []
    for place, token in enumerate(tokens):
        if special(token):
            continue
        if goes_on(token) and words:
            words[-1].append(place)
        else:
            words.append([place])
    return words


def but(*names):
    """Special are all but those"""
    return lambda tokens: words_at(tokens, [s for s in SPECIALS if s not in names].__contains__)


def looking_ahead(tokens):
    words = []
    for i, token in enumerate(tokens):
        if token not in SPECIALS and not token.startswith("##"):
            end = i + 1
            while end < len(tokens) and tokens[end].startswith("##"):
                end += 1
            words.append(range(i, end))
    return words


def grouped(tokens):
    number = np.cumsum([not token.startswith("##") for token in tokens])
    places = [i for i, token in enumerate(tokens) if token not in SPECIALS]
    return [[*group] for _, group in groupby(places, key=lambda i: number[i])]


wrong_5 = {
    "each piece": lambda tokens: [[i] for word in words_at(tokens) for i in word],
    "specials too": but(*SPECIALS),
    "padding too": but("[PAD]"),
    "[UNK] too": but("[UNK]"),
    "[MASK] too": but("[MASK]"),
    "[CLS] and [SEP] alone special": but("[PAD]", "[UNK]", "[MASK]"),
    "all brackets special": lambda tokens: words_at(tokens, lambda token: token[0] == "["),
    "specials end the word before": lambda tokens: words_at(
        tokens, "[CLS]".__eq__, lambda token: token[:2] == "##" or token in SPECIALS
    ),
    "punctuation ends the word before": lambda tokens: words_at(
        tokens, goes_on=lambda token: not token[0].isalnum()
    ),
    "one # is enough": lambda tokens: words_at(tokens, goes_on=lambda token: token[0] == "#"),
    "counted without specials": lambda tokens: words_at([t for t in tokens if t not in SPECIALS]),
    "from one": lambda tokens: [[i + 1 for i in word] for word in words_at(tokens)],
    "long words alone": lambda tokens: [word for word in words_at(tokens) if len(word) > 1],
    "two pieces at most": lambda tokens: [word[:2] for word in words_at(tokens)],
    "the last word lost": lambda tokens: words_at(tokens)[:-1],
    "first and last place": lambda tokens: [[word[0], word[-1]] for word in words_at(tokens)],
    "in one list": lambda tokens: [i for word in words_at(tokens) for i in word],
    "tokens": lambda tokens: [[tokens[i] for i in word] for word in words_at(tokens)],
}
right_5 = {
    "ranges": looking_ahead,
    "grouped": grouped,
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


def examples_of(documents, swap):
    pairs = [pair for document in documents for pair in pairwise(document)]
    return [(b, a, 1) if turned else (a, b, 0) for (a, b), turned in zip(pairs, swap, strict=True)]


def orders(pairs_of=pairwise, turn=lambda a, b: (b, a), label=int):
    """An answer with other pairs of a document, other turns, other labels"""

    def order_examples(documents, swap):
        pairs = [pair for document in documents for pair in pairs_of(document)]
        return [
            (*(turn(a, b) if turned else (a, b)), label(turned))
            for (a, b), turned in zip(pairs, [*swap, False, False], strict=False)
        ]

    return order_examples


def swap_from_its_beginning(documents, swap):
    return [example for document in documents for example in orders()([document], swap)]


def swap_for_each_document(documents, swap):
    each = zip(documents, swap, strict=False)
    return [example for d, turned in each for example in orders()([d], len(d) * [turned])]


def swap_for_each_sentence(documents, swap):
    turned = dict(enumerate(swap))
    lines = [(line, n) for n, document in enumerate(documents) for line in document]
    return [
        (b, a, 1) if turned.get(i) else (a, b, 0)
        for i, ((a, home), (b, other)) in enumerate(pairwise(lines))
        if home == other
    ]


def with_an_iterator(documents, swap):
    turned, examples = iter(swap), []
    for document in documents:
        for i in range(1, len(document)):
            pair = document[i - 1 : i + 1]
            label = next(turned)
            examples.append((*(pair[::-1] if label else pair), label))
    return examples


wrong_6 = {
    "labels the other way": orders(label=lambda turned: int(not turned)),
    "labelled but not turned": orders(turn=lambda a, b: (a, b)),
    "turned but not labelled": orders(label=lambda turned: 0),
    "turned inside": orders(turn=lambda a, b: (a[::-1], b[::-1])),
    "swap the other way": lambda d, s: orders()(d, [not turned for turned in s]),
    "all turned": lambda d, s: orders()(d, [True for _ in s]),
    "swap from its beginning": swap_from_its_beginning,
    "swap for each document": swap_for_each_document,
    "swap for each sentence": swap_for_each_sentence,
    "across documents": lambda d, s: orders()([[line for lines in d for line in lines]], s),
    "side by side": orders(lambda lines: zip(lines[::2], lines[1::2], strict=False)),
    "one after the next": orders(lambda lines: zip(lines, lines[2:], strict=False)),
    "all pairs of a document": orders(
        lambda lines: [(a, b) for i, a in enumerate(lines) for b in lines[i + 1 :]]
    ),
    "the last lost": orders(lambda lines: pairwise(lines[:-1])),
    "a list for each document": lambda d, s: [orders()([lines], s) for lines in d],
}
right_6 = {
    "labels as bool": with_an_iterator,
    "swap as a tensor": lambda d, s: examples_of(d, torch.tensor(s).tolist()),
    "lists": lambda d, s: [[*example] for example in examples_of(d, s)],
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


def padded_to(longest, lengths, n):
    """To longest(batch) in place of the longest row; never below a row"""
    places = sum(max(longest(b), length) for b in in_batches(lengths, n) for length in b)
    return 1 - sum(lengths) / places


def mean_of_rows(lengths, n):
    batches = in_batches(lengths, n)
    return sum(1 - length / max(b) for b in batches for length in b) / len(lengths)


def with_torch(lengths, n):
    batches = [[torch.ones(length) for length in b] for b in in_batches(lengths, n)]
    full = torch.cat([torch.nn.utils.rnn.pad_sequence(b).flatten() for b in batches])
    return (full == 0).float().mean()


wrong_7 = {
    "to the longest of all": lambda lengths, n: 1 - sum(lengths) / len(lengths) / max(lengths),
    "to 64": lambda lengths, n: padded_to(lambda b: 64, lengths, n),
    "to the first row": lambda lengths, n: padded_to(lambda b: b[0], lengths, n),
    "to the last row": lambda lengths, n: padded_to(lambda b: b[-1], lengths, n),
    "a mean over batches": lambda lengths, n: np.mean(
        [1 - sum(b) / len(b) / max(b) for b in in_batches(lengths, n)]
    ),
    "a mean over rows": mean_of_rows,
    "the first batch alone": lambda lengths, n: padded(lengths[:n], n),
    "the last batch full": lambda lengths, n: (
        1 - sum(lengths) / sum(n * max(b) for b in in_batches(lengths, n))
    ),
    "the last batch lost": lambda lengths, n: padded(lengths[: len(lengths) // n * n], n),
    "batch_size batches": lambda lengths, n: padded(lengths, -(-len(lengths) // n)),
    "sorted": lambda lengths, n: padded(sorted(lengths), n),
    "sorted, longest first": lambda lengths, n: padded(sorted(lengths)[::-1], n),
    "the real share": lambda lengths, n: 1 - padded(lengths, n),
    "over real places": lambda lengths, n: padded(lengths, n) / (1 - padded(lengths, n)),
    "per cent": lambda lengths, n: 100 * padded(lengths, n),
    "a number of places": lambda lengths, n: sum(
        max(b) - length for b in in_batches(lengths, n) for length in b
    ),
    "rounded": lambda lengths, n: round(padded(lengths, n), 1),
}
right_7 = {
    "a fraction": lambda lengths, n: Fraction(
        sum(max(b) - length for b in in_batches(lengths, n) for length in b),
        sum(len(b) * max(b) for b in in_batches(lengths, n)),
    ),
    "padded by torch": with_torch,
    "NumPy": lambda lengths, n: np.float64(padded(lengths, n)),
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
        (836, 1_000, 0.8),
    ):
        yield Case(
            f"{count:,} of {total:,}, {share} wanted",
            lambda count=count, total=total, share=share: rate_is_right(count, total, share),
            inside(count, total, share),
            "|count - n p| against 3 √(n p (1 - p)), on both sides",
        )


def inside(count, total, share, errors=3):
    return abs(count - total * share) <= errors * (total * share * (1 - share)) ** 0.5


def within(error, errors=3):
    """An answer: at most `errors` times error(share, total), which is for a share"""
    return lambda count, total, share: abs(count / total - share) <= errors * error(share, total)


def standard(share, total):
    return (share * (1 - share) / total) ** 0.5


wrong_8 = {
    "one error": within(standard, 1),
    "two errors": within(standard, 2),
    "1.96 errors": within(standard, 1.96),
    "no root": within(lambda p, n: p * (1 - p) / n),
    "no total": within(lambda p, n: (p * (1 - p)) ** 0.5),
    "total outside the root": within(lambda p, n: (p * (1 - p)) ** 0.5 / n),
    "no root, of the count": within(lambda p, n: p * (1 - p)),
    "p for p (1 - p)": within(lambda p, n: (p / n) ** 0.5),
    "1 - p for p (1 - p)": within(lambda p, n: ((1 - p) / n) ** 0.5),
    "half for p": within(lambda p, n: standard(0.5, n)),
    "0.15 for p": within(lambda p, n: standard(0.15, n)),
    "1 over the root": within(lambda p, n: n**-0.5),
    "a fixed tolerance": within(lambda p, n: 0.01, 1),
    "a tenth of the share": within(lambda p, n: 0.1 * p, 1),
    "the count's own root": lambda count, total, share: (
        abs(count - total * share) <= 3 * count**0.5
    ),
    "the measured share": lambda count, total, share: (
        abs(count - total * share) <= 3 * (count * (1 - count / total)) ** 0.5
    ),
    "count against share": lambda count, total, share: (
        abs(count - total * share) <= 3 * standard(share, total)
    ),
    "upwards alone": lambda count, total, share: (
        count / total - share <= 3 * standard(share, total)
    ),
    "downwards alone": lambda count, total, share: (
        share - count / total <= 3 * standard(share, total)
    ),
    "the other way": lambda *a: not inside(*a),
    "always": lambda *a: True,
}
right_8 = {
    "shares": within(standard),
    "squares": lambda count, total, share: (
        (count - total * share) ** 2 < 9 * total * share * (1 - share)
    ),
    "1 or 0": lambda *a: int(inside(*a)),
    "NumPy": lambda *a: np.bool_(inside(*a)),
    "a tensor": lambda *a: torch.tensor(inside(*a)),
}


# --- 9: masks ----------------------------------------------------------------------------------


def exercise_9(masked_batch):
    for name, rows, columns, mask_id in (("3 rows of 40", 3, 40, 4), ("7 rows of 25", 7, 25, 103)):
        tokens, other = draws(90, rows, columns) + 200, draws(90, rows, columns, seed=1) + 400
        generator = torch.Generator().manual_seed(2)
        draw = torch.rand(rows, columns, generator=generator)
        chosen = torch.rand(rows, columns, generator=generator) < 0.5
        chosen[0, 0], draw[0, 0] = True, 0.8  # not below
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


def masked_with(mask=lambda d: d < 0.8, change=lambda d: d < 0.9, labels=None):
    """An answer with other thresholds or labels(tokens, chosen, draw, inputs)"""

    def masked_batch(tokens, chosen, draw, other, mask_id):
        inputs = torch.where(chosen & change(draw), other, tokens)
        inputs = torch.where(chosen & mask(draw), mask_id, inputs)
        true = labels or (lambda t, c, d, x: torch.where(c, t, -100))
        return inputs, true(tokens, chosen, draw, inputs)

    return masked_batch


def mask_overwritten(tokens, chosen, draw, other, mask_id):
    inputs = torch.where(chosen & (draw < 0.8), mask_id, tokens)
    inputs = torch.where(chosen & (draw < 0.9), other, inputs)
    return inputs, torch.where(chosen, tokens, -100)


def others_not_chosen(tokens, chosen, draw, other, mask_id):
    inputs = torch.where(draw < 0.9, other, tokens)
    return torch.where(chosen & (draw < 0.8), mask_id, inputs), torch.where(chosen, tokens, -100)


def changed(tokens, chosen, draw, other, mask_id):
    inputs, labels = by_loop(tokens, chosen, draw, other, mask_id)
    tokens.copy_(inputs)
    return tokens, labels


def by_index(tokens, chosen, draw, other, mask_id):
    inputs, labels = tokens.clone(), torch.full_like(tokens, -100)
    labels[chosen] = tokens[chosen]
    inputs[chosen & (draw < 0.9)] = other[chosen & (draw < 0.9)]
    inputs[chosen & (draw < 0.8)] = mask_id
    return inputs, labels


def by_sums(tokens, chosen, draw, other, mask_id):
    mask = (chosen & (draw < 0.8)).long()
    change = (chosen & (draw < 0.9)).long() - mask
    inputs = mask * mask_id + change * other + (1 - mask - change) * tokens
    return inputs, tokens * chosen - 100 * ~chosen


wrong_9 = {
    "everywhere": lambda t, c, d, o, m: (
        by_loop(t, torch.ones_like(c), d, o, m)[0],
        by_loop(t, c, d, o, m)[1],
    ),
    "others not only where chosen": others_not_chosen,
    "the mask overwritten": mask_overwritten,
    "always [MASK]": masked_with(mask=lambda d: d < 1),
    "no other": masked_with(change=lambda d: d < 0),
    "none stays": masked_with(change=lambda d: d < 1),
    "masks below 0.1": masked_with(mask=lambda d: d < 0.1),
    "0.8 too": masked_with(mask=lambda d: d <= 0.8),
    "the other way": lambda t, c, d, o, m: by_loop(t, c, 1 - d, o, m),
    "the first row's draw": lambda t, c, d, o, m: by_loop(t, c, d[:1].expand_as(d), o, m),
    "the first row's others": lambda t, c, d, o, m: by_loop(t, c, d, o[:1].expand_as(o), m),
    "id 4": lambda t, c, d, o, m: by_loop(t, c, d, o, 4),
    "labels of the masks alone": masked_with(
        labels=lambda t, c, d, x: torch.where(c & (d < 0.8), t, -100)
    ),
    "labels of what changed": masked_with(labels=lambda t, c, d, x: torch.where(x != t, t, -100)),
    "labels from the inputs": masked_with(labels=lambda t, c, d, x: torch.where(c, x, -100)),
    "labels everywhere": masked_with(labels=lambda t, c, d, x: t),
    "labels elsewhere": masked_with(labels=lambda t, c, d, x: torch.where(c, -100, t)),
    "labels of the chosen in a row": masked_with(labels=lambda t, c, d, x: t[c]),
    "0 for -100": masked_with(labels=lambda t, c, d, x: torch.where(c, t, 0)),
    "labels first": lambda *given: by_loop(*given)[::-1],
    "in place": changed,
}
right_9 = {
    "by index": by_index,
    "by sums": by_sums,
    "a list": lambda *given: [*by_loop(*given)],
}
