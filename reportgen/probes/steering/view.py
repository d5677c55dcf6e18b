"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reportgen.language import say
from reportgen.numerals import write_setting
from reportgen.probes.steering import CONTROLS
from reportgen.probing.view import SubjectView
from reportgen.text.scripts import script_names


class View(SubjectView):
    """One subject as figures and statement read it."""

    @property
    def kind(self) -> str:
        """Of the score."""
        return str(next(iter(self.options["score"])))

    @property
    def score_label(self) -> str:
        """What the score is called."""
        (kind, what), *_ = self.options["score"].items()
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
    def from_file(self) -> bool:
        """Whether the direction comes from a file, and no sets could be shuffled."""
        return len(self.controls) < len(CONTROLS)

    @property
    def controls(self) -> tuple[str, ...]:
        """What it is held against."""
        return CONTROLS[: len(self.values("control_score"))]

    @property
    def control_names(self) -> list[str]:
        """What figures call the controls."""
        names = {"random": say("steering.random", "random"), "shuffled": say("steering.shuffled", "shuffled")}
        return [names[one] for one in self.controls]

    @property
    def layers(self) -> tuple[int, ...]:
        """Those tried."""
        return self.along("score", "layer")

    @property
    def ablated(self) -> bool:
        """Whether the direction was taken out."""
        return bool(self.options["mode"] == "ablate")

    @property
    def chosen(self) -> tuple[int, int, bool]:
        """Number of the layer, number of the cell, and whether it qualifies."""
        (row,) = self.rows("chosen")
        cells = self.column("cells", "coefficient")
        return self.layers.index(row["layer"]), cells.index(row["coefficient"]), bool(row["qualifies"])

    @property
    def zero(self) -> int:
        """The cell that is the model as it is."""
        return self.column("cells", "coefficient").index(0.0)

    @property
    def done(self) -> str:
        """What the chosen cell does, in a few words."""
        row = self.rows("chosen")[0]
        if self.ablated:
            return say("steering.ablated_at", "ablated (layer {layer})", layer=row["layer"])
        return say("steering.added_at", "{factor} × at layer {layer}", factor=write_setting(row["coefficient"]),
                   layer=row["layer"])  # fmt: skip

    def shares_refused(self, kind: str) -> dict[str, dict[str, Any]]:
        """Direction -> its row of refusals of requests of this kind; empty where none were asked for."""
        if "refusals" not in self.outcome.tables:
            return {}
        return {row["direction"]: row for row in self.rows("refusals") if row["asked"] == kind}

    @property
    def all_scores(self) -> Iterable[float]:
        """Every score that is drawn."""
        return self.finite_values("score", "control_score")

    @property
    def all_prices(self) -> Iterable[float]:
        """Every price that is drawn."""
        return self.finite_values("kl", "control_kl")

    def finite_values(self, *arrays: str) -> Iterable[float]:
        """The numbers of some arrays that are numbers."""
        for array in arrays:
            values = self.values(array)
            yield from values[np.isfinite(values)].tolist()

    def columns(self, name: str) -> tuple[list[str], NDArray[np.float64]]:
        """Names and (layer x column) values of the cells and the controls."""
        cells, controls = self.values(name), self.values(f"control_{name}")
        names = [
            say("steering.ablated", "ablated") if coefficient is None else write_setting(coefficient)
            for coefficient in self.column("cells", "coefficient")
        ]
        return names + self.control_names, np.concatenate([cells, controls.T], axis=1)


def cells_of(view: View) -> dict[str, float]:
    """The numbers of before and after: four, or three where the direction comes from a file."""
    at, item, _ = view.chosen
    scores, controls = view.values("score"), view.values("control_score")
    return {
        "unsteered": float(scores[at, view.zero]),
        "steered": float(scores[at, item]),
        **{name: float(controls[number, at]) for number, name in enumerate(view.controls)},
    }
