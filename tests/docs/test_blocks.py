"""Every block of the documentation is what it is said to be: YAML loads, commands and options exist, Python runs."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest

import reportgen
from reportgen.battery.reader import read_battery
from reportgen.cli import reportgen as reportgen_group
from reportgen.documents.yaml_source import read_source
from reportgen.look.theme import read_theme
from reportgen.text.prompts import read_prompt_file
from tests.docs.blocks import BLOCKS, ROOT, Block, blocks_of, shell_lines
from tests.tiny import save_tiny

LANGUAGES = {"yaml", "sh", "python", "toml", "text", "json", "bibtex", "html"}
OURS = ("reportgen", "lm-reportgen")
RESEARCHER = "docs/tutorials/researcher.md"
MODELS = "models: {llama: demo:smollm2-135m-instruct, gemma: demo:gemma-3-270m}\n"
PROBES = """
probes:
  weather: {probe: logit_lens, prompts: [a]}
  census: {probe: parameter_census}
  map: {probe: pca_map, prompts: lecture/words}
"""
BATTERY_KEYS = {"title", "models", "matrix", "probes", "outputs", "language", "theme", "batch", "slides", "tolerances"}


def test_every_block_says_what_it_is() -> None:
    assert [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("block", blocks_of("yaml"), ids=str)
def test_yaml_loads_as_what_it_is(block: Block, tmp_path: Path) -> None:
    value = read_source(block.text, str(block)).value
    keys = set(value)
    if keys & {"jobs", "on", "services"}:
        assert {"jobs", "on"} <= keys
    elif "extends" in keys:
        (tmp_path / "lab.yaml").write_text(block.text)
        (tmp_path / "lab.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        read_theme("lab.yaml", tmp_path)
    elif keys & BATTERY_KEYS:
        write_neighbours(block.page, tmp_path)
        read_battery(complete_battery(block.text, keys), tmp_path / "battery.yaml")
    else:
        (tmp_path / "own.yaml").write_text(block.text)
        assert read_prompt_file(tmp_path / "own.yaml")


def write_neighbours(page: str, folder: Path) -> None:
    """A checkpoint, and the prompt files that a page shows, its path in its first line: `# prompts/talk.yaml`."""
    (folder / "ckpt" / "step-100").mkdir(parents=True)
    for block in blocks_of("yaml", page=page):
        if named := re.match(r"# (prompts/[\w-]+\.yaml)\n", block.text):
            path = folder / named[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)


def complete_battery(text: str, keys: set[str]) -> str:
    """A battery of which only a part is shown, with models and probes where it has none."""
    models = "" if keys & {"models", "matrix"} else MODELS
    return models + text + ("" if "probes" in keys else PROBES)


@pytest.mark.parametrize("block", blocks_of("sh"), ids=str)
def test_commands_and_their_options_exist(block: Block) -> None:
    for line in shell_lines(block):
        check_line(line)


def test_commands_in_the_text_exist() -> None:
    named = {
        (page.relative_to(ROOT).as_posix(), code)
        for page in {ROOT / block.page for block in BLOCKS} | set((ROOT / "docs").rglob("*.md"))
        for code in re.findall(r"`(reportgen [a-z][^`]*)`", page.read_text())
    }
    assert named
    for _, code in named:
        check_line(code.replace("…", "x"))


def check_line(line: str) -> None:
    """A command of ours with options that it has; a make target that there is; a module of tests that there is."""
    words = shlex.split(line, comments=True)
    while words and ("=" in words[0].split("/")[0] or words[0] in ("uvx", "pipx", "sudo")):
        words = words[2:] if words[:2] == ["pipx", "run"] else words[1:]
    if not words:
        return
    program = Path(words[0]).name
    if program in OURS:
        check_command(words[1:])
    elif program == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
    elif program.startswith("python") and words[1:2] == ["-m"] and words[2].startswith("tests"):
        path = ROOT / words[2].replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def check_command(words: list[str]) -> None:
    """Parses options and values, but looks for no file."""
    group: click.Command = reportgen_group
    context = click.Context(reportgen_group)
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        found = group.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        group, words = found, words[1:]
    context = click.Context(group, info_name=group.name)
    given, _, _ = group.make_parser(context).parse_args(list(words))
    for parameter in group.params:
        value = given.get(parameter.name)
        checked = isinstance(parameter.type, click.Choice | click.types.IntParamType)
        if checked and isinstance(parameter, click.Option) and isinstance(value, str) and not value.isupper():
            parameter.type.convert(value, parameter, context)


@pytest.mark.parametrize("text", ["reportgen run b.yaml --no-such-option", "reportgen nothing", "make nonsense"])
def test_a_wrong_line_is_found(text: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check_line(text)


def test_a_wrong_battery_is_found(tmp_path: Path) -> None:
    from reportgen.errors import BatteryError

    with pytest.raises(BatteryError):
        test_yaml_loads_as_what_it_is(Block("page", 1, "yaml", "probes: {a: {probe: no_such_probe}}\n"), tmp_path)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples speak of: a battery and a study, each with its bundle, and a nightly baseline."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "reports").mkdir()
    source = json.dumps(str(save_tiny(folder / "tiny")))
    probes = "probes: {weather: {probe: logit_lens, prompts: [天氣]}, census: {probe: parameter_census}}\noutputs: []"
    for battery in (folder / "battery.yaml", folder / "reports" / "nightly.yaml"):
        battery.write_text(f"models: {{gemma: {source}}}\n{probes}\n")
    (study,) = (block.text for block in blocks_of("yaml", page=RESEARCHER) if "right_answer" in block.text)
    tiny = re.sub(r"demo:[\w.-]+", lambda _: source, study).replace('" ', '"')  # its space is a token of its own
    (folder / "study.yaml").write_text(re.sub(r"^outputs:.*", "outputs: []", tiny, flags=re.MULTILINE))
    for name in ("battery.yaml", "study.yaml"):
        reportgen.run(folder / name)
    shutil.copytree(folder / "battery", folder / "reports" / "baselines" / "nightly")
    return folder


@pytest.mark.parametrize("page", sorted({block.page for block in blocks_of("python")}))
def test_python_runs(page: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    known: dict[str, Any] = {"__name__": "example"}
    for block in blocks_of("python", page=page):
        exec(compile(block.text, str(block), "exec"), known)
    for name, test in known.items():
        if name.startswith("test_"):
            test(lambda battery: reportgen.run(battery, formats=[]))
