"""Where a series of numbers, one a run, took a step, or began to climb, and where it did not.

The series is cut into plateaus by minimising

    sum over runs of min(|value - level| / noise, cap)  +  penalty * number of steps

exactly, by Viterbi's algorithm over (run, level) with the values themselves as levels: the best level of a plateau
is a median, which is one of its values. This is the Potts functional with absolute deviations (Storath, Weinmann and
Unser, Jump-penalized least absolute values estimation of scalar or circle-valued signals, Information and Inference
2017); asv finds its regressions by the same functional. The cap on what one run may cost is what keeps an outlier
from being two steps (Fearnhead and Rigaill, Changepoint detection in the presence of outliers, JASA 2019): as it is
a little below the penalty, a new level counts once it has lasted `ENDING` runs at the end of the series, or one
more between two others.

`noise` is the mean absolute deviation, estimated robustly from the differences of neighbouring runs, so that neither
steps nor outliers widen it. A series that never moves has none, and then the smallest lasting change is a step.

A step must stand out a second time, by the likelihood ratio of two levels against one under normal scatter of unknown
width: absolute deviations alone would cut a series that goes to and fro between two values.

Several steps in one direction are one ramp where a straight line costs less than they do; a ramp counts as two
changes, its beginning and its end. A slow ramp is therefore told once, with its first and last run; one that is lost
in the noise may be told as a single step about its middle.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FEWEST = 5
"""Known runs below which nothing is told: nobody could say what is noise."""
ENDING = 2
"""Runs that a new level must last at the end of a series."""
STRICTNESS = 3.0
"""Penalty of a step in units of noise, a logarithm of the number of runs; the tests say what it withstands."""
CAP = 0.95
"""Most that one run may cost, as a share of the penalty."""
EVIDENCE = 14.0
"""Square of the standard scores, beyond that of the largest of as many random ones, that a change must show."""
SPARED = 3
"""Largest differences of neighbours that may be steps and outliers, not noise (or a tenth, where that is more)."""
ENDS_TRIED = 12
"""Runs tried for each end of a ramp."""
ROUNDS = 4
"""Times that a ramp is fitted, each time less to its outliers."""

Values = NDArray[np.float64]
Bound = Callable[[float], float]
"""Level -> difference from it that is still tolerated."""


@dataclass(frozen=True)
class Plateau:
    """Runs, counted from 0, on which a series stays at one level; what was not measured before the next is in it."""

    first: int
    last: int
    level: float


@dataclass(frozen=True)
class Step:
    """A change of level that lasted."""

    first: int
    """The first run that is not on the old level."""
    last: int
    """The first run on the new level: `first` itself, but at the end of a ramp."""
    before: float
    after: float

    @property
    def ramp(self) -> bool:
        """Whether it took several runs."""
        return self.last > self.first


def list_steps(course: Sequence[Plateau]) -> list[Step]:
    """What lies between the plateaus of a series."""
    return [Step(old.last + 1, new.first, old.level, new.level) for old, new in pairwise(course)]


def find_plateaus(values: Sequence[float], tolerated: Bound = lambda level: 0.0) -> list[Plateau]:
    """The levels of a series, one after the other; runs between two plateaus are a ramp.

    Args:
        values: (run) NaN where nothing was measured.
        tolerated: what a level may be off without being another: many small steps count once they exceed it together.
    """
    given = np.asarray(values, dtype=np.float64)
    runs = np.flatnonzero(np.isfinite(given))
    if not runs.size:
        return []
    # A power of two, which changes no digit: squares of what a stranger calls a metric must not overflow.
    exponent = int(np.frexp(np.abs(given[runs]).max())[1])
    known = np.ldexp(given[runs], -exponent)
    if known.size < FEWEST or (known == known[0]).all():
        pieces = [_plateau(known, 0, known.size - 1)]
    else:
        fit = _Fit(known)
        pieces = _drop_insignificant(fit, _insert_ramps(fit))
    ends = [*(int(runs[one.last + 1]) - 1 for one in pieces[:-1]), int(runs[pieces[-1].last])]
    found = [
        Plateau(int(runs[one.first]), end, float(np.ldexp(one.level, exponent)))
        for one, end in zip(pieces, ends, strict=True)
    ]
    return _drop_tolerated(found, tolerated)


def _plateau(values: Values, first: int, last: int) -> Plateau:
    return Plateau(first, last, float(np.median(values[first : last + 1])))


class _Fit:
    """A series without gaps, what a run off its level costs, and the cheapest cut into plateaus."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.noise = _noise(values)
        self.penalty = STRICTNESS * float(np.log(values.size))
        self.plateaus = _cut_series(values, self.cost, self.penalty)

    def cost(self, off: Values) -> Values:
        """What runs cost that are so far off, each at most a little less than a step."""
        return np.minimum(np.abs(off) / self.noise, CAP * self.penalty)


