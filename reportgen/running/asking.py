"""What a probe wants of a subject, asked before any model is loaded: its passes, or why it has none."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from reportgen.battery.reader import ProbeEntry
from reportgen.errors import ModelError, ReportgenError, reason_of
from reportgen.model.needs import Pass, pack_by_length
from reportgen.probing.case import Case, NoRow, Unusable
from reportgen.probing.probe import PairProbe
from reportgen.processes.supervision import find_earlier_end, track_piece
from reportgen.results.quantities import WrongFindings
from reportgen.running.outcome_cache import CachedOutcome
from reportgen.running.planned import PlannedCase, PlannedModel, Side
from reportgen.text.chat import ChatUnavailable
from reportgen.text.prompts import Prompt


def ask_probe(entry: ProbeEntry, models: Sequence[PlannedModel], kept: CachedOutcome | None) -> PlannedCase:
    """One probe on one subject: its first passes, or why there are none.

    Raises:
        TokenizerFails: so the model can be asked nothing at all.
    """
    ids = tuple(model.id for model in models)
    if kept is not None:
        return PlannedCase(entry, ids, skipped_rows=kept.skipped_rows, kept=kept)
    if any(model.readied is None for model in models):
        return PlannedCase(entry, ids)
    told = entry.broken or find_earlier_end("plan", entry.id)
    if told:
        return PlannedCase(entry, ids, failed=told)
    try:
        with track_piece("plan", entry.id):
            return _ask(entry, models, ids)
    except WrongFindings as error:
        return PlannedCase(entry, ids, failed=str(error))
    except (ReportgenError, TokenizerFails, KeyboardInterrupt):
        raise
    except BaseException as error:  # a third party's probe may raise anything, and try to end the program
        return PlannedCase(entry, ids, failed=reason_of(error))


def _ask(entry: ProbeEntry, models: Sequence[PlannedModel], ids: tuple[str, ...]) -> PlannedCase:
    """What a probe wants of a subject, in its own words."""
    sides, refused = [], {}
    left_out: dict[str, str] = {}
    for model in models:
        try:
            sides.append(_side(entry, model))
        except NoRow as unreadable:
            entry, left_out = _drop_unreadable(entry, model) if len(models) == 1 else (entry, {})
            if left_out:
                sides.append(_side(entry, model))
            else:
                refused[model.id] = str(unreadable)
        except (Unusable, ChatUnavailable) as unusable:  # whichever way a probe asked for the prompt's tokens
            refused[model.id] = str(unusable)
    if refused:
        alone = len(set(refused.values())) == 1 and len(refused) == len(models)
        reasons = refused.values() if alone else (f"{id}: {reason}" for id, reason in refused.items())
        told = "; ".join(dict.fromkeys(reasons))
        return PlannedCase(entry, ids, skipped=told, impossible=len(refused) == len(models))
    if isinstance(entry.probe, PairProbe):
        try:
            entry.probe.comparable(*(side.case for side in sides))
        except Unusable as unusable:
            return PlannedCase(entry, ids, skipped=str(unusable))
    rows: dict[str, str] = {}
    for model, side in zip(models, sides, strict=True):
        with _attribute_errors(model):
            rows |= entry.probe.skipped_rows(side.case)
    return PlannedCase(entry, ids, tuple(sides), skipped_rows=rows, left_out=left_out)


def _drop_unreadable(entry: ProbeEntry, model: PlannedModel) -> tuple[ProbeEntry, dict[str, str]]:
    """The entry with the prompts alone whose tokens the model has rows for; and why it has none for the others.

    Where the options need every prompt, none is left out: the model is skipped then.
    """
    tokenizer = model.readied.tokenizer if model.readied is not None else None
    prompts = [one for one in getattr(entry.options, "prompts", None) or () if isinstance(one, Prompt)]
    reasons = [
        tokenizer.reason_against_tokens(tokenizer.prompt_ids(one)) if tokenizer is not None else "" for one in prompts
    ]
    kept = [one for one, reason in zip(prompts, reasons, strict=True) if not reason]
    if not kept:
        return entry, {}
    fields = type(entry.options).model_fields
    written = {field.alias or name: getattr(entry.options, name) for name, field in fields.items()}
    try:
        options = type(entry.options).model_validate({**written, "prompts": kept})
    except ValueError:
        return entry, {}
    lost = {one.called: reason for one, reason in zip(prompts, reasons, strict=True) if reason}
    return replace(entry, options=options), lost


def _side(entry: ProbeEntry, model: PlannedModel) -> Side:
    readied = model.readied
    assert readied is not None
    if entry.probe.needs_weights and not readied.located.weights:
        raise Unusable("a configuration without weights: only the census can be measured")
    case = Case(entry.id, model.id, entry.options, readied.tokenizer, readied.facts, readied.located)
    with _attribute_errors(model):
        passes = pack_by_length(_check_passes(entry.probe.passes(case)), readied.together)
        return Side(case, passes, entry.probe.further_passes(case))


def _check_passes(passes: Iterable[Any]) -> tuple[Pass, ...]:
    """Passes as a probe names them: what is none would end the pass that others share with it."""
    asked = tuple(passes)
    for single in asked:
        if not isinstance(single, Pass):
            raise WrongFindings(f"`passes` gave a {type(single).__name__}, not a Pass")
        if not single.tokens or not all(type(token) is int and token >= 0 for token in single.tokens):
            raise WrongFindings("`passes` gave a Pass whose tokens are not ids")
    return asked


class TokenizerFails(Exception):
    """A model whose tokenizer fails on a text: it can be asked nothing."""

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        self.reason = reason
        super().__init__(reason)


@contextmanager
def _attribute_errors(model: PlannedModel) -> Iterator[None]:
    """What the tokenizer of a model raises within is about that model."""
    try:
        yield
    except ModelError as error:
        raise TokenizerFails(model.id, str(error)) from error
