"""One architecture tried: built tiny from its configuration, asked for every probe, and compared with plain
transformers.
"""

import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from reportgen.errors import BatteryError, ModelError
from reportgen.model.network.anatomy import anatomy_of
from reportgen.probes.registry import names
from tests.all_probes import CHANGING, FIRST, READING, ROUTED, WORDS, of_two, of_two_routed, sparse
from tests.runs import run_probes
from tests.shrunk import BLOCKS, save_config_alone, save_shrunk, shrunk_model
from tests.support_groups import groups_of
from tests.tiny_dictionaries import save_dictionary

TEXTS = ["I ate an apple", "an apple a day"]
LESS: dict[str, dict[str, Any]] = {
    "attention_grid": {"prompts": TEXTS[:1], "heads": []},
    "clusters": {"twin": False},
    "linear_map": {"most": 60, "twin": False},
    "linear_probe": {"layers": [2], "folds": 3, "twin": False},
    "logit_lens": {"prompts": TEXTS},
    "next_token": {"prompts": TEXTS},
    "hidden_states": {"prompts": TEXTS},
    "prompt_contrast": {"twin": False},
    "structural_probe": {"ranks": [], "twin": False},
}
"""Probe -> what makes it quicker, where each of some two hundred architectures is asked."""
FALLBACKS: dict[str, list[dict[str, Any]]] = {
    "activation_patching": [{"sites": ["residual", "attention", "mlp"]}, {"sites": ["residual"]}],
    "attention_parts": [{"heads": [[block, 0]]} for block in range(1, BLOCKS)],
}
"""Probe -> what it is asked with where it cannot be asked with all: parts of a model that not all have."""
TOLD_OF = {"activation_patching"}
"""Probes of which the table says with which options they run: that the others look at another block tells nothing."""
PYTHONS = re.compile(r"\b\w+(Error|Exception)\b|internal error|Traceback|object has no attribute|object is not")
OUTCOME_BY_CHANCE = {"sae_steering"}
"""Probes that may be skipped for what a random model happens to do: no feature fires in it."""


@dataclass
class Row:
    """What became of one architecture."""

    kind: str
    groups: list[str] = field(default_factory=list)
    """What it is built of: names of `support_groups.GROUPS`."""
    refused: str = ""
    """Why the model is refused; then no probe is asked."""
    status: dict[str, str] = field(default_factory=dict)
    """Probe -> ok, skipped or failed."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Probe -> why it is not ok."""
    limits: dict[str, str] = field(default_factory=dict)
    """Probe -> with which options alone it is ok."""
    wrong: list[str] = field(default_factory=list)
    """What must not be: a number that is not transformers' own, a failure, a reason that is not in words."""

    @property
    def architecture(self) -> str:
        """The class."""
        return MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[self.kind]

    def tell(self, probe: str, status: str, reason: str) -> None:
        """Notes how a probe ended; a reason that is not in words is wrong."""
        self.status[probe] = status
        if status != "ok":
            self.reasons[probe] = reason.removeprefix(f"not measurable in {self.architecture}: ")
            self._check_words(probe, reason)
            if status == "failed":
                self.wrong.append(f"{probe}: {reason}")

    def refuse(self, reason: str) -> None:
        """Notes that the model is refused."""
        self.refused = reason
        self.status, self.reasons = {}, {}
        self._check_words("model", reason)

    def _check_words(self, what: str, reason: str) -> None:
        if PYTHONS.search(reason) or len(reason.splitlines()) != 1:
            self.wrong.append(f"{what}: {reason}")


def battery_of(dictionaries: Path, probes: Collection[str] | None = None) -> dict[str, Any]:
    """Id -> entry of a battery on the models m and n; the id is the probe's name, `NAME-1` its first fallback."""
    alone = FIRST | READING | CHANGING | WORDS | ROUTED | sparse(dictionaries)
    paired = of_two("m", "n", dictionaries) | of_two_routed("m", "n")
    entries = [{**entry, "models": ["m"]} for entry in alone.values()] + list(paired.values())
    battery: dict[str, Any] = {}
    for entry in entries:
        name = entry["probe"]
        if name in battery or (probes is not None and name not in probes):
            continue
        battery[name] = {**entry, **LESS.get(name, {})}
        for number, options in enumerate(FALLBACKS.get(name, ()), 1):
            battery[f"{name}-{number}"] = {**battery[name], **options}
    return battery


def asked_probes() -> list[str]:
    """The probes that ship, of which each architecture is asked."""
    battery = battery_of(Path("dictionaries"))
    return [name for name in names() if name in battery]


def tried(kind: str, folder: Path, probes: Collection[str] | None = None) -> Row:
    """Runs probes (all, unless some are named) on one architecture; what they find is compared with transformers."""
    row = Row(kind)
    models = {name: folder / name for name in "mn"}
    built = _save(models, kind)
    network = shrunk_model(kind) if built else None
    row.groups = _groups(network)
    dictionaries = save_dictionary(folder / "dictionaries" / "layer_2", 2, width=_width(network)).parent
    outcomes = _run(models, battery_of(dictionaries, probes), row)
    if row.refused:  # what is not read has no streams that anybody saw
        row.groups = [group for group in row.groups if group != "several streams"]
    if outcomes and built:
        row.wrong += compared(models["m"], outcomes)
    return row


