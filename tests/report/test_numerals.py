import pytest

from reportgen.language import use_language
from reportgen.report.content.numerals import abbreviate_count, of_column, write_day, write_table_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3_212_749_824, "3,212,749,824"),
        (-5, "−5"),
        (0, "0"),
        (0.5, "0.5000"),
        (-0.25, "−0.2500"),
        (12345.6, "12,346"),
        (9999.0, "9,999"),
        (1.5e-7, "1.500 × 10⁻⁷"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_written(value, text):
    assert write_table_number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3_212_749_824, "3.21 B"),
        (134_515_008, "135 M"),
        (1_000_000, "1.00 M"),
        (999_999_999, "1.00 B"),
        (999_999, ""),
        (None, ""),
        (12.0, ""),
    ],
)
def test_brief(value, text):
    assert abbreviate_count(value) == text


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (128256, "token_id", "128256"),
        (128256, "parameters", "128,256"),
        (0.123456, "probability", "0.12"),
        (1.0, "answer_probability", "1"),
        (3.0, "grouped_query_ratio", "3"),
        (2.5, "grouped_query_ratio", "2.500"),
        (12_000.0, "layers", "12,000"),
        (float("inf"), "entropy", "–"),
        (0.123456, "similarity", "0.1235"),
        (None, "probability", "–"),
    ],
)
def test_of_column(value, column, text):
    assert of_column(value, column) == text


@pytest.mark.parametrize(
    ("tag", "texts"),
    [
        ("hu", ["134 515 008", "0,5000", "−1,500 × 10⁻⁷", "–", "0,12"]),
        ("zh-TW", ["134,515,008", "0.5000", "−1.500 × 10⁻⁷", "–", "0.12"]),
        ("ar", ["134,515,008", "0.5000", "−1.500 × 10⁻⁷", "–", "0.12"]),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(tag, texts):
    with use_language(tag):
        shown = [
            write_table_number(134_515_008),
            write_table_number(0.5),
            write_table_number(-1.5e-7),
            write_table_number(None),
            of_column(0.1234, "probability"),
        ]
    assert shown == texts


@pytest.mark.parametrize(
    ("tag", "texts"),
    [
        ("hu", ["3,21 Mrd", "135 M", "12,3 M", "", "", ""]),
        ("zh-TW", ["32.1億", "1.35億", "1235萬", "", "", ""]),
        ("ar", ["3.21 مليار", "135 مليون", "12.3 مليون", "", "", ""]),
    ],
)
def test_large_counts_are_shortened_as_the_language_does(tag, texts):
    with use_language(tag):
        shown = [
            abbreviate_count(value) for value in (3_212_749_824, 134_515_008, 12_345_678, 999_999, None, float("nan"))
        ]
    assert shown == texts


@pytest.mark.parametrize(
    ("tag", "text"),
    [("en", "2026-11-21"), ("hu", "2026. november 21."), ("zh-TW", "2026年11月21日"), ("ar", "21 نوفمبر 2026")],
)
def test_a_day_is_written_as_the_language_writes_it(tag, text):
    with use_language(tag):
        assert write_day("2026-11-21") == text
        assert write_day("") == ""
