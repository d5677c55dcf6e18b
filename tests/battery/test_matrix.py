"""A matrix of models: what it stands for, and what is wrong with it, each with its line."""

from pathlib import Path

import jsonschema
import pytest

from reportgen.battery.reader import Battery, load_battery
from reportgen.battery.schema import battery_schema
from reportgen.documents.yaml_source import read_source
from reportgen.errors import BatteryError, Mistake

PROBES = "probes: {census: {probe: parameter_census}}\n"


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """A folder of a training's checkpoints, with its log beside them."""
    for step in (10, 9, 100):
        (tmp_path / "ckpt" / f"step-{step}").mkdir(parents=True)
    (tmp_path / "ckpt" / "step-log.json").write_text("{}")
    (tmp_path / "ckpt" / "step-9-q8.gguf").write_bytes(b"")
    (tmp_path / "ckpt" / ".step-11").mkdir()
    return tmp_path


def read(folder: Path, text: str, probes: str = PROBES) -> Battery:
    file = folder / "battery.yaml"
    file.write_text(text + probes)
    return load_battery(file)


def mistakes(folder: Path, text: str, probes: str = PROBES) -> list[Mistake]:
    with pytest.raises(BatteryError) as caught:
        read(folder, text, probes)
    assert all(one.file == folder / "battery.yaml" for one in caught.value.mistakes)
    return list(caught.value.mistakes)


def mistake(folder: Path, text: str, probes: str = PROBES) -> tuple[str, str, int | None]:
    (only,) = mistakes(folder, text, probes)
    return only.message, only.remedy, only.line


def test_every_combination_is_a_model_of_a_readable_id(tmp_path: Path) -> None:
    battery = read(
        tmp_path,
        "models: {own: demo:gemma-3-270m}\n"
        "matrix:\n"
        "  models:\n"
        "    small: demo:smollm2-135m-instruct\n"
        "    hub: {source: org/name, threads: 1}\n"
        "  dtype: [float32, bfloat16]\n"
        "  revision: [main, refs/pr/2]\n",
    )
    told = {id: (one.source, one.dtype, one.revision, one.threads) for id, one in battery.models.items()}
    small = "demo:smollm2-135m-instruct"
    assert told == {
        "own": ("demo:gemma-3-270m", "auto", None, None),
        "small-float32": (small, "float32", None, None),
        "small-bfloat16": (small, "bfloat16", None, None),
        "hub-float32-main": ("org/name", "float32", "main", 1),
        "hub-float32-refs-pr-2": ("org/name", "float32", "refs/pr/2", 1),
        "hub-bfloat16-main": ("org/name", "bfloat16", "main", 1),
        "hub-bfloat16-refs-pr-2": ("org/name", "bfloat16", "refs/pr/2", 1),
    }
    assert list(told) == list(battery.models), "what is written out, then the matrix, in its order"
    assert battery.lines["models.small-bfloat16"] == 4
    assert battery.lines["models.own"] == 1
    assert battery.probes["census"].models == tuple(told)


def test_what_a_model_says_itself_is_not_multiplied(tmp_path: Path) -> None:
    models = "{a: {source: org/a, dtype: float16}, b: {source: org/b, revision: v1}, c: org/c@v2, d: {source: org/d}}"
    battery = read(tmp_path, f"matrix: {{models: {models}, dtype: [float32], revision: [main]}}\n")
    assert list(battery.models) == ["a-main", "b-float32", "c-float32", "d-float32-main"]


def test_checkpoints_are_models_in_natural_order(checkpoints: Path) -> None:
    battery = read(checkpoints, "matrix: {models: {run: ./ckpt/step-*/}, dtype: [bfloat16]}\n")
    assert {id: one.source for id, one in battery.models.items()} == {
        "step-9-bfloat16": "./ckpt/step-9",
        "step-9-q8-bfloat16": "./ckpt/step-9-q8.gguf",
        "step-10-bfloat16": "./ckpt/step-10",
        "step-100-bfloat16": "./ckpt/step-100",
    }


