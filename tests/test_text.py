"""Tokenisers, vocabularies and padding."""

import functools
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from d2lmini import checkpoint
from d2lmini.data import DataUnavailable, python_reference, wikitext2, wikitext2_articles
from d2lmini.microworld import stories
from d2lmini.text import (
    SPECIAL_TOKENS,
    Special,
    Vocabulary,
    batch_of,
    batch_of_pairs,
    batch_of_texts,
    buckets,
    mask_tokens,
    pad,
    pretraining_pairs,
    tokenizer,
    train_subwords,
    train_wordpiece,
    wordpiece,
)

proven = settings(derandomize=True, deadline=None, max_examples=12)
sentences = st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=6)


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        ("en", "Don't open  it!\n", ["Do", "n't", "open", "it", "!"]),
        ("fr", "L'homme n'ouvre\u202f: rien", ["L'", "homme", "n'", "ouvre", ":", "rien"]),
        ("de", "Er liest (z.B. hier).", ["Er", "liest", "(", "z.B.", "hier", ")", "."]),
    ],
)
def test_a_tokeniser_knows_its_language_and_keeps_no_white_space(language, text, tokens):
    assert tokenizer(language)(text) == tokens


def test_a_tokeniser_can_lower_case():
    assert tokenizer("en", lower=True)("The Cat SAT") == ["the", "cat", "sat"]
    assert tokenizer("en")("") == []


@pytest.mark.parametrize("language", ["klingon", "", "EN"])
def test_an_unknown_language_is_named(language):
    with pytest.raises(ValueError, match=f"language={language!r}"):
        tokenizer(language)


def test_padding_fills_up_cuts_and_returns_lengths():
    padded, lengths = pad([[5, 6, 7], [8], []], 0)
    assert padded.tolist() == [[5, 6, 7], [8, 0, 0], [0, 0, 0]]
    assert lengths.tolist() == [3, 1, 0]
    padded, lengths = pad([[5, 6, 7], [8]], 9, max_length=2)
    assert padded.tolist() == [[5, 6], [8, 9]] and lengths.tolist() == [2, 1]
    assert padded.dtype == lengths.dtype == torch.long
    with pytest.raises(ValueError, match="at least one sequence"):
        pad([], 0)


def test_a_batch_has_a_mask_and_at_least_one_position():
    source, mask = batch_of([[5, 6], [], [7]])
    assert source.tolist() == [[5, 6], [0, 0], [7, 0]]
    assert mask.tolist() == [[[True, True]], [[False, False]], [[True, False]]]
    assert [t.tolist() for t in batch_of([[]])] == [[[0]], [[[False]]]]


