"""How numbers are written in a report."""

import math

from reportgen.result import Cell, Metric

UNDEFINED = "–"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MAGNITUDES = ((10**12, "T"), (10**9, "B"), (10**6, "M"))


def written(value: float | None, digits: int = 4) -> str:
    """A number for a table: whole ones grouped in full, others to `digits` significant digits, None as a dash."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    if isinstance(value, int):
        return _signed(f"{value:,}")
    if abs(value) >= 10**digits:
        return _signed(f"{value:,.0f}")
    mantissa, _, exponent = f"{value:#.{digits}g}".partition("e")
    mantissa = mantissa.rstrip(".")
    power = f" × 10{str(int(exponent)).translate(SUPERSCRIPT)}" if exponent else ""
    return _signed(mantissa + power)


def brief(value: float | None) -> str:
    """A large count in three digits, as 3.21 B; empty below a million."""
    for size, letter in MAGNITUDES:
        # 999,500,000 rounds to the next magnitude: "1.00 B", not "1e+03 M".
        if value is not None and abs(value) >= size * 0.9995 and value >= 10**6:
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


def _signed(digits: str) -> str:
    return digits.replace("-", "−")