def test_the_id_of_a_checkpoint_begins_at_the_first_wildcard(checkpoints: Path) -> None:
    (checkpoints / "other 1.5" / "step-9").mkdir(parents=True)
    battery = read(checkpoints, "matrix: {models: {both: '*/step-9'}}\n")
    assert list(battery.models) == ["ckpt-step-9", "other-1-5-step-9"]
    assert battery.models["other-1-5-step-9"].source == "other 1.5/step-9"


def test_the_adapter_of_a_base_may_be_the_glob(checkpoints: Path) -> None:
    battery = read(checkpoints, "matrix: {models: {tuned: org/base + ckpt/step-1*}, revision: [v1]}\n")
    assert {id: (one.source, one.revision) for id, one in battery.models.items()} == {
        "step-10-v1": ("org/base + ckpt/step-10", "v1"),
        "step-100-v1": ("org/base + ckpt/step-100", "v1"),
    }


def test_a_folder_whose_name_holds_brackets_is_meant_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "step-[12]").mkdir()
    battery = read(tmp_path, "matrix: {models: {odd: './step-[12]'}}\n")
    assert battery.models["odd"].source == "./step-[12]"


def test_a_probe_names_models_by_glob_in_the_order_of_the_battery(checkpoints: Path) -> None:
    text = "matrix: {models: {run: ckpt/step-*}, dtype: [float32, bfloat16]}\nmodels: {own: demo:gemma-3-270m}\n"
    entry = '{{census: {{probe: parameter_census, models: ["step-1*-float32", own{more}]}}}}'
    battery = read(checkpoints, text, "probes: " + entry.format(more=""))
    assert battery.probes["census"].models == ("own", "step-10-float32", "step-100-float32")
    assert mistake(checkpoints, text, "probes:\n " + entry.format(more=", step-7*")) == (
        "probes.census.models[2]: no model's id matches 'step-7*'",
        "Known: own, step-9-float32, step-9-bfloat16, step-9-q8-float32, step-9-q8-bfloat16, step-10-float32, "
        "step-10-bfloat16, step-100-float32, …",
        4,
    )


def test_a_probe_of_a_pair_names_models_of_the_matrix(checkpoints: Path) -> None:
    text = "matrix: {models: {run: ckpt/step-*}}\n"
    drift = "probes: {d: {probe: drift, base: step-9, other: step-100, prompts: [an apple a day]}}"
    assert read(checkpoints, text, drift).probes["d"].models == ("step-9", "step-100")


WRONG = [
    ("matrix: {models: {run: ckpt/stp-*}}\n",
     "matrix.models.run: 'ckpt/stp-*' matches no folder and no .gguf file", "Did you mean 'step-9'?", 1),
    ("matrix:\n models:\n  run: ckpt/zz*\n",
     "matrix.models.run: 'ckpt/zz*' matches no folder and no .gguf file",
     "Known: step-9, step-9-q8.gguf, step-10, step-100", 3),
    ("matrix: {models: {run: ckpt/**}}\n", "matrix.models.run: 'ckpt/**': ** is not supported",
     "Write a * for each folder on the way.", 1),
    ("matrix: {models: {run: 'c*/step-9 + c*/step-10'}}\n",
     "matrix.models.run: 'c*/step-9 + c*/step-10': base and adapter are both globs",
     "Write the base out, or the adapter.", 1),
    ("matrix:\n models: {a: org/a}\n dtype: [float32, bf16]\n",
     "matrix.dtype[1]: expected auto or float32 or bfloat16 or float16 or int8, found 'bf16'",
     "Did you mean 'bfloat16'?", 3),
    ("matrix: {models: {a: org/a}, dtype: []}\n", "matrix.dtype: expected at least 1 item, found an empty list", "", 1),
    ("matrix: {models: {a: org/a}, dtypes: [float32]}\n", "matrix.dtypes: unknown key", "Did you mean 'dtype'?", 1),
    ("matrix: {dtype: [float32]}\n", "matrix.models: missing", "", 1),
    ("matrix:\n", "matrix: expected a mapping, found nothing", "", 1),
    ("matrix: {models: {a b: org/a}}\n", "matrix.models.'a b': not usable as an id",
     "Use 1 to 64 of A-Z a-z 0-9 _ and -.", 1),
    ("matrix: {models: {a: {sauce: x, source: y}}}\n", "matrix.models.a.sauce: unknown key",
     "Did you mean 'source'?", 1),
    ("models:\n run: ckpt/step-*\n", "models.run: 'ckpt/step-*' stands for several models",
     "Write it under matrix: {models: {run: …}}.", 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "remedy", "line"), WRONG, ids=[case[1] for case in WRONG])