def _noise(values: Values) -> float:
    """Mean absolute deviation; next to nothing, for values of about 1, where there is none."""
    differences = np.sort(np.abs(np.diff(values)))
    # Of normal noise, neighbours differ by 1.13 standard deviations on average, by 0.95 in the median; its mean
    # absolute deviation is 0.80. The mean also sees noise that most runs are spared.
    spared = max(SPARED, differences.size // 10)
    mean = float(differences[:-spared].mean()) * 0.80 / 1.13 if differences.size > spared else 0.0
    return max(float(np.median(differences)) * 0.80 / 0.95, mean, 1e-12)


def _cut_series(values: Values, cost: Callable[[Values], Values], penalty: float) -> list[Plateau]:
    levels = np.unique(values)
    total = cost(values[0] - levels)
    entered = np.zeros((values.size, levels.size), dtype=np.bool_)
    best = np.zeros(values.size, dtype=np.intp)
    for run in range(1, values.size):
        best[run] = total.argmin()
        stepping = total[best[run]] + penalty
        entered[run] = total > stepping
        total = np.where(entered[run], stepping, total) + cost(values[run] - levels)
    found: list[Plateau] = []
    level, last = int(total.argmin()), values.size - 1
    for run in range(values.size - 1, -1, -1):
        if run == 0 or entered[run, level]:
            found.append(_plateau(values, run, last))
            level, last = int(best[run]), run - 1
    return found[::-1]


def _insert_ramps(fit: _Fit) -> list[Plateau]:
    """The plateaus, with a ramp in place of each row of steps in one direction that it explains better."""
    found = dict(enumerate(fit.plateaus))
    for start, end in _find_monotone([one.level for one in fit.plateaus]):
        for ramp in _ramps(fit, start, end):
            # The plateaus at its ends may have lost all runs but one: their levels are the ramp's.
            found[ramp.start] = replace(found[ramp.start], last=ramp.begins, level=ramp.before)
            found[ramp.end] = replace(found[ramp.end], first=ramp.ends, level=ramp.after)
            for at in range(ramp.start + 1, ramp.end):
                del found[at]
    return list(found.values())


def _find_monotone(levels: Sequence[float]) -> Iterator[tuple[int, int]]:
    """First and last of the levels that follow each other in one direction."""
    start = 0
    for at in range(1, len(levels)):
        turns = at + 1 == len(levels) or (levels[at + 1] > levels[at]) != (levels[at] > levels[at - 1])
        if turns:
            yield start, at
            start = at


@dataclass(frozen=True)
class _Ramp:
    """A straight way from one plateau of a fit to another, in place of those between."""

    start: int
    end: int
    """Indices of the two plateaus."""
    begins: int
    ends: int
    """The last run on the one, the first on the other."""
    before: float
    after: float


def _ramps(fit: _Fit, start: int, end: int) -> Iterator[_Ramp]:
    """The ramps between two plateaus; where one over all is no better than steps, on either side of the longest."""
    if end - start < 2:
        return
    steps = fit.plateaus[start : end + 1]
    runs = slice(steps[0].first, steps[-1].last + 1)
    staircase = sum(float(fit.cost(fit.values[p.first : p.last + 1] - p.level).sum()) for p in steps)
    tried = [
        (begins, ends, *_fit_ramp(fit.values[runs], begins - runs.start, ends - runs.start))
        for begins in _sample_ends(_beginnings(fit, start))
        for ends in _sample_ends(_endings(fit, end))
    ]
    costs = [float(fit.cost(off).sum()) for *_, off in tried]
    begins, ends, before, after, _ = tried[int(np.argmin(costs))]
    if min(costs) + 2 * fit.penalty < staircase + (end - start) * fit.penalty:
        yield _Ramp(start, end, begins, ends, before, after)
        return
    longest = max(range(start + 1, end), key=lambda at: fit.plateaus[at].last - fit.plateaus[at].first)
    yield from _ramps(fit, start, longest)
    yield from _ramps(fit, longest, end)


def _beginnings(fit: _Fit, at: int) -> range:
    """Runs on which a ramp may begin: as much of a plateau as the next one is long, but half is another ramp's."""
    old, new = fit.plateaus[at], fit.plateaus[at + 1]
    earliest = old.first if at == 0 else (old.first + old.last + 1) // 2
    return range(max(earliest, old.last - (new.last - new.first + 1)), old.last + 1)


def _endings(fit: _Fit, at: int) -> range:
    """Runs on which a ramp may end, as for its beginning."""
    old, new = fit.plateaus[at - 1], fit.plateaus[at]
    latest = new.last if at == len(fit.plateaus) - 1 else (new.first + new.last) // 2
    return range(new.first, min(latest, new.first + (old.last - old.first + 1)) + 1)


def _sample_ends(runs: range) -> list[int]:
    """A few of them, both ends among them."""
    return sorted({runs[round(at)] for at in np.linspace(0, len(runs) - 1, ENDS_TRIED)})


def _fit_ramp(values: Values, begins: int, ends: int) -> tuple[float, float, Values]:
    """The levels before and after the ramp between two runs that fits best, and how far the values are from it."""
    share = np.clip((np.arange(values.size) - begins) / (ends - begins), 0, 1)
    design = np.stack([1 - share, share], axis=1)
    weights = np.ones(values.size)
    for _ in range(ROUNDS):  # absolute deviations as least squares, reweighted: outliers pull less each time
        weighted = design * weights[:, np.newaxis]
        levels = np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0]
        off = values - design @ levels
        weights = 1 / np.maximum(np.abs(off), 1e-6 * (np.abs(off).max() or 1))
    before, after = np.round(levels, 12)  # of values of about 1: what is left of a zero is no level
    return float(before), float(after), off


