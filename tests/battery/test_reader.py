import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from reportgen.battery.reader import load_battery, read_battery
from reportgen.errors import BatteryError, Mistake
from reportgen.probes import registry
from reportgen.probing.options import Layers, PairOptions, ProbeOptions, Prompts
from reportgen.probing.probe import PairProbe, Probe
from reportgen.results.quantities import Findings, metric

REPORTS = Path(__file__).parents[2] / "reports"


class Options(ProbeOptions):
    prompts: Prompts
    """What is measured."""
    baseline: Prompts | None = None
    """Prompts to compare with."""
    top_k: int = 5
    """How many."""
    rate: Annotated[float, Field(gt=0)] = 0.5
    """How fast."""
    side: Literal["left", "right"] = "left"
    """Which side."""
    heads: list[tuple[int, int]] = []  # noqa: RUF012
    """Pairs of block and head."""
    layers: Layers = "all"
    """Which layers."""
    continue_: Annotated[int, Field(alias="continue")] = 1
    """How many tokens follow."""


@dataclass(frozen=True, kw_only=True)
class Length(Findings):
    length: float = metric("tokens")
    """Mean length."""


class Measure(Probe[Options, Length]):
    """Shows: something."""

    name = "measure"
    version = 1
    question = "How long?"
    options = Options
    findings = Length


class PairedOptions(PairOptions):
    prompts: Prompts
    """What is measured."""


class Compare(PairProbe[PairedOptions, Length]):
    """Shows: something of two."""

    name = "compare"
    version = 1
    question = "How much longer?"
    options = PairedOptions
    findings = Length


