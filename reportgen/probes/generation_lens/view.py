"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from reportgen.language import say
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

Key = tuple[int, int]
"""(prompt, attempt)"""


class View(SubjectView):
    """One subject by trace: tables are long, and looked through once."""

    @cached_property
    def quotes(self) -> list[str]:
        """(prompt) what stands between quotation marks."""
        return quote_prompts(self.outcome)

    @property
    def traces(self) -> list[Key]:
        """Those there are, in order."""
        return list(self.attempts)

    @cached_property
    def attempts(self) -> Mapping[Key, Mapping[str, Any]]:
        """(prompt, attempt) -> its row."""
        return {_key(row): row for row in self.rows("attempts")}

    @cached_property
    def written(self) -> Mapping[Key, Sequence[Mapping[str, Any]]]:
        """(prompt, attempt) -> its tokens."""
        return _group_by_trace(self.rows("written"))

    @cached_property
    def emoji(self) -> Mapping[Key, Sequence[Mapping[str, Any]]]:
        """(prompt, attempt) -> the emoji in it, where there are any."""
        return _group_by_trace(row for row in self.rows("characters") if row["kind"] == "emoji")

    @cached_property
    def tried_again(self) -> Sequence[Mapping[str, Any]]:
        """The retries of all traces; none in bundles that hold none."""
        return self.rows("tried_again") if "tried_again" in self.outcome.tables else []

    @cached_property
    def answered(self) -> Sequence[Mapping[str, Any]]:
        """The attempts after prompts that say what is right; none in bundles that hold none."""
        return self.rows("answered") if "answered" in self.outcome.tables else []

    @property
    def joined(self) -> int:
        """Characters of several tokens."""
        return sum(row["tokens"] > 1 and row["kind"] != "fragment" for row in self.rows("characters"))

    @cached_property
    def cells(self) -> Mapping[tuple[int, int, int, int], Sequence[Mapping[str, Any]]]:
        """(prompt, attempt, step, layer) -> rows by rank."""
        cells: dict[tuple[int, int, int, int], list[Mapping[str, Any]]] = {}
        for row in self.rows("top"):
            cells.setdefault((*_key(row), row["step"], row["layer"]), []).append(row)
        return cells

    @property
    def probability(self) -> NDArray[Any]:
        """(prompt x attempt x step x layer)"""
        return self.values("probability")

    @property
    def last(self) -> int:
        """The last layer."""
        return int(self.probability.shape[-1]) - 1

    def tell_trace(self, trace: Key) -> str:
        """What a trace is called in a title."""
        prompt, attempt = trace
        if sum(one[0] == prompt for one in self.traces) == 1:
            return say("generation_lens.after", "after “{prompt}”", prompt=self.quotes[prompt])
        return say(
            "generation_lens.after_again",
            "after “{prompt}”, attempt {attempt}",
            prompt=self.quotes[prompt],
            attempt=attempt + 1,
        )


def _group_by_trace(rows: Iterable[Mapping[str, Any]]) -> Mapping[Key, Sequence[Mapping[str, Any]]]:
    found: dict[Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    return found


def _key(row: Mapping[str, Any]) -> Key:
    return row["prompt"], row["attempt"]


def first_emoji_tokens(view: View, trace: Key) -> list[Mapping[str, Any]]:
    """The written tokens of a trace's first emoji."""
    if not view.emoji.get(trace):
        return []
    first = view.emoji[trace][0]
    return [t for t in view.written[trace] if first["position"] <= t["position"] <= first["last_position"]]


def sure_and_unsure(view: View, trace: Key) -> list[tuple[str, float]]:
    """The token of a trace's text that the model gives the most probability, and that which it gives the least, each
    with it; one alone if the text has no other, none if it has none.
    """
    tokens = view.written[trace][: view.attempts[trace]["length"]]
    found = [(mark_space(str(t["shown"])), float(view.probability[(*trace, t["step"], -1)])) for t in tokens]
    if not found:
        return []
    ends = [max(found, key=lambda one: one[1]), min(found, key=lambda one: one[1])]
    return ends if len(found) > 1 else ends[:1]


def step_of_interest(view: View, trace: Key) -> Mapping[str, Any] | None:
    """The written token before which followed words are shown: the first of the first emoji, else the first of all."""
    tokens = first_emoji_tokens(view, trace) or view.written.get(trace, ())
    return tokens[0] if tokens else None


def tell_step(view: View, trace: Key, token: Mapping[str, Any]) -> str:
    """Where a token is written, in words."""
    where = view.tell_trace(trace)
    if not token["step"]:
        return where
    shown = mark_space(str(token["shown"]))
    return say("generation_lens.before", "before “{token}”, {where}", token=shown, where=where)