def test_importing_the_module_loads_neither_spacy_nor_torchtext_and_using_it_warns_of_nothing():
    code = (
        "import sys; from d2lmini import text;"
        "assert not {'spacy', 'torchtext'} & set(sys.modules);"
        "assert text.Vocabulary.build([['a']]).encode(['a']) == [4]"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


# --- buckets and subwords ---


@proven
@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 200))
def test_buckets_hold_every_place_once_and_no_more_than_they_may(lengths, max_tokens):
    batches = buckets(lengths, max_tokens=max_tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= max_tokens


def test_buckets_pad_little_and_repeat_with_their_generator():
    lengths = torch.randint(1, 60, (2000,), generator=torch.Generator().manual_seed(0)).tolist()
    first, again, other = (
        buckets(lengths, max_tokens=1000, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in first)
    assert padded < 1.05 * sum(lengths)


SENTENCES = ["A young girl throws the ball.", "The ball is red, and the girl is young."] * 20


def test_subwords_give_the_text_back_and_share_the_special_ids():
    subwords = train_subwords(SENTENCES, vocab_size=60)
    assert [subwords.id_to_token(i) for i in range(4)] == list(Vocabulary.SPECIALS)
    for text in [*SENTENCES[:2], "A girl, red and young."]:
        assert subwords.decode(subwords.encode(text).ids) == text
    assert subwords.get_vocab_size() <= 60
    assert len(subwords.encode("girl").ids) < len("girl")
    assert subwords.encode("ζ").ids[-1] == Vocabulary.unk_id


def test_subwords_are_the_same_each_time_and_lower_case_when_told():
    one, two = (train_subwords(SENTENCES, vocab_size=60, lower=True) for _ in range(2))
    assert one.to_str() == two.to_str()
    assert one.decode(one.encode("The GIRL.").ids) == "the girl."


# --- white space ---

# all that Unicode calls White_Space
WHITE = "\t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000 " + "".join(
    map(chr, range(0x2000, 0x200B))
)
STORED = sorted(path.name.split(".")[0] for path in checkpoint.FOLDER.glob("*.tokenizer.json"))
MADE = {
    "subwords": lambda: train_subwords(SENTENCES, vocab_size=60).encode,
    "lower-case subwords": lambda: train_subwords(SENTENCES, vocab_size=60, lower=True).encode,
    "words of de": lambda: tokenizer("de"),
    "words of en": lambda: tokenizer("en"),
    "words of fr": lambda: tokenizer("fr"),
}


@pytest.mark.parametrize("name", [*STORED, *MADE])
@pytest.mark.parametrize(
    "text", ["Ein Hund rennt über die Wiese .", "« Est-ce vrai ? » : oui ! 10 %"]
)
def test_any_run_of_white_space_is_one_blank_and_none_at_the_ends(name, text):
    split = MADE[name]() if name in MADE else checkpoint.tokenizer(name).encode
    pieces = lambda text: getattr(split(text), "ids", None) or split(text)  # noqa: E731
    expected = pieces(text)
    for white in WHITE:
        for other in (
            text.replace(" ", white),
            text.replace(" ", white + " "),
            text.replace(" ", white * 3),
            text + white,
            white + " " + text,
            text + "\r\n",
        ):
            assert pieces(other) == expected, ascii(other)


@pytest.mark.parametrize("name", STORED)
def test_white_space_alone_is_no_subword(name):
    encode = checkpoint.tokenizer(name).encode
    blank = ("", " ", "\u3000\n")
    assert not any(encode(text, add_special_tokens=False).ids for text in blank)


def test_subwords_learn_the_same_whatever_white_space_divides_the_words():
    plain = train_subwords(SENTENCES, vocab_size=60).to_str()
    for white in ("\xa0", "  ", "\t"):
        texts = [white + text.replace(" ", white) + "\n" for text in SENTENCES]
        assert train_subwords(texts, vocab_size=60).to_str() == plain


# --- WordPiece ---


@functools.cache
def reference_pieces():
    return train_wordpiece(python_reference().splitlines(), vocab_size=1000)


def pieces_in_order(pieces):
    vocabulary = pieces.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def naive_wordpiece(texts, vocab_size):
    """Merge the most frequent pair, of equal ones that of the smaller ids, again and again."""
    counts = {}
    for word in re.findall(r"[a-z]+|[^a-z ]", " ".join(texts).lower()):
        counts[word] = counts.get(word, 0) + 1
    words = {word: [word[0], *("##" + letter for letter in word[1:])] for word in counts}
    later = {piece for pieces in words.values() for piece in pieces[1:]}
    vocabulary = [*SPECIAL_TOKENS, *sorted(later), *sorted({c for word in words for c in word})]
    while len(vocabulary) < vocab_size:
        pairs = {}
        for word, pieces in words.items():
            for pair in itertools.pairwise(pieces):
                pairs[pair] = pairs.get(pair, 0) + counts[word]
        if not pairs:
            break
        ids = {piece: i for i, piece in enumerate(vocabulary)}
        left, right = min(pairs, key=lambda pair: (-pairs[pair], ids[pair[0]], ids[pair[1]]))
        merged = left + right.removeprefix("##")
        if merged not in ids:
            vocabulary.append(merged)
        for pieces in words.values():
            for i in range(len(pieces) - 1, 0, -1):
                if pieces[i - 1 : i + 1] == [left, right]:
                    pieces[i - 1 : i + 1] = [merged]
    return vocabulary


def naive_encoding(word, vocabulary):
    """The longest piece from the left, then the next; all of the word is unknown if one fails."""
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = "##" * (start > 0) + word[start:end]
            if piece in vocabulary:
                pieces.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def test_pieces_are_those_merged_and_matched_by_hand():
    texts = [" ".join(story) for story in stories(30, seed=3)]
    pieces = train_wordpiece(texts, vocab_size=150)
    vocabulary = naive_wordpiece(texts, 150)
    assert pieces_in_order(pieces) == vocabulary
    words = re.findall(r"[a-z]+|[^a-z ]", " ".join([*texts[:5], "girlish ztz zß"]).lower())
    found = pieces.encode(" ".join(words), add_special_tokens=False).tokens
    assert found == [piece for word in words for piece in naive_encoding(word, set(vocabulary))]
    assert found[-1] == "[UNK]"


def test_two_processes_learn_the_same_pieces_in_the_same_order():
    """The library alone numbers the letters at random, and breaks ties by these numbers."""
    code = (
        "from d2lmini.data import python_reference; from d2lmini.text import train_wordpiece;"
        "print(train_wordpiece(python_reference().splitlines()[:900], vocab_size=400).to_str())"
    )
    one, two = (subprocess.check_output([sys.executable, "-c", code]) for _ in range(2))
    assert one == two


def test_texts_and_pairs_of_texts_get_specials_and_segments():
    pieces = reference_pieces()
    for texts in (["it", "for"], ["for it", "a class of it"]):
        first, second = (pieces.encode(text, add_special_tokens=False).ids for text in texts)
        encoding = pieces.encode(*texts)
        assert encoding.ids == [2, *first, 3, *second, 3]
        assert encoding.type_ids == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    single = pieces.encode("it")
    assert (single.ids, single.type_ids) == ([2, pieces.token_to_id("it"), 3], [0, 0, 0])
    assert pieces.encode("the [MASK] of [UNK]").ids.count(Special.MASK) == 1
    assert [pieces.token_to_id(token) for token in SPECIAL_TOKENS] == [*Special]
    assert pieces.decode(pieces.encode("Ünderstood  It", "a coat").ids) == "understood it a coat"


BLANKS = ["\t", "\n", "\x0b", "\x0c", "\r", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u3000"]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_white_space_of_any_kind_counts_as_one_blank(blank):
    pieces = reference_pieces()
    assert (
        pieces.encode(f"{blank}a{blank}{blank}class {blank}is").ids
        == pieces.encode("a class is").ids
    )


def real_lines():
    """2,000 lines of the Python reference and, where it is at hand, 2,000 of WikiText-2."""
    lines = [line for line in python_reference().splitlines() if line.strip()][:2000]
    try:
        wiki = [line for line in wikitext2("train") if line.strip()]
    except DataUnavailable:
        return lines
    return lines + [line.replace("<unk>", "") for line in wiki[:2000]]


@pytest.mark.parametrize("lower", [True, False])
def test_torchtext_reads_the_same_vocabulary_file_and_agrees_on_real_lines(lower, tmp_path):
    torchtext = pytest.importorskip("torchtext")
    torchtext.disable_torchtext_deprecation_warning()
    from torchtext.transforms import BERTTokenizer

    lines = real_lines()
    pieces = train_wordpiece(lines[:3000], vocab_size=1500, lower=lower)
    (path,) = pieces.model.save(str(tmp_path))
    assert path.endswith("vocab.txt")
    theirs = BERTTokenizer(path, do_lower_case=lower, return_tokens=True)
    again = wordpiece(path, lower=lower)
    ours = pieces.encode_batch(lines, add_special_tokens=False)
    assert [e.ids for e in again.encode_batch(lines, add_special_tokens=False)] == [
        e.ids for e in ours
    ]
    different = [line for line, e in zip(lines, ours, strict=True) if theirs(line) != e.tokens]
    assert different == []


# --- sentence pairs ---


def documents(count=40, seed=0):
    """Random sentences of ids; id 9 ends each, and no other token is 9."""
    random = np.random.default_rng(seed)
    return [
        [[*random.integers(10, 99, random.integers(1, 30)).tolist(), 9] for _ in range(size)]
        for size in random.integers(0, 12, count)
    ]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def lists(pairs):
    return [(first.tolist(), second.tolist(), label) for first, second, label in pairs]


def occurs(part, whole):
    return any(whole[i : i + len(part)] == part for i in range(len(whole)))


def test_true_pairs_follow_each_other_and_false_ones_come_from_elsewhere():
    texts = documents()
    flat = [[i for sentence in document for i in sentence] for document in texts]
    pairs = lists(pretraining_pairs(texts, max_length=64, generator=seeded(0)))
    assert {label for *_, label in pairs} == {0, 1}
    for first, second, label in pairs:
        assert 0 < len(first) <= 30 and 0 < len(second) <= 30
        homes = [home for home, ids in enumerate(flat) if occurs(first, ids)]
        together = any(occurs(first + second, flat[home]) for home in homes)
        assert together == (label == 0)
        if label:
            assert not any(occurs(second, flat[home]) for home in homes)
        assert first[-1] == 9  # a first side is cut at its beginning, a second at its end
        assert second[-1] == 9 or len(second) == 30


def test_half_of_the_pairs_are_false_and_their_second_sides_are_as_long():
    texts = documents(400)
    pairs = pretraining_pairs(texts, max_length=40, generator=seeded(0))
    true = {label: [len(b) for _, b, y in pairs if y == label] for label in (0, 1)}
    assert len(true[1]) - len(true[0]) in (0, 1)
    assert np.mean(true[0]) == pytest.approx(np.mean(true[1]), abs=0.05)


def test_pairs_repeat_with_their_generator_and_differ_from_call_to_call():
    texts, generator = documents(), seeded(1)
    one, two = (pretraining_pairs(texts, max_length=64, generator=generator) for _ in range(2))
    assert lists(one) != lists(two)
    arrays = [[np.array(sentence) for sentence in text] for text in texts]
    again = pretraining_pairs(arrays, max_length=64, generator=seeded(1))
    assert lists(one) == lists(again)


@pytest.mark.parametrize("texts", [[], [[[5, 6]]], [[[5] * 9, [6] * 9, [7] * 9, [8] * 9]]])
def test_one_document_cannot_give_false_pairs(texts):
    with pytest.raises(ValueError, match=r"two documents with pairs are wanted, [01] has"):
        pretraining_pairs(texts, max_length=20)


def seen_from_outside(pairs, ends, vocab_size):
    """What needs no reading: lengths, first and last piece of each side, whether it ends midway."""
    sides = [side for pair in pairs for side in pair[:2]]
    told = [[len(side) / 30, side[-1] in ends] for side in sides]
    columns = [csr_matrix(np.array(told, float).reshape(len(pairs), 4))]
    rows = np.arange(len(pairs))
    for side in (0, 1):
        for place in (0, -1):
            ids = [pair[side][place] for pair in pairs]
            shape = (len(pairs), vocab_size)
            columns.append(csr_matrix((np.ones(len(pairs)), (rows, ids)), shape))
    return hstack(columns).tocsr()


def guessed_from_outside(learned, held_out, ends):
    """The accuracy of a logistic regression on held-out pairs."""
    x, z = (seen_from_outside(pairs, ends, 800) for pairs in (learned, held_out))
    y, true = ([pair[2] for pair in pairs] for pairs in (learned, held_out))
    return LogisticRegression(max_iter=300).fit(x, y).score(z, true)


def many_pairs(texts, max_length, seed):
    """20,000 pairs, from as many rounds through the texts as that takes."""
    generator, pairs = seeded(seed), []
    while len(pairs) < 20_000:
        pairs += pretraining_pairs(texts, max_length=max_length, generator=generator)
    return pairs[:20_000]


def story_documents():
    return stories(20_000, lexicon="full"), 64


def topic_documents():
    from pydoc_data.topics import topics

    return [re.split(r"(?<=[.!?])\s+", topics[name]) for name in sorted(topics)], 40


def article_documents():
    try:
        return wikitext2_articles("train"), 64
    except DataUnavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("source", [story_documents, topic_documents, article_documents])
def test_next_sentence_pairs_have_no_shortcut(source):
    """Nothing that can be seen without reading tells true pairs from false ones.

    Stories have few kinds of first and last pieces, so that one draw guesses 0.48 to 0.52: hence
    the mean of four.
    """
    texts, max_length = source()
    pieces = train_wordpiece([s for t in texts[:300] for s in t], vocab_size=800)
    encoded = iter(pieces.encode_batch([s for t in texts for s in t], add_special_tokens=False))
    ids = [[next(encoded).ids for _ in text] for text in texts]
    ends = {pieces.token_to_id(mark) for mark in ".!?"}
    guessed = []
    for seed in range(4):
        both = [many_pairs(ids[part::2], max_length, seed) for part in (0, 1)]
        guessed.append(guessed_from_outside(*both, ends))
    assert np.mean(guessed) == pytest.approx(0.5, abs=0.015)
    # and such a regression does find a shortcut where there is one: false sides without their end
    cut = [[(a, b[: max(1, len(b) - y)], y) for a, b, y in pairs] for pairs in both]
    assert guessed_from_outside(*cut, ends) > 0.6


# --- masking ---


def text_batch(rows=3000, vocab_size=200):
    random = np.random.default_rng(0)
    sides = [random.integers(1, vocab_size, n) for n in random.integers(1, 40, 2 * rows)]
    sides = [np.where(np.isin(side, [0, 2, 3, 4]), 1, side) for side in sides]  # [UNK] is text
    return batch_of_pairs([*zip(sides[::2], sides[1::2], strict=True)])


def test_a_batch_has_tokens_segments_and_a_mask():
    """of pairs of ids, or of what the tokeniser encoded, which may be single texts"""
    tokens, segments, mask = batch_of_pairs([([7, 8], np.array([9]), 1), ([7], [5]), ([6], [])])
    assert tokens.tolist() == [[2, 7, 8, 3, 9, 3], [2, 7, 3, 5, 3, 0], [2, 6, 3, 0, 0, 0]]
    assert segments.tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], [0] * 6]
    assert mask.sum(dim=2).tolist() == [[6], [5], [3]] and mask[2, 0, :3].all()
    assert tokens.dtype == segments.dtype == torch.long
    pieces = reference_pieces()
    texts = [("a class of it", "for it"), ("it", "a list")]
    ids = [[pieces.encode(t, add_special_tokens=False).ids for t in pair] for pair in texts]
    found = batch_of_texts(pieces.encode_batch(texts)), batch_of_pairs(ids)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    tokens, segments, mask = batch_of_texts(pieces.encode_batch(["it is", "it"]))
    assert tokens[1].tolist() == [2, pieces.token_to_id("it"), 3, 0] and not segments.any()
    assert mask[1].tolist() == [[True, True, True, False]]


def within_three_standard_errors(count, total, share):
    return abs(count - share * total) <= 3 * (total * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_tokens_are_chosen_and_replaced_at_the_rates_of_the_paper(rate):
    tokens, _, _ = text_batch()
    inputs, positions, labels = mask_tokens(tokens, vocab_size=200, rate=rate, generator=seeded(0))
    chosen = labels != Special.PAD
    total, maskable = int(chosen.sum()), int((tokens >= len(Special)).sum())
    assert within_three_standard_errors(total, maskable, rate)
    now = inputs.gather(1, positions)[chosen]
    masked, kept = now == Special.MASK, now == labels[chosen]
    assert within_three_standard_errors(int(masked.sum()), total, 0.8)
    assert within_three_standard_errors(int(kept.sum()), total, 0.1 + 0.1 / 195)
    replaced = now[~masked & ~kept]
    assert within_three_standard_errors(len(replaced), total, 0.1 * 194 / 195)
    assert replaced.min() == len(Special) and replaced.max() == 199  # any token but a special


def test_what_is_chosen_can_be_put_back_and_nothing_else_changes():
    tokens, _, mask = text_batch()
    before = tokens.clone()
    inputs, positions, labels = mask_tokens(tokens, vocab_size=200, generator=seeded(0))
    assert torch.equal(tokens, before)
    chosen = labels != Special.PAD
    assert (tokens.gather(1, positions)[chosen] >= len(Special)).all()  # [UNK] is never chosen
    assert not positions[~chosen].any()
    assert mask[:, 0].gather(1, positions).all()
    restored = inputs.clone()
    for row in range(len(tokens)):
        own = positions[row][chosen[row]]
        assert len(own.unique()) == len(own)
        restored[row, own] = labels[row][chosen[row]]
    assert torch.equal(restored, tokens)
    assert labels.shape[1] == chosen.sum(1).max()


def test_masks_are_drawn_anew_each_time_and_repeat_with_their_generator():
    tokens, _, _ = text_batch(50)
    generator = seeded(0)
    one, two = (mask_tokens(tokens, vocab_size=200, generator=generator) for _ in range(2))
    assert not torch.equal(one[0], two[0])
    again = mask_tokens(tokens, vocab_size=200, generator=seeded(0))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))


def test_every_token_may_be_chosen_and_a_text_of_specials_has_none():
    tokens = torch.tensor([[2, 7, 8, 3], [2, 1, 1, 3]])
    inputs, positions, labels = mask_tokens(tokens, vocab_size=10, rate=1.0, generator=seeded(0))
    assert sorted(positions[0].tolist()) == [1, 2] and sorted(labels[0].tolist()) == [7, 8]
    assert inputs[1].tolist() == [2, 1, 1, 3] and not labels[1].any() and not positions[1].any()
    _, positions, labels = mask_tokens(tokens[1:], vocab_size=10)
    assert positions.shape == labels.shape == (1, 1) and not labels.any()
