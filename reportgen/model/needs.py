"""What a probe asks of a forward pass: which tensor, at which positions, reduced how.

A need is data. The plan joins the needs of all probes by prompt, prints them without torch,
and `model.capture` serves them while the prompt passes through the model once.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, NamedTuple, Protocol


class Site(Enum):
    """Where in the model a tensor is taken."""

    RESIDUAL = "residual"
    """(position x width) the residual stream after block `layer`, before the final norm; layer 0 enters block 0."""
    FINAL = "final"
    """(position x width) what the unembedding reads: the last residual after the final norm, in the model's dtype."""
    ATTENTION = "attention"
    """(head x query x key) the attention pattern of a block, after the softmax."""
    ATTENTION_WRITE = "attention write"
    """(position x width) what the attention of a block adds to the residual stream, a norm after it included."""
    MLP_WRITE = "MLP write"
    """(position x width) what the MLP of a block adds to the residual stream, a norm after it included."""
    HEADS = "heads"
    """(position x head * head width) what the heads of a block found: the input of attention's output projection."""
    MEMORIES = "memories"
    """(position x feature) coefficients of a block's MLP: the input of its down projection."""
    ACTIVATIONS = "activations"
    """(position x feature) what the activation function of a block's MLP gives, before a gated one multiplies it."""
    SCORES = "scores"
    """(head x query x key) what enters the softmax of a block: scaled, softcapped q·k, -inf where nothing is seen."""
    VALUES = "values"
    """(head x position x head width) the value vectors that each head of a block reads."""
    QUERIES = "queries"
    """(head x position x head width) the query vectors of a block before its rotary embedding turns them."""
    KEYS = "keys"
    """(head x position x head width) the key vectors that each head of a block reads, before they are turned."""
    ROUTES = "routes"
    """(position x expert) 1 for the routed experts of a block that compute for a token, else 0."""
    ROUTER_SCORES = "router scores"
    """(position x expert) what a block's router compares, the highest chosen; -inf where an expert may not be."""
    GATES = "gates"
    """(position x expert) a block's router as a distribution: a softmax of its logits, or their sigmoids over their
    sum."""


SEEN_ALONE = frozenset({Site.SCORES, Site.VALUES, Site.QUERIES, Site.KEYS})
"""Sites that are seen only of what passes alone: of the first row of a batch, and of a pass that is not edited."""


class Unmeasurable(Exception):
    """Raised where a model has no such site, or does not behave as if it were one: says what differed."""


Positions = Literal["all", "last"] | tuple[int, ...]


class Reducer(Hashable, Protocol):
    """Folds what a site gives, tensor by tensor, into what is kept. Runs on the model's device.

    A reducer is frozen data, so that equal needs of two probes are served once.
    """

    def init(self) -> Any:
        """The state before anything was seen."""

    def update(self, state: Any, value: Any, *, index: int, step: int) -> Any:
        """The state after `value` of layer or block `index` at generation step `step`."""

    def merge(self, one: Any, other: Any) -> Any:
        """The state after what both have seen."""

    def finish(self, state: Any) -> Any:
        """What the probe is given."""


@dataclass(frozen=True)
class Keep:
    """The trivial reducer: keeps every tensor, as {(index, step): tensor}."""

    def init(self) -> dict[tuple[int, int], Any]:
        """Nothing kept yet."""
        return {}

    def update(
        self, state: dict[tuple[int, int], Any], value: Any, *, index: int, step: int
    ) -> dict[tuple[int, int], Any]:
        """Adds one tensor; a copy, so that the pass may reuse its memory."""
        state[index, step] = value.clone()
        return state

    def merge(self, one: dict[tuple[int, int], Any], other: dict[tuple[int, int], Any]) -> dict[tuple[int, int], Any]:
        """Both, the later one winning."""
        return {**one, **other}

    def finish(self, state: dict[tuple[int, int], Any]) -> dict[tuple[int, int], Any]:
        """The tensors as they were kept."""
        return state


@dataclass(frozen=True)
class ByIndex:
    """What reducers share that keep one thing a layer or block, and say in `update` which."""

    def init(self) -> dict[int, Any]:
        """Nothing seen."""
        return {}

    def merge(self, one: dict[int, Any], other: dict[int, Any]) -> dict[int, Any]:
        """What both have seen."""
        return {**one, **other}

    def finish(self, state: dict[int, Any]) -> list[Any]:
        """What was kept, by ascending layer or block."""
        return [state[index] for index in sorted(state)]


@dataclass(frozen=True)
class Need:
    """One site at some positions of some layers (or blocks), and the reducer that receives it."""

    site: Site
    positions: Positions = "all"
    indices: tuple[int, ...] | None = None
    """Layers (RESIDUAL) or blocks (all other sites but FINAL); None for all of them."""
    reducer: Reducer = Keep()

    def __post_init__(self) -> None:
        """A wrong position would be found in the pass, by what others need of it too.

        Raises:
            ValueError: the positions are none.
        """
        named = isinstance(self.positions, tuple) and all(type(one) is int and one >= 0 for one in self.positions)
        if not named and self.positions not in ("all", "last"):
            raise ValueError(f'positions of a need are "all", "last" or a tuple of positions, not {self.positions!r}')


