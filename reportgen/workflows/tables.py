"""A table of a stored bundle, of all its models, as other programs read it."""

from collections.abc import Sequence
from pathlib import Path

from reportgen.errors import BatteryError, Mistake
from reportgen.language import use_language
from reportgen.look.presentation import presentation_of
from reportgen.results.bundle import load_bundle
from reportgen.results.holding import restore, writing
from reportgen.results.prompt_names import name_prompts, name_rows
from reportgen.results.quantities import Outcome, Table
from reportgen.results.section import SUBJECT, Section
from reportgen.suggest import suggestion
from reportgen.workflows.table_formats import ENDINGS, WRITERS

METRICS = "metrics"
"""What the table of a probe's metrics is called, unless it has a table of that name."""
_METRIC_COLUMNS = ("model", "metric", "value", "unit", "direction", "reason")


def write_table(
    bundle: Path, name: str, *, format: str | None = None, models: Sequence[str] = (), output: Path | None = None
) -> bytes:
    """One table of a bundle, rows of all its models one after the other, each with its model and the ids of prompts.

    Args:
        bundle: a folder that `run` wrote.
        name: PROBE.TABLE, PROBE.metrics, or PROBE alone where that has one table.
        format: csv, latex, markdown or parquet; as `output` ends, else CSV.
        models: only those of these models, or pairs BASE..OTHER.
        output: a file to write, too.

    Raises:
        BatteryError: the bundle has no such table or model.
        BundleError: the folder holds no bundle.
        OutputError: it cannot be written, or the format needs what is not installed.
    """
    if output is not None and output.resolve().is_relative_to(bundle.resolve()):
        raise BatteryError(Mistake("a table cannot lie in the bundle itself", "name a file elsewhere", file=output))
    if output is not None and format is None and output.suffix.lower() not in ENDINGS:
        told = f"no format is known by the ending {output.suffix or 'of this file'}"
        raise BatteryError(
            Mistake(told, f"name it with --format, or end the name with {', '.join(ENDINGS)}", file=output)
        )
    restore(bundle.resolve())
    loaded = load_bundle(bundle)
    probe_id, _, table = name.partition(".")
    if probe_id not in loaded.outcomes:
        raise BatteryError(Mistake(f"no probe {probe_id!r} in the bundle", suggestion(probe_id, loaded.outcomes)))
    section = _select(loaded.section(probe_id), models)
    joined = join_tables(section, table or _find_only_table(section))
    with use_language(presentation_of(loaded.run).language):
        content = WRITERS[format or ENDINGS.get(output.suffix.lower() if output else "", "csv")](joined)
    if output is not None:
        with writing(output):
            output.write_bytes(content)
    return content


def join_tables(section: Section, name: str) -> Table:
    """The table of that name of every subject, one below the other.

    Raises:
        BatteryError: no subject has it.
    """
    known = _list_tables(section)
    if name not in known:
        raise BatteryError(Mistake(f"no table {name!r} in {section.id}", _suggest_table(section, name, known)))
    of_each = [
        _name_table(section, subject, outcome, name)
        for subject, outcome in section.ok().items()
        if name in outcome.tables or name == METRICS
    ]
    columns = tuple(dict.fromkeys(column for table in of_each for column in table.columns))
    rows = [[record.get(column) for column in columns] for table in of_each for record in table.records()]
    return Table(columns, rows)


def _name_table(section: Section, subject: str, outcome: Outcome, name: str) -> Table:
    model = section.name(subject)
    if name in outcome.tables:
        return name_rows(outcome.tables[name], model, name_prompts(outcome))
    metrics = outcome.metrics.items()
    return Table(_METRIC_COLUMNS, [[model, one, m.value, m.unit, m.direction, m.reason or None] for one, m in metrics])


def _select(section: Section, models: Sequence[str]) -> Section:
    """The outcomes of some models, and of pairs that one of them is in.

    Raises:
        BatteryError: the probe has no such model.
    """
    known = dict.fromkeys([*section.outcomes, *(id for subject in section.outcomes for id in subject.split(SUBJECT))])
    for model in models:
        if model not in known:
            raise BatteryError(Mistake(f"no model {model!r} in {section.id}", suggestion(model, known)))
    kept = {
        subject: outcome
        for subject, outcome in section.outcomes.items()
        if not models or {subject, *subject.split(SUBJECT)} & set(models)
    }
    return Section(section.id, kept, section.models)


def _list_tables(section: Section) -> list[str]:
    found = dict.fromkeys(name for outcome in section.ok().values() for name in outcome.tables)
    if any(outcome.metrics for outcome in section.ok().values()):
        found[METRICS] = None
    return list(found)


def _find_only_table(section: Section) -> str:
    """The one table there is, not counting that of the metrics.

    Raises:
        BatteryError: there is none, or more than one.
    """
    known = _list_tables(section)
    found = [name for name in known if name != METRICS] or known
    if len(found) != 1:
        told = f"{section.id} has {'several tables' if found else 'no table'}"
        raise BatteryError(Mistake(told, _suggest_table(section, "", known)))
    return found[0]


def _suggest_table(section: Section, name: str, known: Sequence[str]) -> str:
    if not known:
        states = (f"{id} {one.status}{f', {one.reason}' if one.reason else ''}" for id, one in section.outcomes.items())
        return f"Its state: {'; '.join(states)}"
    near = suggestion(name, known) if name else ""
    every = f"Its tables: {', '.join(f'{section.id}.{one}' for one in known)}"
    return f"{near} {every}" if near.startswith("Did") else every
