"""Bits per byte against lm-evaluation-harness, which runs in an environment of its own: `make lmeval`.

Its windows are those of the probe where no BOS is added and the last one is full: it lets the last window begin earlier
than the probe's, so texts are cut here to the tokens that fill it. With BOS, which the probe puts before every window,
they are the same where there is one.
"""

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from reportgen.text.prompts import PromptSets
from tests.runs import run_probes
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-lmeval" / "bin" / "python"
TINY_TEXT = "I ate an apple for breakfast, an apple a day: the apple of my eye 天氣, une pêche, an eye for apples " * 3
WINDOW = 16

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="lm_eval is not installed: make lmeval")


def ask_lm_eval(cases: list[dict[str, Any]], folder: Path) -> list[float]:
    (folder / "cases.json").write_text(json.dumps(cases))
    script = ROOT / "tests" / "reference" / "lm_eval_rolling.py"
    run = subprocess.run(
        [PYTHON, "-W", "ignore", script, folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found: list[float] = json.loads((folder / "found.json").read_text())
    return found


def fill_windows(tokenizer: Tokenizer, text: str, window: int) -> str:
    """The longest beginning of a text whose tokens, but for the first, fill windows with one of them read again."""
    ends = [at for at, character in enumerate(text) if character == " "]
    for end in reversed(ends):
        count = len(tokenizer.encode(text[:end], add_special_tokens=False).ids)
        if count > window and (count - 1) % (window - 1) == 0:
            return text[:end]
    raise AssertionError("no beginning of the text fills windows")


def measure(model: Path | str, text: str, window: int) -> tuple[float, int]:
    """Sum of ln p over the predicted tokens, and how many windows they were read in."""
    entry = {"probe": "bits_per_byte", "texts": [text], "window": window}
    outcome = run_probes({"m": model}, {"bits": entry}).outcomes["bits"]["m"]
    assert outcome.status == "ok", outcome.reason
    (row,) = outcome.tables["texts"].records()
    return -row["bits_per_byte"] * row["bytes"] * math.log(2), row["windows"]


def without_bos(model: Path, text: str, window: int) -> tuple[str, dict[str, Any]]:
    """A text that fills windows, and how lm-eval is asked about it: its first token stands before the others."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    read = fill_windows(tokenizer, text, window)
    encoded = tokenizer.encode(read, add_special_tokens=False)
    rest = read[encoded.offsets[0][1] :]
    assert tokenizer.encode(rest, add_special_tokens=False).ids == encoded.ids[1:]
    return read, {"model": str(model), "text": rest, "prefix": encoded.ids[0], "length": window - 1}


def test_tiny_models_take_as_many_bits_as_lm_eval_says(tmp_path: Path) -> None:
    bare = save_tiny(tmp_path / "bare", "llama", bos=False)
    begun = save_tiny(tmp_path / "begun", "llama", seed=1)
    read, case = without_bos(bare, TINY_TEXT, WINDOW)
    at_once = {"model": str(begun), "text": TINY_TEXT, "prefix": 0, "length": 512}
    theirs = ask_lm_eval([case, at_once], tmp_path)
    of_bare, windows = measure(bare, read, WINDOW)
    assert windows > 3
    assert of_bare == pytest.approx(theirs[0], rel=1e-5)
    of_begun, windows = measure(begun, TINY_TEXT, 512)
    assert windows == 1
    assert of_begun == pytest.approx(theirs[1], rel=1e-5)
    other, _ = measure(bare, read, WINDOW + 8)
    assert other != pytest.approx(theirs[0], rel=1e-5), "other windows give another sum"


@pytest.mark.real
def test_smollm2_takes_as_many_bits_as_lm_eval_says(tmp_path: Path) -> None:
    from reportgen.model.files.demo import DEMO_MODELS, demo_folder

    model = demo_folder(DEMO_MODELS["smollm2-135m-instruct"])
    (ferry, *_) = PromptSets.for_battery(None).find("long/ferry").prompts
    assert ferry.text is not None
    read, case = without_bos(model, ferry.text, 128)
    (theirs,) = ask_lm_eval([case], tmp_path)
    found, windows = measure("demo:smollm2-135m-instruct", read, 128)
    assert windows > 3
    assert found == pytest.approx(theirs, rel=1e-5)
