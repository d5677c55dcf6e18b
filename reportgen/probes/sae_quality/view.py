"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reportgen.features.names import place_name
from reportgen.language import name_of, say
from reportgen.model.needs import Site
from reportgen.numerals import write_number, write_share
from reportgen.probing.probe import axis_label
from reportgen.probing.view import SubjectView

GOOD = 0.9
"""Loss recovered from which a dictionary is said to stand in for what it read."""
APART = 0.05
"""What a share may differ by from what the file states, on another text."""
APART_RELATIVE = 0.25
"""The same of what is no share (L0, delta loss), as a share of what the file states."""
SHARES = ("fvu", "explained_variance", "cosine", "dead", "dense", "loss_recovered")


class View(SubjectView):
    """One subject as figures and statement read it."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """Each dictionary with its numbers."""
        quality = {record["item"]: record for record in self.rows("quality")}
        return [record | quality[record["item"]] for record in self.rows("dictionaries")]

    @property
    def lines(self) -> dict[str, list[dict[str, Any]]]:
        """What curves over layers connect: dictionaries of one site and source, where they are two or more; by name."""
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for item in self.items:
            found.setdefault((item["site"], item["source"]), []).append(item)
        several = {key: sorted(of, key=lambda item: int(item["index"])) for key, of in found.items() if len(of) > 1}
        return {f"{key[1]}, {key[0]}" if len(several) > 1 else "": of for key, of in several.items()}

    @property
    def crowded(self) -> dict[str, list[dict[str, Any]]]:
        """Places with two dictionaries or more, by L0."""
        found: dict[str, list[dict[str, Any]]] = {}
        for item in self.items:
            found.setdefault(name_place(item), []).append(item)
        return {name: sorted(of, key=lambda item: float(item["l0"])) for name, of in found.items() if len(of) > 1}

    @property
    def x_label(self) -> str:
        """Below curves over layers."""
        if all(item["site"] == Site.RESIDUAL.value for item in self.items):
            return axis_label(relative=False)
        return say("sae_quality.place", "layer or block that the dictionary reads")


def name_place(item: Mapping[str, Any]) -> str:
    """What figures call the place of a dictionary."""
    return place_name(str(item["site"]), int(item["index"]))


def name_number(number: str) -> str:
    """Names of the numbers."""
    special = {
        "l0": say("sae_quality.l0", "L0"),
        "fvu": say("sae_quality.fvu", "FVU"),
        "delta_loss": say("sae_quality.delta_loss", "Δ loss (nat)"),
    }
    return special.get(number) or name_of(number)


def write_quantity(name: str, value: float | None) -> str:
    """A number of a dictionary, the shares of its features in percent."""
    return write_share(value) if name in ("dead", "dense") else write_number(value)


def token_count(view: View) -> int:
    """Over how many tokens it was measured."""
    return int(view.rows("text")[0]["tokens"])
