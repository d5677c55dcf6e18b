"""How a number is written for a reader: one rule for pages, figures, sentences, the terminal and CI.

- A whole number is written in full, its thousands set apart: 1,234,567.
- Another is written with a few significant digits (three, unless a place says otherwise), and from as many digits
  before the point on as a whole one: 0.532, 53.2, 5,321.
- Below 0.001, and from 10¹⁵ on, it is written as 5.32 × 10⁻⁴.
- What is not 0 is never written as 0, what is not all never as 100%, and unequal numbers that are told side by side
  (`write_change`) never alike: each has as many digits as that takes.
- A minus is a minus (−); 0 has no sign; what is undefined is a dash (–).
- Separators are those of the spoken language.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from numbers import Integral

from reportgen.language import digits, list_items, say

UNDEFINED = "–"
SMALLEST, LARGEST = -3, 15
"""Powers of ten from which, and before which, a number is written without one."""
GIVEN = 7
"""Digits to which a setting is known: what single precision keeps of it."""
MOST = 17
"""Significant digits that tell any two numbers apart."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TRAILING = re.compile(r"\.?0+(?= |$)")


def write_number(value: float | None, significant: int = 3) -> str:
    """A measured number, with this many significant digits unless it is whole."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return _localize_digits(_write_english(value, significant))


def write_cell(value: float | None, significant: int = 2) -> str:
    """A number in the cell of a figure, where there is little room: a small one is 5×10⁻⁴."""
    narrow = value is not None and 0 < abs(value) < 10.0**SMALLEST
    return write_number(value, 1 if narrow else significant).replace(" × ", "×")


def write_signed(value: float | None, significant: int = 3) -> str:
    """A difference: as `write_number`, with + where it is above 0."""
    text = write_number(value, significant)
    return f"+{text}" if value is not None and math.isfinite(value) and value > 0 else text


def write_share(share: float | None) -> str:
    """A share of 1 in percent: no decimals where it is whole or above 10, else two digits; more near 100."""
    if share is None or not math.isfinite(share):
        return UNDEFINED
    # Decimal: a float times 100 is off in its last digit, and 7.000000000000001 is not whole.
    percent = abs(Decimal(repr(float(share)))) * 100
    if percent == 0:
        return "0%"
    power = int(f"{percent:.1e}".partition("e")[2])
    if power < SMALLEST:
        text = _write_power(percent, 2)
    else:
        decimals = 0 if percent == int(percent) else max(1 - power, 0)
        while percent != 100 and Decimal(f"{percent:.{decimals}f}") == 100:
            decimals += 1
        text = f"{percent:,.{decimals}f}"
    return _localize_digits(f"{'-' if share < 0 else ''}{text}%")


def write_depth(layer: float, layers: int) -> str:
    """A layer of a model of so many blocks, and its share of the depth, which models of other depths have too."""
    values = {"layer": write_number(layer, 2), "layers": write_count(layers), "share": write_share(layer / layers)}
    return say("number.depth", "{layer} of {layers} ({share})", **values)


def write_change(*values: float | None, significant: int = 3) -> tuple[str, ...]:
    """Numbers told side by side, such as before and after: unequal ones are written differently.

    Where the usual digits do not tell them apart, one more is written than it takes: 3.3914 and 3.3916 as 3.391 and
    3.392 would look five times as far apart as they are.
    """
    shown = next((n for n in range(significant, MOST) if all(_tells_apart(values, m) for m in (n - 1, n) if m)), MOST)
    return tuple(write_number(value, shown) for value in values)


def write_count(count: int) -> str:
    """How many there are."""
    return _localize_digits(f"{count:,}")


def write_year(value: float) -> str:
    """A whole number without separators, as years are written."""
    return _localize_digits(f"{round(value)}")


def count_items(number: int, what: str, ending: str = "s") -> str:
    """A number of things, in English, which the terminal speaks: "1 prompt", "1,200 further passes"."""
    return f"{number:,} {what}{'' if number == 1 else ending}"


def write_setting(value: float) -> str:
    """A number that somebody chose, such as a temperature or a threshold: in the digits that it was given in."""
    given = float(f"{value:.{GIVEN}g}")
    return write_number(value, next((n for n in range(1, GIVEN + 1) if float(f"{value:.{n}g}") == given), GIVEN))


def write_decimals(value: float, decimals: int) -> str:
    """A number among others that are read one below the other, all with as many decimals."""
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{value:,.{decimals}f}"
    if re.search("[1-9]", text):
        return _localize_digits(text)
    return write_number(value, 2) if value else _localize_digits(text.lstrip("-"))


def _tells_apart(values: Sequence[float | None], significant: int) -> bool:
    """Whether all that are unequal are read as other numbers: 3 and 3.00 are the same."""
    known = {value for value in values if value is not None and math.isfinite(value)}
    texts = (_write_english(value, significant) for value in known)
    return len({_TRAILING.sub("", text) if "." in text else text for text in texts}) == len(known)


def _write_english(value: float, significant: int) -> str:
    return ("-" if value < 0 else "") + _write_unsigned(abs(value), significant)


def _write_unsigned(value: float, significant: int) -> str:
    if isinstance(value, Integral):
        return f"{int(value):,}"
    value = float(value)
    # The power of ten of what is written: 999.6 in three digits is 1,000.
    power = int(f"{value:.{significant - 1}e}".partition("e")[2])
    if value and not SMALLEST <= power < LARGEST:
        return _write_power(value, significant)
    if value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,.{max(significant - 1 - power, 0)}f}"


def _write_power(value: float | Decimal, significant: int) -> str:
    mantissa, _, power = f"{value:.{significant - 1}e}".partition("e")
    return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}"


def _localize_digits(text: str) -> str:
    return digits(text).replace("-", "−")


def write_ranges(numbers: Sequence[int]) -> str:
    """Ascending whole numbers, those that follow each other as a range: "3–28 and 30"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return list_items([f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])
