"""What its figures show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from reportgen.figures.describe import Figure, StackedBars
from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count
from reportgen.probes.parameter_census.view import sum_by_component
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

COMPONENTS = (
    "embedding", "position embedding", "attention q", "attention k", "attention v", "attention q/k/v", "attention o",
    "MLP gate", "MLP up", "MLP gate/up", "MLP down", "experts", "router", "state space", "norms", "head", "vision",
    "other",
)  # fmt: skip
"""In the order in which bars are stacked."""


def figures(section: Section) -> Iterable[Figure]:
    """All models in one figure by component; one figure a model by block."""
    views = SubjectView.each(section)
    if not views:
        return
    sizes = [sum_by_component(view.rows("tensors")) for view in views]
    used = [component for component in COMPONENTS if any(component in size for size in sizes)]
    yield StackedBars(
        name="components",
        subject=tuple(view.subject for view in views),
        title=say("parameter_census.components.title", "Parameters by component"),
        alt=sentences(_tell_sizes(view.name, size) for view, size in zip(views, sizes, strict=True)),
        bars=[view.name for view in views],
        segments=[component_label(component) for component in used],
        values=np.array([[size.get(component, 0) / 1e6 for component in used] for size in sizes]),
        value_label=_millions(),
    )
    for view in views:
        yield _blocks(view, used)


def component_label(component: str) -> str:
    """What a component is called in figures, in the spoken language."""
    return say(f"component.{component}", component)


def _millions() -> str:
    return say("unit.million parameters", "million parameters")


def _tell_sizes(name: str, sizes: Mapping[str, int]) -> str:
    """The parameters of all components, for who cannot see the bars."""
    parts = [f"{component_label(component)} {write_count(size)}" for component, size in sizes.items()]
    return say("parameter_census.parts", "{model}: {parts}.", model=name, parts=list_items(parts))


def _blocks(view: SubjectView, coloured: Sequence[str]) -> StackedBars:
    """The sizes of blocks; each component in the colour that it has in the figure of `coloured` ones."""
    inside = [record for record in view.rows("tensors") if record["block"] is not None]
    blocks = sorted({int(record["block"]) for record in inside})
    sizes = [sum_by_component(record for record in inside if record["block"] == block) for block in blocks]
    runs = _runs(sizes)
    used = [component for component in COMPONENTS if any(component in size for size in sizes)]
    count = say_count(
        "parameter_census.blocks.alt",
        "{model} has {count} block.",
        "{model} has {count} blocks.",
        len(blocks),
        model=view.name,
    )
    first = _tell_sizes(say("parameter_census.block", "block {block}", block=0), sizes[0]) if sizes else ""
    return StackedBars(
        name="blocks",
        subject=(view.subject,),
        title=say("parameter_census.blocks.title", "{model}: parameters by block", model=view.name),
        alt=sentences([count, first]),
        bars=[_run_label(first, last) for first, last in runs],
        segments=[component_label(component) for component in used],
        values=np.array([[sizes[a].get(component, 0) / 1e6 for component in used] for a, _ in runs]),
        value_label=_millions(),
        colours=[coloured.index(component) for component in used],
    )


def _run_label(first: int, last: int) -> str:
    if first == last:
        return say("parameter_census.block", "block {block}", block=first)
    return say("parameter_census.blocks_each", "blocks {first}–{last}, each", first=first, last=last)


def _runs(sizes: Sequence[dict[str, int]]) -> list[tuple[int, int]]:
    """(first, last) of each run of blocks that are made alike."""
    runs: list[tuple[int, int]] = []
    for block, size in enumerate(sizes):
        if runs and sizes[runs[-1][0]] == size:
            runs[-1] = (runs[-1][0], block)
        else:
            runs.append((block, block))
    return runs
