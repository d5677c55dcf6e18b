"""How numbers and dates are written in a report, in the language that is spoken."""

import datetime
import math

from reportgen.language import ENGLISH, digits, locale_of, spoken
from reportgen.results.quantities import Cell, Metric

UNDEFINED = "–"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MAGNITUDES = ((10**12, "T"), (10**9, "B"), (10**6, "M"))


def written(value: float | None, significant: int = 4) -> str:
    """A number for a table: whole ones grouped in full, others to some significant digits, None as a dash."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    if isinstance(value, int):
        return _signed(f"{value:,}")
    if abs(value) >= 10**significant:
        return _signed(f"{value:,.0f}")
    mantissa, _, exponent = f"{value:#.{significant}g}".partition("e")
    mantissa = mantissa.rstrip(".")
    power = f" × 10{str(int(exponent)).translate(SUPERSCRIPT)}" if exponent else ""
    return _signed(mantissa + power)


def brief(value: float | None) -> str:
    """A large count in three digits, as 3.21 B; empty below a million."""
    if value is None or not math.isfinite(value) or value < 10**6:
        return ""
    return _brief_english(value) if spoken() == ENGLISH else _compact(value)


def dated(day: str) -> str:
    """A day, given as 2026-11-21, as the language writes it; English keeps that form."""
    if spoken() == ENGLISH or not day:
        return day
    from babel.dates import format_date

    return str(format_date(datetime.date.fromisoformat(day), "long", locale_of(spoken())))


def _brief_english(value: float) -> str:
    for size, letter in MAGNITUDES:
        # 999,500,000 rounds to the next magnitude: "1.00 B", not "1e+03 M".
        if value >= size * 0.9995:
            return f"{value / size:#.3g}".rstrip(".") + f" {letter}"
    return ""


def of_column(value: Cell, column: str) -> str:
    """A number as its column asks: identifiers ungrouped, probabilities to two digits, the rest as `written`."""
    if isinstance(value, int) and column.endswith("_id"):
        return str(value)
    if isinstance(value, float) and "probability" in column:
        return written(value, 2)
    return written(value if isinstance(value, int | float) else None)


def of_metric(name: str, metric: Metric) -> str:
    """A metric's value without its unit; a whole one, such as a ratio of 3, without decimals."""
    if isinstance(metric.value, float) and metric.value.is_integer() and "probability" not in name:
        return written(int(metric.value))
    return of_column(metric.value, name)


def _compact(value: float) -> str:
    """As the language shortens numbers: 1.35億 by ten thousands, 134 M by thousands; in three digits, or as many."""
    from babel.numbers import format_compact_decimal

    locale = locale_of(spoken())
    forms = [str(format_compact_decimal(value, locale=locale, fraction_digits=places)) for places in (2, 1, 0)]
    return next((form for form in forms if sum(map(str.isdigit, form)) <= 3), forms[-1]).replace("\xa0", " ")


def _signed(number: str) -> str:
    return digits(number).replace("-", "−")
