"""What figures and sentences read of one subject."""

import numpy as np

from reportgen.probing.view import SubjectView
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section

CARDS = {"a": ModelCard("a", "A", "X", 4), "b": ModelCard("b", "B", "X", 6)}


def outcome(status: str = "ok") -> Outcome:
    return Outcome(
        "p",
        1,
        {"k": 3},
        ("a",),
        status,
        metrics={"most": Metric(2.5), "least": Metric(None, reason="no text")},
        tables={"top": Table(("rank", "token"), [[1, "x"], [2, "y"]])},
        arrays={"norms": Array(("layer", "item"), np.eye(2), coordinates={"layer": (3, 5)})},
    )


def test_every_subject_with_numbers_in_the_order_of_the_battery() -> None:
    section = Section("s", {"b": outcome(), "a": outcome("failed"), "a..b": outcome()}, CARDS)
    one, pair = SubjectView.each(section)
    assert (one.subject, one.name, one.models, one.last_layer) == ("b", "B", (CARDS["b"],), 6)
    assert (pair.subject, pair.name, pair.models) == ("a..b", "A → B", (CARDS["a"], CARDS["b"]))


def test_numbers_by_their_names() -> None:
    (view,) = SubjectView.each(Section("s", {"a": outcome()}, CARDS))
    assert view.options == {"k": 3}
    assert (view.metric("most"), view.metric("least")) == (2.5, None)
    assert view.rows("top")[1] == {"rank": 2, "token": "y"}
    assert view.column("top", "token") == ["x", "y"]
    assert view.values("norms").tolist() == [[1, 0], [0, 1]]
    assert view.along("norms", "layer") == (3, 5)
    assert view.along("norms", "item") == (0, 1)


def test_what_a_probe_adds_is_read_the_same_way() -> None:
    class View(SubjectView):
        @property
        def best(self) -> str:
            return str(self.column("top", "token")[0])

    (view,) = View.each(Section("s", {"a": outcome()}, CARDS))
    assert view.best == "x"
