import pytest

from reportgen.report.numerals import brief, of_column, of_metric, written
from reportgen.result import Metric


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3_212_749_824, "3,212,749,824"),
        (-5, "−5"),
        (0, "0"),
        (0.5, "0.5000"),
        (-0.25, "−0.2500"),
        (12345.6, "12,346"),
        (9999.0, "9999"),
        (1.5e-7, "1.500 × 10⁻⁷"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_written(value, text):
    assert written(value) == text


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
    assert brief(value) == text


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (128256, "token_id", "128256"),
        (128256, "parameters", "128,256"),
        (0.123456, "probability", "0.12"),
        (1.0, "answer_probability", "1.0"),
        (0.123456, "similarity", "0.1235"),
        (None, "probability", "–"),
    ],
)
def test_of_column(value, column, text):
    assert of_column(value, column) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("grouped_query_ratio", 3.0, "3"),
        ("grouped_query_ratio", 2.5, "2.500"),
        ("layers", 12_000.0, "12,000"),
        ("mean_probability", 1.0, "1.0"),
        ("entropy", float("inf"), "–"),
        ("entropy", None, "–"),
    ],
)
def test_of_metric(name, value, text):
    assert of_metric(name, Metric(value, "x", reason="why" if value is None else "")) == text
