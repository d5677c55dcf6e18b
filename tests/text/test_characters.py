import pytest

from reportgen.text.characters import LONGEST_QUOTE, characters, name_joined, shorten_quote

ACCENTED = "e\u0301"


def hexed(*pieces: str) -> list[bytes]:
    return [bytes.fromhex(piece) for piece in pieces]


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        (hexed("20F09F", "90", "A0"), [("emoji", 0, 2, "F0 9F · 90 · A0", "🐠")]),
        (hexed("F0", "9F", "92", "BA"), [("emoji", 0, 3, "F0 · 9F · 92 · BA", "💺")]),
        (["🐶".encode()], [("emoji", 0, 0, "F0 9F 90 B6", "🐶")]),
        (hexed("E6B0", "A3"), [("joined", 0, 1, "E6 B0 · A3", "氣")]),
        (hexed("F09F"), [("fragment", 0, 0, "F0 9F", "<F0 9F>")]),
        ([*hexed("F09F"), b"x", *hexed("90", "A0")],
         [("fragment", 0, 0, "F0 9F", "<F0 9F>"), ("fragment", 2, 3, "90 · A0", "<90 A0>")]),
        (["氣".encode(), b" air"], []),
        (["🏃".encode(), "🏽\u200d♀️".encode()], [("emoji", 0, 1, None, "🏃🏽\u200d♀️")]),
        (["🇹".encode(), "🇼🇫🇷".encode()], [("emoji", 0, 1, None, "🇹🇼"), ("emoji", 1, 1, None, "🇫🇷")]),
        ([b""], []),
    ],
)  # fmt: skip
def test_emoji_joined_characters_and_fragments(pieces: list[bytes], found: list[tuple]) -> None:
    told = [(c.kind, c.first, c.last, c.bytes, c.text) for c in characters(pieces)]
    assert [(*t[:3], t[4]) for t in told] == [(*f[:3], f[4]) for f in found]
    assert all(f[3] in (t[3], None) for t, f in zip(told, found, strict=True))


@pytest.mark.parametrize(
    ("shown", "named"),
    [
        (["<E8>", "<B2>", "<BB>", " of"], ["<E8>", "<B2>", "→費", " of"]),
        ([" <F0 9F>", "<90>", "<A0>", "a"], [" <F0 9F>", "<90>", "→🐠", "a"]),
        (["<E8>", "x", "<B2>"], ["<E8>", "x", "<B2>"]),
        (["天", "氣", "\ud800"], ["天", "氣", "\ud800"]),
        ([], []),
    ],
)
def test_the_token_that_completes_a_character_is_called_by_it(shown: list[str], named: list[str]) -> None:
    assert name_joined(shown) == named


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("x" * LONGEST_QUOTE, "x" * LONGEST_QUOTE),
        (
            "The old man sat by the river and thought of the sea and its fishes",
            "The old man sat by the … the sea and its fishes",
        ),
        ("天" * 60, f"{'天' * 24} … {'天' * 24}"),
        ("e" + ACCENTED * 30, f"e{ACCENTED * 11} … {ACCENTED * 12}"),
        ("x" * 60 + "\u0301" + "y" * 23, f"{'x' * 24} … {'y' * 23}"),
        (" " * 60, " … "),
    ],
)
def test_of_a_long_text_both_ends_are_quoted(text: str, quoted: str) -> None:
    assert shorten_quote(text) == quoted
