import numpy as np

from reportgen.baseline.compare import _order_outcome, compare
from reportgen.baseline.judgements import conclusion, count_verdicts, describe_morning, find_beginnings
from reportgen.baseline.tables import compare_table
from reportgen.baseline.tolerance import MEASURED
from reportgen.baseline.verdict import Verdict
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard
from tests.baseline.comparisons import comparison, everything, make_drift, make_failed, of_changes, other_version, quiet


def test_what_decides_stands_first_and_the_worst_of_it_before_the_rest() -> None:
    assert [one.path for one in everything().judgements] == [
        "map.gemma",
        "weather.gemma.entropy",
        "weather.llama.entropy",
        "heads.gemma",
        "weather.llama.noisy",
        "weather.gemma.kl",
        "weather.gemma.top",
        "weather.llama.kl",
        "chat.gemma",
    ]


def test_of_equal_verdicts_the_one_that_most_exceeds_its_tolerance_stands_first() -> None:
    found = of_changes(
        "weather",
        "gemma",
        make_drift("a", worst=2, bound=1),
        make_drift("b", worst=0.3, bound=0.1),
        make_drift("c", bound=0),
    )
    assert [one.name for one in comparison(found).judgements] == ["c", "b", "a"]


def test_what_is_not_told_one_by_one_is_counted_and_named() -> None:
    drifts = [make_drift(name, worst=9 - at, bound=1) for at, name in enumerate("abcde")]
    lines = describe_morning(comparison(of_changes("weather", "gemma", *drifts)))
    told = [line for line in lines if line.startswith("  weather.")]
    assert [line.partition(":")[0] for line in told] == ["  weather.gemma.a", "  weather.gemma.b", "  weather.gemma.c"]
    assert "  2 more drifted: weather.gemma.d, weather.gemma.e" in lines
    assert not any(" more " in line for line in describe_morning(comparison(of_changes("p", "m", *drifts[:3]))))


def answers(*rows: tuple[str, float]) -> Table:
    return Table(("prompt", "answer", "probability"), [[at, *row] for at, row in enumerate(rows)])


def labels(*names: str) -> Table:
    return Table(("feature", "label"), [[at, name] for at, name in enumerate(names)])


def test_of_one_verdict_what_a_model_says_stands_before_numbers_and_labels() -> None:
    def night(said: str, other: str, label: str, number: float) -> Bundle:
        outcome = Outcome(
            "mine", 1, {}, ("m",), "ok",
            metrics={"entropy": Metric(number, "nat")},
            tables={
                "labels": labels(label),
                "numbers": answers(("Paris", number)),
                "said": answers((said, 0.5)),
                "leads": Table(("prompt", "rank", "token_id", "token"), [[0, 1, ord(other[0]), other]]),
            },
            arrays={"far": Array(("layer",), np.array([0.0, 1e6 * number]), "nat")},
        )  # fmt: skip
        return Bundle(None, "Night", {"m": ModelCard("m", "M", "X", 1)}, {"p": {"m": outcome}}, {})

    found = compare(night("Paris", "on", "a", 1.0), night("Rome", "at", "b", 2.0), {}, {})
    assert {one.verdict for one in found.judgements} == {Verdict.DRIFTED}
    assert [one.name for one in found.judgements] == ["said", "leads", "entropy", "far", "labels", "numbers"]
    assert [one.name for one in found.compared[0].changes][:3] == ["said", "leads", "entropy"]


def test_an_answer_that_changed_is_told_before_a_number_of_a_row_above_it() -> None:
    before, after = answers(("Paris", 0.5), ("blue", 0.4)), answers(("Paris", 0.9), ("red", 0.4))
    told = compare_table("answers", before, after, MEASURED)
    assert told.told == "2 of 2 rows changed, the first answer is row 1: answer 'blue' → 'red'"
    assert told.said
    assert not compare_table("answers", before, answers(("Paris", 0.9), ("blue", 0.4)), MEASURED).said


def test_of_one_verdict_a_probe_whose_answers_changed_stands_before_one_whose_numbers_did() -> None:
    numbers = of_changes("first", "gemma", make_drift("a", worst=9, bound=1))
    said = of_changes("second", "gemma", make_drift("b", kind="table", said=True))
    assert _order_outcome(said) < _order_outcome(numbers)


def test_a_block_lies_between_the_layer_it_reads_and_the_one_it_writes() -> None:
    sink = make_drift("sink", layer=None, first={"block": 3})
    reads, writes = (
        of_changes("a", "gemma", sink, make_drift("in", 3)),
        of_changes("a", "gemma", sink, make_drift("out", 4)),
    )
    assert [one.name for one in find_beginnings(comparison(reads).judgements)] == ["in"]
    assert [one.name for one in find_beginnings(comparison(writes).judgements)] == ["sink"]


def test_each_subject_begins_at_its_lowest_gated_drift() -> None:
    found = find_beginnings(everything().judgements)
    assert [(one.outcome.subject, one.first, one.name) for one in found] == [
        ("gemma", "layer 7", "entropy"),
        ("llama", "layer 9", "entropy"),
    ]


def test_drift_that_is_not_gated_is_a_beginning_where_nothing_gated_has_a_place() -> None:
    found = of_changes("weather", "gemma", make_drift("noisy", 2, gate=False), make_drift("total", None))
    (one,) = find_beginnings(comparison(found).judgements)
    assert (one.name, one.decides) == ("noisy", False)


def test_a_comparison_concludes_in_words_by_its_exit_code() -> None:
    drifted = of_changes("weather", "gemma", make_drift())
    assert conclusion(comparison(drifted, other_version(), make_failed())) == "A probe failed"
    assert conclusion(comparison(drifted, other_version())) == "Drifted"
    assert conclusion(comparison(other_version())) == "Not comparable"
    assert conclusion(comparison(of_changes("weather", "gemma", quiet("kl", Verdict.WITHIN)))) == "Within tolerance"
    assert conclusion(comparison(of_changes("weather", "gemma", quiet("kl")))) == "Same"
    assert conclusion(comparison()) == "Not comparable"


def test_verdicts_are_counted_with_the_ungated_apart() -> None:
    assert count_verdicts(everything().judgements) == (
        "1 newly failed, 2 drifted, 1 drifted (not gated), 1 not comparable, 1 within tolerance, 3 same"
    )


def test_a_tolerance_that_was_kept_is_no_cause_of_a_drift() -> None:
    new_leader = make_drift("neighbours", None, kind="table", worst=0.05, bound=0.2)
    (one,) = comparison(of_changes("near", "gemma", new_leader)).judgements
    assert one.allowed == ""


def test_a_comparison_is_judged_once() -> None:
    found = everything()
    assert found.judgements is found.judgements
