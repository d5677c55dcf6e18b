from reportgen.baseline.judgements import conclusion, count_verdicts, find_beginnings
from reportgen.baseline.verdict import Verdict
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
