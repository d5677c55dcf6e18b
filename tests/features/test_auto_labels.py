import numpy as np
import pytest

from reportgen.features.auto_labels import label_promoted_tokens
from reportgen.features.labels import PROMOTED
from reportgen.text.token_patterns import BEGINNING, PatternTable, TokenIndex, kind_of, pattern_of, stem_of

TEXTS = ["<bos>", " apple", "Apple", " apples", " run", "12", "\n\n", "蘋", "果", ",", " appliance", "zip"]
IDS = {text: number for number, text in enumerate(TEXTS)}


@pytest.fixture
def vocabulary() -> TokenIndex:
    return TokenIndex(range(len(TEXTS)), lambda token: TEXTS[token])


def pairs(*texts: str, before: str = " run") -> list[tuple[int, int]]:
    return [(IDS[before], IDS[text]) for text in texts]


def test_promoted_tokens_of_one_word_in_any_form_give_its_name_and_their_share() -> None:
    label = label_promoted_tokens([" Apple", "apple", " apple", "APPLE", "apple ", " pear", "x", "y", "z", "w"])
    assert (label.text, label.origin, label.score) == ("says “apple”", PROMOTED, 0.5)


def test_promoted_tokens_of_one_stem_or_one_kind_are_named_by_it() -> None:
    assert label_promoted_tokens([" walking", "walked", " walks", "walk", " of"]).text == "says “walk…”"
    assert label_promoted_tokens(["1", "2", " 30", "x"]).text == "says digits"
    assert label_promoted_tokens(["蘋", "果", "x"]).text == "says Chinese characters"


def test_promoted_tokens_that_share_nothing_are_named_with_a_low_score() -> None:
    label = label_promoted_tokens([" one", "two", "six", "ten", " cat", "dog", "sun", "fox", "box", "jam"])
    assert (label.text, label.score) == ("says ␣one · two · six", 0.1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("\n\n", "newline"),
        ("  ", "space"),
        (" 12", "digits"),
        (" ,", "punctuation"),
        ("+=", "punctuation"),
        ("❤️❤️", "symbols"),
        ("字", "han"),
        (" a", "latin"),
    ],
)
def test_kinds_of_tokens(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_a_pattern_is_the_narrowest_that_seven_of_ten_examples_share(vocabulary: TokenIndex) -> None:
    same = pattern_of(pairs(*[" apple"] * 7, "zip", "12", ","), vocabulary)
    assert same is not None
    assert (same.where, same.text, same.ids) == ("token", "“␣apple”", frozenset({IDS[" apple"]}))
    mixed = [
        (IDS[one], IDS[two]) for one, two in [(" run", " apple"), ("12", "Apple"), (",", " apple"), ("zip", "Apple")]
    ]
    word = pattern_of(mixed, vocabulary)
    assert word is not None
    assert (word.text, word.ids) == ("“apple” in any form", frozenset({IDS[" apple"], IDS["Apple"]}))
    related = [(" run", " apple"), ("12", "Apple"), (",", " appliance"), ("zip", " appliance")]
    stem = pattern_of([(IDS[one], IDS[two]) for one, two in related], vocabulary)
    assert stem is not None
    assert stem.text == "“appl…”"
    assert stem.ids == {IDS[t] for t in (" apple", "Apple", " apples", " appliance")}


def test_what_stands_before_is_a_pattern_where_the_tokens_differ(vocabulary: TokenIndex) -> None:
    after = pattern_of(pairs(" apple", "12", "zip", before="\n\n"), vocabulary)
    assert after is not None
    assert (after.where, after.ids) == ("previous", frozenset({IDS["\n\n"]}))
    first = pattern_of([(BEGINNING, IDS[t]) for t in (" apple", "12", "zip")], vocabulary)
    assert first is not None
    assert first.text == "at the beginning"
    script = pattern_of(
        [(IDS[" run"], IDS["蘋"]), (IDS["12"], IDS["果"]), (IDS[","], IDS["蘋"]), (IDS["zip"], IDS["果"])], vocabulary
    )
    assert script is not None
    assert script.text == "Chinese characters"


def test_too_few_examples_or_none_in_common_give_no_pattern(vocabulary: TokenIndex) -> None:
    assert pattern_of(pairs(" apple", " apple"), vocabulary) is None
    assert pattern_of([(IDS[" apple"], IDS["12"]), (IDS["12"], IDS["蘋"]), (IDS["蘋"], IDS["zip"])], vocabulary) is None
    assert stem_of(["cat", "car", "can"], 3) == ""


def test_a_table_of_patterns_matches_as_the_patterns_one_by_one(vocabulary: TokenIndex) -> None:
    patterns = [
        pattern_of(pairs(*[" apple"] * 4), vocabulary),
        None,
        pattern_of(pairs(" apple", "12", "zip", before="\n\n"), vocabulary),
        pattern_of([(BEGINNING, IDS[t]) for t in (" apple", "12", "zip")], vocabulary),
    ]
    made = PatternTable(patterns)
    draw = np.random.default_rng(0)
    token = draw.integers(0, len(TEXTS), 500)
    before = draw.integers(-1, len(TEXTS), 500)
    feature = draw.integers(0, 4, 500)
    expected = [
        (p := patterns[f]) is not None and int(t if p.where == "token" else b) in p.ids
        for f, t, b in zip(feature, token, before, strict=True)
    ]
    assert made.match(feature, token, before).tolist() == expected
    assert 0 < sum(expected) < 250
    counts = [
        dict(zip(*map(np.ndarray.tolist, np.unique(side, return_counts=True)), strict=True)) for side in (token, before)
    ]
    totals = [
        0 if p is None else sum(int(x in p.ids) for x in (token if p.where == "token" else before)) for p in patterns
    ]
    assert made.matches(*counts).tolist() == totals
    assert PatternTable([None]).match(np.array([0]), np.array([3]), np.array([3])).tolist() == [False]


def test_features_with_one_kind_in_common_share_its_tokens() -> None:
    """A set of its own for each of thousands of features would take a gigabyte."""
    vocabulary = TokenIndex(
        range(400), lambda token: chr(97 + token % 26) + chr(97 + token // 26) if token % 2 else str(token)
    )
    letters, digits = ([(token, token) for token in range(start, 20, 2)] for start in (1, 2))
    one, other = pattern_of(letters, vocabulary), pattern_of(letters[1:], vocabulary)
    numbers = pattern_of(digits, vocabulary)
    assert one is not None
    assert other is not None
    assert numbers is not None
    assert one.ids is other.ids
    assert numbers.ids == set(range(0, 400, 2))
