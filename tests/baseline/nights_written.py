"""Bundles of many nights, written as a run writes them, with tables and arrays beside the metrics."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.results.bundle import Bundle, write_numbers
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard

FIRST = datetime.datetime(2026, 11, 1, 3, tzinfo=datetime.UTC)


def date(night: int) -> str:
    return f"{FIRST + datetime.timedelta(days=night):%Y-%m-%d}"


def write_night(
    folder: Path,
    night: int | None,
    metrics: Mapping[str, float | int | Metric],
    *,
    version: int = 1,
    options: Mapping[str, Any] | None = None,
    status: str = "ok",
    tokenizer: str = "abc",
    title: str = "Nightly",
    probe_id: str = "weather",
    name: str = "Gemma-3-270M",
    facts: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Array] | None = None,
) -> Path:
    """A bundle of one probe on one model, begun on the given night; on none where it does not say."""
    found = {name: m if isinstance(m, Metric) else Metric(m, "nat") for name, m in metrics.items()}
    # Text that looks like what ends an outcome, and a table before each array: the metrics are cut out of these.
    table = Table(("text",), [['",\n    "tables": {'], ["\n   }"], [None]])
    outcome = Outcome(
        "logit_lens",
        version,
        {"seed": 0, **(options or {})},
        ("gemma",),
        status,  # type: ignore[arg-type]
        metrics=found if status == "ok" else {},
        tables={"top": table, "arrays": table},
        arrays={"entropy": Array(("layer",), np.arange(3.0), "nat")} if arrays is None else arrays,
    )
    known = {"tokenizer_sha256": tokenizer, "tables": {"tables": 1}, **(facts or {})}
    card = ModelCard("gemma", name, "Gemma3ForCausalLM", 2, known)
    started = {} if night is None else {"started": (FIRST + datetime.timedelta(days=night)).isoformat()}
    folder.mkdir(parents=True)
    write_numbers(
        folder, Bundle(None, title, {"gemma": card}, {probe_id: {"gemma": outcome}}, {**started, **(run or {})})
    )
    return folder


def write_nights(root: Path, values: list[float], metric: str = "entropy", **known: Any) -> Path:
    """A night for each value; where it is NaN the metric is undefined."""
    for night, value in enumerate(values):
        one = Metric(None, "nat", reason="it is nan") if np.isnan(value) else Metric(value, "nat")
        write_night(root / f"night-{night}", night, {metric: one}, **known)
    return root
