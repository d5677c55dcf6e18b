"""What follows from the battery, a tokenizer and a configuration: every prompt as this model reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.model.needs import Draw, Edit, Need, Pass, Site
from reportgen.probes.steering.options import Options, direction_file_of
from reportgen.probing.case import Case, Unusable
from reportgen.probing.steering_score import reasons_against_score_words
from reportgen.text.prompts import Message, Prompt
from reportgen.text.refusals import refusal_tokens

Kind = Literal["harmful", "harmless"]


@dataclass(frozen=True)
class HeldOutPrompt:
    """One held-out prompt."""

    index: int
    """Among `prompts`, then `harmless`."""
    prompt: Prompt
    tokens: tuple[int, ...]
    written: bool
    """Whether something is written after it, to be shown."""

    def unsteered_pass(self, setting: Setting) -> Pass:
        """The model as it is."""
        options = setting.case.options
        steps = options.continue_ + 1 if self.written else 1
        return Pass(self.tokens, setting.needs, steps, setting.draw)


@dataclass(frozen=True)
class AskedPrompt:
    """A request whose answer is judged."""

    kind: Kind
    prompt: Prompt
    """As a chat, where the model is one to chat with."""
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """What follows from the battery, a tokenizer and a configuration."""

    case: Case[Options]
    blocks: int
    layers: tuple[int, ...]
    sides: Sequence[Pass]
    """Of `towards`, `away`, and the target of a cosine; none where the direction comes from a file."""
    side_need: Sequence[Need]
    held: Sequence[HeldOutPrompt]
    counted: frozenset[int]
    """Tokens whose mass is a score."""
    needs: tuple[Need, ...]
    asked: Sequence[AskedPrompt]
    """Harmful requests, then harmless ones; none unless refusal rates are asked for."""

    @classmethod
    def of(cls, case: Case[Options]) -> Setting:
        """Checks everything that can be.

        Raises:
            Unusable: says what this model cannot have.
        """
        options = case.options
        blocks = case.last_layer
        layers = tuple(range(blocks)) if options.layers == "all" else tuple(sorted(set(options.layers)))
        if layers[-1] >= blocks:
            raise Unusable(f"layer {layers[-1]} cannot be steered: what enters a block are layers 0 to {blocks - 1}")
        if options.from_file:
            direction_file_of(options).require_fit(case)
        counted = _counted_tokens(case)
        if options.score.kind in ("tokens", "refusal") and not counted:
            reasons = reasons_against_score_words(case.tokenizer, options.score.words).values()
            raise Unusable(f"no word of the score is one token: {'; '.join(reasons)}")
        wanted = (*layers, blocks) if options.score.kind == "cosine" else layers
        target = options.score.cosine if isinstance(options.score.cosine, list) else []
        both = (*options.own_side, *options.other_side)
        sides = [case.tokens(wrap_as_chat(case, prompt)) for prompt in (*both, *target)]
        needs = [Need(Site.RESIDUAL, (read_position(options, len(tokens)),), wanted) for tokens in sides]
        held = [
            HeldOutPrompt(at, wrap_as_chat(case, prompt), (), not options.is_withheld(prompt))
            for at, prompt in enumerate((*options.prompts, *(options.harmless or ())))
        ]
        final = (Need(Site.FINAL, "last"),)
        last = (Need(Site.RESIDUAL, "last", (blocks,)),) if options.score.kind == "cosine" else ()
        return cls(
            case,
            blocks,
            layers,
            [Pass(tokens, (need,)) for tokens, need in zip(sides, needs, strict=True)],
            needs,
            [
                HeldOutPrompt(one.index, one.prompt, case.tokens(one.prompt, options.continue_ + 1), one.written)
                for one in held
            ],
            counted,
            final + last,
            _ask(case),
        )

    def answer_pass(self, one: AskedPrompt, edits: tuple[Edit, ...] = ()) -> Pass:
        """A request with its answer, the likeliest token after the other."""
        rates = self.case.options.refusal_rates
        assert rates is not None
        return Pass(one.tokens, self.needs[:1], rates.tokens + 1, edits=edits)

    @property
    def scored(self) -> Sequence[HeldOutPrompt]:
        """The prompts that the score is of."""
        return self.held[: len(self.case.options.prompts)]

    @property
    def priced(self) -> Sequence[HeldOutPrompt]:
        """The prompts that the price is of."""
        return self.held[len(self.scored) :] or self.held

    @property
    def shown(self) -> Sequence[HeldOutPrompt]:
        """The prompts after which texts are shown."""
        return [one for one in self.priced if one.written]

    @property
    def draw(self) -> Draw | None:
        """How the tokens after a prompt are drawn."""
        options = self.case.options
        return None if options.temperature is None else Draw(options.temperature, None, None, options.seed, 0)


def read_position(options: Options, length: int) -> int:
    """Where a prompt of either set is read, from its beginning."""
    back = -1 if options.position == "last" else options.position
    if -back > length:
        raise Unusable(f"position {back} is before the start of a prompt of {length} tokens")
    return length + back


def wrap_as_chat(case: Case[Options], prompt: Prompt) -> Prompt:
    """A text as what a user says, where the model is one to chat with."""
    if case.options.chat == "never" or prompt.text is None or not case.tokenizer.has_chat_template:
        return prompt
    said = (Message(role="user", content=prompt.text),)
    return prompt.model_copy(update={"text": None, "messages": said})


def _ask(case: Case[Options]) -> Sequence[AskedPrompt]:
    rates = case.options.refusal_rates
    if rates is None:
        return ()
    sets: list[tuple[Kind, Sequence[Prompt]]] = [("harmful", rates.harmful), ("harmless", rates.harmless)]
    asked = [(kind, wrap_as_chat(case, prompt)) for kind, prompts in sets for prompt in prompts]
    return [AskedPrompt(kind, prompt, case.tokens(prompt, rates.tokens + 1)) for kind, prompt in asked]


def _counted_tokens(case: Case[Options]) -> frozenset[int]:
    return refusal_tokens(case.tokenizer, case.options.score.words)
