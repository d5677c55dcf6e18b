"""How good sparse dictionaries are: how sparse, how faithful, and what the model loses where they take its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from reportgen.features.names import place_name
from reportgen.features.options import dictionaries_of, need_of
from reportgen.features.tables import DICTIONARIES, cell, dictionary_rows, note_rows, notes_of
from reportgen.features.window_options import WindowOptions, windows_of
from reportgen.figures.describe import Curve, Curves, Figure, TokenGrid
from reportgen.language import digits, listed, name_of, say, say_count, sentences
from reportgen.model.needs import Edit, Need, Operation, Pass, Site
from reportgen.model.sae.notes import told
from reportgen.numerics.sparse import ReconstructionQuality, delta_loss, loss_recovered
from reportgen.probing.probe import Case, Probe, axis_label
from reportgen.results.quantities import Cell, Findings, Outcome, Rows, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.windows import Windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel
    from reportgen.model.sae.dictionary import Dictionary
    from reportgen.model.sae.files import DictionaryFiles, Place
    from reportgen.numerics.sparse import Quality
    from reportgen.probing.probe import Later

LEAST_COST = 0.01
"""Nats that zeros in a dictionary's place have to cost for a share of them to mean anything."""
GOOD = 0.9
"""Loss recovered from which a dictionary is said to stand in for what it read."""
FEW = 200
"""Predictions below which nothing clear is said: with so many, loss recovered has a standard error of some 0.01."""
APART = 0.05
"""What a share may differ by from what the file states, on another text."""
APART_RELATIVE = 0.25
"""The same of what is no share (L0, delta loss), as a share of what the file states."""
SHARES = ("fvu", "explained_variance", "cosine", "dead", "dense", "loss_recovered")
STATED = ("l0", *SHARES, "delta_loss")
"""Numbers that a dictionary's file may state."""
SHOWN = ("l0", "fvu", "cosine", "dead", "dense", "delta_loss", "loss_recovered")


class Options(WindowOptions):
    """Which dictionaries, and the text."""


@dataclass(frozen=True, kw_only=True)
class Qualities(Findings):
    """What the dictionaries are worth."""

    tokens: int = metric("tokens")
    """Tokens of the text over which everything is taken, BOS left out."""
    loss: float = metric("nat")
    """Mean −ln p of the next token in the model as it is, at every token but BOS that has a next one in its window."""
    l0: float = metric("features")
    """Mean number of features above 0 a token; mean over the dictionaries."""
    fvu: float | str = metric("", "lower")
    """Fraction of variance unexplained, Σ|x − x̂|² / Σ|x − x̄|² with x̄ the mean of each dimension over the text; mean
    over the dictionaries where it is defined."""
    loss_recovered: float | str = metric("share", "higher")
    """Mean over the dictionaries where it is defined."""
    delta_loss: float = metric("nat", "lower")
    """Mean over the dictionaries."""
    dead_share: float = metric("share", "lower")
    """Share of features that fire on no token of the text; mean over the dictionaries."""
    dense_share: float = metric("share")
    """Share of features that fire on more than a tenth of the tokens; mean over the dictionaries."""
    dictionaries: Rows = table(*DICTIONARIES)
    """The dictionaries; `index` is a layer of the residual stream, or a block."""
    quality: Rows = table(
        "item", "l0", "fvu", "explained_variance", "cosine", "dead", "dense", "loss_spliced", "loss_zero", "delta_loss",
        "loss_recovered", "reason",
    )  # fmt: skip
    """Of each dictionary: features a token; Σ|x − x̂|² / Σ|x − x̄|², and 1 − this; mean cosine of x and x̂; shares of
    features that fire on no token, and on more than a tenth; the loss with its reconstruction and with zeros in the
    place of what it read, at every token but BOS; what the splice costs; (zeros − splice) / (zeros − clean), and why
    that is undefined, where it is."""
    stated: Rows = table("item", "number", "stated", "measured", "agrees")
    """What the files state beside what was measured; they agree where shares differ by 0.05 at most and others by a
    quarter. The text is another one."""
    density: list[NDArray[np.float64]] = arrays("feature", unit="share")
    """(feature) of each dictionary: share of the tokens on which each feature is above 0."""
    notes: Rows = table("kind", "name", "value")
    """What is to be known of the dictionaries."""
    text: Rows = table("windows", "tokens", "predictions")
    """Windows of the text, tokens that are encoded, and tokens that are predicted."""


