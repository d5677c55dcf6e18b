"""Every causal LM class that transformers registers: what it gives is what plain transformers gives, and what it does
not give is said in words.

Run it with `-m slow -s` for the table.
"""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from reportgen.errors import BatteryError, ModelError
from tests.runs import run_probes
from tests.shrunk import KINDS, save_config_alone, save_shrunk

SECONDS = 120
"""The most that one class may take."""
TEXTS = ["I ate an apple", "an apple a day"]
PROBES: dict[str, dict[str, Any]] = {
    "census": {"probe": "parameter_census"},
    "next": {"probe": "next_token", "prompts": TEXTS},
    "states": {"probe": "hidden_states", "prompts": TEXTS},
    "lens": {"probe": "logit_lens", "prompts": TEXTS, "continue": 2},
    "grid": {"probe": "attention_grid", "prompts": TEXTS[:1]},
    "sinks": {"probe": "attention_sink", "prompts": TEXTS},
    "answer": {"probe": "attribution", "prompts": TEXTS},
    "ablated": {"probe": "ablation", "prompts": TEXTS},
    "patched": {
        "probe": "activation_patching",
        "prompts": [
            {"text": "an apple a day", "pair": "one", "group": "clean"},
            {"text": "an apple an day", "pair": "one", "group": "corrupted"},
        ],
        "answers": [["a", "I"]],
    },
    "stream": {
        "probe": "activation_patching",
        "prompts": [
            {"text": "an apple a day", "pair": "one", "group": "clean"},
            {"text": "an apple an day", "pair": "one", "group": "corrupted"},
        ],
        "answers": [["a", "I"]],
        "sites": ["residual"],
    },
    "memories": {"probe": "ffn_memory", "prompts": TEXTS},
    "steered": {
        "probe": "steering", "towards": TEXTS, "away": ["an eye", "a day"], "prompts": ["I ate"], "score": "cosine",
        "coefficients": [1.0], "continue": 2,
    },
}  # fmt: skip
PYTHONS = re.compile(r"\b\w+(Error|Exception)\b|internal error|Traceback|object has no attribute|object is not")
QUICK = ("lfm2", "gpt_neo", "granitemoehybrid", "falcon_h1", "deepseek_v3", "recurrent_gemma", "rwkv", "gemma3n_text")
"""One a way of being built differently: these run with the others."""


@dataclass
class Row:
    """What became of one class."""

    kind: str
    status: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def tell(self, id: str, status: str, reason: str) -> None:
        """Notes how a probe ended; a reason that is not in words is wrong."""
        self.status[id] = status
        if status != "ok":
            self.reasons[id] = reason
            if status == "failed" or PYTHONS.search(reason) or len(reason.splitlines()) != 1:
                self.wrong.append(f"{id}: {reason}")

    def told(self) -> str:
        """What the table says of it."""
        marks = " ".join(f"{id}:{status}" for id, status in self.status.items() if status != "ok")
        by_reason: dict[str, list[str]] = {}
        for id, reason in self.reasons.items():
            by_reason.setdefault(reason, []).append(id)
        lines = [f"    {', '.join(ids)}: {reason}" for reason, ids in by_reason.items()]
        name = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[self.kind]
        return "\n".join(
            [f"{self.kind} ({name}) {marks or 'all'}", *lines, *(f"    WRONG {what}" for what in self.wrong)]
        )


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(kind: str, folder: Path) -> Row:
    """Runs the probes on one class, and compares what they find with plain transformers."""
    row = Row(kind)
    try:
        save_shrunk(folder, kind)
        built = ""
    except Exception as error:  # transformers itself cannot build it from a configuration: then reportgen says so
        built = f"{type(error).__name__}: {error}"
        shutil.rmtree(folder, ignore_errors=True)
        save_config_alone(folder, kind)
    outcomes = run(folder, row)
    for id, outcome in outcomes.items():
        row.tell(id, outcome.status, outcome.reason)
    if outcomes and not built:
        row.wrong += compared(folder, outcomes)
    return row


def run(folder: Path, row: Row) -> dict[str, Any]:
    """The outcomes of what a model is asked for, without what is known beforehand to be nothing for it."""
    asked = dict(PROBES)
    while asked:
        try:
            found = run_probes({"m": folder}, asked).outcomes
        except BatteryError as refused:
            known = {id: m.message for m in refused.mistakes for id in asked if f"probes.{id}:" in m.message}
            if not known:
                raise
            for id, reason in known.items():
                row.tell(id, "skipped", reason.partition(": ")[2])
                del asked[id]
        except ModelError as refused:
            row.tell("model", "refused", "; ".join(mistake.in_one_line for mistake in refused.mistakes))
            return {}
        else:
            return {id: found[id]["m"] for id in asked}
    return {}


