"""What is wrong, as lines and as running text."""

from reportgen.errors import Mistake, ReportgenError


def test_a_remedy_is_a_sentence_of_its_own() -> None:
    mistake = Mistake("this is not JSON", "Download the file again.", file="cfg.json")
    assert mistake.in_one_line == "cfg.json: this is not JSON. Download the file again."
    assert str(mistake) == "cfg.json: this is not JSON\n  Download the file again."


def test_mistakes_stand_in_one_line_one_after_the_other() -> None:
    error = ReportgenError(Mistake("no such file."), Mistake("of two\nlines", "Look."))
    assert error.in_one_line == "no such file.; of two lines. Look."


def test_a_strangers_text_never_begins_a_line() -> None:
    mistake = Mistake("it is \n::error::bad\x1b[0m", "Or\n::error::not.", file="a\n::error::b", line=3)
    assert str(mistake).splitlines() == [
        "a↵::error::b:3: it is ↵::error::bad<U+001B>[0m",
        "  Or↵::error::not.",
    ]
    assert len(str(ReportgenError(mistake, mistake)).splitlines()) == 4
    assert len(mistake.in_one_line.splitlines()) == 1
    assert len(str(Mistake("A" * 100_000))) < 1_000
