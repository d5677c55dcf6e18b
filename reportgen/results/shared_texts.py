"""Long texts that a bundle says more than once, stored once: a prompt stands in the options and in the tables of every
model that was asked.

`{"$text": 3}` stands for the fourth of the bundle's `texts`. Short ones stay where they are: a reference is no shorter.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reportgen.documents.problem import Where, describe_value, write_place

SHORTEST = 40
"""Characters that a text has at least to be worth a reference."""
PARTS = ("options", "prompt_sets", "tables")
"""What of an outcome holds texts: numbers are not looked through."""
REFERENCE = "$text"
_ESCAPED = re.compile(r"\$+text")
"""A mapping of somebody's own with this one key is written with one $ more: it is no reference."""


def share_texts(results: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The results of a bundle as JSON with references to the texts that stand in them more than once, and these texts,
    in the order in which they first stand there.
    """
    counts: Counter[str] = Counter()
    _change_parts(results, lambda part, _: counts.update(_find_texts(part)))
    texts = [text for text, count in counts.items() if count > 1]
    places = {text: place for place, text in enumerate(texts)}
    return _change_parts(results, lambda part, _: _refer(part, places)), texts


def restore_texts(results: Mapping[str, Any], texts: Sequence[str], most: int) -> dict[str, Any]:
    """The results with each text where a reference to it stood; what is not shaped as results are is left as it is.

    Raises:
        ValueError: a reference leads to no text, or all that were restored have more than `most` characters: a short
            file can name a long text very often.
    """
    left = most

    def restore(value: Any, where: Where) -> Any:
        nonlocal left
        if isinstance(value, list):
            # Of a table's many cells hardly one is a reference: the others are not worth a call.
            return [
                restore(one, (*where, place)) if isinstance(one, list | dict) else one
                for place, one in enumerate(value)
            ]
        if not isinstance(value, dict):
            return value
        if (key := _only_key(value)) is None:
            return {key: restore(one, (*where, key)) for key, one in value.items()}
        if key != REFERENCE:
            return {key[1:]: restore(value[key], (*where, key))}
        place = value[key]
        if type(place) is not int or not 0 <= place < len(texts):
            raise ValueError(
                f"{write_place(where)}: {describe_value(place)} is none of the bundle's {len(texts):,} texts"
            )
        left -= len(texts[place])
        if left < 0:
            raise ValueError(f"{write_place(where)}: with this text, the bundle says more than {most:,} characters")
        return texts[place]

    return _change_parts(results, restore)


def _change_parts(results: Mapping[str, Any], change: Callable[[Any, Where], Any]) -> dict[str, Any]:
    """The results with every part that may hold texts changed; `change` is told where the part stands."""
    return {
        probe_id: {
            subject: {
                key: change(part, ("results", probe_id, subject, key)) if key in PARTS else part
                for key, part in outcome.items()
            }
            if isinstance(outcome, dict)
            else outcome
            for subject, outcome in by_subject.items()
        }
        if isinstance(by_subject, dict)
        else by_subject
        for probe_id, by_subject in results.items()
    }


def _find_texts(value: Any) -> Iterator[str]:
    """Every text below `value` that is worth a reference, as often as it stands there."""
    if isinstance(value, str):
        if len(value) >= SHORTEST:
            yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _find_texts(one)


def _refer(value: Any, places: Mapping[str, int]) -> Any:
    """The same with a reference for each text that has a place."""
    if isinstance(value, str):
        return {REFERENCE: places[value]} if value in places else value
    if isinstance(value, list | tuple):
        return [_refer(one, places) for one in value]
    if not isinstance(value, Mapping):
        return value
    escape = "$" if _only_key(value) is not None else ""
    return {f"{escape}{key}": _refer(one, places) for key, one in value.items()}


def _only_key(value: Mapping[str, Any]) -> str | None:
    """The key of a mapping that is a reference, or is written so that it is not taken for one."""
    if len(value) != 1:
        return None
    key = next(iter(value))
    return key if isinstance(key, str) and _ESCAPED.fullmatch(key) else None
