"""The names as one model reads them, and those that it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.probes.linear_map.options import FEWEST, NAME, Options
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
    return names, skipped
