"""The vocabulary, with torchtext's Vocab behind it and without: both pass the same tests."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lmini import vocabulary as module
from d2lmini.text import Vocabulary as named_in_text
from d2lmini.vocabulary import Vocabulary

proven = settings(derandomize=True, deadline=None, max_examples=12)
sentences = st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=6)


@pytest.fixture(scope="module", params=["torchtext", "Plain"], autouse=True)
def behind(request):
    """Which of the two stands behind each Vocabulary that a test makes."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "Plain":
            patch.setattr(module, "torchtext_vocab", lambda: None)
        elif module.torchtext_vocab() is None:
            pytest.skip("torchtext is not installed")
        yield request.param


def naive_vocabulary(sequences, min_count):
    """Count in a loop; most frequent first, equally frequent ones by their characters."""
    counts = {}
    for tokens in sequences:
        for token in tokens:
            counts[token] = counts.get(token, 0) + 1
    kept = [t for t in counts if counts[t] >= min_count and t not in Vocabulary.SPECIALS]
    return [*Vocabulary.SPECIALS, *sorted(kept, key=lambda t: (-counts[t], t.encode()))]


def test_each_of_the_two_is_tried_and_text_names_the_class(behind):
    assert named_in_text is Vocabulary
    assert (type(Vocabulary.build([])._vocab) is module.Plain) == (behind == "Plain")


@proven
@given(sentences, st.integers(1, 3))
def test_torchtext_itself_numbers_tokens_alike(sequences, min_count):
    theirs = pytest.importorskip("torchtext").vocab.build_vocab_from_iterator(
        sequences, min_freq=min_count, specials=list(Vocabulary.SPECIALS)
    )
    assert Vocabulary.build(sequences, min_count=min_count).tokens == theirs.get_itos()


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
    vocabulary.tokens.append("cat")  # a list of the caller's own
    assert "cat" not in vocabulary.tokens and len(vocabulary) == 5


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
