"""Whatever strangers' texts hold, each command tells it in lines that can be read and command nothing."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reportgen.cli import run_command
from reportgen.cli.terminal import LONGEST
from reportgen.spelling import is_hidden
from tests.tiny import save_tiny

Call = Callable[..., Any]
EVIL = "x\\n::error::\\e[31m\\a\\u202e\\u200b##[error]y"
"""As a battery writes it, between double quotes."""
RAW = "x\n::error::\x1b[31m\x07\u202e\u200b##[error]y"


def batteries(folder: Path) -> Iterator[str]:
    """Batteries with that text wherever one is told back."""
    (folder / "themes.yaml").write_text(f'"{EVIL}": 1')
    for name, config in {
        "architecture": {"model_type": "llama", "architectures": [RAW]},
        "long": {"model_type": "llama", "architectures": ["A" * 100_000]},
        "type": {"model_type": RAW, "is_encoder_decoder": True},
    }.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
        yield f"models: {{m: ./{name}}}\nprobes: {{p: {{probe: parameter_census}}}}"
    save_tiny(folder / "shards")
    (folder / "shards" / "model.safetensors").unlink()
    (folder / "shards" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": RAW}}))
    yield "models: {m: ./shards}\nprobes: {p: {probe: parameter_census}}"
    save_tiny(folder / "chat", chat_template="{{ raise_exception('" + RAW.replace("\n", "\\n") + "') }}")
    yield ("models: {m: ./chat}\nprobes: {p: {probe: next_token, prompts: [{messages: [{role: user, content: hi}]}]}}")
    for top in (
        f'models: {{"{EVIL}": ./a}}',
        f'models: {{m: "{EVIL}"}}',
        f'models: {{m: "./{EVIL}"}}',
        f'models: {{m: "demo:{EVIL}"}}',
        f'models: {{m: "config:{EVIL}"}}',
        f'models: {{m: {{source: a/b, revision: 3, "{EVIL}": 1}}}}',
        f'models: {{m: {{source: a/b, dtype: "{EVIL}"}}}}',
        f'tolerances: {{"{EVIL}": {{abs: 1}}}}\nmodels: {{m: ./a}}',
        f'theme: "{EVIL}.yaml"\nmodels: {{m: ./a}}',
        "theme: themes.yaml\nmodels: {m: ./a}",
        f'"{EVIL}": 1\nmodels: {{m: ./a}}',
        f"models: {{m: ./a}}\na: !<{EVIL}> b",
        f'models: {{m: &"{EVIL}" ./a}}',
    ):
        yield f"{top}\nprobes: {{p: {{probe: next_token, prompts: [a]}}}}"
    for options in (f'probe: "{EVIL}"', f'probe: next_token, prompts: "{EVIL}"', f'probe: next_token, "{EVIL}": 1',
                    f'probe: word_similarity, word: "{EVIL}", prompts: [a, b]',
                    f'probe: sae_features, dictionaries: "./{EVIL}", prompts: [a]',
                    f'probe: sae_features, dictionaries: "{EVIL}", labels: "{EVIL}.csv", prompts: [a]',
                    f'probe: logit_lens, tuned_lens: "{EVIL}", prompts: [a]'):  # fmt: skip
        yield f"models: {{m: ./chat}}\nprobes: {{p: {{{options}}}}}"


def assert_readable(told: str) -> None:
    for line in told.splitlines():
        assert not any(is_hidden(character) for character in line if character != " "), ascii(line)
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert len(line) <= LONGEST


def test_no_battery_rings_hides_or_commands(reportgen: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = 0
    for number, text in enumerate(batteries(tmp_path)):
        battery = tmp_path / f"{number}.yaml"
        battery.write_text(text)
        for command in ("plan", "run"):
            ended = reportgen(command, battery)
            assert ended.code in (1, 2), text
            assert "Traceback" not in ended.err
            assert "internal error" not in ended.err, text
            assert_readable(ended.out + ended.err)
            told += "<U+" in ended.err or "↵" in ended.err
    assert told > 20


@pytest.mark.parametrize(
    "arguments",
    [
        [RAW],
        ["run", RAW],
        ["run", "b.yaml", f"--{RAW}"],
        ["run", "b.yaml", "--format", RAW],
        ["run", "b.yaml", "--only", RAW],
        ["run", "b.yaml", "-o", f"{RAW}/\0"],
        ["plan", RAW],
        ["render", RAW],
        ["figures", RAW],
        ["history", RAW],
        ["compare", RAW, RAW],
        ["baseline", "accept", RAW, "--reason", RAW],
        ["probes", RAW],
        ["models", "--clear", RAW],
        ["init", f"{RAW}/{RAW}"],
    ],
)
def test_no_argument_rings_hides_or_commands(
    reportgen: Call, write_battery: Call, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_battery("  p: {probe: parameter_census}").rename(tmp_path / "b.yaml")
    monkeypatch.chdir(tmp_path)
    ended = reportgen(*arguments)
    assert ended.code in (1, 2)
    assert ended.err
    assert_readable(ended.out + ended.err)


def test_a_folder_of_any_name_is_told_in_a_line(
    reportgen: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "::error::\x1b[31m\u202e"
    save_tiny(folder / "::warning::m")
    (folder / "b.yaml").write_text('models: {m: "./::warning::m"}\nprobes: {p: {probe: parameter_census}}\noutputs: []')
    monkeypatch.chdir(folder)
    for arguments in (["plan", "b.yaml"], ["run", "b.yaml", "-o", "::error::out"], ["history", "."]):
        ended = reportgen(*arguments)
        assert_readable(ended.out + ended.err)
        assert ended.code == 0


def test_a_terminal_without_the_characters_gets_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {}
    for name in ("stdout", "stderr"):
        written[name] = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
        monkeypatch.setattr(sys, name, written[name])
    assert run_command(["init", str(tmp_path / "天氣.yaml")]) == 0
    assert run_command(["plan", str(tmp_path / "天.yaml")]) == 2
    assert run_command(["probes"]) == 0
    for stream in written.values():
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        assert b"\\u5929" in stream.buffer.getvalue()


def test_json_for_programs_hides_nothing_and_stays_json(reportgen: Call, capsys: pytest.CaptureFixture[str]) -> None:
    from reportgen.cli.terminal import tell_json

    tell_json({"a": RAW})
    out = capsys.readouterr().out
    assert_readable(out)
    assert json.loads(out) == {"a": RAW}
    assert json.loads(reportgen("schema").out)["title"]


def test_only_one_place_writes_to_the_terminal() -> None:
    from reportgen.resources import PACKAGE

    files = [file for file in PACKAGE.rglob("*.py") if "click.echo" in file.read_text("utf-8")]
    assert files == [PACKAGE / "cli" / "terminal.py"]


def test_a_reader_that_goes_away_is_no_crash() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "reportgen", "probes"]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")
