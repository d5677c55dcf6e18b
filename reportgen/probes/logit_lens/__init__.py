"""What each layer would say if it were the last (the logit lens, nostalgebraist 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, computed_field, model_validator

from reportgen.documents.beside import PathOption, explain_missing, path_of
from reportgen.model.measures.tuned_lens import check_tuned_lens, sha256_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing import literature
from reportgen.probing.case import Case, Unusable
from reportgen.probing.findings import PromptFindings
from reportgen.probing.followed import followed_table
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.probing.probe import Probe
from reportgen.probing.right_answers import answer_table
from reportgen.results.quantities import Rows, array, arrays, mean_of_array, metric, table
from reportgen.text.answer_tokens import reasons_against_words
from reportgen.text.contrasts import reasons_against

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_ANSWER = "final answer"


class Options(ProbeOptions):
    """Which prompts, how far they continue, and what is kept."""

    prompts: Prompts
    """What the model reads. Where prompts have `answers` (what is right, as it would go on: " Paris"), rank and
    probability of the right answer are followed through the layers, whatever the model says; `not` is what is wrong."""
    continue_: Annotated[int, Field(ge=1, le=256, alias="continue")] = 1
    """Traces: the first on the prompt itself, each next after one more greedy token."""
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    """Tokens kept per layer."""
    positions: Literal["last", "all"] = "last"
    """`all` reads every position of the prompt: a grid of layers x positions."""
    norm: Literal["final", "none"] = "final"
    """`none` leaves out the final norm, as the lecture's own variant does."""
    rows: Annotated[list[Literal["block", "attention", "mlp"]], Field(min_length=1)] = Field(default=["block"])
    """What is read in addition to the stream after each block: the stream between a block's attention and its MLP
    (`attention`: what enters the block and what its attention adds), and after its MLP (`mlp`)."""
    tuned_lens: PathOption | None = None
    """A safetensors file with `N.weight` (width x width) and `N.bias` (width) for every layer N but the last: layer N
    is then read as h + W h + b. Its path starts from the battery's folder."""
    compare: list[Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]] = Field(default=[])
    """Pairs of prompts, each as [one, other] counted from 0, whose distributions are compared layer by layer."""
    follow: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=12)
    """Words that are followed through the layers, with their leading space where the text
    would have one (" sea" and "sea" are two tokens): rank and probability of each, or of its first token if it has
    several."""
    axis: Literal["relative", "absolute"] = "relative"
    """Layer axis of the curves: share of the depth, or the layer's number."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def tuned_lens_sha256(self) -> str | None:
        """Numbers depend on what the file holds, not on what it is called."""
        return None if self.tuned_lens is None else sha256_of(path_of(self.tuned_lens))

    @model_validator(mode="after")
    def _check_compared_prompts(self) -> Self:
        for pair in self.compare:
            for prompt in pair:
                if prompt >= len(self.prompts):
                    raise ValueError(f"compare: there is no prompt {prompt}; they go from 0 to {len(self.prompts) - 1}")
        return self


@dataclass(frozen=True, kw_only=True)
class Lens(PromptFindings):
    """What the logit lens gives."""

    answer_entropy: float = metric("nat", of=mean_of_array("entropy", step=0, layer=-1))
    """Mean over prompts of the entropy of the model's own distribution after the prompt: how unsure it is."""
    settling_layer: float = metric("layer")
    """Mean over prompts of the first layer from which the final answer leads to the end."""
    accuracy: float | str | None = metric("share", "higher", optional=True, of_asked=True)
    """Share, of the prompts with `answers`, after which a right answer has rank 1 in the model's own distribution: its
    token is the most likely, or as likely as any other."""
    right_layer: float | str | None = metric("layer", optional=True, of_asked=True)
    """Lower median, over prompts that are answered right, of the first layer from which the right answer leads to the
    end: at least half of them lead from there on."""
    top: Rows = table("prompt", "step", "position", "layer", "rank", "token_id", "token", "probability")
    """The k most likely tokens of softmax(scale(softcap(unembedding(final norm(residual stream))))) at each layer; the
    last layer's row is the model's own distribution."""
    entropy: NDArray[np.float32] = array("prompt", "step", "layer", unit="nat")
    """(prompt x step x layer) -sum p ln p of the lens distribution at the last position."""
    kl: NDArray[np.float32] = array("prompt", "step", "layer", unit="nat", relative_to=_ANSWER)
    """(prompt x step x layer) KL(final || layer): how far the layer is from the model's own distribution."""
    answer_rank: NDArray[np.float32] = array("prompt", "step", "layer", unit="rank", relative_to=_ANSWER)
    """(prompt x step x layer) rank, from 1, of the model's final answer in the layer's distribution."""
    answer_probability: NDArray[np.float32] = array("prompt", "step", "layer", unit="probability", relative_to=_ANSWER)
    """(prompt x step x layer) probability of the model's final answer in the layer's distribution."""
    right_rank: NDArray[np.float32] | None = array("prompt", "step", "layer", unit="rank", optional=True)
    """(prompt x step x layer) rank, from 1, of the best of the right answers' first tokens in the layer's distribution;
    NaN for a prompt that says nothing of what is right, or whose answers this model cannot tell apart."""
    right_probability: NDArray[np.float32] | None = array("prompt", "step", "layer", unit="probability", optional=True)
    """(prompt x step x layer) probability of the right answer: the sum over its answers' distinct first tokens."""
    answers: Rows | None = answer_table()
    """What is right and what is wrong after each prompt that has `answers`, each with the token that begins it."""
    steps: Rows = table("prompt", "step", "length", "text", "next_token_id", "next_token")
    """The traces: the text read (of `length` tokens) and the model's answer. A trace ends after the end token."""
    sublayers: Rows = table("prompt", "step", "position", "block", "part", "rank", "token_id", "token", "probability")
    """The k most likely tokens inside the blocks: after attention (what enters the block plus what its attention adds)
    and after the MLP, where `rows` asks for them."""
    between: list[NDArray[np.float32]] = arrays("layer", unit="nat")
    """(layer) KL(one || other) of the lens distributions at the last positions of two prompts, one array per pair."""
    pairs: Rows = table("pair", "one", "other")
    """The pairs of prompts that are compared."""
    followed: Rows = followed_table()
    """The words that are followed, the token of each that is, and how many tokens the word has."""
    follow_rank: list[NDArray[np.float32]] = arrays("step", "item", "layer", unit="rank")
    """(step x item x layer) rank, from 1, of each followed token at the last position, one array per prompt; none
    unless asked for."""
    follow_probability: list[NDArray[np.float32]] = arrays("step", "item", "layer", unit="probability")
    """(step x item x layer) probability of each followed token at the last position, one array per prompt; none
    unless asked for."""
    skipped: Rows = table("text", "reason")
    """Words to follow that have no token in this model, and prompts whose answers it cannot tell apart."""
    tokens: Rows = table("prompt", "position", "token")
    """The tokens of each prompt."""