@torch.inference_mode()
def compared(folder: Path, found: dict[str, Any]) -> list[str]:
    """What differs from plain transformers."""
    found = {id: one for id, one in found.items() if one.status == "ok"}
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    wrong = []
    for prompt, text in enumerate(TEXTS):
        ids = tokenizer(text, return_tensors="pt").input_ids
        own = network(ids, use_cache=False)
        asked = network(ids, use_cache=False, output_hidden_states=True, output_attentions=True)
        log_p = own.logits[0, -1].float().log_softmax(-1)
        entropy = float(-(log_p.exp() * log_p).sum())
        if "next" in found:
            wrong += _apart("next", found["next"].arrays["entropy"].values[prompt].max(), entropy, at_least=True)
            best = next(row for row in _rows(found["next"], "top") if row["prompt"] == prompt)
            wrong += _apart("next token", best["token_id"], int(log_p.argmax()))
        if "lens" in found:
            wrong += _apart("lens", found["lens"].arrays["entropy"].values[prompt, 0, -1], entropy)
            top = [r for r in _rows(found["lens"], "top") if r["prompt"] == prompt and r["step"] == 0]
            last = max(r["layer"] for r in top)
            best = next(r for r in top if r["layer"] == last and r["rank"] == 1)
            wrong += _apart("lens token", best["token_id"], int(log_p.argmax()))
            wrong += _apart("lens probability", best["probability"], float(log_p.exp().max()))
        if "states" in found and getattr(asked, "hidden_states", None):
            wrong += _states(found["states"].arrays[f"norms/{prompt}"].values, asked.hidden_states)
        if "grid" in found and prompt == 0:
            wrong += _attention(found["grid"], asked)
    return wrong


def _states(norms: Any, theirs: Any) -> list[str]:
    """What differs below the last layer: some families begin with what leaves block 0, not with what enters it."""
    expected = [state[0].float().norm(dim=-1).numpy() for state in theirs[: len(norms) - 1] if state.ndim == 3]
    first = 0 if not expected or not _apart("", norms[0], expected[0]) else 1
    pairs = zip(norms[first:-1], expected, strict=False)
    return [w for layer, (ours, one) in enumerate(pairs, first) for w in _apart(f"states {layer}", ours, one)]


def _attention(found: Any, asked: Any) -> list[str]:
    theirs = list(getattr(asked, "attentions", None) or ())
    array = found.arrays["weights/0"]
    blocks = tuple(array.coordinates.get("block", range(len(array.values))))
    if len(theirs) == len(blocks):  # some give nothing for a block without attention
        theirs = [theirs[blocks.index(block)] if block in blocks else None for block in range(max(blocks) + 1)]
    wrong = []
    for block, ours in zip(blocks, array.values, strict=True):
        one = theirs[block] if block < len(theirs) else None
        if one is not None:
            wrong += _apart(f"grid {block}", ours, one[0].numpy())
    return wrong


def _apart(what: str, found: Any, expected: Any, *, at_least: bool = False) -> list[str]:
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if found.shape != expected.shape:
        return [f"{what}: shape {found.shape} where transformers gives {expected.shape}"]
    apart = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    near = bool((found >= expected - 1e-3).all()) if at_least else apart <= 1e-3
    return [] if near else [f"{what}: apart by {apart:.3g} of it"]


def _rows(outcome: Any, name: str) -> list[dict[str, Any]]:
    table = outcome.tables[name]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_class_gives_the_right_numbers_or_says_why_not(tmp_path: Path) -> None:
    rows = []
    for kind in KINDS:
        folder = tmp_path / kind
        try:
            with within(SECONDS):
                row = tried(kind, folder)
        except Exception as error:
            row = Row(kind, wrong=[f"the run ended with {type(error).__name__}: {error}"])
        shutil.rmtree(folder, ignore_errors=True)
        rows.append(row)
        print(row.told(), flush=True)  # noqa: T201 - the table is what this test is read for
    assert [row.kind for row in rows if row.wrong] == []


@pytest.mark.parametrize("kind", QUICK)
def test_a_class_of_its_own_kind_gives_the_right_numbers_or_says_why_not(kind: str, tmp_path: Path) -> None:
    assert tried(kind, tmp_path / kind).wrong == []