def _drop_insignificant(fit: _Fit, pieces: Sequence[Plateau]) -> list[Plateau]:
    """The plateaus without the changes that the scatter around them may well make; the least of them goes first."""
    found = list(pieces)
    while len(found) > 1:
        evidence = [_evidence(fit, old, new) for old, new in pairwise(found)]
        least = int(np.argmin(evidence))
        if evidence[least] > EVIDENCE + 4 * np.log(fit.values.size):  # any two runs may bound a plateau
            break
        found[least : least + 2] = [_plateau(fit.values, found[least].first, found[least + 1].last)]
    return found


def _evidence(fit: _Fit, old: Plateau, new: Plateau) -> float:
    """The likelihood ratio of a change against none, for normal scatter of unknown width: about z squared."""
    runs = np.arange(old.first, new.last + 1)
    way = np.interp(runs, [old.last, new.first], [old.level, new.level])
    most = CAP * fit.penalty * fit.noise
    scatter = np.clip(fit.values[runs] - way, -most, most)
    around, without = float((scatter**2).sum()), float(((way + scatter - (way + scatter).mean()) ** 2).sum())
    tiny = runs.size * fit.noise**2 * 1e-6
    return (runs.size - 2) * float(np.log((without + tiny) / (around + tiny)))


def _drop_tolerated(pieces: Sequence[Plateau], tolerated: Bound) -> list[Plateau]:
    """The pieces that are further from the level before them than is tolerated; the others are part of it."""
    found = [pieces[0]]
    for piece in pieces[1:]:
        now = found[-1]
        if abs(piece.level - now.level) > tolerated(now.level):
            found.append(piece)
        else:
            found[-1] = Plateau(now.first, piece.last, now.level)
    return found
