"""A figure of every probe, made by this version: the battery docs/probes.yaml is run, and what is unchanged since comes
from the cache.
"""

import logging
from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file

import reportgen
from docs.generate.places import DOCS, ROOT
from docs.generate.quoting import read_cached
from reportgen.battery.reader import Battery
from reportgen.numerals import count_items
from reportgen.report.content.bundle_figures import describe_bundle, draw_figures
from reportgen.running.plan import make_plan
from reportgen.running.planned import PlannedCase
from tests.tiny import save_tiny

BATTERY = DOCS / "probes.yaml"
BUNDLE = ROOT / "build" / "every-probe"
WEIGHTS = "model.safetensors"
MOVED_BY = 0.003
"""Standard deviation of what is added to each weight of random experts: enough for some tokens to go elsewhere."""
CHOSEN = {"linear_map": "map", "steering": "texts", "drift": "weights"}
"""Probe -> the figure that its page shows, where that is not the first."""


@dataclass(frozen=True)
class ProbeFigure:
    """What the page of a probe shows of a run."""

    svg: bytes
    alt: str
    statement: str
    cost: tuple[str, ...]
    """What it asked of each model or pair, in words."""


class NoFigureError(Exception):
    """A probe whose page would have no figure."""


def make_probe_figures() -> dict[str, ProbeFigure]:
    """Probe -> its figure, from a run on the demo models.

    Raises:
        NoFigureError: a probe of the battery failed, was skipped or draws nothing.
    """
    log = logging.getLogger("mkdocs.hooks.figures")
    save_experts()
    bundle = reportgen.run(BATTERY, BUNDLE, formats=[], progress=log.info)
    described = describe_bundle(bundle)
    costs = _list_costs(read_cached(BATTERY))
    found: dict[str, ProbeFigure] = {}
    for one in draw_figures(bundle, described, cache=True):
        name = one.probe_id
        wanted = CHOSEN.get(name, one.description.name)
        if name not in found and one.description.name == wanted:
            statement = described.statements[name]
            svg = one.drawing.content("paths")
            found[name] = ProbeFigure(svg, one.description.alt, statement, costs[name])
    if missing := [name for name in bundle if name not in found]:
        reasons = {outcome.reason for name in missing for outcome in bundle[name].values()}
        raise NoFigureError(f"no figure of {', '.join(missing)}: {'; '.join(reasons)}")
    return found


def save_experts() -> None:
    """Two tiny mixtures of experts with random weights: those of the second are the first's, a little moved."""
    first, second = ROOT / "build" / "experts", ROOT / "build" / "experts-moved"
    if second.exists():
        return
    import reportgen.model.load  # noqa: F401  keeps bars and remarks of transformers from the terminal

    save_tiny(first, "mixtral")
    save_tiny(second, "mixtral")
    drawn = torch.Generator().manual_seed(0)
    weights = load_file(first / WEIGHTS)
    moved = {name: one + MOVED_BY * torch.randn(one.shape, generator=drawn) for name, one in weights.items()}
    save_file(moved, second / WEIGHTS, {"format": "pt"})


def _list_costs(battery: Battery) -> dict[str, tuple[str, ...]]:
    """Probe -> what it asks of each of its models or pairs; nothing that is kept is left out."""
    plan = make_plan(battery)
    told: dict[str, tuple[str, ...]] = {}
    for case in (case for planned in (*plan.models, *plan.pairs) for case in planned.cases):
        told[case.entry.id] = (*told.get(case.entry.id, ()), f"{case.subject}: {_describe_cost(case)}")
    return told


def _describe_cost(case: PlannedCase) -> str:
    tokens = sum(len(one.tokens) + one.steps - 1 for one in case.passes)
    first = [f"{count_items(len(case.passes), 'pass', 'es')} of {count_items(tokens, 'token')}"] if case.passes else []
    later = [f"{count_items(case.further, 'pass', 'es')} chosen while it runs"] if case.further else []
    return ", then ".join(first + later) or "no pass: it reads the weights or the tokenizer"
