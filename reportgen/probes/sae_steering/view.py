"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from reportgen.features.names import place_name
from reportgen.language import say
from reportgen.numerals import write_setting
from reportgen.probes.sae_steering.options import PROMOTED
from reportgen.probing.view import SubjectView
from reportgen.text.scripts import script_names

NAMED = 3
"""Promoted tokens that a figure names."""
JOINED = " · "


class View(SubjectView):
    """One subject as figures and statement read it."""

    @property
    def kind(self) -> str:
        """Of the score."""
        score = self.options["score"]
        return score if isinstance(score, str) else str(next(iter(score)))

    @property
    def score_label(self) -> str:
        """What the score is called."""
        if self.kind == PROMOTED:
            tokens = JOINED.join(self.promoted[:NAMED])
            return say(
                "sae_steering.score.promoted",
                "probability of the tokens that the feature promotes ({tokens} …)",
                tokens=tokens,
            )
        (kind, what), *_ = self.options["score"].items()
        return {
            "tokens": say("steering.score.tokens", "probability of these words"),
            "refusal": say("steering.score.refusal", "refusal score"),
            "language": say("steering.score.language", "share of the language {tag} in the text", tag=what),
            "script": say(
                "steering.score.script", "share of {script} in the text", script=script_names().get(str(what), what)
            ),
        }[kind]

    @property
    def promoted(self) -> list[str]:
        """Tokens that the feature promotes, the most first."""
        return str(self.rows("feature")[0]["promoted"]).split(JOINED)

    @property
    def counted(self) -> list[str]:
        """Words that the score is of."""
        if self.kind == PROMOTED:
            return [token.strip("␣ ").casefold() for token in self.promoted]
        return [word.strip().casefold() for word in self.options["score"].get("tokens") or ()]

    @property
    def strengths(self) -> list[float]:
        """As the battery names them, ascending."""
        return [float(value) for value in self.column("strengths", "strength")]

    @property
    def chosen(self) -> tuple[int, bool]:
        """Number of the strength, and whether it qualifies."""
        (row,) = self.rows("chosen")
        return int(row["item"]), bool(row["qualifies"])

    @property
    def feature(self) -> str:
        """The feature and where it is of."""
        row = self.rows("feature")[0]
        place = place_name(row["site"], row["index"])
        return say("sae_steering.feature_of", "feature {feature} of {place}", feature=row["feature"], place=place)

    def tell_strength(self, item: int) -> str:
        """What a strength means, in a few words."""
        strength = write_setting(self.strengths[item])
        if self.options.get("scale") is not None:
            return say("sae_steering.scaled", "at {strength} × its activation", strength=strength)
        if self.options.get("times_max") is not None:
            return say("sae_steering.times_max", "held at {strength} × its maximum", strength=strength)
        return say("sae_steering.clamped", "held at {strength}", strength=strength)

    @property
    def strength_label(self) -> str:
        """Below curves over the strengths."""
        if self.options.get("scale") is not None:
            return say("sae_steering.x.scale", "times the feature's own activation")
        if self.options.get("times_max") is not None:
            return say("sae_steering.x.times_max", "activation at which it is held, times its maximum")
        return say("sae_steering.x.clamp", "activation at which it is held")

    @property
    def three(self) -> dict[str, float]:
        """Unsteered, steered and with the control, at the chosen strength."""
        item, _ = self.chosen
        own = self.metric("unsteered_score")
        return {
            "unsteered": float("nan") if own is None else float(own),
            "steered": float(self.values("score")[item]),
            "control": float(self.values("control")[item]),
        }