@pytest.fixture(autouse=True)
def _measure(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("measure_of_a_third_party")
    module.probe = Measure()  # type: ignore[attr-defined]
    module.pair = Compare()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points = EntryPoints(
        EntryPoint(name, f"{module.__name__}:{where}", registry.GROUP)
        for name, where in (("measure", "probe"), ("compare", "pair"))
    )
    monkeypatch.setattr(registry, "entry_points", points.select)


def mistakes(text: str, **more: Any) -> list[Mistake]:
    with pytest.raises(BatteryError) as caught:
        read_battery(text, **more)
    assert caught.value.exit_code == 2
    return list(caught.value.mistakes)


def mistake(text: str, **more: Any) -> tuple[str, str, int | None]:
    (only,) = mistakes(text, **more)
    assert only.file == ("battery" if "only" not in more else None)
    return only.message, only.remedy, only.line


def entry(options: str) -> str:
    """A battery whose line 4 holds these options."""
    return f"models: {{m: demo:x}}\nprobes:\n  one:\n    {options}\n    probe: measure\n    prompts: [a]\n"


GOOD = """\
title: Two models
models:
  b: demo:smollm2-135m-instruct
  a: {source: org/name, dtype: bfloat16, device: cuda:1, revision: main}
probes:
  one: {probe: measure, prompts: [天氣, {text: an apple, word: apple}], heads: [[5, 3]], continue: 3, rate: 1e-5}
  two: {probe: measure, prompts: [x], models: [a, b], layers: [0, 2]}
  three: {probe: measure, prompts: lecture/apple, models: [a]}
outputs: [pdf, html, pdf]
"""


def test_everything_that_a_battery_says_is_read() -> None:
    battery = read_battery(GOOD)
    assert battery.title == "Two models"
    assert list(battery.models) == ["b", "a"]
    assert battery.models["b"].model_dump() == {
        "source": "demo:smollm2-135m-instruct", "name": None, "dtype": "auto", "device": "auto", "revision": None,
        "threads": None, "batch": 1, "device_map": None, "offload": False, "stream": False, "attention": "eager",
    }  # fmt: skip
    assert battery.models["a"].device == "cuda:1"
    assert battery.outputs == ("pdf", "html")
    one, two, three = battery.probes.values()
    assert one.id == "one"
    assert one.probe.name == "measure"
    assert one.models == ("b", "a")
    assert isinstance(one.options, Options)
    assert [(prompt.text, prompt.word) for prompt in one.options.prompts] == [("天氣", None), ("an apple", "apple")]
    assert (one.options.heads, one.options.continue_, one.options.rate) == ([(5, 3)], 3, 1e-5)
    assert two.models == ("b", "a"), "the battery's order, not that of the subset"
    assert isinstance(two.options, Options)
    assert two.options.layers == [0, 2]
    assert three.models == ("a",)
    assert list(three.prompt_sets) == ["lecture/apple"]
    assert three.prompt_sets["lecture/apple"].title == "One word, two meanings"
    assert not two.prompt_sets


def test_title_and_outputs_have_defaults(tmp_path: Path) -> None:
    path = tmp_path / "llama-vs_gemma.yaml"
    path.write_text(entry("top_k: 3"))
    battery = load_battery(path)
    assert battery.title == "Llama vs gemma"
    assert battery.outputs == ("html", "pdf", "figures")
    assert battery.path == path


def test_only_keeps_the_named_probes_in_the_order_of_the_battery() -> None:
    assert list(read_battery(GOOD, only=["three", "one"]).probes) == ["one", "three"]


def test_only_with_an_unknown_id() -> None:
    assert mistake(GOOD, only=["tree", "one"]) == ("no probe has the id 'tree'", "Did you mean 'three'?", None)


def test_what_looks_like_another_type_stays_text() -> None:
    text = entry("seed: 012").replace("[a]", "[no, 2024-01-01, <<, =, '7']").replace("m:", "1:")
    battery = read_battery(text)
    options = battery.probes["one"].options
    assert isinstance(options, Options)
    assert [prompt.text for prompt in options.prompts] == ["no", "2024-01-01", "<<", "=", "7"]
    assert options.seed == 12
    assert list(battery.models) == ["1"]


WRONG_OPTIONS = [
    ("top_k: ten", "top_k: expected a whole number, found 'ten'", ""),
    ("top_k: '10'", "top_k: expected a whole number, found '10'", "Leave out the quotes."),
    ("top_k: 1.5", "top_k: expected a whole number, found 1.5", ""),
    ("top_k: yes", "top_k: expected a whole number, found 'yes'", ""),
    ("top_k: true", "top_k: expected a whole number, found true", ""),
    ("top_k:", "top_k: expected a whole number, found nothing", ""),
    ("rate: 0", "rate: expected more than 0.0, found 0", ""),
    ("rate: [1]", "rate: expected a number, found a list of 1", ""),
    ("rate: .nan", "rate: expected a finite number, found '.nan'", "Put quotes around it where text is meant."),
    ("rate: 1e999", "rate: expected a finite number, found '1e999'", "Put quotes around it where text is meant."),
    ("rate: -.INF", "rate: expected a finite number, found '-.INF'", "Put quotes around it where text is meant."),
    (f"rate: 1{'0' * 400}", "rate: a whole number of more than 18 digits", "Put quotes around it where text is meant."),
    ("top_k: 9223372036854775808", "top_k: a whole number of more than 18 digits",
     "Put quotes around it where text is meant."),
    ("seed: -1", "seed: expected at least 0, found -1", ""),
    ("baseline: [~]", "baseline[0]: expected text or a mapping, found nothing",
     "Put quotes around it to make it text."),
    ("side: lefd", "side: expected left or right, found 'lefd'", "Did you mean 'left'?"),
    ("topk: 3", "topk: unknown key", "Did you mean 'top_k'?"),
    ("continue_: 3", "continue_: unknown key", "Did you mean 'continue'?"),
    ("heads: [[1, 2], [3, x]]", "heads[1][1]: expected a whole number, found 'x'", ""),
    ("heads: [[1]]", "heads[0]: item 1 is missing", ""),
    ("heads: 5", "heads: expected a list, found 5", ""),
    ("layers: most", "layers: expected all or a list, found 'most'", "Write a list, with brackets around it."),
    ("layers: [0, -1]", "layers[1]: expected at least 0, found -1", ""),
    ("layers: []", "layers: expected all or at least 1 item, found an empty list", ""),
    ("baseline: lecture/aple", "baseline: there is no prompt set 'lecture/aple'", "Did you mean 'lecture/apple'?"),
    ("baseline: [a, {txt: b}]", "baseline[1].txt: unknown key", "Did you mean 'text'?"),
    ("baseline: []", "baseline: expected at least 1 item, found an empty list", ""),
    ("models: [m, n]", "models[1]: unknown model 'n'", "Known: m"),
    ("models: m", "models: expected a list, found 'm'", "Write a list, with brackets around it."),
    ("models: []", "models: expected at least 1 item, found an empty list", ""),
    (r'side: "\ud800"', "side: half of a surrogate pair is not text", "Write the character itself."),
    ("side: !!python/object/apply:os.system [ls]",
     "side: the tag '!!python/object/apply:os.system' is not allowed",
     "Tags are not needed: write the plain value."),
    ("top_k: !!int ten", "top_k: 'ten' is not what its tag or form says", ""),
    ("top_k: 3\n    top_k: 4", "top_k: given twice, first in line 4", "Keep one, or give the other another name."),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message", "remedy"), WRONG_OPTIONS, ids=[case[0] for case in WRONG_OPTIONS])
def test_a_wrong_option_is_told_in_plain_words_with_its_line(written: str, message: str, remedy: str) -> None:
    assert mistake(entry(written)) == (f"probes.one.{message}", remedy, 5 if "twice" in message else 4)


@pytest.mark.parametrize("written", [case[0] for case in WRONG_OPTIONS])
def test_no_message_is_pydantic_jargon(written: str) -> None:
    text = "\n".join(str(one) for one in mistakes(entry(written))).lower()
    for jargon in ("pydantic", "http", "input should", "valid integer", "value error", "instance"):
        assert jargon not in text


WRONG_BATTERIES: list[tuple[str, str, str, int | None]] = [
    (entry("? [a]\n    : 3"), "probes.one: a key in line 4 is not text", "", 3),
    ("", "empty", "`reportgen init` writes a battery to start from.", None),
    ("# only a comment\n", "empty", "`reportgen init` writes a battery to start from.", None),
    ("just text", "expected a mapping with models and probes, found 'just text'", "", 1),
    ("- a\n- b", "expected a mapping with models and probes, found a list of 2", "", 1),
    ("models: {m: x}\nprobes: [", "not YAML: expected the node content, but found '<stream end>'", "Text that", 2),
    ("models: {m: x}\na: b: c", "not YAML: mapping values are not allowed here", "Text that holds ': '", 2),
    ("models: {m: x}\n\n\0", "not YAML: special characters are not allowed", "Text that", 3),
    ('a: "\\UFFFFFFFF"', "not YAML: ", "", None),
    (GOOD + "---\n", "a second document starts here", "Remove the line ---.", 10),
    ("a: &a [x]\nb: [*a, *a]", "the alias 'a' is not allowed", "Write the value out where it is needed.", 2),
    ("a:\n  " + "[" * 50 + "]" * 50, "nested more than 40 levels deep", "", 2),
    ("probes: {p: {probe: measure, prompts: [x]}}", "models: missing", "", 1),
    ("models: {}\n" + "probes: {p: {probe: measure, prompts: [x]}}",
     "models: expected at least 1 item, found an empty mapping", "", 1),
    ("models: {m: x}\nprobes: {}", "probes: expected at least 1 item, found an empty mapping", "", 2),
    ("models: {m: x}\nprobes:", "probes: expected a mapping, found nothing", "", 2),
    ("models: {m: x}\nprobes: 5", "probes: expected a mapping, found 5", "", 2),
    ("models: {m: x}\nprobes:\n  p: measure", "probes.p: expected a mapping, found 'measure'",
     "Write {probe: NAME}.", 3),
    ("models: {m: x}\nprobes:\n  p: {prompts: [x]}", "probes.p.probe: missing", "Known: ", 3),
    ("models: {m: x}\nprobes:\n  p: {probe: 3}", "probes.p.probe: expected the name of a probe, found 3", "", 3),
    ("models: {m: x}\nprobes:\n  p:\n    probe: mesure", "probes.p.probe: unknown probe 'mesure'",
     "Did you mean 'measure'?", 4),
    ("models: {m: x}\nprobes:\n  p:\n    probe: measure", "probes.p.prompts: missing", "", 3),
    ("title: 5\n" + entry("top_k: 1"), "title: expected text, found 5", "Put quotes around it to make it text.", 1),
    ("titel: x\n" + entry("top_k: 1"), "titel: unknown key", "Did you mean 'title'?", 1),
    ("outputs:\n- html\n- pfd\n" + entry("top_k: 1"),
     "outputs[1]: expected html or pdf or figures or slides or pptx, found 'pfd'", "Did you mean 'pdf'?", 3),
    (entry("top_k: 1").replace("demo:x", "{sauce: x, source: y}"), "models.m.sauce: unknown key",
     "Did you mean 'source'?", 1),
    (entry("top_k: 1").replace("demo:x", "{}"), "models.m.source: missing", "", 1),
    (entry("top_k: 1").replace("demo:x", "3"), "models.m: expected a mapping, found 3", "", 1),
    (entry("top_k: 1").replace("demo:x", "''"), "models.m.source: expected at least 1 character, found ''", "", 1),
    (entry("top_k: 1").replace("demo:x", "{source: y, revision: 12345}"),
     "models.m.revision: expected text, found 12345", "Put quotes around it to make it text.", 1),
    (entry("top_k: 1").replace("demo:x", "{source: y, device: gpu}"),
     "models.m.device: expected auto, cpu, cuda, cuda:N or mps, found 'gpu'", "", 1),
    (entry("top_k: 1").replace("demo:x", "{source: y, dtype: float23}"),
     "models.m.dtype: expected auto or float32 or bfloat16 or float16 or int8, found 'float23'",
     "Did you mean 'float32'?", 1),
    (entry("top_k: 1").replace("one:", "../up:"), "probes.'../up': not usable as an id",
     "Use 1 to 64 of A-Z a-z 0-9 _ and -.", 3),
    (entry("top_k: 1").replace("{m: demo:x}", "\n  m: demo:x\n  m: demo:y"), "models.m: given twice, first in line 2",
     "Keep one, or give the other another name.", 3),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "remedy", "line"), WRONG_BATTERIES, ids=[c[1][:60] for c in WRONG_BATTERIES]
)
def test_a_wrong_battery(text: str, message: str, remedy: str, line: int | None) -> None:
    found_message, found_remedy, found_line = mistake(text)
    assert found_message.startswith(message)
    assert found_remedy.startswith(remedy)
    assert bool(found_remedy) == bool(remedy)
    assert found_line == line


def test_all_mistakes_come_together_in_the_order_of_their_lines() -> None:
    text = """\
titel: Oops
models:
  a: {source: x, dtype: f32}
  b c: demo:y
probes:
  one: {probe: logitlens}
  two:
    probe: measure
    prompts:
    - fine
    - {text: x, wrod: x}
    - 7
    top_k: ten
    models: [a, z]
outputs: [htm]
"""
    found = [(one.line, one.message) for one in mistakes(text)]
    assert found == [
        (1, "titel: unknown key"),
        (3, "models.a.dtype: expected auto or float32 or bfloat16 or float16 or int8, found 'f32'"),
        (4, "models.'b c': not usable as an id"),
        (6, "probes.one.probe: unknown probe 'logitlens'"),
        (11, "probes.two.prompts[1].wrod: unknown key"),
        (12, "probes.two.prompts[2]: expected text or a mapping, found 7"),
        (13, "probes.two.top_k: expected a whole number, found 'ten'"),
        (14, "probes.two.models[1]: unknown model 'z'"),
        (15, "outputs[0]: expected html or pdf or figures or slides or pptx, found 'htm'"),
    ]


def test_a_mistake_names_file_and_line_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(entry("topk: 3"))
    with pytest.raises(BatteryError) as caught:
        load_battery(path)
    assert str(caught.value) == f"{path}:4: probes.one.topk: unknown key\n  Did you mean 'top_k'?"


def test_long_and_hostile_values_are_cut_and_escaped() -> None:
    message, _, _ = mistake(entry('top_k: "\\e[31m' + "x" * 5000 + '"'))
    assert "\x1b" not in message
    assert len(message) < 120
    assert "found '\\x1b[31mxxx" in message


def test_the_mistakes_of_a_prompt_set_carry_its_own_file_and_line(tmp_path: Path) -> None:
    sets = tmp_path / "prompts" / "mine.yaml"
    sets.parent.mkdir()
    sets.write_text("good: {title: t, source: s, what_to_see: w, prompts: [x]}\nbad:\n  title: t\n  source: s\n"
                    "  what_to_see: w\n  prompts:\n  - x\n  - {text: a, messages: []}\n  tilte: x\n")  # fmt: skip
    path = tmp_path / "b.yaml"
    path.write_text(entry("baseline: mine/good").replace("[a]", "mine/good"))
    with pytest.raises(BatteryError) as caught:
        load_battery(path)
    assert [(one.file, one.line, one.message, one.remedy) for one in caught.value.mistakes] == [
        (sets, 8, "bad.prompts[1].messages: expected at least 1 item, found an empty list", ""),
        (sets, 9, "bad.tilte: unknown key", "Did you mean 'title'?"),
    ]


def missing(folder: Path) -> Path:
    (folder / "nightly.yaml").touch()
    return folder / "nigthly.yaml"


def missing_folder(folder: Path) -> Path:
    return folder / "no" / "x.yaml"


def a_folder(folder: Path) -> Path:
    (folder / "x.yaml").touch()
    return folder


def too_large(folder: Path) -> Path:
    path = folder / "x.yaml"
    path.write_bytes(b"#" * 5_000_001)
    return path


def not_utf8(folder: Path) -> Path:
    path = folder / "x.yaml"
    path.write_bytes(b"title: x\nmodels: \xff\xfe")
    return path


@pytest.mark.parametrize(
    ("make", "message", "remedy", "line"),
    [
        (missing, "{path} does not exist", "Did you mean 'nightly.yaml'?", None),
        (missing_folder, "{path} does not exist", "The folder {path.parent} does not exist either.", None),
        (a_folder, "{path} is a folder, not a battery", "Known: {path}/x.yaml", None),
        (too_large, "larger than 5 MB", "A battery is a few KB of YAML.", None),
        (not_utf8, "not UTF-8 text", "Save the file with UTF-8 encoding.", 2),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, make: Callable[[Path], Path], message: str, remedy: str, line: int | None
) -> None:
    path = make(tmp_path)
    with pytest.raises(BatteryError) as caught:
        load_battery(path)
    (only,) = caught.value.mistakes
    assert only.message == message.format(path=path)
    assert only.remedy == remedy.format(path=path)
    assert only.line == line
    assert caught.value.exit_code == 2


def test_the_battery_that_ships_loads() -> None:
    battery = load_battery(REPORTS / "llama-vs-gemma.yaml")
    assert battery.title == "Llama vs Gemma"
    assert {entry.probe.name for entry in battery.probes.values()} == {
        "parameter_census", "nearest_tokens", "word_similarity", "logit_lens", "attention_grid", "pca_map",
    }  # fmt: skip
    assert list(battery.models) == ["llama", "gemma"]


fuzzed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(st.text(max_size=80) | st.text("[]{}:,-&*!?|>#'\"%@\n\t ab10~", max_size=60))
def test_random_text_is_only_ever_refused_with_a_battery_error(text: str) -> None:
    with pytest.raises(BatteryError):
        read_battery(text)


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab/'\\\n\x00", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab é\x00", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@fuzzed
@given(st.sampled_from(list(Options.model_fields)), YAML_VALUES)
def test_random_values_of_any_option_are_read_or_refused(option: str, value: Any) -> None:
    text = f"models: {{m: x}}\nprobes: {{one: {{probe: measure, prompts: [a], {option}: {json.dumps(value)}}}}}"
    try:
        battery = read_battery(text)
    except BatteryError:
        return
    assert list(battery.probes) == ["one"]


def pair(options: str) -> str:
    """A battery whose line 4 holds these options of a pair's probe."""
    return (
        "models: {first: demo:x, second: demo:y, third: demo:z}\nprobes:\n  one:\n"
        f"    {options}\n    probe: compare\n    prompts: [a]\n"
    )


def test_a_pair_is_about_its_base_and_its_other() -> None:
    battery = read_battery(pair("{base: third, other: first}".strip("{}").replace(", ", "\n    ")))
    entry = battery.probes["one"]
    assert entry.models == ("third", "first"), "in their own order, not that of the battery"
    assert entry.subjects == (("third", "first"),)
    assert read_battery(GOOD).probes["one"].subjects == (("b",), ("a",))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("base: frist\n    other: second", ("probes.one.base: unknown model 'frist'", "Did you mean 'first'?", 4)),
        (
            "other: fourth\n    base: first",
            ("probes.one.other: unknown model 'fourth'", "Known: first, second, third", 4),
        ),
        (
            "other: first\n    base: first",
            (
                "probes.one.other: a model cannot be compared with itself: 'first'",
                "Name two models; the same source may stand under two ids.",
                4,
            ),
        ),
        ("base: first", ("probes.one.other: missing", "", 3)),
        (
            "models: [first]\n    base: first\n    other: second",
            (
                "probes.one.models: this probe is about a pair of models",
                "Name its two models as base and other, and leave models out.",
                4,
            ),
        ),
        (
            "base: 3\n    other: first",
            ("probes.one.base: expected text, found 3", "Put quotes around it to make it text.", 4),
        ),
    ],
)
def test_a_pair_that_is_none(options: str, told: tuple[str, str, int]) -> None:
    assert mistake(pair(options)) == told


