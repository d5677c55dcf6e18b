"""Comparisons made by hand: what those who tell them are given."""

from typing import Any

from reportgen.baseline.compare import Comparison, OutcomeComparison
from reportgen.baseline.environment import Difference
from reportgen.baseline.quantities import Change
from reportgen.baseline.verdict import Verdict, select_worst
from reportgen.results.bundle import Bundle
from reportgen.results.section import ModelCard
from tests.report.fakes import HOSTILE

NAMES = {"llama": "SmolLM2-135M-Instruct", "gemma": "Gemma-3-270M"}
MARKS = (
    HOSTILE + "|`a`|**b** _c_ ~~d~~ ![e](https://f.g/h.png) [i](j) www.k.l $m$ \\ & &amp; %0A \r\n::error::n,o:p \ufffe"
)
"""What could end a cell, a line, an element or a command, or begin a picture."""


def bundle(title: str = "Nightly") -> Bundle:
    models = {id: ModelCard(id, name, "LlamaForCausalLM", 2) for id, name in NAMES.items()}
    return Bundle(None, title, models, {})


def comparison(
    *compared: OutcomeComparison, title: str = "Nightly", environment: tuple[Difference, ...] = ()
) -> Comparison:
    return Comparison(title, bundle(), bundle(title), compared, environment)


def of_changes(probe_id: str, subject: str, *changes: Change) -> OutcomeComparison:
    return OutcomeComparison(
        probe_id, subject, "logit_lens", select_worst(change.verdict for change in changes), changes=changes
    )


def make_drift(name: str = "entropy", layer: int | None = 7, **changed: Any) -> Change:
    known: dict[str, Any] = {
        "kind": "array",
        "verdict": Verdict.DRIFTED,
        "told": f"by 0.31 nat at layer 9, prompt 0, from layer {layer} on; 0.1 on average",
        "worst": 0.31,
        "mean": 0.1,
        "bound": 0.005,
        "place": {"layer": 9, "prompt": 0},
        "first": {} if layer is None else {"layer": layer},
    }
    return Change(name, **known | changed)


def quiet(name: str, verdict: Verdict = Verdict.SAME) -> Change:
    return Change(name, "array", verdict, worst=0.0 if verdict is Verdict.SAME else 0.001, mean=0.0, bound=0.005)


def make_failed(
    probe_id: str = "map", subject: str = "gemma", reason: str = "RuntimeError: out of memory"
) -> OutcomeComparison:
    return OutcomeComparison(probe_id, subject, "pca_map", Verdict.NEWLY_FAILED, reason)


def other_version(probe_id: str = "heads", subject: str = "gemma") -> OutcomeComparison:
    reason = "another version of attention_grid: 1 → 2"
    return OutcomeComparison(probe_id, subject, "attention_grid", Verdict.NOT_COMPARABLE, reason)


def everything() -> Comparison:
    """A failed probe, a drift in each model, one that is not gated, one of another version, and quiet ones."""
    return comparison(
        make_failed(),
        of_changes("weather", "gemma", make_drift(), quiet("kl", Verdict.WITHIN), quiet("top")),
        of_changes("weather", "llama", make_drift(layer=9), make_drift("noisy", layer=0, gate=False), quiet("kl")),
        other_version(),
        OutcomeComparison("chat", "gemma", "logit_lens", Verdict.SAME, "skipped: it has no chat template"),
        environment=(Difference("torch", "2.13.0", "2.14.0"),),
    )
