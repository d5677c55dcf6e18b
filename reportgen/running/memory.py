"""How much memory a model's passes will take, estimated from what is known before it is loaded."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reportgen.errors import BatteryError, Mistake
from reportgen.model.files.device import SHAPE_ALONE, count_accelerators
from reportgen.model.files.sources import ModelFiles
from reportgen.model.files.weights import block_bytes, stored_bytes
from reportgen.model.needs import Pass, Site
from reportgen.running.planned import Plan, PlannedModel

INTERPRETER = 420_000_000
"""Bytes of Python, torch, transformers and the other libraries, once a model was built."""
TOKENIZER = 11
"""Bytes in memory for each byte of tokenizer.json, while the passes are planned; they are free before one begins."""
HOST = "cpu"
PROOF = 6
"""Passes through all blocks in which a model is taken apart and proven."""
A_SECOND = 1e9
"""Bytes that a disk gives in a second: a usual one of today's."""
_FLOAT32 = 4
_ROWS = 64 + 64
"""Rows of vocabulary size that the lens holds: a chunk of logits, and the final distributions it is compared with."""
_PATTERNS = 10
"""A layer's attention while it is computed: scores, mask, weights and their copies, and what the allocator has not
yet taken back of the layer before (measured: 10 to 17 with 800 tokens)."""
_BINS = 256
"""Positions to which a kept pattern is reduced."""
_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


def estimate_memory(planned: PlannedModel) -> int:
    """Bytes at the peak of the model's passes, in the process that runs them; 0 where nothing is left to run."""
    readied = planned.readied
    if readied is None or planned.all_kept:
        return 0
    if not readied.located.weights:
        return INTERPRETER
    tokenizer = (readied.located.tokenizer_folder / "tokenizer.json").stat().st_size * TOKENIZER
    weights = _of_weights(readied.located, _SIZES.get(planned.entry.dtype))
    if planned.entry.stream:  # a block at a time, and what is around them
        blocks = block_bytes(readied.located.folder)
        weights -= blocks - blocks // max(readied.facts.layers or 1, 1)
    if any(case.entry.probe.wants_twin(side.case) for case in planned.cases for side in case.sides):
        weights += stored_bytes(readied.located.folder, _FLOAT32)  # as its weights are drawn, whatever they become
    passes = [single for case in planned.cases for single in case.passes]
    held = max(
        (sum(case.entry.probe.held_bytes(side.case) for side in case.sides) for case in planned.cases), default=0
    )
    return INTERPRETER + max(tokenizer, weights + _of_passes(planned, passes) + held)


