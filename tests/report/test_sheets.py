import pytest

from reportgen.report.content.sheets import make_sheet
from reportgen.results.quantities import Table


@pytest.mark.parametrize(("length", "narrow"), [(99, True), (100, False)])
def test_a_table_whose_rows_may_break_into_many_lines_is_not_narrow(length, narrow):
    made = make_sheet(Table(("prompt", "text"), [[0, "short"], [1, "x" * length]]), most=12)
    assert made.narrow is narrow
