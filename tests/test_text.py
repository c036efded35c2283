"""Tokenisers, vocabularies and padding."""

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lmini import checkpoint
from d2lmini.text import Vocabulary, batch_of, buckets, pad, tokenizer, train_subwords

proven = settings(derandomize=True, deadline=None, max_examples=12)
sentences = st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=6)


def naive_vocabulary(sequences, min_count):
    """Count in a loop; most frequent first, equally frequent ones by their characters."""
    counts = {}
    for tokens in sequences:
        for token in tokens:
            counts[token] = counts.get(token, 0) + 1
    kept = [t for t in counts if counts[t] >= min_count and t not in Vocabulary.SPECIALS]
    return [*Vocabulary.SPECIALS, *sorted(kept, key=lambda t: (-counts[t], t.encode()))]


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


@proven
@given(sentences, st.integers(1, 3))
def test_a_vocabulary_is_the_one_counted_by_hand(sequences, min_count):
    vocabulary = Vocabulary.build(sequences, min_count=min_count)
    assert vocabulary.tokens == naive_vocabulary(sequences, min_count)
    assert len(vocabulary) == len(vocabulary.tokens)


@proven
@given(sentences)
def test_known_tokens_survive_the_way_to_ids_and_back(sequences):
    vocabulary = Vocabulary.build(sequences)
    for tokens in sequences:
        assert vocabulary.decode(vocabulary.encode(tokens)) == tokens
        assert all(token in vocabulary for token in tokens)


@proven
@given(sequences=sentences)
def test_a_saved_vocabulary_is_loaded_as_it_was(sequences, tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.json"
    vocabulary = Vocabulary.build(sequences)
    vocabulary.save(path)
    assert Vocabulary.load(path).tokens == vocabulary.tokens


def test_unknown_words_become_unk_and_special_ids_are_fixed():
    vocabulary = Vocabulary.build([["the", "cat"], ["the", "<unk>"]], min_count=2)
    assert vocabulary.encode(["the", "cat", "<pad>"]) == [4, vocabulary.unk_id, vocabulary.pad_id]
    assert vocabulary.decode(torch.tensor([0, 1, 2, 3, 4])) == [*Vocabulary.SPECIALS, "the"]
    assert "cat" not in vocabulary and 4 not in vocabulary


@pytest.mark.parametrize("wrong", ["a string", [1], ["a", None], [["a"]]])
def test_what_is_no_list_of_strings_is_refused_before_torchtext_crashes(wrong):
    vocabulary = Vocabulary.build([["a"]])
    with pytest.raises(TypeError, match="tokens must be"):
        vocabulary.encode(wrong)
    with pytest.raises(TypeError, match="tokens must be"):
        Vocabulary.build([wrong])


def test_half_a_surrogate_pair_is_refused_before_torchtext_crashes():
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Vocabulary.build([["\ud800"]])
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Vocabulary.build([["a"]]).encode(["\ud800"])


@pytest.mark.parametrize("wrong", [-1, 5, 10**9])
def test_an_id_out_of_range_is_named(wrong):
    with pytest.raises(ValueError, match=f"id {wrong} is not in the vocabulary: .* 0 to 4"):
        Vocabulary.build([["a"]]).decode([0, wrong])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("{}", "no field 'tokens'"),
        ("[]", "indices"),
        ('{"tokens": "abcd"}', "must be a list, got str"),
        ('{"tokens": [1, 2, 3, 4]}', "must be strings"),
        ('{"tokens": ["a", "b"]}', "first tokens must be <pad> <bos> <eos> <unk>"),
        (json.dumps({"tokens": [*Vocabulary.SPECIALS, "a", "a"]}), "come twice"),
    ],
)
def test_a_malformed_file_is_refused_with_its_path(tmp_path, content, reason):
    path = tmp_path / "vocabulary.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=reason) as error:
        Vocabulary.load(path)
    assert str(path) in str(error.value)


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
    assert not any(encode(text).ids for text in ("", " ", "\u3000\n"))


def test_subwords_learn_the_same_whatever_white_space_divides_the_words():
    plain = train_subwords(SENTENCES, vocab_size=60).to_str()
    for white in ("\xa0", "  ", "\t"):
        texts = [white + text.replace(" ", white) + "\n" for text in SENTENCES]
        assert train_subwords(texts, vocab_size=60).to_str() == plain
