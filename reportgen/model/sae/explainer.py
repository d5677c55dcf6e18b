"""A language model that says what sets a feature off, and is asked whether what it said holds for other texts.

The label is written after the strongest examples, the token on which the feature fires between « » (as Bills et al.
2023, "Language models can explain neurons in language models"); it is scored by detection (Paulo et al. 2024,
"Automatically interpreting millions of features in large language models"): of held-out examples, some on which the
feature fires and some on which it does not, the model is asked for Yes or No, and the area under the curve is taken of
ln p(Yes) - ln p(No).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.files.sources import ModelFiles
from reportgen.model.needs import Need, Pass, Site, pack_passes
from reportgen.model.network.loaded import LoadedModel
from reportgen.numerics.detection import auc
from reportgen.text.prompts import Message, Prompt
from reportgen.text.tokens import TextTokenizer

WORDS = 16
"""Tokens of a label at most."""
ASK = "In each text below, one token stands between « and ». What do these tokens, or their contexts, have in common?"
ANSWER = "Answer with a few words."
CHECK = "A label says: {label}. Does the label describe the token between « and » in this text?\n\n{text}\n\n"
YES, NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")
_LAST = Need(Site.FINAL, "last")
_AROUND = " .\"'*"
_NUMBER = re.compile(r"^\d+[.)]\s")


@dataclass(frozen=True)
class ScoredLabel:
    """What an explainer made of one feature."""

    text: str
    score: float
    """Area under the curve on held-out examples; NaN where there are none of one kind."""


@dataclass(frozen=True)
class Evidence:
    """What an explainer is shown of a feature: texts, the token in question between « »."""

    strongest: Sequence[str]
    firing: Sequence[str]
    """Held-out texts on which it fires."""
    silent: Sequence[str]
    """Held-out texts on which it does not."""


class Explainer:
    """A causal LM that explains; chat models are asked through their template."""

    def __init__(self, model: LoadedModel, tokenizer: TextTokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._yes, self._no = (self._ids(words) for words in (YES, NO))

    @classmethod
    def load(cls, located: ModelFiles, threads: int) -> "Explainer":
        """The model in a folder, in memory.

        Raises:
            ModelError: it cannot be loaded.
        """
        from reportgen.model.load import load

        return cls(load(located, threads=threads), TextTokenizer.from_folder(located.tokenizer_folder))

    def explain(self, evidence: Evidence) -> ScoredLabel:
        """A label from the strongest examples, and its score on the others."""
        listed = "\n".join(f"{number}. {text}" for number, text in enumerate(evidence.strongest, 1))
        tokens = self._tokens(f"{ASK}\n\n{listed}\n\n{ANSWER}", "The tokens have in common:")
        (single,) = run_all(self._model, [Pass(tokens, (), steps=WORDS)])
        label = first_line_of(self._tokenizer.decode(single.tokens[single.prompt_length :]))
        return ScoredLabel(label, self.score(label, evidence))

    def score(self, label: str, evidence: Evidence) -> float:
        """How well a label tells held-out texts on which the feature fires from those on which it does not."""
        texts = [*evidence.firing, *evidence.silent]
        if not label or not texts:
            return float("nan")
        odds = np.array(list(self._odds(label, texts)))
        return auc(odds[: len(evidence.firing)], odds[len(evidence.firing) :])

    def _odds(self, label: str, texts: Sequence[str]) -> Iterator[float]:
        """(text) ln p(Yes) - ln p(No)."""
        asked = [self._tokens(CHECK.format(label=label, text=text) + "Answer Yes or No.", "Answer:") for text in texts]
        # Up to the text all questions are the same: that passes once.
        captured = run_all(self._model, pack_passes([Pass(tokens, (_LAST,)) for tokens in asked]))
        normed = torch.cat([single.tensors_of(_LAST, 0)[0] for single in captured])
        for rows, logits in self._model.final_logits(normed):
            some = logits[: rows.stop - rows.start]
            yield from (some[:, self._yes].logsumexp(-1) - some[:, self._no].logsumexp(-1)).tolist()

    def _tokens(self, question: str, beginning: str) -> tuple[int, ...]:
        """A question as a chat where the model takes one, else with the beginning of the answer after it."""
        if self._tokenizer.has_chat_template:
            return self._tokenizer.prompt_ids(Prompt(messages=(Message(role="user", content=question),)))
        return self._tokenizer.prompt_ids(Prompt(text=f"{question}\n{beginning}"))

    def _ids(self, words: Sequence[str]) -> list[int]:
        """Tokens that begin one of the words as an answer."""
        encoded = (self._tokenizer.encode(word, special_tokens=False).ids for word in words)
        return sorted({ids[0] for ids in encoded if ids})


def first_line_of(written: str) -> str:
    """The first line of what a model wrote that is not empty, without the number of a list."""
    lines = (_NUMBER.sub("", line.strip(_AROUND)).strip(_AROUND) for line in written.splitlines())
    return next(filter(None, lines), "")