def test_a_battery_may_be_json_with_characters_escaped_in_halves() -> None:
    battery = {
        "models": {"m": "demo:x"},
        "probes": {"one": {"probe": "measure", "prompts": ["\U0001f600 hi", {"text": "b", "id": "\U0001f420"}]}},
        "tolerances": {"one.m.\U0001f600": {"abs": 1}},
    }
    found = read_battery(json.dumps(battery))
    options = found.probes["one"].options
    assert isinstance(options, Options)
    assert [prompt.text for prompt in options.prompts] == ["\U0001f600 hi", "b"]
    assert options.prompts[1].id == "\U0001f420"
    assert list(found.tolerances) == ["one.m.\U0001f600"]


@pytest.mark.parametrize(
    "written", [r'[{"text": "\ud83d fish", "id": "a"}]', r'[{"te\ude00xt": 3}]', r'["\ude00\ud83d"]']
)
def test_half_a_character_is_one_mistake(written: str) -> None:
    (one,) = mistakes(f"models: {{m: demo:x}}\nprobes:\n  one: {{probe: measure, prompts: {written}}}")
    assert "half of a surrogate pair" in one.message
    assert one.line == 3


def test_ids_that_differ_in_capitals_alone_are_refused() -> None:
    text = "models: {m: x, M: y}\nprobes:\n  a: {probe: measure, prompts: [x]}\n  A: {probe: measure, prompts: [x]}"
    told = [one.message for one in mistakes(text)]
    assert [one.partition(":")[0] for one in told] == ["models.M", "probes.A"]
    assert all("only in capitals" in one for one in told)


