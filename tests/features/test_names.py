"""What dictionaries are called in figures and statements."""

from reportgen.features.names import place_names
from reportgen.model.needs import Site
from reportgen.results.quantities import Outcome, Table

COLUMNS = ("item", "name", "site", "index")


def outcome(*rows: tuple[str, Site, int]) -> Outcome:
    table = Table(COLUMNS, [[item, name, site.value, index] for item, (name, site, index) in enumerate(rows)])
    return Outcome("sae_quality", 1, {}, ("m",), "ok", tables={"dictionaries": table})


def test_a_place_names_a_dictionary_where_it_is_the_only_one() -> None:
    named = place_names(outcome(("a", Site.RESIDUAL, 3), ("b", Site.MLP_WRITE, 3)))
    assert named == {0: "layer 3", 1: "block 3, MLP"}


def test_two_at_one_place_are_told_apart_by_their_names() -> None:
    named = place_names(outcome(("a", Site.RESIDUAL, 3), ("b", Site.RESIDUAL, 3), ("c", Site.RESIDUAL, 6)))
    assert named == {0: "layer 3 · a", 1: "layer 3 · b", 2: "layer 6"}
