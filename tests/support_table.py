"""The table of architectures and probes: `python -m tests.support_table [MODEL_TYPE…]` writes it, and its page.

Every causal LM that transformers registers is built small, with random weights, and asked for every probe, each in a
process of its own that has a time limit. What is in the table already is not tried again, unless it is named or
`--again` is given; a run that was interrupted goes on where it was. Rows of other versions of transformers stay.
"""

import argparse
import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import reportgen.probes
from reportgen.model.files.support import FILE, read_support
from tests.support_page import PAGE, write_page
from tests.support_trial import Row, asked_probes, tried

SECONDS = 600
"""The most that one architecture may take."""
WORK = Path(__file__).parents[1] / "build" / "support"
"""Rows of a run that has not ended."""


def main(arguments: list[str] | None = None) -> int:
    """Tries what is asked for; writes the table and its page unless something is as it must not be."""
    from tests.shrunk import KINDS

    parser = argparse.ArgumentParser(prog="python -m tests.support_table", description=__doc__)
    parser.add_argument("kinds", metavar="MODEL_TYPE", nargs="*", choices=[*KINDS, []], help="try these again")
    parser.add_argument("--again", action="store_true", help="try all of them again")
    parser.add_argument("--jobs", type=int, default=1, help="architectures side by side")
    parser.add_argument("--probes", nargs="+", choices=asked_probes(), default=asked_probes(), help="these alone")
    asked = parser.parse_args(arguments)
    number, probes = version("transformers"), asked.probes
    held: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    known = {} if asked.again else rows_of(held.get(number, {}))
    wanted = {kind: list(probes) if kind in asked.kinds else lacking(known.get(kind), probes) for kind in KINDS}
    _import_all()
    rows = run_all({kind: missing for kind, missing in wanted.items() if missing}, WORK / number, asked.jobs, _say)
    for kind, row in rows.items():
        known[kind] = joined(known.get(kind), row)
    wrong = {kind: row["wrong"] for kind, row in known.items() if row["wrong"]}
    if wrong:
        _say("\n".join(f"{kind}: {what}" for kind, told in wrong.items() for what in told))
        return 1
    of_all = [
        probe for probe in asked_probes() if all(row["refused"] or probe in row["status"] for row in known.values())
    ]
    held[number] = version_of({kind: known[kind] for kind in KINDS}, of_all)
    FILE.write_text(written(held))
    read_support.cache_clear()
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(write_page())
    shutil.rmtree(WORK / number, ignore_errors=True)
    return 0


def lacking(row: Mapping[str, Any] | None, probes: Iterable[str]) -> list[str]:
    """The probes that a row does not tell of: all where there is no row, none where the model is refused."""
    if row is None:
        return list(probes)
    return [] if row["refused"] else [probe for probe in probes if probe not in row["status"]]


def joined(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what was known of other probes before."""
    if before is None or before["refused"] or row["refused"]:
        return dict(row)
    parts = {
        name: {probe: told for probe, told in before[name].items() if probe not in row["status"]} | row[name]
        for name in ("status", "reasons", "limits")
    }
    return {**row, **parts}


def rows_of(held: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Model type -> its row as a trial gives it, of what the table holds of a version."""
    rows = {}
    for kind, row in held.get("architectures", {}).items():
        reasons = {probe: reason for reason, named in row.get("reasons", {}).items() for probe in named.split()}
        asked = [] if row.get("refused") else held["probes"]
        status = {probe: "skipped" if probe in reasons else "ok" for probe in asked}
        plain = Row(kind, row["groups"], row.get("refused", ""), status, reasons, row.get("limits", {}))
        rows[kind] = {**asdict(plain), "name": row["name"]}
    return rows


def version_of(rows: Mapping[str, Mapping[str, Any]], probes: list[str]) -> dict[str, Any]:
    """What the table holds of a version."""
    architectures = {}
    for kind, row in rows.items():
        by_reason: dict[str, list[str]] = {}
        for probe in probes:
            if probe in row["reasons"]:
                by_reason.setdefault(row["reasons"][probe], []).append(probe)
        entry = {
            "name": row["name"],
            "groups": row["groups"],
            "refused": row["refused"],
            "reasons": {reason: " ".join(named) for reason, named in by_reason.items()},
            "limits": {probe: row["limits"][probe] for probe in probes if probe in row["limits"]},
        }
        architectures[kind] = {name: value for name, value in entry.items() if value}
    return {"probes": probes, "architectures": architectures}


def written(held: Mapping[str, Any]) -> str:
    """The file: a line a reason, so that a change can be read."""
    return json.dumps(held, indent=1, ensure_ascii=False) + "\n"


def run_all(
    wanted: Mapping[str, list[str]], work: Path, jobs: int, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Model type -> what became of it, each in a process of its own; what lies in the work folder is not run again."""
    work.mkdir(parents=True, exist_ok=True)
    waiting = [kind for kind in wanted if not _is_done(work / f"{kind}.json", wanted[kind])]
    say(f"{len(waiting)} of {len(wanted)} architectures to try")
    running: dict[str, tuple[Any, float]] = {}
    fork = multiprocessing.get_context("fork")  # what is slow to import is imported once; no pass has run here
    while waiting or running:
        while waiting and len(running) < jobs:
            kind = waiting.pop(0)
            (work / f"{kind}.json").unlink(missing_ok=True)
            process = fork.Process(target=_try_alone, args=(kind, wanted[kind], work / f"{kind}.json"))
            with warnings.catch_warnings():  # threads that libraries began wait for work, and hold nothing
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            running[kind] = process, time.monotonic()
        time.sleep(0.05)
        for kind, (process, begun) in list(running.items()):
            if process.is_alive() and time.monotonic() - begun <= SECONDS:
                continue
            told = (
                f"more than {SECONDS} seconds" if process.is_alive() else f"the process ended with {process.exitcode}"
            )
            process.kill()
            process.join()
            del running[kind]
            file = work / f"{kind}.json"
            if not file.exists():
                _write(file, Row(kind, wrong=[told]), wanted[kind])
            row = json.loads(file.read_text())["row"]
            say(
                " ".join(
                    [f"{kind}:", row["refused"] or f"{list(row['status'].values()).count('ok')} ok", *row["wrong"]]
                )
            )
    return {kind: json.loads((work / f"{kind}.json").read_text())["row"] for kind in wanted}


def _import_all() -> None:
    """Imports what probes import, once for all processes, and keeps it out of the way of their garbage collection."""
    for module in pkgutil.walk_packages(reportgen.probes.__path__, "reportgen.probes."):
        importlib.import_module(module.name)
    gc.freeze()


def _try_alone(kind: str, probes: list[str], file: Path) -> None:
    """Tries one architecture in a folder and a cache that are deleted, and writes what became of it."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nobody:
        os.environ["REPORTGEN_CACHE"] = f"{folder}/cache"
        with contextlib.redirect_stderr(nobody):
            try:
                row = tried(kind, Path(folder) / "models", probes)
            except Exception as error:  # what must not be is told in the row, and the others go on
                row = Row(kind, wrong=[f"the run ended with {type(error).__name__}: {error}"])
    _write(file, row, probes)


def _write(file: Path, row: Row, probes: list[str]) -> None:
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps({"probes": probes, "row": {**asdict(row), "name": row.architecture}}))
    beside.replace(file)


def _is_done(file: Path, probes: list[str]) -> bool:
    if not file.exists():
        return False
    found = json.loads(file.read_text())
    return set(probes) <= set(found["probes"]) and not found["row"]["wrong"]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