PAIR_OF_TWO = """\
models: {m: x, n: y}
probes:
  one: {probe: measure, prompts: [a]}
  two: {probe: compare, base: m, other: n, prompts: [a]}
tolerances:
"""


@pytest.mark.parametrize(
    "glob", ["*", "one.*", "one.m.length", "*.n.length", "on?.[mn].*", "two.m..n.length", "*length", "one*", "o*h"]
)
def test_a_tolerance_that_may_match_is_kept(glob: str) -> None:
    assert list(read_battery(f"{PAIR_OF_TWO}  '{glob}': {{abs: 1}}").tolerances) == [glob]


@pytest.mark.parametrize(
    ("glob", "remedy"),
    [
        ("tow.m..n.length", "Did you mean 'two.m..n.*'?"),
        ("one.k.length", "Did you mean 'one.m.*'?"),
        ("two.m.length", "Did you mean 'two.m..n.*'?"),
        ("qqq", "Known: one.m.*, one.n.*, two.m..n.*"),
        ("one", "Did you mean 'one.m.*'?"),
    ],
)
def test_a_tolerance_that_matches_nothing_is_refused(glob: str, remedy: str) -> None:
    told = mistake(f"{PAIR_OF_TWO}  '{glob}': {{abs: 1}}")
    assert told[0].endswith("matches nothing that this battery measures")
    assert told[1:] == (remedy, 6)


def test_a_battery_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "\udcff.yaml"
    file.write_text(GOOD)
    with pytest.raises(BatteryError, match="the name is not UTF-8"):
        load_battery(file)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".yaml", "x/" + "y" * 300 + "/z.yaml"])
def test_names_that_no_file_can_have_are_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match=r"unknown theme|does not exist"):
        read_battery(f"theme: {name}\n{GOOD}", tmp_path / "b.yaml")
    with pytest.raises(BatteryError, match="does not exist"):
        load_battery(tmp_path / name)
