import pytest

from reportgen.text.answer_tokens import find_answer


@pytest.mark.parametrize(
    ("text", "answers", "found"),
    [
        ("So it is 24.", ["24"], "24"),
        ("So it is 124.", ["24"], ""),
        ("So it is 240 or 24", ["24"], "24"),
        ("the sandy beach", ["sand"], ""),
        ("SAND!", ["sand"], "sand"),
        ("一共有24條腿", ["24"], "24"),
        ("他有七顆", ["7", "七"], "七"),
        ("24th", ["24"], "24"),
        ("Tuesday, then Wednesday", ["Wednesday"], "Wednesday"),
        ("a 🐠!", ["🐠"], "🐠"),
        ("", ["a"], ""),
        ("anything", [" "], ""),
        ("anything", [], ""),
    ],
)
def test_an_answer_is_found_where_it_is_no_part_of_something_longer(text: str, answers: list[str], found: str) -> None:
    assert find_answer(text, answers) == found
