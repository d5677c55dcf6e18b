"""One entry of a battery about one model: its tokens, and which of its layers, blocks and heads are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from reportgen.probing.options import Layers, ProbeOptions
from reportgen.results.quantities import Rows
from reportgen.text.chat import ChatUnavailable
from reportgen.text.prompts import Prompt
from reportgen.text.words import find_word

if TYPE_CHECKING:
    from reportgen.cache import UnfinishedWork
    from reportgen.model.files.facts import ModelFacts
    from reportgen.model.files.sources import ModelFiles
    from reportgen.text.tokens import TextTokenizer

# As everyone writes Probe[O, R]; next to no digit can it be taken for a 0.
O = TypeVar("O", bound=ProbeOptions)  # noqa: E741


class Unusable(Exception):
    """Raised by `Probe.passes` where this subject cannot be measured: skipped, with this reason."""


class NoRow(Unusable):
    """A prompt has a token that the model's embedding has no row for; the probe's other prompts may be read."""


@dataclass(frozen=True)
class Case(Generic[O]):
    """One entry of a battery about one model, with what is known before any model is loaded."""

    id: str
    model: str
    options: O
    tokenizer_if_any: TextTokenizer | None
    """None for a configuration without weights."""
    facts: ModelFacts
    located: ModelFiles
    """Where its files lie."""
    unfinished: UnfinishedWork | None = None
    """While it runs: where a probe of much work may keep what is done, to go on with after an interruption."""

    @property
    def tokenizer(self) -> TextTokenizer:
        """The model's tokenizer.

        Raises:
            Unusable: there is none.
        """
        if self.tokenizer_if_any is None:
            raise Unusable("a configuration alone has no tokenizer")
        return self.tokenizer_if_any

    def tokens(self, prompt: Prompt, steps: int = 1) -> tuple[int, ...]:
        """Token ids of a prompt as the model will see it, with room for `steps` - 1 tokens after it.

        Raises:
            Unusable: the prompt is a chat and the model has no chat template, or it exceeds the model's context.
            NoRow: the model's embedding is smaller than its tokenizer, and has no row for a token of the prompt.
        """
        try:
            ids = self.tokenizer.prompt_ids(prompt)
        except ChatUnavailable as error:
            raise Unusable(str(error)) from error
        if not ids:
            raise Unusable(f"the prompt {prompt.text!r} has no tokens")
        if reason := self.tokenizer.reason_against_tokens(ids):
            raise NoRow(reason)
        length, most = len(ids) + steps - 1, self.facts.context_length
        if most is not None and length > most:
            after = f" and {steps - 1} after it" if steps > 1 else ""
            raise Unusable(f"a prompt of {len(ids)} tokens{after} exceeds the context of {most}")
        return ids

    @property
    def last_layer(self) -> int:
        """The number of the last layer, which is that of the blocks.

        Raises:
            Unusable: it is not known.
        """
        if self.facts.layers is None:
            raise Unusable("its configuration does not say how many blocks it has")
        return self.facts.layers

    def named_layers(self, asked: Layers) -> tuple[int, ...]:
        """Layers as a battery names them, each once, in order.

        Raises:
            Unusable: one of them is none of this model's, or all are asked for and it is not known how many there are.
        """
        if asked == "all":
            return tuple(range(self.last_layer + 1))
        last = self.facts.layers
        beyond = [layer for layer in asked if last is not None and layer > last]
        if beyond:
            raise Unusable(f"layer {beyond[0]} is out of range: layers go from 0 to {last}")
        return tuple(sorted(set(asked)))

    def needed_layers(self, asked: Layers) -> tuple[int, ...] | None:
        """The same as a need names them: None for all, however many they are."""
        return None if asked == "all" else self.named_layers(asked)

    def named_blocks(self, asked: Layers) -> tuple[int, ...]:
        """Blocks as a battery names them, each once, in order.

        Raises:
            Unusable: one of them is none of this model's, or it is not known how many it has.
        """
        blocks = self.last_layer
        beyond = [] if asked == "all" else [block for block in asked if block >= blocks]
        if beyond:
            raise Unusable(f"block {beyond[0]} is out of range: blocks go from 0 to {blocks - 1}")
        return tuple(range(blocks) if asked == "all" else sorted(set(asked)))

    def missing_heads(self, asked: Sequence[Sequence[int]]) -> dict[str, str]:
        """Those of the heads [block, head] that this model does not have, each with the reason."""
        blocks, heads = self.facts.layers, self.facts.heads
        found = {}
        for block, head in asked:
            if blocks is not None and block >= blocks:
                found[f"{block}.{head}"] = f"blocks go from 0 to {blocks - 1}"
            elif heads is not None and head >= heads:
                found[f"{block}.{head}"] = f"heads go from 0 to {heads - 1}"
        return found

    def named_position(self, asked: int | None, tokens: Sequence[int]) -> int:
        """A position of a prompt as a battery names it; the last where it names none.

        Raises:
            Unusable: the prompt is not so long.
        """
        last = len(tokens) - 1
        if asked is not None and asked > last:
            text = self.tokenizer.decode(tokens)
            raise Unusable(f"there is no position {asked}: those of {text!r} go from 0 to {last}")
        return last if asked is None else asked

    def require_attention(self) -> None:
        """Refuses a model that has no attention in any block.

        Raises:
            Unusable: it has none.
        """
        if self.facts.heads is None:
            raise Unusable(f"the architecture {self.facts.architecture} has no attention")

    def word_rows(self, words: Iterable[tuple[int, Prompt, str | None]]) -> Rows:
        """Rows of a `words` table: (prompt, word, tokens, fit), of each (number, prompt, word) that has a word.

        Raises:
            WordNotFound: a word is not in its prompt.
        """
        rows: Rows = []
        for number, prompt, word in words:
            if word is not None:
                place = find_word(self.tokenizer, prompt, word)
                rows.append([number, word, self.tokenizer.show_joined(place.tokens), place.fit])
        return rows

    def prompt_rows(self, prompts: Sequence[Prompt]) -> Rows:
        """Rows of a `prompts` table: (prompt, text, tokens, token_count)."""
        rows: Rows = []
        for index, prompt in enumerate(prompts):
            ids = self.tokens(prompt)
            rows.append([index, self.tokenizer.prompt_text(prompt), self.tokenizer.show_joined(ids), len(ids)])
        return rows