class SaeQuality(Probe[Options, Qualities]):
    """Shows: how sparse the dictionaries are, how much of what they read they give back, and what the model loses where
    their reconstruction takes the place of what they read.

    Read: few features a token at a high loss recovered is what a dictionary is for; each is easy without the other. A
    low FVU alone does not help: what is small in the stream may be what the model goes by, and a few tokens of enormous
    vectors may hold much of the variance, so that it is another on another text. Loss recovered is a share of what
    zeros cost, which is so much that 0.9 may still be a whole nat: look at delta loss too. Dead features fire on
    no token of this text, which a short text makes likelier; dense ones on more than a tenth. What a file states
    was measured on another text.

    Computed: activations f = encode(x) and x̂ = decode(f) in float32. FVU = Σ|x − x̂|² / Σ|x − x̄|², both sums over all
    tokens first, so that predicting the mean of each dimension scores 1; explained variance = 1 − FVU. CE is the mean
    −ln p of the next token, with x as it is, x̂ in its place, or zeros there, at every position but BOS; CE is of what
    these positions predict. Delta loss = CE(spliced) − CE(clean), loss recovered = (CE(zeros) − CE(spliced)) /
    (CE(zeros) − CE(clean)); undefined where zeros cost less than 0.01 nat. Rajamanoharan et al. 2024, "Jumping Ahead";
    Lieberum et al. 2024, "Gemma Scope".
    """

    name = "sae_quality"
    version = 1
    question = "How good are the dictionaries?"
    options = Options
    findings = Qualities

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: windows pass one after another. Everything that can be wrong is looked at here."""
        dictionaries_of(case)
        windows_of(case)
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """A window as it is, with zeros at each place, and with each dictionary."""
        files = dictionaries_of(case).files
        return len(windows_of(case)) * (1 + len(_places(files)) + len(files))

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> Later[Qualities]:
        """One window after another."""
        bench = _Bench(model, dictionaries_of(case).files, windows_of(case))
        for window in range(len(bench.windows)):
            bench.take(window, (yield bench.passes(window)))
        return _found(case, bench)

    def figures(self, section: Section) -> Iterable[Figure]:
        """All numbers; fidelity and sparsity over the layers; one against the other where a place has several."""
        views = [_View(section.name(subject), subject, outcome) for subject, outcome in section.ok().items()]
        for view in views:
            yield _numbers(view)
        for view in views:
            if view.lines:
                yield _fidelity(view)
        for view in views:
            if view.lines:
                yield _sparsity(view)
        for view in views:
            if view.crowded:
                yield from (_against(view, number) for number in ("loss_recovered", "fvu"))

    def statement(self, section: Section) -> str:
        """How many dictionaries recover the loss, which does least; dead features; what the files state otherwise."""
        return sentences(
            _told(_View(section.name(subject), subject, outcome)) for subject, outcome in section.ok().items()
        )


# What is measured


def _places(files: Sequence[DictionaryFiles]) -> list[Place]:
    """Each place once."""
    return list(dict.fromkeys(one.place for one in files))


class _Bench:
    """The sums over all windows that have passed."""

    def __init__(self, model: LoadedModel, files: Sequence[DictionaryFiles], windows: Windows) -> None:
        from reportgen.model.capture.edit import Scale
        from reportgen.model.sae.dictionary import load_dictionary
        from reportgen.model.sae.splice import Splice

        self.model, self.windows = model, windows
        self.dictionaries: list[Dictionary] = [load_dictionary(one, model.device) for one in files]
        self.places = _places(files)
        self.predictions = 0
        quality = ReconstructionQuality()
        self._accumulator, self._states = quality, [quality.init() for _ in files]
        self._variants: list[tuple[Place, Operation]] = [
            *((place, Scale(0.0)) for place in self.places),
            *((one.files.place, Splice(one)) for one in self.dictionaries),
        ]
        self._losses = [0.0] * (1 + len(self._variants))
        self._final = Need(Site.RESIDUAL, "all", (model.layers,))

    def passes(self, window: int) -> list[Pass]:
        """A window as it is, then with everything that is put in its place."""
        tokens = self.windows.tokens(window)
        changed = tuple(range(self._first(window), len(tokens)))
        needs = dict.fromkeys([self._final, *(need_of(one.files) for one in self.dictionaries)])
        return [
            Pass(tokens, tuple(needs)),
            *(
                Pass(tokens, (self._final,), edits=(Edit(place.site, place.index, operation, changed),))
                for place, operation in self._variants
            ),
        ]

    def take(self, window: int, captured: Sequence[Captured]) -> None:
        """Adds what a window gave."""
        import torch

        from reportgen.model.measures.token_loss import token_losses

        first = self._first(window)
        for item, dictionary in enumerate(self.dictionaries):
            rows = captured[0].kept(need_of(dictionary.files), 0)[0][first:]
            self._states[item] = self._with(item, rows)
        tokens = self.windows.tokens(window)
        targets = torch.tensor(tokens[first + 1 :], device=self.model.device)
        self.predictions += len(targets)
        streams = [single.kept(self._final, 0)[0][first:-1] for single in captured]
        losses = token_losses(self.model, torch.cat(streams), targets.repeat(len(streams)))
        for variant, of_variant in enumerate(losses.double().reshape(len(streams), -1).sum(1).tolist()):
            self._losses[variant] += of_variant

    @property
    def clean(self) -> float:
        """Nats a token in the model as it is."""
        return self._losses[0] / self.predictions

    def with_zeros(self, item: int) -> float:
        """The same with zeros in the place of what a dictionary read."""
        return self._losses[1 + self.places.index(self.dictionaries[item].files.place)] / self.predictions

    def spliced(self, item: int) -> float:
        """The same with its reconstruction there."""
        return self._losses[1 + len(self.places) + item] / self.predictions

    def quality(self, item: int) -> Quality:
        """What was summed of a dictionary."""
        return self._accumulator.finish(self._states[item])

    def _first(self, window: int) -> int:
        return int(self.windows.added[window])

    def _with(self, item: int, rows: Any) -> Any:
        """The state after some rows, a few at a time: activations of all features are many."""
        state, dictionary = self._states[item], self.dictionaries[item]
        for held, activations in dictionary.encoded(rows):
            some = rows[held].to(dictionary.device)
            state = self._accumulator.update(state, some, dictionary.decode(activations, some), activations)
        return state


def _found(case: Case[Options], bench: _Bench) -> Qualities:
    import numpy as np

    found, count = dictionaries_of(case), len(bench.dictionaries)
    qualities = [bench.quality(item) for item in range(count)]
    rows = [_quality_row(bench, item, qualities[item]) for item in range(count)]

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows if isfinite(row[name])] or [nan]))

    return Qualities(
        tokens=qualities[0].tokens,
        loss=bench.clean,
        l0=mean("l0"),
        fvu=_or(mean("fvu"), "what the dictionaries read does not vary"),
        loss_recovered=_or(mean("loss_recovered"), _cheap()),
        delta_loss=mean("delta_loss"),
        dead_share=mean("dead"),
        dense_share=mean("dense"),
        dictionaries=dictionary_rows(case.options),
        quality=[
            [item, *map(cell, row.values()), "" if isfinite(row["loss_recovered"]) else _cheap()]
            for item, row in enumerate(rows)
        ],
        stated=[row for item, one in enumerate(found.files) for row in _stated_rows(item, one, rows[item])],
        density=[np.asarray(one.density.cpu().numpy(), np.float64) for one in qualities],
        notes=note_rows(found.notes),
        text=[[len(bench.windows), qualities[0].tokens, bench.predictions]],
    )


def _or(value: float, reason: str) -> float | str:
    return value if isfinite(value) else reason


def _cheap() -> str:
    return f"zeros in its place cost less than {LEAST_COST} nat"


def _quality_row(bench: _Bench, item: int, quality: Quality) -> dict[str, float]:
    """Of the `quality` table; NaN where a number is not defined."""
    spliced, zero = bench.spliced(item), bench.with_zeros(item)
    dear = zero - bench.clean >= LEAST_COST
    return {
        "l0": quality.l0,
        "fvu": quality.fvu,
        "explained_variance": quality.explained_variance,
        "cosine": quality.cosine,
        "dead": quality.dead,
        "dense": quality.dense,
        "loss_spliced": spliced,
        "loss_zero": zero,
        "delta_loss": delta_loss(bench.clean, spliced),
        "loss_recovered": loss_recovered(bench.clean, zero, spliced) if dear else nan,
    }


def _stated_rows(item: int, one: DictionaryFiles, measured: Mapping[str, float]) -> Rows:
    """What a file says of itself: L0 in its name or notes, and what our own dictionaries say of a held-out text."""
    held_out = one.card.metadata.get("held_out")
    stated = {"l0": one.card.l0, **(held_out if isinstance(held_out, Mapping) else {})}
    rows: Rows = []
    for name in STATED:
        value = stated.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            rows.append([item, name, float(value), cell(measured[name]), _agrees(name, float(value), measured[name])])
    return rows


def _agrees(name: str, stated: float, measured: float) -> bool | None:
    if not isfinite(measured):
        return None
    return abs(measured - stated) <= (APART if name in SHARES else APART_RELATIVE * abs(stated))


# What is shown


@dataclass(frozen=True)
class _View:
    """An outcome as figures and statement read it."""

    name: str
    subject: str
    outcome: Outcome

    @property
    def items(self) -> list[dict[str, Any]]:
        """Each dictionary with its numbers."""
        quality = {record["item"]: record for record in self.outcome.tables["quality"].records()}
        return [record | quality[record["item"]] for record in self.outcome.tables["dictionaries"].records()]

    @property
    def lines(self) -> dict[str, list[dict[str, Any]]]:
        """What curves over layers connect: dictionaries of one site and source, where they are two or more; by name."""
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for item in self.items:
            found.setdefault((item["site"], item["source"]), []).append(item)
        several = {key: sorted(of, key=lambda item: int(item["index"])) for key, of in found.items() if len(of) > 1}
        return {f"{key[1]}, {key[0]}" if len(several) > 1 else "": of for key, of in several.items()}

    @property
    def crowded(self) -> dict[str, list[dict[str, Any]]]:
        """Places with two dictionaries or more, by L0."""
        found: dict[str, list[dict[str, Any]]] = {}
        for item in self.items:
            found.setdefault(_place(item), []).append(item)
        return {name: sorted(of, key=lambda item: float(item["l0"])) for name, of in found.items() if len(of) > 1}

    @property
    def x_label(self) -> str:
        """Below curves over layers."""
        if all(item["site"] == Site.RESIDUAL.value for item in self.items):
            return axis_label(relative=False)
        return say("sae_quality.place", "layer or block that the dictionary reads")


def _place(item: Mapping[str, Any]) -> str:
    return place_name(str(item["site"]), int(item["index"]))


def _called(number: str) -> str:
    """Names of the numbers."""
    special = {
        "l0": say("sae_quality.l0", "L0"),
        "fvu": say("sae_quality.fvu", "FVU"),
        "delta_loss": say("sae_quality.delta_loss", "Δ loss (nat)"),
    }
    return special.get(number) or name_of(number)


def _digits(number: str, value: Any) -> str:
    if value is None:
        return "–"
    if number == "l0":
        return digits(f"{value:,.1f}")
    return digits(f"{value:.1%}" if number in ("dead", "dense") else f"{value:.3f}").replace("-", "−")


def _numbers(view: _View) -> TokenGrid:
    """A row a dictionary, the last place at the top."""
    import numpy as np

    items = view.items[::-1]
    short = {
        "delta_loss": say("sae_quality.short_delta_loss", "Δ loss"),
        "loss_recovered": say("sae_quality.short_recovered", "recovered"),
    }
    unique = len({_place(item) for item in items}) == len(items)
    rows = [_place(item) if unique else f"{_place(item)}: {item['name']}" for item in items]
    texts = [[_digits(number, item[number]) for number in SHOWN] for item in items]
    recovered = [
        say("sae_quality.at", "{value}, {place}", place=row, value=_digits("loss_recovered", item["loss_recovered"]))
        for row, item in zip(rows, items, strict=True)
    ]
    return TokenGrid(
        name="numbers",
        subject=(view.subject,),
        title=say("sae_quality.numbers.title", "{model}: its dictionaries in numbers", model=view.name),
        alt=say(
            "sae_quality.numbers.alt", "Loss recovered by the dictionaries of {model}: {values}", model=view.name,
            values=listed(recovered),
        ),
        row_label=say("sae_quality.dictionary", "dictionary"),
        rows=rows,
        column_label=say("sae_quality.over", "over {tokens} tokens", tokens=digits(f"{_tokens(view):,}")),
        columns=[short.get(number) or _called(number) for number in SHOWN],
        texts=texts,
        values=np.clip([[_shade(item, number) for number in SHOWN] for item in items], 0.0, 1.0),
        value_label=say(
            "sae_quality.shade",
            "the number; L0 as a share of the features, Δ loss (nat) of what zeros cost",
        ),
        outlined=np.zeros((len(items), len(SHOWN)), bool),
        sampleable=True,
    )  # fmt: skip


def _shade(item: Mapping[str, Any], number: str) -> float:
    """From 0 to 1."""
    if number == "l0":
        return float(item["l0"]) / int(item["features"])
    if number == "delta_loss":
        return 0.0 if item["loss_recovered"] is None else 1.0 - float(item["loss_recovered"])
    return 0.0 if item[number] is None else float(item[number])


def _tokens(view: _View) -> int:
    return int(view.outcome.tables["text"].records()[0]["tokens"])


def _curve(items: Sequence[Mapping[str, Any]], x: str, y: str, label: str, *, faint: bool = False) -> Curve:
    known = [item for item in items if item[x] is not None and item[y] is not None]
    return Curve(
        label=label, group=label, x=[item[x] for item in known], y=[float(item[y]) for item in known], faint=faint
    )


def _joined(what: str, line: str) -> str:
    return f"{what}, {line}" if line else what


def _read_out(curves: Iterable[Curve]) -> str:
    """All points, for who cannot see them."""
    return "; ".join(
        say(
            "sae_quality.curve.alt",
            "{curve}: {points}",
            curve=curve.label,
            points=listed(
                [
                    say("sae_quality.point", "{y} at {x}", x=digits(f"{x:.4g}"), y=digits(f"{y:.3g}"))
                    for x, y in zip(curve.x, curve.y, strict=True)
                ]
            ),
        )
        for curve in curves
    )


def _curves(view: _View, name: str, title: str, curves: Sequence[Curve], **labels: Any) -> Curves:
    drawn = [curve for curve in curves if curve.x]
    alt = sentences([f"{title}.", f"{_read_out(drawn)}."])
    return Curves(name=name, subject=(view.subject,), title=title, alt=alt, curves=drawn, **labels)


def _fidelity(view: _View) -> Curves:
    """Loss recovered and explained variance of each suite."""
    curves = [
        _curve(of, "index", number, _joined(_called(number), line))
        for line, of in view.lines.items()
        for number in ("loss_recovered", "explained_variance")
    ]
    low = min((y for curve in curves for y in curve.y), default=0.0)
    return _curves(
        view,
        "fidelity",
        say("sae_quality.fidelity.title", "{model}: how faithful the dictionaries are", model=view.name),
        curves,
        x_label=view.x_label,
        y_label=say("sae_quality.fidelity.y", "share of the loss recovered, of the variance explained"),
        y_range=(min(low, 0.0), 1.0),
        references={say("sae_quality.good", "{share} recovered", share=digits(f"{GOOD}")): GOOD},
    )


def _sparsity(view: _View) -> Curves:
    """L0, and what the files state of it."""
    curves = []
    for line, of in view.lines.items():
        curves.append(_curve(of, "index", "l0", _joined(_called("l0"), line)))
        curves.append(_curve(of, "index", "l0_stated", _joined(say("sae_quality.as_stated", "as stated"), line),
                             faint=True))  # fmt: skip
    highest = max((y for curve in curves for y in curve.y), default=1.0)
    return _curves(
        view,
        "sparsity",
        say("sae_quality.sparsity.title", "{model}: how many features fire on a token", model=view.name),
        curves,
        x_label=view.x_label,
        y_label=say("sae_quality.sparsity.y", "L0: features above 0 a token"),
        y_range=(0.0, highest),
    )


def _against(view: _View, number: str) -> Curves:
    """Sparsity against fidelity, a curve a place."""
    what = _called(number)
    return _curves(
        view,
        "l0-" + number.replace("_", "-"),
        say("sae_quality.against.title", "{model}: sparsity against fidelity, {what}", model=view.name, what=what),
        [_curve(of, "l0", number, place) for place, of in view.crowded.items()],
        x_label=say("sae_quality.sparsity.y", "L0: features above 0 a token"),
        y_label=what,
    )


def _told(view: _View) -> str:
    return sentences(
        [_recovery_told(view), _features_told(view), _stated_told(view), *map(told, notes_of(view.outcome))]
    )


def _recovery_told(view: _View) -> str:
    """By loss recovered, where there is enough text to tell."""
    (text,) = view.outcome.tables["text"].records()
    known = [item for item in view.items if item["loss_recovered"] is not None]
    if int(text["predictions"]) < FEW:
        return say_count(
            "sae_quality.little_text",
            "No clear statement about the dictionaries of {model}: the text has {count} token to predict, and {few} "
            "are needed.",
            "No clear statement about the dictionaries of {model}: the text has {count} tokens to predict, and {few} "
            "are needed.",
            int(text["predictions"]),
            model=view.name,
            few=digits(f"{FEW:,}"),
        )
    if not known:
        return say(
            "sae_quality.no_clear_statement",
            "No clear statement about the dictionaries of {model}: zeros in their place cost next to nothing.",
            model=view.name,
        )
    least = min(known, key=lambda item: float(item["loss_recovered"]))
    good = sum(float(item["loss_recovered"]) >= GOOD for item in known)
    values = {
        "model": view.name,
        "share": digits(f"{GOOD}"),
        "good": digits(f"{good:,}"),
        "place": _place(least),
        "recovered": _digits("loss_recovered", least["loss_recovered"]),
        "cost": _digits("delta_loss", least["delta_loss"]),
        "tokens": digits(f"{_tokens(view):,}"),
    }
    if len(known) == 1:
        return say(
            "sae_quality.one",
            "Over {tokens} tokens, the dictionary of {model} ({place}) recovers {recovered} of the loss; the splice "
            "costs {cost} nat a token.",
            **values,
        )
    return say_count(
        "sae_quality.recovered",
        "Over {tokens} tokens, {good} of {count} dictionary of {model} recovers {share} of the loss or more. The "
        "least is {place}: {recovered}, where the splice costs {cost} nat a token.",
        "Over {tokens} tokens, {good} of {count} dictionaries of {model} recover {share} of the loss or more. The "
        "least is {place}: {recovered}, where the splice costs {cost} nat a token.",
        len(known),
        **values,
    )


def _features_told(view: _View) -> str:
    metrics = view.outcome.metrics
    return say(
        "sae_quality.features",
        "On average {l0} features fire on a token, {dead} of the features on none and {dense} on more than a tenth.",
        l0=_digits("l0", metrics["l0"].value),
        dead=_digits("dead", metrics["dead_share"].value),
        dense=_digits("dense", metrics["dense_share"].value),
    )


def _stated_told(view: _View) -> str:
    """What of the files' own numbers is not found again, the largest miss named."""
    records = [record for record in view.outcome.tables["stated"].records() if record["agrees"] is not None]
    apart = [record for record in records if not record["agrees"]]
    if not records:
        return ""
    if not apart:
        return say_count(
            "sae_quality.agrees",
            "The {count} number that the files state is found again.",
            "All {count} numbers that the files state are found again.",
            len(records),
        )
    most = max(apart, key=_miss)
    item = next(item for item in view.items if item["item"] == most["item"])
    return say_count(
        "sae_quality.apart",
        "Of {all} numbers that the files state of their own texts, {count} is not found again on this one: "
        "{number}, {place}, is {measured} here and {stated} there.",
        "Of {all} numbers that the files state of their own texts, {count} are not found again on this one, most of "
        "all {number}, {place}: {measured} here and {stated} there.",
        len(apart),
        all=digits(f"{len(records):,}"),
        number=_called(str(most["number"])),
        place=_place(item),
        measured=_digits(str(most["number"]), most["measured"]),
        stated=_digits(str(most["number"]), most["stated"]),
    )


def _miss(record: Mapping[str, Cell]) -> float:
    """By how many times what is allowed a number differs."""
    stated, measured = float(record["stated"] or 0.0), float(record["measured"] or 0.0)
    allowed = APART if record["number"] in SHARES else APART_RELATIVE * abs(stated)
    return abs(measured - stated) / allowed if allowed else abs(measured - stated)


probe = SaeQuality()
