"""Where every head of every block looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationInfo, field_validator

from reportgen.model.needs import Need, Pass, Site
from reportgen.numerics.attention import SINK_THRESHOLD
from reportgen.probes.attention_grid.find import Look, LookPlace, LooksFound, find_looks
from reportgen.probes.attention_grid.reducers import Bins, LookWeights
from reportgen.probing import literature
from reportgen.probing.case import Case
from reportgen.probing.findings import HeadFindings, PromptFindings
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Rows, array, arrays, mean_of_array, metric, table
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Head = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, which heads are shown large, and which looks are searched for."""

    prompts: Prompts
    """What the model reads."""
    heads: list[Head] | dict[str, list[Head]] = Field(default=[])
    """Heads shown large, each as [block, head], counted from 0: the same for all models, or a list per model id."""
    find: list[Look] = Field(default=[])
    """Looks from one word at another, each as {from: color, to: green}: all heads are ranked by how much they look
    so, and the first is shown large. Of a word that occurs more than once, `from_index` or `to_index` says which
    occurrence is meant, counted from 0; `prompt` says in which prompt, by default in all that have both words."""
    top: Annotated[int, Field(ge=1, le=50)] = 5
    """Heads listed per look."""

    @field_validator("heads")
    @classmethod
    def _check_models(
        cls, heads: list[Head] | dict[str, list[Head]], info: ValidationInfo
    ) -> list[Head] | dict[str, list[Head]]:
        known = (info.context or {}).get("models")
        if isinstance(heads, dict) and known is not None:
            for name in heads:
                if name not in known:
                    raise ValueError(f"there is no model {name!r}. {suggestion(name, known)}")
        return heads


def heads_of(case: Case[Options]) -> list[Head]:
    """The heads that are shown large of this model."""
    heads = case.options.heads
    return heads.get(case.model, []) if isinstance(heads, dict) else heads


NEED = Need(Site.ATTENTION, "all", reducer=Bins())


@dataclass(frozen=True, kw_only=True)
class Attention(HeadFindings, PromptFindings):
    """What the attention grid gives."""

    sink_share: float = metric("share", of=mean_of_array("sink", above=SINK_THRESHOLD))
    """Share of heads whose sink importance exceeds 0.3, over all prompts."""
    mean_entropy: float = metric("nat", of=mean_of_array("entropy"))
    """Mean of `entropy` over all heads and prompts."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens on both axes."""
    skipped: Rows = table("head", "reason")
    """Heads asked for that this model does not have, and looks that none of its prompts has."""
    found: Rows = table("find", "rank", "block", "head", "weight", "least", "below", "prompts")
    """For each look the heads that look most so: `weight` is the mean over the prompts with both words, `least` the
    smallest of them; `below` the share of all pairs of tokens (position 0 left out) to which the head gives less
    weight."""
    looks: Rows = table("find", "from", "to", "prompt", "queries", "keys")
    """Where both words of each look are: positions in the prompts that contain them."""
    weights: list[NDArray[np.float32]] = arrays("block", "head", "query", "key", unit="weight")
    """(block x head x query x key) attention after the softmax; rows sum to 1, the future is exactly 0. Beyond 256
    tokens both axes are divided into 256 bins: keys of a bin summed, queries averaged."""
    sink: NDArray[np.float32] = array("prompt", "block", "head", unit="weight")
    """(prompt x block x head) importance of position 0: mean over all queries of their weight on it (Gu et al.
    2024)."""
    entropy: NDArray[np.float32] = array("prompt", "block", "head", unit="nat")
    """(prompt x block x head) entropy of a query's row, mean over the queries."""


class AttentionGrid(Probe[Options, Attention]):
    """Shows: how much each token (row) attends to itself and each token before it (column), in every head of every
    block.

    Read: one small square per head, blocks along one edge, heads along the other; a strong cell is a large weight. A
    strong first column is a head that parks its attention on the first token (a sink); a strong diagonal looks at the
    token itself, one just below it at the token before. Heads asked for are shown large, with their tokens.

    Computed: the weights after the softmax, as the model computes them (eager attention); rows sum to 1 and no token
    attends to a later one. Sink importance of a head: its mean weight on position 0 over all queries (Gu et al. 2024);
    above 0.3 the head is called a sink head. A look from one word at another: the weight on all tokens of the other,
    mean over the tokens of the one, mean over the prompts with both; position 0 is left out.
    """

    name = "attention_grid"
    version = 1
    question = "Where do the heads look?"
    options = Options
    findings = Attention
    sources = (literature.GU_2024,)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, reduced while it passes."""
        case.require_attention()
        looks = [place for places in looks_of(case).places.values() for place in places]
        return [
            Pass(case.tokens(prompt), (NEED, *(need_of(look) for look in looks if look.prompt == number)))
            for number, prompt in enumerate(case.options.prompts)
        ]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Heads asked for that are out of range, and looks that no prompt has."""
        return {**case.missing_heads(heads_of(case)), **looks_of(case).missing}


def need_of(look: LookPlace) -> Need:
    """What is kept of the patterns for one look in one prompt."""
    return Need(Site.ATTENTION, "all", reducer=LookWeights(look.queries, look.keys))


def looks_of(case: Case[Options]) -> LooksFound:
    """Where the looks asked for can be measured in this model."""
    if not case.options.find:
        return LooksFound({}, {})
    return find_looks(case.tokenizer, case.options.prompts, case.options.find)


probe = AttentionGrid()
