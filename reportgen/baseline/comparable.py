"""Whether the numbers of two outcomes mean the same, and what was asked or read otherwise where they do not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from reportgen.baseline.quantities import names_of
from reportgen.baseline.tokenizers import tell_tokenizer_change
from reportgen.errors import ReportgenError
from reportgen.numerals import write_count
from reportgen.probes.registry import find
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Outcome, Table

READ = ("prompts", "tokens", "skipped")
"""Tables that say what was read: where they differ, something else was measured."""
TOLD = 3
"""Prompts of which is told what became of them."""
LONGEST = 60
"""Characters of a prompt or an option that a reason quotes."""


def explain_incomparable(old: Outcome, new: Outcome, before: Bundle, after: Bundle) -> str:
    """Why the numbers of two outcomes do not mean the same; empty where they do."""
    return explain_asked(old, new) or explain_tokenizer(old, new, before, after) or explain_read(old, new)


def explain_asked(old: Outcome, new: Outcome) -> str:
    """What was asked otherwise: another probe, version or option, with what it was and what it is."""
    if old.probe != new.probe:
        return f"another probe: {old.probe} → {new.probe}"
    if old.version != new.version:
        return f"another version of {new.probe}: {old.version} → {new.version}"
    was, now = ({**_list_defaults(new.probe), **outcome.options} for outcome in (old, new))
    for name in names_of(list(was), list(now)):
        if was.get(name) != now.get(name):
            return f"another option {name}: {_tell_option(was.get(name), now.get(name))}"
    return ""


def explain_tokenizer(old: Outcome, new: Outcome, before: Bundle, after: Bundle) -> str:
    """That another tokenizer read the texts, the first text that it cuts otherwise, and what differs in it."""
    changed = [
        id
        for id in new.models
        if id in before.models
        and id in after.models
        and None not in (hashes := [bundle.models[id].facts.get("tokenizer_sha256") for bundle in (before, after)])
        and hashes[0] != hashes[1]
    ]
    if not changed:
        return ""
    id = changed[0]
    cut = _tell_first_cut(id, before, after) or "it cuts every text of both bundles as before"
    made_of = tell_tokenizer_change(*(bundle.models[id].facts.get("tokenizer") for bundle in (before, after)))
    return f"another tokenizer of {id}: {cut}{f'; {made_of}' if made_of else ''}"


def explain_read(old: Outcome, new: Outcome) -> str:
    """What else was read: the first row that differs of a table that says so."""
    if old.status == new.status == "ok":
        for name in READ:
            if name in old.tables and name in new.tables and old.tables[name].rows != new.tables[name].rows:
                row = _tell_row(old.tables[name], new.tables[name])
                return f"something else was read: the table {name} changed{row}"
    return ""


def holds_whatever_tokenizer(probe: str, name: str) -> bool:
    """Whether a quantity of a probe depends on no tokenizer, such as the number of a model's parameters."""
    try:
        return find(probe).holds_for_any_tokenizer(name)
    except ReportgenError:  # a probe of another distribution, of which nothing is known
        return False


def _list_defaults(probe: str) -> dict[str, Any]:
    """What a probe's options are where nothing is asked: an option that is younger than a baseline was so then."""
    try:
        options = find(probe).options
    except ReportgenError:  # a probe of another distribution, which is not needed to compare its numbers
        return {}
    optional = {field.alias or name: field for name, field in options.model_fields.items() if not field.is_required()}
    return {
        name: to_jsonable_python(field.get_default(call_default_factory=True, validated_data={}), by_alias=True)
        for name, field in optional.items()
    }


def _tell_option(was: Any, now: Any) -> str:
    """What an option was and is; of a list, such as the prompts, which entries changed."""
    if isinstance(was, list) and isinstance(now, list):
        changes = list(_tell_entries(was, now))
        more = [f"{write_count(len(changes) - TOLD)} more"] if len(changes) > TOLD else []
        return "; ".join([*changes[:TOLD], *more])
    return f"{_write_value(was)} → {_write_value(now)}"


def _tell_entries(was: Sequence[Any], now: Sequence[Any]) -> Iterator[str]:
    """Entries are counted from 0, as everywhere."""
    for at in range(max(len(was), len(now))):
        if at >= len(now):
            yield f"{at} is gone ({_write_value(was[at])})"
        elif at >= len(was):
            yield f"{at} is new ({_write_value(now[at])})"
        elif was[at] != now[at]:
            yield f"{at} was {_write_value(was[at])} and is {_write_value(now[at])}"


def _write_value(value: Any) -> str:
    """A value in short: of a prompt its text, where that is all there is to it."""
    if isinstance(value, Mapping):
        held = {name: one for name, one in value.items() if one is not None}
        if set(held) == {"text"}:
            return _write_value(held["text"])
        return _shorten(", ".join(f"{name}: {one}" for name, one in held.items()))
    return f"“{_shorten(value)}”" if isinstance(value, str) else _shorten(str(value))


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _tell_first_cut(model: str, before: Bundle, after: Bundle) -> str:
    """The first text of any probe that the two tokenizers of a model cut otherwise."""
    for probe_id, by_subject in before.outcomes.items():
        old, new = by_subject.get(model), after.outcomes.get(probe_id, {}).get(model)
        if old and new and "tokens" in old.tables and "tokens" in new.tables:
            texts = [_join_tokens(one.tables["tokens"]) for one in (old, new)]
            for prompt, cut in texts[0].items():
                if prompt in texts[1] and texts[1][prompt] != cut:
                    return f"“{_shorten('|'.join(cut))}” is “{_shorten('|'.join(texts[1][prompt]))}” now"
    return ""


def _join_tokens(table: Table) -> dict[Any, list[str]]:
    """Prompt -> its tokens; nothing of a table that has no such columns."""
    if not {"prompt", "token"} <= set(table.columns):
        return {}
    found: dict[Any, list[str]] = {}
    for record in table.records():
        found.setdefault(record["prompt"], []).append(str(record["token"]))
    return found


def _tell_row(old: Table, new: Table) -> str:
    """The first row that differs of two tables of the same columns, by the first column in which it does."""
    if old.columns != new.columns:
        return ""
    for at, (was, now) in enumerate(zip(old.rows, new.rows, strict=False)):
        for column, one, other in zip(old.columns, was, now, strict=True):
            if one != other:
                return f", in row {at} {column}: {_write_value(one)} → {_write_value(other)}"
    return f": {write_count(len(old.rows))} → {write_count(len(new.rows))} rows"
