"""Numbers as they are written: the forms, what holds of any of them, and that nothing else writes one."""

import ast
import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reportgen
from reportgen.language import use_language
from reportgen.numerals import (
    UNDEFINED,
    write_cell,
    write_change,
    write_count,
    write_decimals,
    write_number,
    write_setting,
    write_share,
    write_signed,
)
from reportgen.resources import folder

PACKAGE = Path(reportgen.__file__).parent
ROOMS = ("probes", "probing", "features", "baseline", "report", "figures")
FORMATS_ITSELF = {
    "figures/draw/plain_svg.py": "coordinates",
    "figures/draw/outlined_text.py": "coordinates",
    "figures/draw/kinds.py": "inches in a message about a size",
    "report/paper/figure_words.py": "coordinates",
    "figures/draw/scales.py": "how many decimals a tick needs",
    "baseline/calibrate.py": "rounds a number that YAML holds",
    "probes/sae_contrast/run.py": "a reason that the bundle keeps, in no language",
}
"""Files that format a number by themselves, and what for."""
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


@pytest.mark.parametrize(
    ("value", "english", "hungarian"),
    [
        (0, "0", "0"),
        (0.0, "0", "0"),
        (-0.0, "0", "0"),
        (5, "5", "5"),
        (-5, "−5", "−5"),
        (3.0, "3", "3"),
        (1_234_567, "1,234,567", "1 234 567"),
        (12_000.0, "12,000", "12 000"),
        (10**21, "1,000,000,000,000,000,000,000", "1 000 000 000 000 000 000 000"),
        (0.5, "0.500", "0,500"),
        (0.53249, "0.532", "0,532"),
        (-53.249, "−53.2", "−53,2"),
        (999.6, "1,000", "1 000"),
        (99.96, "100", "100"),
        (5321.4, "5,321", "5 321"),
        (0.001, "0.00100", "0,00100"),
        (0.0009996, "0.00100", "0,00100"),
        (0.000532, "5.32 × 10⁻⁴", "5,32 × 10⁻⁴"),
        (-1.2e-5, "−1.20 × 10⁻⁵", "−1,20 × 10⁻⁵"),
        (5e-324, "4.94 × 10⁻³²⁴", "4,94 × 10⁻³²⁴"),
        (1.5e15, "1.50 × 10¹⁵", "1,50 × 10¹⁵"),
        (None, "–", "–"),
        (math.nan, "–", "–"),
        (-math.inf, "–", "–"),
    ],
)
def test_write_number(value: float | None, english: str, hungarian: str) -> None:
    assert write_number(value) == english
    with use_language("hu"):
        assert write_number(value) == hungarian


@pytest.mark.parametrize(
    ("value", "significant", "text"),
    [(0.53249, 2, "0.53"), (0.53249, 4, "0.5325"), (0.7, 1, "0.7"), (150.2, 2, "150"), (1.2e-5, 2, "1.2 × 10⁻⁵")],
)
def test_write_number_with_other_digits(value: float, significant: int, text: str) -> None:
    assert write_number(value, significant) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.53249, "0.53"), (0.004, "0.0040"), (-0.00053, "−5×10⁻⁴"), (0.0, "0"), (-0.0009999, "−0.001"), (None, "–")],
)
def test_write_cell(value: float | None, text: str) -> None:
    assert write_cell(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.53, "+0.530"), (-0.53, "−0.530"), (0.0, "0"), (-0.0, "0"), (2, "+2"), (1e-9, "+1.00 × 10⁻⁹"), (None, "–"),
     (math.inf, "–")],
)  # fmt: skip
def test_write_signed(value: float | None, text: str) -> None:
    assert write_signed(value) == text


@pytest.mark.parametrize(
    ("share", "english", "hungarian"),
    [
        (0.0, "0%", "0%"),
        (1.0, "100%", "100%"),
        (0.5, "50%", "50%"),
        (0.314, "31%", "31%"),
        (0.0996, "10%", "10%"),
        (0.07, "7%", "7%"),
        (0.072, "7.2%", "7,2%"),
        (0.0031, "0.31%", "0,31%"),
        (1e-7, "1.0 × 10⁻⁵%", "1,0 × 10⁻⁵%"),
        (0.996, "99.6%", "99,6%"),
        (0.999996, "99.9996%", "99,9996%"),
        (1.004, "100.4%", "100,4%"),
        (1.26, "126%", "126%"),
        (12.345, "1,234%", "1 234%"),
        (-0.25, "−25%", "−25%"),
        (None, "–", "–"),
        (math.nan, "–", "–"),
    ],
)
def test_write_share(share: float | None, english: str, hungarian: str) -> None:
    assert write_share(share) == english
    with use_language("hu"):
        assert write_share(share) == hungarian


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((1.2, 1.5), ("1.20", "1.50")),
        ((3.3914, 3.3916), ("3.3914", "3.3916")),
        ((3.391, 3.391), ("3.39", "3.39")),
        ((0.0, 1e-9), ("0", "1.00 × 10⁻⁹")),
        ((3.0, 3.004), ("3", "3.0040")),
        ((134_515_008, 134_515_009), ("134,515,008", "134,515,009")),
        ((1e300, -1e-300), ("1.00 × 10³⁰⁰", "−1.00 × 10⁻³⁰⁰")),
        ((12_345, 12_345.4), ("12,345", "12,345.40")),
        ((1.0, None), ("1", "–")),
        ((math.nan, 0.25), ("–", "0.250")),
        ((0.25, 0.2501, 0.9), ("0.25000", "0.25010", "0.90000")),
        ((), ()),
    ],
)
def test_write_change(values: tuple[float | None, ...], texts: tuple[str, ...]) -> None:
    assert write_change(*values) == texts


