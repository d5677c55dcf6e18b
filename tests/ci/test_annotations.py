import re
from urllib.parse import unquote

from reportgen.ci.annotations import write_annotations
from reportgen.look.legible import make_legible
from tests.baseline.comparisons import MARKS, comparison, everything, make_drift, of_changes, other_version, quiet

COMMAND = re.compile(r"::(error|warning) title=([^:,\r\n]*)::([^\r\n]*)")


def test_gated_drifts_and_failures_are_errors_and_what_is_not_comparable_is_a_warning() -> None:
    assert write_annotations(everything()) == [
        "::error title=map.gemma%3A newly failed::RuntimeError: out of memory",
        "::error title=weather.gemma.entropy%3A drifted::"
        "by 0.31 nat at layer 9, prompt 0, from layer 7 on; 0.1 on average (0.00500 allowed)",
        "::error title=weather.llama.entropy%3A drifted::"
        "by 0.31 nat at layer 9, prompt 0, from layer 9 on; 0.1 on average (0.00500 allowed)",
        "::warning title=heads.gemma%3A not comparable::another version of attention_grid: 1 → 2",
    ]


def test_nothing_is_said_of_what_does_not_decide() -> None:
    assert write_annotations(comparison(of_changes("weather", "gemma", make_drift(gate=False), quiet("kl")))) == []


def test_ten_of_a_kind_are_all_there_and_of_eleven_the_tenth_counts_the_rest() -> None:
    ten = write_annotations(comparison(of_changes("weather", "gemma", *(make_drift(f"d{i}") for i in range(10)))))
    assert len(ten) == 10
    assert "more" not in ten[-1]
    eleven = write_annotations(
        comparison(
            of_changes("weather", "gemma", *(make_drift(f"d{i}") for i in range(11))),
            *(other_version(f"heads{i}") for i in range(1_234)),
        )
    )
    assert len(eleven) == 20
    assert eleven[8].startswith("::error title=weather.gemma.d8%3A drifted::")
    assert eleven[9] == "::error title=and 2 more::2 drifted"
    assert eleven[19] == "::warning title=and 1%2C225 more::1,225 not comparable"


def test_a_strangers_text_ends_neither_its_title_nor_its_line() -> None:
    (line,) = write_annotations(comparison(of_changes("weather", "gemma", make_drift(MARKS, told=MARKS, bound=None))))
    found = COMMAND.fullmatch(line)
    assert found is not None
    assert unquote(found[3]) == make_legible(MARKS)
    assert unquote(found[2]) == f"{make_legible(f'weather.gemma.{MARKS}')}: drifted"
