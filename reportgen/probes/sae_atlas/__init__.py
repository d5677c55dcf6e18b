"""An atlas of a sparse dictionary: what every feature does over a text that streams through the model once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, computed_field

from reportgen.documents.beside import PathOption, folder_of
from reportgen.errors import ReportgenError
from reportgen.features.options import dictionaries_of
from reportgen.features.tables import DICTIONARIES
from reportgen.features.window_options import WindowOptions, windows_of
from reportgen.model.files.sources import locate, parse_source
from reportgen.model.files.weights_hash import weights_sha256
from reportgen.model.needs import Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Options(WindowOptions):
    """Which dictionaries, and the text."""

    tokens: Annotated[int, Field(ge=2)] = 100_000
    """The text ends after the window in which this many tokens are reached."""
    examples: Annotated[int, Field(ge=1, le=50)] = 5
    """Strongest examples shown per feature, at most one per window."""
    cards: Annotated[int, Field(ge=1)] | Literal["all"] = 512
    """Features of each dictionary that get a card: those whose pattern predicts best on held-out text."""
    promoted: Annotated[int, Field(ge=3, le=50)] = 10
    """Number of tokens named that a feature promotes, and as many that it suppresses."""
    explainer: PathOption | None = None
    """A causal LM that writes labels, as `models:` names one: `demo:smollm2-135m-instruct`, a folder, a hub id."""
    explained: Annotated[int, Field(ge=1, le=1000)] = 8
    """Features of each dictionary that it explains, drawn at random by `seed` among those that fire."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def explainer_sha256(self) -> str | None:
        """And on the weights of the explainer; empty where there are none."""
        if self.explainer is None:
            return None
        try:
            located = locate(parse_source(self.explainer, folder=folder_of(self.explainer)))
            return weights_sha256(located.folder, located.adapter)
        except (ReportgenError, OSError):
            return ""


@dataclass(frozen=True, kw_only=True)
class Atlas(Findings):
    """What the features do."""

    dead_share: float = metric("share", "lower")
    """Share of features that fire on no token of the text, over all dictionaries."""
    dense_share: float = metric("share")
    """Share of features that fire on more than a tenth of the tokens, over all dictionaries."""
    predicted_share: float = metric("share", "higher")
    """Share of the features that fire on held-out text for which the pattern of their strongest examples predicts
    where: an area under the curve of at least 0.75."""
    density: list[NDArray[np.float64]] = arrays("feature", unit="share")
    """(feature) for each dictionary: share of the tokens on which each feature is above 0, without BOS."""
    histogram: list[NDArray[np.int32]] = arrays("feature", "component")
    """(feature x bin) for each dictionary: number of tokens by activation, in the bins of the table of that name."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries; `index` is a layer of the residual stream, or a block."""
    summary: Rows = table("item", "tokens", "l0", "dead", "dense", "fire_held_out", "predicted")
    """For each dictionary: tokens of the text, mean number of features per token, features that are dead and dense,
    that fire on held-out text, and of these the ones that their pattern predicts."""
    features: Rows = table(
        "item", "feature", "label", "label_origin", "label_score", "density", "strongest", "promoted", "suppressed",
        "link",
    )  # fmt: skip
    """The cards. The label is the explainer's or the pattern's if it predicts held-out text (an area of 0.75 or more),
    else that of promoted tokens if half of them agree, else one that scores 0.6 or more, else the first promoted
    tokens."""
    labels: Rows = table("item", "feature", "origin", "label", "score", "held_out")
    """All labels of the cards. The score of promoted tokens is the share of the first ten that agree; of others the
    area under the curve on held-out text, with 0.5 as chance; `held_out` counts the tokens there on which the feature
    fires."""
    examples: Rows = table("item", "feature", "rank", "activation", "before", "token", "after")
    """The strongest activations with the text around them, one per window."""
    bins: Rows = table("bin", "lower", "upper")
    """Bins of the histograms; the first and the last also hold what is beyond them."""


class SaeAtlas(Probe[Options, Atlas]):
    """Shows: what each feature of a sparse dictionary does over a text: how often it fires and how strongly, what it
    fires on most, which tokens it promotes, and what it may be called.

    Read: a useful feature fires on few tokens, in the curve to the left of the tenth from which one is called dense; a
    dead one fires on none, which is more likely in a short text. A label is a guess: its score says how well it tells
    held-out tokens on which the feature fires from others, 0.5 being chance, or, for promoted tokens, how many of them
    agree, which says nothing about when it fires. Features with cards are those whose pattern predicts best, so they
    look better than the rest; the shares are over all.

    Computed: the text passes once, in windows, without BOS. Density is the share of tokens with an activation above 0.
    Examples are the strongest activations, one per window, equal ones in the text's order. Promoted tokens have the
    largest W_U · (final norm's gain ⊙ decoder direction). A pattern is the narrowest of: the same token, word, stem,
    kind of token, there or before, that 70% of the ten strongest examples in even-numbered windows share; its score is
    (1 + true positives' share - false positives' share) / 2 over odd-numbered windows. An explainer's label is written
    from eight of these examples (Bills et al. 2023) and scored by detection (Paulo et al. 2024): the area under the
    curve of its ln p(Yes) - ln p(No) on held-out tokens drawn at random, eight on which the feature fires and eight on
    which it does not.
    """

    name = "sae_atlas"
    version = 1
    question = "What does each feature do over a whole text?"
    options = Options
    findings = Atlas
    sources = (literature.BILLS_2023, literature.PAULO_2024)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None of its own at first: the windows stream. Everything that can be wrong is looked at here."""
        found = dictionaries_of(case)
        if any(one.place.site is not Site.RESIDUAL for one in found.files) and case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention or MLP to read")
        windows_of(case)
        if case.options.explainer is not None:
            explainers_folder(case.options.explainer)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """One a window."""
        return len(windows_of(case))


def explainers_folder(source: str) -> Any:
    """Where a model that explains features lies."""
    try:
        return locate(parse_source(source, folder=folder_of(source)))
    except ReportgenError as error:
        told = error.in_one_line
        raise Unusable(f"the explainer: {told}") from error


probe = SaeAtlas()
