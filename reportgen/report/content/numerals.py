"""How the numbers of tables, large counts and dates are written, in the language that is spoken."""

import datetime
import math
from collections.abc import Iterable

from reportgen.language import ENGLISH, get_language, locale_of
from reportgen.numerals import write_decimals, write_number
from reportgen.results.quantities import Cell

MAGNITUDES = ((10**12, "T"), (10**9, "B"), (10**6, "M"))
IN_TABLES, PROBABLE = 4, 2
"""Significant digits of a number in a table, and of a probability."""


def write_table_number(value: float | None) -> str:
    """A number for a table."""
    return write_number(value, IN_TABLES)


def abbreviate_count(value: float | None) -> str:
    """A large count in three digits, as 3.21 B; empty below a million."""
    if value is None or not math.isfinite(value) or value < 10**6:
        return ""
    return _abbreviate_english(value) if get_language() == ENGLISH else _abbreviate_local(value)


def write_day(day: str) -> str:
    """A day, given as 2026-11-21, as the language writes it; English keeps that form."""
    if get_language() == ENGLISH or not day:
        return day
    from babel.dates import format_date

    return str(format_date(datetime.date.fromisoformat(day), "long", locale_of(get_language())))


def _abbreviate_english(value: float) -> str:
    for size, letter in MAGNITUDES:
        # 999,500,000 rounds to the next magnitude: "1.00 B", not "1e+03 M".
        if value >= size * 0.9995:
            return f"{_in_three_digits(write_decimals(value / size, places) for places in (2, 1, 0))} {letter}"
    return ""


def of_column(value: Cell, column: str) -> str:
    """A number as its column, or its metric, asks: identifiers ungrouped, others in so many digits."""
    if isinstance(value, int) and column.endswith("_id"):
        return str(value)
    return write_number(value if isinstance(value, int | float) else None, digits_of(column))


def digits_of(column: str) -> int:
    """Significant digits of the numbers of a column, or of a metric."""
    return PROBABLE if "probability" in column else IN_TABLES


def _abbreviate_local(value: float) -> str:
    """As the language shortens numbers: 1.35億 by ten thousands, 134 M by thousands; in three digits, or as many."""
    from babel.numbers import format_compact_decimal

    locale = locale_of(get_language())
    forms = (str(format_compact_decimal(value, locale=locale, fraction_digits=places)) for places in (2, 1, 0))
    return _in_three_digits(forms).replace("\xa0", " ")


def _in_three_digits(forms: Iterable[str]) -> str:
    """The first of ever shorter forms that has no more, or the last."""
    form = ""
    for form in forms:
        if sum(map(str.isdigit, form)) <= 3:
            break
    return form