def estimate_per_device(planned: PlannedModel) -> dict[str, int]:
    """Device -> bytes at the peak of the model's passes: the host's alone where the passes run there; else what the
    interpreter takes of it, and what the passes take of each accelerator that the weights are shared out over.
    """
    whole = estimate_memory(planned)
    if planned.readied is None or planned.readied.device in (HOST, SHAPE_ALONE) or not whole:
        return {HOST: whole}
    kind, count = planned.readied.device, count_accelerators() if planned.entry.device_map else 1
    names = [kind] if count == 1 else [f"{kind}:{number}" for number in range(count)]
    return dict.fromkeys(names, (whole - INTERPRETER) // count) | {HOST: INTERPRETER}


def count_streamed_passes(planned: PlannedModel) -> int:
    """How often all blocks are read from the disk: for the proof, for each step after a prompt, and for further passes
    at most.
    """
    steps: dict[Any, int] = {}
    for single in (single for case in planned.cases for single in case.passes):
        steps[single.path] = max(steps.get(single.path, 0), single.steps)
    return PROOF + sum(steps.values()) + planned.further


def describe_reading(planned: PlannedModel) -> str:
    """What a streamed model reads from the disk; empty where it is in memory."""
    readied = planned.readied
    if not planned.entry.stream or readied is None or not readied.located.weights or planned.all_kept:
        return ""
    passes, size = count_streamed_passes(planned), block_bytes(readied.located.folder)
    minutes = passes * size / A_SECOND / 60
    return (
        f"reads its blocks from the disk for each of about {passes} passes, {_gigabytes(size)} GB each: "
        f"{passes * size / 1e9:,.1f} GB, {minutes:,.1f} minutes at 1 GB per second"
    )


def estimate_together(models: Sequence[PlannedModel]) -> int:
    """Bytes at the peak of passes through several models that are in one process together."""
    alone = [estimate_memory(model) for model in models]
    return max(0, sum(alone) - INTERPRETER * (len(alone) - 1))


def estimate_pieces(plan: Plan) -> dict[str, int]:
    """Subject -> the bytes that it takes in a process of its own."""
    of_models = {model.id: estimate_memory(model) for model in plan.models if model.cases}
    return of_models | {pair.cases[0].subject: estimate_together(pair.models) for pair in plan.pairs}


def refuse_too_large(plan: Plan, jobs: int) -> None:
    """Refuses so many pieces of a plan at the same time where the largest of them do not fit into free memory; where
    the system does not say how much that is, nothing is refused.

    Raises:
        BatteryError: with the numbers.
    """
    free = read_free_memory()
    needed = sorted(estimate_pieces(plan).items(), key=lambda one: -one[1])[:jobs]
    if free is None or sum(size for _, size in needed) <= free:
        return
    fit = next(count for count in range(jobs, -1, -1) if sum(size for _, size in needed[:count]) <= free)
    sizes = ", ".join(f"{subject} {_gigabytes(size)}" for subject, size in needed)
    told = (
        f"--jobs {jobs}: what runs at the same time takes up to {_gigabytes(sum(size for _, size in needed))} GB of "
        f"memory ({sizes}), and {_gigabytes(free)} GB are free"
    )
    alone = f"{needed[0][0]} alone does not fit: write stream: true for it, and run without --jobs"
    remedy = f"--jobs {fit} fits" if fit > 1 else "run one after the other, without --jobs" if fit else alone
    raise BatteryError(Mistake(told, remedy))


def read_free_memory(file: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that new processes can have without anything being swapped out, as Linux estimates it; None elsewhere."""
    try:
        found = re.search(r"^MemAvailable: +([0-9]+) kB$", file.read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return int(found[1]) * 1024 if found else None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f}"


def _of_weights(located: ModelFiles, size: int | None) -> int:
    """Weights that are converted while they load stand there in both forms: the file is mapped into memory. So do
    those that an adapter changes.
    """
    stored = stored_bytes(located.folder)
    wanted = stored if size is None else stored_bytes(located.folder, size)
    if wanted != stored:
        return stored + wanted
    merged = 0 if located.adapter is None else located.adapter.merged_numbers
    return stored + merged * stored // stored_bytes(located.folder, 1)


def _of_passes(planned: PlannedModel, passes: list[Pass]) -> int:
    assert planned.readied is not None
    facts = planned.readied.facts
    if not passes or facts.hidden_size is None or facts.layers is None:
        return 0
    longest = max(len(single.tokens) + single.steps for single in passes)
    attention = _PATTERNS * (facts.heads or 0) * longest**2 * _FLOAT32
    patterns = sum(
        facts.layers * (facts.heads or 0) * min(len(single.tokens), _BINS) ** 2 * _FLOAT32
        for single in passes
        if any(need.site in (Site.ATTENTION, Site.SCORES) for need in single.needs)
    )
    reads = any(need.site is Site.FINAL for single in passes for need in single.needs)
    logits = _ROWS * (facts.vocabulary or 0) * _FLOAT32 if reads else 0
    kept = sum(_rows(single) for single in passes) * facts.hidden_size * (facts.layers + 1) * _FLOAT32
    return attention + patterns + logits + kept


def _rows(single: Pass) -> int:
    """Positions of the residual stream that a pass keeps."""
    sizes = [
        len(single.tokens)
        if need.positions == "all"
        else single.steps
        if need.positions == "last"
        else len(need.positions)
        for need in single.needs
        if need.site is Site.RESIDUAL
    ]
    return sum(sizes)
