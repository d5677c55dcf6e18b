"""The numbers that a model is made of: single tensors, by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reportgen.figures.describe import Curve, Curves, Figure, HeatMap
from reportgen.language import digits, say, say_count, sentences
from reportgen.probes.parameter_census import component_of
from reportgen.probing.probe import Case, Probe, ProbeOptions, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, array, arrays, metric, table
from reportgen.results.section import Section
from reportgen.suggest import suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.measures.tensor_summary import NamedTensor, Summary
    from reportgen.model.needs import Captured, Pass
    from reportgen.model.network.loaded import LoadedModel

MOST_CORNERS = 12
"""Tensors whose corners are kept."""
MOST_DRAWN = 4
"""Tensors that are drawn."""
FAR = 2.0
"""Times the distance that the farthest of as many normal numbers would have, from which a tensor has outliers."""

Name = Annotated[str, Field(min_length=1)]


class Options(ProbeOptions):
    """Which tensors, and whether they are decomposed."""

    tensor: Name | Annotated[list[Name], Field(min_length=1)]
    """Exact names, or globs such as `*.layers.0.mlp.*`; the census lists them all."""
    spectrum: bool = False
    """Whether singular values are computed: of large tensors that takes long."""

    @property
    def patterns(self) -> list[str]:
        """What `tensor` names, one or several."""
        return [self.tensor] if isinstance(self.tensor, str) else list(dict.fromkeys(self.tensor))


@dataclass(frozen=True, kw_only=True)
class Weights(Findings):
    """What weights gives."""

    numbers: int = metric("parameters")
    """Numbers of all tensors together."""
    farthest: float | str = metric("standard deviations")
    """Largest distance of any number from the mean of its tensor, in standard deviations of that tensor."""
    zeros: float = metric("share")
    """Share of exact zeros among all of them."""
    tensors: Rows = table(
        "item", "tensor", "component", "block", "shape", "dtype",
        "mean", "std", "min", "max", "zeros", "farthest", "low", "high",
    )  # fmt: skip
    """Each tensor once (tied ones under the first name that is meant): mean, standard deviation, range, share of exact
    zeros, farthest number in standard deviations, and the ends of its histogram."""
    histogram: NDArray[np.float64] = array("item", "component", unit="share")
    """(item x bin) share of the tensor's numbers in each of 100 equal steps from `low` to `high`, which are the least
    and the largest number, but at most 6 standard deviations from the mean."""
    corners: list[NDArray[np.float32]] = arrays("feature", "component", unit="weight")
    """(row x column) the first 100 rows and columns as stored, a tensor an array, of the first 12 tensors; of a tensor
    of more dims those of its first matrix, a vector as one row."""
    spectrum: list[NDArray[np.float64]] = arrays("component", unit="singular value")
    """(component) singular values from the largest on, a tensor an array; none unless asked for."""
    skipped: Rows = table("tensor", "reason")
    """Names that match nothing here, and tensors that cannot be summed up."""


class WeightsProbe(Probe[Options, Weights]):
    """Shows: what stands in single tensors of the model: their numbers, how these are spread, and a corner of them.

    Read: trained weights look like noise with a mean near 0, and the histogram lies near the faint one of a normal
    distribution; a longer tail is where a model keeps what it insists on. In the corner, a stripe is a dimension that
    all rows use alike. Singular values above the line of a random matrix are structure: few large ones mean that
    the tensor writes along few directions.

    Computed: over all numbers of a tensor as it is stored, quantised ones as they are read, sums in float64. The
    line of a random matrix is std · (√rows + √columns), the largest singular value of so much noise (Marchenko and
    Pastur 1967). Outliers are told by comparison with √(2 ln n) standard deviations, about the farthest of n normal
    numbers.
    """

    name = "weights"
    version = 1
    question = "What stands in the weights?"
    options = Options
    findings = Weights
    drawn = ("tensors", MOST_DRAWN)

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None; but some tensor has to be there.

        Raises:
            Unusable: none has any of the names; says which are near.
        """
        skipped = self.skipped_rows(case)
        if len(skipped) == len(case.options.patterns):
            raise Unusable("; ".join(f"tensor {name!r}: {reason}" for name, reason in skipped.items()))
        return ()

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Names that no tensor has, each with the nearest."""
        from reportgen.model.measures.tensor_names import unmatched

        left, names = unmatched(case.located, case.options.patterns)
        return {
            pattern: f"no tensor of the model has this name. {suggestion(pattern, names)}".strip() for pattern in left
        }

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Weights:
        """Tensor by tensor."""
        import numpy as np

        from reportgen.model.measures.tensor_summary import named_tensors, singular_values, summary

        skipped = dict(self.skipped_rows(case))
        found: list[tuple[NamedTensor, Summary]] = []
        for tensor in named_tensors(model, case.options.patterns):
            try:
                found.append((tensor, summary(tensor.values)))
            except ArithmeticError as error:
                skipped[tensor.name] = str(error)
        sizes = [math.prod(one.shape) for _, one in found]
        return Weights(
            numbers=sum(sizes),
            farthest=max((_farthest(one) for _, one in found), default="no tensor has finite numbers"),
            zeros=sum(one.zeros * size for (_, one), size in zip(found, sizes, strict=True)) / max(sum(sizes), 1),
            tensors=[_row(item, tensor, one) for item, (tensor, one) in enumerate(found)],
            histogram=np.array([one.histogram.numpy() for _, one in found]).reshape(len(found), -1),
            corners=[one.corner.numpy() for _, one in found[:MOST_CORNERS]],
            spectrum=[singular_values(tensor.values).numpy() for tensor, _ in found] if case.options.spectrum else [],
            skipped=[[name, reason] for name, reason in skipped.items()],
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """Of each tensor its histogram, its corner and its singular values."""
        ok = section.ok()
        for item in range(MOST_DRAWN):
            for draw in (_histogram, _corner, _spectrum):
                for subject, outcome in ok.items():
                    if item < len(outcome.tables["tensors"].rows):
                        record = outcome.tables["tensors"].records()[item]
                        yield from draw(section.name(subject), subject, outcome, record)

    def statement(self, section: Section) -> str:
        """Where the numbers have outliers, and how few directions hold most of a tensor."""
        return sentences(
            sentence
            for subject, outcome in section.ok().items()
            for sentence in (_outliers(section.name(subject), outcome), _directions(section.name(subject), outcome))
        )


def _farthest(one: Summary) -> float:
    """In standard deviations."""
    reach = max(one.largest - one.mean, one.mean - one.least)
    return reach / one.std if one.std else 0.0


def _row(item: int, tensor: NamedTensor, one: Summary) -> list[str | int | float | bool | None]:
    """A row of `tensors`."""
    shape = " x ".join(str(size) for size in one.shape)
    numbers = (one.mean, one.std, one.least, one.largest, one.zeros, _farthest(one), one.low, one.high)
    return [item, tensor.name, component_of(tensor.name), tensor.block, shape, one.dtype, *numbers]


def _histogram(name: str, subject: str, outcome: Outcome, record: Mapping[str, Any]) -> Iterator[Curves]:
    """Shares a bin, beside those of a normal distribution of the same mean and standard deviation."""
    import numpy as np

    shares = outcome.arrays["histogram"].values[record["item"]]
    edges = np.linspace(record["low"], record["high"], len(shares) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    own = say("weights.numbers", "its numbers")
    curves = [Curve(label=own, x=middles.tolist(), y=shares.tolist(), group=own)]
    if record["std"] > 0:
        normal = [_normal_share(a, b, record["mean"], record["std"]) for a, b in pairwise(edges)]
        label = say("weights.normal", "normal distribution")
        curves.append(Curve(label=label, x=middles.tolist(), y=normal, group=label, faint=True))
    yield Curves(
        name=f"histogram-{record['item']}",
        subject=(subject,),
        title=say(
            "weights.histogram.title", "{model}: {tensor} ({shape})", model=name, tensor=record["tensor"],
            shape=record["shape"],
        ),
        alt=say(
            "weights.histogram.alt",
            "Numbers of {tensor} of {model}: from {min} to {max}, mean {mean}, standard deviation {std}, {zeros} of "
            "them 0",
            tensor=record["tensor"],
            model=name,
            min=_short(record["min"]),
            max=_short(record["max"]),
            mean=_short(record["mean"]),
            std=_short(record["std"]),
            zeros=digits(f"{record['zeros']:.0%}"),
        ),
        x_label=say("weights.number", "number"),
        y_label=say("weights.share", "share of all numbers, a hundredth of the range each"),
        curves=curves,
        y_range=(0.0, max(max(curve.y) for curve in curves) * 1.05),
    )  # fmt: skip


def _normal_share(low: float, high: float, mean: float, std: float) -> float:
    """Of a normal distribution between two numbers."""
    ends = (math.erf((end - mean) / (std * math.sqrt(2))) for end in (low, high))
    first, last = ends
    return (last - first) / 2


def _corner(name: str, subject: str, outcome: Outcome, record: Mapping[str, Any]) -> Iterator[HeatMap]:
    """White is 0."""
    corner = outcome.arrays[f"corners/{record['item']}"].values
    values = {
        "model": name,
        "tensor": record["tensor"],
        "rows": corner.shape[0],
        "columns": corner.shape[1],
        "shape": record["shape"],
    }
    yield HeatMap(
        name=f"corner-{record['item']}",
        subject=(subject,),
        title=say("weights.corner.title", "{model}: the first {rows} × {columns} of {tensor}", **values),
        alt=say(
            "weights.corner.alt",
            "The first {rows} × {columns} numbers of {tensor} ({shape}) of {model}, from {low} to {high}",
            low=_short(float(corner.min())),
            high=_short(float(corner.max())),
            **values,
        ),
        values=corner,
        row_label=say("weights.row", "row"),
        column_label=say("weights.column", "column"),
        value_label=say("weights.number", "number"),
        scale="diverging",
    )


def _spectrum(name: str, subject: str, outcome: Outcome, record: Mapping[str, Any]) -> Iterator[Curves]:
    """Singular values from the largest on; nothing where they are not asked for, or but one."""
    found = outcome.arrays.get(f"spectrum/{record['item']}")
    if found is None or len(found.values) < 2:
        return
    values = found.values.tolist()
    edge = _random_edge(record)
    yield Curves(
        name=f"spectrum-{record['item']}",
        subject=(subject,),
        title=say(
            "weights.spectrum.title", "{model}: singular values of {tensor}", model=name, tensor=record["tensor"]
        ),
        alt=say(
            "weights.spectrum.alt",
            "Singular values of {tensor} of {model}: from {first} to {last}; the largest of a random matrix would be "
            "{edge}",
            tensor=record["tensor"],
            model=name,
            first=_short(values[0]),
            last=_short(values[-1]),
            edge=_short(edge),
        ),
        x_label=say("weights.rank", "singular value, counted from 1"),
        y_label=say("weights.singular_value", "singular value"),
        curves=[
            Curve(
                label=say("weights.spectrum", "this tensor"), x=list(range(1, len(values) + 1)), y=values, model=subject
            )
        ],
        references={say("weights.random", "largest of noise"): edge},
        y_range=(0.0, max(values[0], edge) * 1.05),
    )


def _random_edge(record: Mapping[str, Any]) -> float:
    """About the largest singular value of a random matrix of the same size and spread."""
    sizes = [int(size) for size in record["shape"].split(" x ")]
    rows, columns = sizes[-2:] if len(sizes) > 1 else (1, sizes[0])
    return float(record["std"]) * (math.sqrt(rows) + math.sqrt(columns))


def _outliers(name: str, outcome: Outcome) -> str:
    """The tensor whose farthest number lies farthest beyond those of as many normal ones."""
    beyond = [(_beyond(record), record) for record in outcome.tables["tensors"].records()]
    if not beyond:
        return ""
    most, record = max(beyond, key=lambda one: one[0])
    values = {
        "model": name,
        "tensor": record["tensor"],
        "farthest": digits(f"{record['farthest']:.1f}"),
        "expected": digits(f"{_expected(record):.1f}"),
    }
    if most >= FAR:
        return say(
            "weights.outliers",
            "In {model}, {tensor} has outliers: its numbers reach {farthest} standard deviations from their mean, "
            "normal ones would reach {expected}.",
            **values,
        )
    return say(
        "weights.no_clear_statement",
        "No clear outliers in {model}: the farthest number, of {tensor}, is {farthest} standard deviations from the "
        "mean, where normal ones would reach {expected}.",
        **values,
    )


def _beyond(record: Mapping[str, Any]) -> float:
    return float(record["farthest"]) / _expected(record)


def _expected(record: Mapping[str, Any]) -> float:
    """About the farthest of as many normal numbers, in standard deviations."""
    numbers = math.prod(int(size) for size in record["shape"].split(" x "))
    return math.sqrt(2 * math.log(max(numbers, 2)))


def _directions(name: str, outcome: Outcome) -> str:
    """How many directions hold half of the first tensor's squares; nothing where they are not asked for."""
    import numpy as np

    found = outcome.arrays.get("spectrum/0")
    if found is None or len(found.values) < 2:
        return ""
    squares = np.square(found.values)
    if not squares.sum():
        return ""
    half = int(np.searchsorted(np.cumsum(squares), squares.sum() / 2)) + 1
    record = outcome.tables["tensors"].records()[0]
    return say_count(
        "weights.directions",
        "{count} of {all} directions of {tensor} holds half of its squares; the largest singular value is {times} "
        "times that of noise.",
        "{count} of {all} directions of {tensor} hold half of its squares; the largest singular value is {times} "
        "times that of noise.",
        half,
        all=len(squares),
        tensor=record["tensor"],
        times=digits(f"{found.values[0] / (_random_edge(record) or 1.0):.1f}"),
    )


def _short(value: float) -> str:
    return digits(f"{value:.3g}")


probe = WeightsProbe()