@dataclass(frozen=True)
class Draw:
    """How the tokens after a prompt are drawn, where it is not the likeliest that follow."""

    temperature: float
    top_k: int | None
    """Only so many of the likeliest; None for all."""
    top_p: float | None
    """Only the fewest likeliest that hold this mass together; None for all."""
    seed: int
    attempt: int
    """From 0; each draws other random numbers from the same seed."""


class Operation(Protocol):
    """What an edit does to rows: gives (position x width) rows, in float32, in the place of those it is given."""

    def __call__(self, rows: Any) -> Any:
        """The new rows."""


EDITABLE = frozenset({Site.RESIDUAL, Site.ATTENTION_WRITE, Site.MLP_WRITE, Site.HEADS})
"""Sites at which a pass can be changed."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of what passes through the model. Two edits are never equal: they hold tensors."""

    site: Site
    """One of `EDITABLE`."""
    index: int
    """Layer (RESIDUAL: before block `index` reads it; the last layer before the final norm) or block."""
    operation: Operation
    positions: Positions = "all"
    """Counted from the beginning of the prompt; "last" is the prompt's last, and every one after it."""
    head: int | None = None
    """HEADS: only what this head found."""
    during: Literal["prompt", "generation", "both"] = "both"
    """While the prompt passes, while the tokens after it do, or always."""

    def __post_init__(self) -> None:
        if self.site not in EDITABLE:
            raise ValueError(f"{self.site.value} cannot be edited")


@dataclass(frozen=True)
class Pass:
    """One prompt through one model, what is wanted of it, and how many tokens follow it."""

    tokens: tuple[int, ...]
    needs: tuple[Need, ...]
    steps: int = 1
    """Number of forward steps: 1 is the prompt alone, each further one appends the token that follows."""
    draw: Draw | None = None
    """None where the likeliest token follows."""
    edits: tuple[Edit, ...] = ()
    """Changes made on the way, in this order where they meet. Needs are given what is there after them."""
    partial: bool = False
    """Whether needs that a model cannot meet are left out of what is given; else nothing is given where one is."""
    pack: str = ""
    """Which prompts pass together with it, as `pack_passes` names them; alone where it is empty."""

    def __post_init__(self) -> None:
        unseen = [need.site.value for need in self.needs if need.site in SEEN_ALONE]
        if unseen and (self.edits or self.pack):
            told = "while something is edited" if self.edits else "in a pack"
            raise ValueError(f"{' and '.join(unseen)} cannot be seen {told}")

    @property
    def path(self) -> "Path":
        """What decides about every token that passes: passes of one path are run as one."""
        return Path(self.tokens, self.draw, self.edits, self.pack)


class Path(NamedTuple):
    """A prompt, how the tokens after it are drawn, what is changed on the way, and what passes beside it."""

    tokens: tuple[int, ...]
    draw: Draw | None
    edits: tuple[Edit, ...]
    pack: str = ""


def pack_by_length(passes: Sequence[Pass], most: int) -> tuple[Pass, ...]:
    """A probe's passes, those that may in packs of at most so many prompts, the shortest prompts first."""
    able = [
        at
        for at, single in enumerate(passes)
        if most > 1 and not (single.pack or single.edits or any(need.site in SEEN_ALONE for need in single.needs))
    ]
    prompts = sorted(dict.fromkeys((passes[at].tokens, passes[at].draw) for at in able), key=lambda one: len(one[0]))
    pack_of = {prompt: at // most for at, prompt in enumerate(prompts)}
    packed = list(passes)
    for pack in range(len(prompts) and pack_of[prompts[-1]] + 1):
        own = [at for at in able if pack_of[passes[at].tokens, passes[at].draw] == pack]
        for at, single in zip(own, pack_passes([passes[at] for at in own]), strict=True):
            packed[at] = single
    return tuple(packed)


def pack_passes(passes: Sequence[Pass]) -> list[Pass]:
    """Passes that change nothing, to go through the model together, those of one length in one batch; a beginning that
    all of them share passes once.

    Who passes beside a prompt moves its last bits: so a pack is named after all of its prompts, and a prompt of a pack
    is run with that pack alone, whoever else asks for the prompt. A probe asks for a pack as a whole.
    """
    prompts = list(dict.fromkeys((single.tokens, single.draw) for single in passes))
    name = hashlib.sha256(repr(prompts).encode()).hexdigest()[:16]
    return [replace(single, pack=name) for single in passes]


@dataclass(frozen=True)
class PassResult:
    """What one pass gave."""

    tokens: tuple[int, ...]
    """The prompt's tokens and those that passed through the model after it."""
    prompt_length: int
    steps: int
    """Steps that took place: fewer than asked for where the end token came first."""
    values: Mapping[Need, Any]
    """Need -> what its reducer finished with."""
    drawn: tuple[int, ...] = ()
    """(step) what was drawn after each step, an end token too; empty where the likeliest token follows."""

    def tensors_of(self, need: Need, step: int) -> list[Any]:
        """The tensors of a `Keep` need at one step, by ascending layer or block."""
        found: Mapping[tuple[int, int], Any] = self.values[need]
        return [found[index, at] for index, at in sorted(found) if at == step]


@dataclass(frozen=True)
class TwinPasses:
    """Passes through a model's twin: the same architecture with random weights, drawn from a seed."""

    passes: Sequence[Pass]
    seed: int
