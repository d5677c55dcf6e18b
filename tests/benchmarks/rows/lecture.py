"""A lecture's probes against their own passes and unembeddings, bare, by processor time on one thread.

Counted bare, each as often as the run does it: every pass of every stage, its steps with the KV cache, without hooks,
its tokens known beforehand; and every row that meets the whole vocabulary (the lens, the model's own logits, the choice
of the next token, values of MLPs, queries to the embedding table), in chunks of at most 64 and never padded, into
memory that is there already. A prompt that several probes share passes once on both sides.

Ours, and not bare: softmax, entropy, KL, ranks and the choice of tokens; norms of tables; hooks and reducers; padding
to fixed chunks; proof of a site at its first use; single directions along the table (concept_sum); tokens, tables and
rows of text; all of the probes that read weights or tokenizers alone (weights, parameter_census, tokenization).
Loading, its proof and planning are on neither side.
"""

import statistics

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.processes import CHECKOUT, run_module
from tests.benchmarks.rows import Bench, Row

TARGET = 1.5
BATTERY = CHECKOUT / "reports" / "lecture.yaml"


def measure(bench: Bench) -> list[Measurement]:
    return [one for id in bench.card.models for one in of_model(bench, id)]


def of_model(bench: Bench, id: str) -> list[Measurement]:
    told = run_module("lecture", BATTERY, id, bench.count).told
    (ours, clock), (bare, bare_clock) = (
        tuple(statistics.median(column) for column in zip(*told[side], strict=True)) for side in ("ours", "bare")
    )
    dear = sorted(((statistics.median(spent), probe) for probe, spent in told["probes"].items()), reverse=True)[:4]
    note = f"{ours:.1f} s : {bare:.1f} s; dearest {', '.join(f'{probe} {spent:.1f} s' for spent, probe in dear)}"
    return [
        Measurement(f"a lecture's probes / the same work bare, by CPU, {id}", ours / bare, TARGET, note=note),
        Measurement(f"the same by the clock, {id}", clock / bare_clock),
    ]


ROW = Row(measure, on_demand=True)
"""Minutes a round, on one thread."""
