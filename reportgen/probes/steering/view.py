"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reportgen.language import say
from reportgen.numerals import write_setting
from reportgen.results.quantities import Outcome
from reportgen.text.scripts import script_names


@dataclass(frozen=True)
class View:
    """An outcome as figures and statement read it."""

    name: str
    subject: str
    outcome: Outcome

    @property
    def kind(self) -> str:
        """Of the score."""
        return str(next(iter(self.outcome.options["score"])))

    @property
    def score_label(self) -> str:
        """What the score is called."""
        (kind, what), *_ = self.outcome.options["score"].items()
        return {
            "tokens": say("steering.score.tokens", "probability of these words"),
            "refusal": say("steering.score.refusal", "refusal score"),
            "language": say("steering.score.language", "share of the language {tag} in the text", tag=what),
            "script": say(
                "steering.score.script", "share of {script} in the text", script=script_names().get(str(what), what)
            ),
            "cosine": say("steering.score.cosine", "cosine with the target"),
        }[kind]

    @property
    def layers(self) -> tuple[int, ...]:
        """Those tried."""
        return self.outcome.arrays["score"].along("layer")

    @property
    def ablated(self) -> bool:
        """Whether the direction was taken out."""
        return bool(self.outcome.options["mode"] == "ablate")

    @property
    def chosen(self) -> tuple[int, int, bool]:
        """Number of the layer, number of the cell, and whether it qualifies."""
        (row,) = self.outcome.tables["chosen"].records()
        cells = self.outcome.tables["cells"].column("coefficient")
        return self.layers.index(row["layer"]), cells.index(row["coefficient"]), bool(row["qualifies"])

    @property
    def zero(self) -> int:
        """The cell that is the model as it is."""
        return self.outcome.tables["cells"].column("coefficient").index(0.0)

    @property
    def done(self) -> str:
        """What the chosen cell does, in a few words."""
        row = self.outcome.tables["chosen"].records()[0]
        if self.ablated:
            return say("steering.ablated_at", "ablated (layer {layer})", layer=row["layer"])
        return say("steering.added_at", "{factor} × at layer {layer}", factor=write_setting(row["coefficient"]),
                   layer=row["layer"])  # fmt: skip

    @property
    def all_scores(self) -> Iterable[float]:
        """Every score that is drawn."""
        return finite_values(self.outcome, "score", "control_score")

    @property
    def all_prices(self) -> Iterable[float]:
        """Every price that is drawn."""
        return finite_values(self.outcome, "kl", "control_kl")

    def columns(self, name: str) -> tuple[list[str], NDArray[np.float64]]:
        """Names and (layer x column) values of the cells and the controls."""
        cells, controls = self.outcome.arrays[name].values, self.outcome.arrays[f"control_{name}"].values
        names = [
            say("steering.ablated", "ablated") if coefficient is None else write_setting(coefficient)
            for coefficient in self.outcome.tables["cells"].column("coefficient")
        ]
        return names + control_names(), np.concatenate([cells, controls.T], axis=1)


def finite_values(outcome: Outcome, *names: str) -> Iterable[float]:
    """The numbers of some arrays that are numbers."""
    for name in names:
        values = outcome.arrays[name].values
        yield from values[np.isfinite(values)].tolist()


def control_names() -> list[str]:
    """What figures call the controls."""
    return [say("steering.random", "random"), say("steering.shuffled", "shuffled")]


def cells_of(view: View) -> dict[str, float]:
    """The four numbers of before and after."""
    at, item, _ = view.chosen
    scores, controls = view.outcome.arrays["score"].values, view.outcome.arrays["control_score"].values
    return {
        "unsteered": float(scores[at, view.zero]),
        "steered": float(scores[at, item]),
        "random": float(controls[0, at]),
        "shuffled": float(controls[1, at]),
    }