class LogitLens(Probe[Options, Lens]):
    """Shows: which token the model would write next if it stopped after each layer.

    Read: one column per step (or position), one row per layer, from the embedding at the bottom to the model's own
    answer at the top; the stronger a cell, the more likely its token. Outlined cells already hold the final answer (or
    a followed word). Entropy falls where a layer makes up its mind; KL says how far it still is from the final
    distribution. `<E9 A2>` is a token of bytes that are not a whole character; ␣ marks a leading space.

    Computed: the residual stream after each layer goes through the model's own final norm, unembedding, softcap and
    output scaling, in float32; the last row is the model's own logits, in its own dtype. Entropy and KL(final || layer)
    in nats. Further steps decode greedily. A tuned lens (Belrose et al. 2023) reads h + W h + b. A right answer of
    several tokens counts by its first; of several, the rank is the best and the probability the sum.
    """

    name = "logit_lens"
    version = 1
    question = "What does each layer expect next?"
    reads_answers = True
    options = Options
    findings = Lens
    sources = (literature.NOSTALGEBRAIST_2020, literature.BELROSE_2023)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, with its steps."""
        _check_tuned_lens(case)
        needs = needs_of(case)
        return [
            Pass(case.tokens(prompt, case.options.continue_), needs, case.options.continue_)
            for prompt in case.options.prompts
        ]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Words to follow that have no token, and prompts whose answers begin alike."""
        return reasons_against_rows(case)


def reasons_against_rows(case: Case[Options]) -> dict[str, str]:
    """What the battery asks about that this model has no first token for, each with the reason."""
    words = reasons_against_words(case.tokenizer, case.options.follow)
    return {**words, **reasons_against(case.tokenizer, case.options.prompts)}


def needs_of(case: Case[Options]) -> tuple[Need, ...]:
    """What the lens reads, and the model's own last row."""
    positions = case.options.positions
    inside = (Need(Site.ATTENTION_WRITE, positions),) if "attention" in case.options.rows else ()
    return Need(Site.RESIDUAL, positions, tuple(range(case.last_layer))), Need(Site.FINAL, positions), *inside


def _check_tuned_lens(case: Case[Options]) -> None:
    path, facts = case.options.tuned_lens, case.facts
    if path is not None and explain_missing(path):
        raise Unusable(f"there is no tuned lens: {explain_missing(path)}")
    if path is not None and facts.layers is not None and facts.hidden_size is not None:
        try:
            check_tuned_lens(path_of(path), facts.layers, facts.hidden_size)
        except ValueError as error:
            raise Unusable(str(error)) from error


probe = LogitLens()
