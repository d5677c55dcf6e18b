"""Bundles as strangers, disks and slips of the hand would leave them: seeded damage to one of a bundle's files."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.baseline.comparisons import MARKS
from tests.report.fakes import HOSTILE

HALF = "\ud800"
"""Half of a pair of surrogates, which no file in UTF-8 holds."""
TEXTS = [HOSTILE.replace(HALF, ""), MARKS.replace(HALF, ""), "", "../../../PWN", "/etc/passwd", "a\x00b\x1b[31m",
         "\u202egnp", "x" * 100_000, "NaN", "1", "m..l", "m..", "ok", "okk", "layer", "😀", "\n::error::", "C:\\x",
         "probability", "{{ 7*7 }}", "%s", "a" * 65]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 7, 0.5, -0.0, 1e308, -1e308, 5e-324, 10**500, 2**63, 2**63 - 1, -(2**63), 1e9, 10**6, True,
           False]  # fmt: skip


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if levels % 2 else {"a": value}
    return value


OTHERS = [None, [], {}, [[]], [1, "a", None], {"undefined": "x"}, {"undefined": 1}, {"value": 1}, deep(39), deep(150),
          [0] * 1000]  # fmt: skip
RAW = ["NaN", "Infinity", "-Infinity", "1e400", '"\\ud800"', "9" * 5000, "[" * 300 + "]" * 300, "tru", '{"a":1,"a":2}']
"""What takes the place of a value in the text itself, as no JSON of Python's would write it."""


def damage(folder: Path, seed: int) -> str:
    """Does one thing to a bundle's files; what it was."""
    chance = random.Random(seed)
    ways: list[tuple[Callable[[Path, random.Random], str], int]] = [
        (_in_results, 70),
        (_in_run, 10),
        (_in_tensors, 10),
        (_in_text, 5),
        (_in_yaml, 5),
    ]
    way = chance.choices([way for way, _ in ways], [weight for _, weight in ways])[0]
    return way(folder, chance)


def _in_results(folder: Path, chance: random.Random) -> str:
    return _in_json(folder / "results.json", chance)


def _in_run(folder: Path, chance: random.Random) -> str:
    return _in_json(folder / "run.json", chance)


def _in_json(file: Path, chance: random.Random) -> str:
    content = json.loads(file.read_text())
    told = [_change(content, chance) for _ in range(chance.choice([1, 1, 1, 3]))]
    text = json.dumps(content, ensure_ascii=False, indent=chance.choice([None, 1]))
    for raw in RAW:
        text = text.replace(json.dumps(f"raw {raw}"), raw)
    file.write_text(text, encoding="utf-8")
    return f"{file.name}: {'; '.join(told)}"


def _change(content: Any, chance: random.Random) -> str:
    """One change at a place that is as likely high up as deep down."""
    where: list[str | int] = []
    held = content
    while True:
        places = list(held) if isinstance(held, dict) else list(range(len(held)))
        key = chance.choice(places)
        where.append(key)
        below = held[key]
        if not isinstance(below, dict | list) or not below or chance.random() < 0.15:
            break
        held = below
    match chance.choice(["other", "other", "other", "text", "number", "gone", "renamed", "exchanged", "raw", "twice"]):
        case "gone":
            del held[key]
        case "renamed" if isinstance(held, dict):
            held[chance.choice(TEXTS)] = held.pop(key)
        case "exchanged":
            other = chance.choice(places)
            held[key], held[other] = held[other], held[key]
        case "twice" if isinstance(held, list):
            held.insert(int(key), held[key])
        case "raw":
            held[key] = f"raw {chance.choice(RAW)}"
        case "number":
            held[key] = chance.choice(NUMBERS)
        case "text":
            held[key] = chance.choice(TEXTS)
        case _:
            held[key] = chance.choice([*TEXTS, *NUMBERS, *OTHERS])
    return f"{where} → {str(held)[:80]}"


def _in_tensors(folder: Path, chance: random.Random) -> str:
    return _in_bytes(folder / "arrays.safetensors", chance)


def _in_text(folder: Path, chance: random.Random) -> str:
    return _in_bytes(folder / chance.choice(["results.json", "run.json", "accepted.yaml", "tolerances.yaml"]), chance)


def _in_bytes(file: Path, chance: random.Random) -> str:
    content = bytearray(file.read_bytes())
    head = chance.random() < 0.7  # what says what the rest is
    for _ in range(chance.choice([1, 1, 8])):
        at = chance.randrange(min(len(content), 1000) if head else len(content))
        content[at] = chance.randrange(256)
    match chance.randrange(6):
        case 0:
            del content[chance.randrange(len(content)) :]
        case 1:
            content[chance.randrange(len(content)) : 0] = b"\x00\xff{}[],:"
    file.write_bytes(content)
    return f"{file.name}: bytes"


def _in_yaml(folder: Path, chance: random.Random) -> str:
    file = folder / chance.choice(["accepted.yaml", "tolerances.yaml"])
    value = chance.choice([*TEXTS, *NUMBERS, *OTHERS])
    made = {
        "whole": json.dumps(value),
        "below": json.dumps({"near.*": value}),
        "entry": json.dumps({"near.*": {chance.choice(["abs", "rel", "overlap", "gate", "direction"]): value}}),
        "item": json.dumps([{"when": value, "by": "x", "reason": "y"}]),
        "tag": "!!python/object:os.system x",
        "list": "- a\n- b",
    }
    chosen = chance.choice(list(made))
    file.write_text(made[chosen], encoding="utf-8")
    return f"{file.name}: {made[chosen][:80]}"