def _save(models: Mapping[str, Path], kind: str) -> bool:
    """Writes a folder a model; whether transformers could build the networks: else it is the configuration alone."""
    try:
        for seed, path in enumerate(models.values()):
            save_shrunk(path, kind, seed)
    except Exception:  # whatever its code raises: then reportgen has to say so of such a folder
        for path in models.values():
            shutil.rmtree(path, ignore_errors=True)
            save_config_alone(path, kind)
        return False
    return True


def _groups(network: Any) -> list[str]:
    if network is None:
        return ["not built"]
    try:
        anatomy = anatomy_of(network)
    except Exception:  # refused: its row says why
        return groups_of(network, [network], network.config, several_streams=False)
    return groups_of(network, list(anatomy.blocks), network.config, anatomy.several_streams)


def _width(network: Any) -> int:
    """Numbers of a row of the stream."""
    return 32 if network is None else int(getattr(network.config.get_text_config(), "hidden_size", 32))


def _run(models: Mapping[str, Path], battery: dict[str, Any], row: Row) -> dict[str, Any]:
    """The outcomes of what the models are asked for, without what is known beforehand to be nothing for them."""
    beforehand: dict[str, str] = {}
    try:  # alone: of two that are both refused, a run says so probe by probe
        run_probes({"m": models["m"]}, {"census": {"probe": "parameter_census"}})
    except ModelError as refused:
        row.refuse(_own_words("; ".join(mistake.in_one_line for mistake in refused.mistakes), models))
        return {}
    if not any("n" in (entry.get("other"), entry.get("base")) for entry in battery.values()):
        models = {"m": models["m"]}
    while asked := {id: entry for id, entry in battery.items() if id not in beforehand}:
        try:
            found = run_probes(models, asked).outcomes
        except BatteryError as refused:
            known = {id: m.message for m in refused.mistakes for id in asked if f"probes.{id}:" in m.message}
            if not known:
                raise
            beforehand |= {id: _own_words(reason.partition(": ")[2], models) for id, reason in known.items()}
        else:
            outcomes = {id: next(iter(found[id].values())) for id in asked}
            _tell(row, battery, outcomes, beforehand, models)
            return outcomes
    _tell(row, battery, {}, beforehand, models)
    return {}


def _tell(
    row: Row,
    battery: Mapping[str, Any],
    outcomes: Mapping[str, Any],
    beforehand: Mapping[str, str],
    models: Mapping[str, Path],
) -> None:
    """How each probe ended: as its first entry did that is ok, else as one that was asked of attention if any was."""
    for name in dict.fromkeys(entry["probe"] for entry in battery.values()):
        ids = [id for id in battery if battery[id]["probe"] == name]
        ok = next((id for id in ids if id in outcomes and outcomes[id].status == "ok"), None)
        failed = next((id for id in ids if id in outcomes and outcomes[id].status == "failed"), None)
        told = {id: beforehand.get(id) or _own_words(outcomes[id].reason, models) for id in ids}
        first = failed or ok or min(ids, key=lambda asked: told[asked].endswith("has no attention"))
        row.tell(name, "skipped" if first in beforehand else outcomes[first].status, told[first])
        if ok is not None and ok != name and name in TOLD_OF:
            row.limits[name] = _options_of(battery[name], battery[ok])


def _options_of(asked: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: [{', '.join(map(str, value))}]" for key, value in one.items() if asked.get(key) != value)


def _own_words(reason: str, models: Mapping[str, Path]) -> str:
    """A reason without the folders and ids of these models."""
    for id, folder in models.items():
        for told in (f"model {id}: ", f"{folder}/config.json: ", f"{folder}: ", f" ({id})"):
            reason = reason.replace(told, "")
    return reason


@torch.inference_mode()
def compared(folder: Path, outcomes: Mapping[str, Any]) -> list[str]:
    """What differs from plain transformers."""
    found = {id: one for id, one in outcomes.items() if one.status == "ok"}
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    wrong = []
    for prompt, text in enumerate(TEXTS):
        ids = tokenizer(text, return_tensors="pt").input_ids
        own = network(ids, use_cache=False)
        asked = network(ids, use_cache=False, output_hidden_states=True, output_attentions=True)
        log_p = own.logits[0, -1].float().log_softmax(-1)
        entropy = float(-(log_p.exp() * log_p).sum())
        if "next_token" in found:
            of_next = found["next_token"]
            wrong += _apart("next", of_next.arrays["entropy"].values[prompt].max(), entropy, at_least=True)
            best = next(row for row in _rows(of_next, "top") if row["prompt"] == prompt)
            wrong += _apart("next token", best["token_id"], int(log_p.argmax()))
        if "logit_lens" in found:
            wrong += _apart("lens", found["logit_lens"].arrays["entropy"].values[prompt, 0, -1], entropy)
            top = [r for r in _rows(found["logit_lens"], "top") if r["prompt"] == prompt and r["step"] == 0]
            last = max(r["layer"] for r in top)
            best = next(r for r in top if r["layer"] == last and r["rank"] == 1)
            wrong += _apart("lens token", best["token_id"], int(log_p.argmax()))
            wrong += _apart("lens probability", best["probability"], float(log_p.exp().max()))
        if "hidden_states" in found and getattr(asked, "hidden_states", None):
            wrong += _states(found["hidden_states"].arrays[f"norms/{prompt}"].values, asked.hidden_states)
        if "attention_grid" in found and prompt == 0:
            wrong += _attention(found["attention_grid"], asked)
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
