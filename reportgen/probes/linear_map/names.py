"""The names as one model reads them, and those that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.probes.linear_map.options import FEWEST, FEWEST_HELD_OUT, NAME, Options
from reportgen.probing.case import Case, NoRow, Unusable
from reportgen.results.quantities import Rows
from reportgen.text.prompts import Prompt

FIRST = "it is the first token of all, where many models keep their attention sink: little of the name is in it"


@dataclass(frozen=True)
class ReadName:
    """A name in its text."""

    item: int
    """Its number among the names, from 0."""
    tokens: tuple[int, ...]
    position: int
    """That of its last token, where the model has seen all of it."""


def read_names(case: Case[Options]) -> tuple[list[ReadName], Rows]:
    """The names that the model reads, and the others: (item, name, reason).

    Raises:
        Unusable: so few are left that nothing can be held out of them.
    """
    names: list[ReadName] = []
    skipped: Rows = []
    for item, entity in enumerate(case.options.entities):
        prompt = Prompt(text=case.options.template.replace(NAME, entity.name))
        try:
            tokens = case.tokens(prompt)
        except NoRow as error:
            skipped.append([item, entity.name, str(error)])
            continue
        added = case.tokenizer.encode_prompt(prompt).added
        last = max((at for at, one in enumerate(added) if not one), default=0)
        if last == 0:
            skipped.append([item, entity.name, FIRST])
            continue
        names.append(ReadName(item, tokens, last))
    if len(names) < FEWEST:
        told = f"{len(names)} of {len(case.options.entities)} names can be read; at least {FEWEST} are needed"
        reason = f": {skipped[0][1]!r}: {skipped[0][2]}; a longer `template` may help" if skipped else ""
        raise Unusable(told + reason)
    _check_parts(case, names)
    return names, skipped


def _check_parts(case: Case[Options], names: Sequence[ReadName]) -> None:
    """Refuses names of which too few, or none that differ, are held out or fitted to."""
    held = case.options.draw_held_out().tolist()
    for which, side in (("held out", True), ("fitted to", False)):
        numbers = [case.options.entities[name.item].numbers for name in names if held[name.item] is side]
        if len(numbers) < FEWEST_HELD_OUT:
            told = f"{len(numbers)} of the names that can be read are {which}; at least {FEWEST_HELD_OUT} are needed"
            raise Unusable(told)
        for column, values in zip(case.options.sheet.numbers, zip(*numbers, strict=True), strict=True):
            if len(set(values)) == 1:
                told = f"{column} is the same of all {len(values)} names that are {which}"
                raise Unusable(f"{told}: another `seed` may help")