def test_a_mistake_is_told_with_its_line(
    checkpoints: Path, text: str, message: str, remedy: str, line: int | None
) -> None:
    assert mistake(checkpoints, text) == (message, remedy, line)


def test_a_glob_below_a_folder_that_is_not_there(checkpoints: Path) -> None:
    message, remedy, _ = mistake(checkpoints, "matrix: {models: {run: chekpoints/step-*}}\n")
    assert message == "matrix.models.run: 'chekpoints/step-*' matches no folder and no .gguf file"
    assert remedy == f"Is the path right? It starts from the battery's folder ({checkpoints})."


def test_two_models_cannot_have_one_id(checkpoints: Path) -> None:
    (checkpoints / "other" / "step-9").mkdir(parents=True)
    text = "matrix:\n models:\n  a: ckpt/step-?\n  b: other/step-*\n"
    message, remedy, line = mistake(checkpoints, text)
    assert message == "matrix.models.b: the id of 'other/step-9' would be step-9, and a has it already"
    assert "(run-*/step-*)" in remedy
    assert line == 4
    (twice,) = mistakes(checkpoints, "matrix: {models: {a: org/a}, dtype: [int8, int8]}\n")
    assert "the id of 'org/a' would be a-int8, and another of these has it already" in twice.message
    (cased,) = mistakes(checkpoints, "models: {A-INT8: org/b}\nmatrix: {models: {a: org/a}, dtype: [int8]}\n")
    assert "would be a-int8, and A-INT8 has it already" in cased.message


def test_an_id_that_becomes_too_long_is_told_with_what_it_would_be(tmp_path: Path) -> None:
    (tmp_path / f"step-{'9' * 60}").mkdir()
    message, remedy, _ = mistake(tmp_path, "matrix: {models: {run: ./step-*}, dtype: [float32]}\n")
    assert f"step-{'9' * 60}-float32, which is not usable as an id" in message
    assert remedy == "Ids are 1 to 64 of A-Z a-z 0-9 _ and -. Give it a shorter name."


def test_too_many_models_are_refused_with_their_number(tmp_path: Path) -> None:
    for step in range(100):
        (tmp_path / f"step-{step}").mkdir()
    most = "matrix: {models: {run: ./step-*}, dtype: [float32, bfloat16]}\n"
    assert len(read(tmp_path, most).models) == 200
    assert mistake(tmp_path, f"models: {{a: org/a}}\n{most}") == (
        "matrix: the battery would have 201 models, where 200 are the most",
        "List fewer dtypes or revisions, or write a narrower glob.",
        2,
    )


def test_a_matrix_that_cannot_be_read_hides_no_other_mistake_and_makes_none_up(checkpoints: Path) -> None:
    probes = "probes: {d: {probe: drift, base: step-9, other: step-10, prompts: [a], tpo: 3}}"
    told = [one.message for one in mistakes(checkpoints, "matrix: {models: {run: ckpt/stop-*}}\n", probes)]
    assert told == [
        "matrix.models.run: 'ckpt/stop-*' matches no folder and no .gguf file",
        "probes.d.tpo: unknown key",
    ]


def test_the_schema_knows_the_matrix(tmp_path: Path) -> None:
    fits = jsonschema.Draft202012Validator(battery_schema())

    def check(text: str) -> bool:
        return fits.is_valid(read_source(text + PROBES, "battery").value)

    assert check("matrix: {models: {a: org/a, b: {source: org/b}}, dtype: [float32], revision: [v1]}\n")
    assert not check("matrix: {models: {a b: org/a}}\n")
    assert not check("matrix: {models: {a: org/a}, dtype: [bf16]}\n")
    assert not check("matrix: {dtype: [float32]}\n")
    assert not check("")
