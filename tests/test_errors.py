"""What is wrong, as lines and as running text."""

from reportgen.errors import Mistake, ReportgenError


def test_a_remedy_is_a_sentence_of_its_own() -> None:
    mistake = Mistake("this is not JSON", "Download the file again.", file="cfg.json")
    assert mistake.in_one_line == "cfg.json: this is not JSON. Download the file again."
    assert str(mistake) == "cfg.json: this is not JSON\n  Download the file again."


def test_mistakes_stand_in_one_line_one_after_the_other() -> None:
    error = ReportgenError(Mistake("no such file."), Mistake("of two\nlines", "Look."))
    assert error.in_one_line == "no such file.; of two lines. Look."