def test_write_count() -> None:
    assert write_count(128_256) == "128,256"
    with use_language("hu"):
        assert write_count(128_256) == "128 256"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.7, "0.7"), (1.0, "1"), (-2.5, "−2.5"), (0.95, "0.95"), (1e-5, "1 × 10⁻⁵"), (12_000, "12,000"), (0.0, "0")],
)
def test_write_setting(value: float, text: str) -> None:
    assert write_setting(value) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.5, 2, "0.50"), (0.0, 2, "0.00"), (-0.0, 1, "0.0"), (-1234.5, 1, "−1,234.5"), (1e-5, 2, "1.0 × 10⁻⁵"),
     (-0.004, 2, "−0.0040"), (math.nan, 2, "–")],
)  # fmt: skip
def test_write_decimals(value: float, decimals: int, text: str) -> None:
    assert write_decimals(value, decimals) == text


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
PAIRS = st.one_of(
    st.tuples(NUMBERS, NUMBERS),
    NUMBERS.map(lambda number: (number, number)),
    NUMBERS.map(lambda number: (number, math.nextafter(number, 0.0))),
    st.tuples(NUMBERS, st.floats(1e-15, 1e-2)).map(lambda pair: (pair[0], pair[0] * (1 - pair[1]))),
)
"""Of any size, equal, next to each other, and near."""


def read_number(text: str) -> Decimal:
    """What a reader takes a text for."""
    mantissa, _, power = text.removesuffix("%").replace(",", "").partition(" × 10")
    return Decimal(mantissa.translate(RAISED)).scaleb(int(power.translate(RAISED) or 0))


@given(number=NUMBERS, significant=st.integers(1, 6))
def test_what_is_written_is_the_number_within_its_digits(number: float, significant: int) -> None:
    off = abs(read_number(write_number(number, significant)) - Decimal(number))
    assert off <= abs(Decimal(number)) * Decimal(5).scaleb(-significant)


@given(number=NUMBERS.filter(bool))
def test_what_is_not_zero_is_never_written_as_zero(number: float) -> None:
    for text in (write_number(number), write_signed(number), write_share(number), write_decimals(number, 2)):
        assert re.search("[1-9]", text.partition(" × ")[0]), text
        assert text.startswith("−") == (number < 0)


@given(share=st.one_of(NUMBERS, st.floats(0.9, 1.1)).filter(lambda share: share != 1))
def test_what_is_not_all_is_never_written_as_all(share: float) -> None:
    assert write_share(share) != "100%"


@given(pair=PAIRS, significant=st.integers(1, 6))
def test_unequal_numbers_are_written_differently(pair: tuple[float, float], significant: int) -> None:
    before, after = write_change(*pair, significant=significant)
    assert (before == after) == (pair[0] == pair[1])
    assert (read_number(before) == read_number(after)) == (pair[0] == pair[1])


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("significant", [2, 4])
def test_the_script_of_a_page_writes_numbers_by_the_same_rule(significant: int) -> None:
    numbers = [0.0, -0.0, 3.0, -1234.0, 123456.7, 0.5, 0.53249, 999.96, 0.001, 0.0009999, -1.2e-5, 1e14, 1.5e300]
    script = (folder("templates") / "assets/page.js").read_text()
    start = script.index("function number(")
    stop = script.index("function element(", start)
    program = (
        f"const root = {{ lang: 'en' }}; {script[start:stop]}"
        f"console.log(JSON.stringify({json.dumps(numbers)}.map((value) => number(value, {significant}))))"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [write_number(number, significant) for number in numbers]


def formatted_by_hand(source: ast.AST) -> Iterator[int]:
    """Lines of f-strings that say themselves how a number is written."""
    for node in ast.walk(source):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            spec = "".join(str(part.value) for part in ast.walk(node.format_spec) if isinstance(part, ast.Constant))
            if re.search(r"[gGfFeE%n]$", spec):
                yield node.lineno


def test_numbers_are_written_by_one_module() -> None:
    found = {
        str(file.relative_to(PACKAGE)): list(formatted_by_hand(ast.parse(file.read_text())))
        for room in ROOMS
        for file in PACKAGE.joinpath(room).rglob("*.py")
    }
    by_hand = {file: lines for file, lines in found.items() if lines}
    assert by_hand.keys() == FORMATS_ITSELF.keys(), by_hand


def test_separators_are_asked_for_by_one_module() -> None:
    asking = [
        file.name
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "reportgen.language"
        if "digits" in {alias.name for alias in node.names}
    ]
    assert asking == ["numerals.py"]


def test_undefined_is_a_dash() -> None:
    assert UNDEFINED == "–"
