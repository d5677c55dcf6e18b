import pytest

from reportgen.text.retries import WITHIN, find_retries


def pieces_of(text: str) -> list[bytes]:
    """Each character as a token of its own, an emoji as two."""
    found: list[bytes] = []
    for character in text:
        data = character.encode()
        found += [data[:2], data[2:]] if len(data) > 3 else [data]
    return found


def told(text: str, right: tuple[str, ...] = (), start: int = 0) -> list[tuple[str, str, int, str]]:
    found = find_retries(pieces_of(text), right, start)
    return [(one.wrong.text, one.again.text, one.between, one.takes_back) for one in found]


@pytest.mark.parametrize(
    ("text", "right", "found"),
    [
        ("Yes: 🐠, no, 🐴!", (), [("🐠", "🐴", 6, "no")]),
        ("Yes: 🐠 🦄 🐴", (), [("🐠", "🦄", 1, ""), ("🦄", "🐴", 1, "")]),
        ("🐠\nWait: 🐠", (), [("🐠", "🐠", 7, "Wait")]),  # the same one, after a word that takes it back
        ("🐠，不對，🐴", (), [("🐠", "🐴", 4, "不對")]),
        ("🐠🐠🐠", (), []),  # the same one, and nothing between
        ("dog: 🐶\ncat: 🐱\n", (), []),  # the next entry of a list
        ("🐶 nothing here 🐱", (), [("🐶", "🐱", 14, "")]),  # "no" is no word of its own
        ("🐶" + "a" * (WITHIN + 1) + "🐱", (), []),
        ("🐶" + "a" * WITHIN + "🐱", (), [("🐶", "🐱", WITHIN, "")]),
        ("🐠 🐴 🦄", ("🐴",), [("🐠", "🐴", 1, "")]),  # after the right one, another is no retry
        ("❤️ 🐴", ("❤",), []),  # a form of a right one
        ("no emoji at all", (), []),
    ],
)
def test_an_emoji_is_tried_again_after_a_wrong_one(
    text: str, right: tuple[str, ...], found: list[tuple[str, str, int, str]]
) -> None:
    assert told(text, right) == found


def test_what_the_prompt_holds_is_no_try() -> None:
    assert told("🐠 🐴") == [("🐠", "🐴", 1, "")]
    assert told("🐠 🐴", start=3) == []
