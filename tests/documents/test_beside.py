"""What a battery names lies beside it."""

from pathlib import Path

import pytest

from reportgen.battery.reader import read_battery
from reportgen.documents.beside import exists, explain_missing, is_file, is_folder, locate_path, path_of
from reportgen.errors import BatteryError

BATTERY = "models: {{m: demo:x}}\nprobes:\n  p: {{probe: {}}}"
LENS = "logit_lens, prompts: [a], tuned_lens: lens.safetensors"


def test_a_tuned_lens_and_dictionaries_start_from_the_battery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "reports"
    beside.mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lens.safetensors").write_bytes(b"elsewhere")
    lens = read_battery(BATTERY.format(LENS), beside / "b.yaml").probes["p"].options.tuned_lens  # type: ignore[attr-defined]
    assert path_of(lens) == beside / "lens.safetensors"
    assert explain_missing(lens) == (
        "lens.safetensors is not there. The working directory has one, but paths in a battery start from its folder "
        f"({beside})."
    )
    (beside / "lens.safetensors").write_bytes(b"here")
    assert explain_missing(lens) == ""
    text = BATTERY.format("sae_features, prompts: [a], dictionaries: [./a, demo:gemma-3-270m]")
    dictionaries = read_battery(text, beside / "b.yaml").probes["p"].options.dictionaries  # type: ignore[attr-defined]
    assert dictionaries == ["./a", "demo:gemma-3-270m"]
    assert path_of(dictionaries[0]) == beside / "a"


@pytest.mark.parametrize(
    "written",
    [
        "sae_features, prompts: [a], dictionaries: demo:gemma-3-270m, labels: l.csv",
        "sae_features, prompts: [a], dictionaries: demo:gemma-3-270m, labels: none.csv",
    ],
)
def test_labels_that_are_not_beside_the_battery_are_told_from_where(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "l.csv").write_text("layer,feature,label\n1,2,x")
    with pytest.raises(BatteryError) as refused:
        read_battery(BATTERY.format(written), tmp_path / "reports" / "b.yaml")
    (told,) = refused.value.mistakes
    assert "there is no file" in told.message
    assert ("The working directory has one" in told.remedy) == ("l.csv'" in told.message and "none" not in told.message)


def test_a_theme_that_is_only_in_the_working_directory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("text: 9")
    with pytest.raises(BatteryError, match="The working directory has one, but paths in a battery start from its"):
        read_battery("theme: mine.yaml\n" + BATTERY.format(LENS), tmp_path / "reports" / "b.yaml")


@pytest.mark.parametrize(
    "probe",
    [
        "sae_features, prompts: [a], dictionaries: demo:gemma-3-270m, labels: NAME",
        "sae_features, prompts: [a], dictionaries: [NAME]",
        "sae_quality, dictionaries: demo:gemma-3-270m, text_file: NAME",
        "logit_lens, prompts: [a], tuned_lens: NAME",
    ],
)
@pytest.mark.parametrize(("name", "told"), [("x" * 300, "no file has a name of 300 bytes"), (r"a\0b", "zero byte")])
def test_a_name_that_no_file_can_have_is_refused_when_the_battery_is_read(probe: str, name: str, told: str) -> None:
    with pytest.raises(BatteryError) as refused:
        read_battery(BATTERY.format(probe.replace("NAME", f'"{name}"')))
    (mistake,) = refused.value.mistakes
    assert told in mistake.message
    assert mistake.line == 3


def test_nothing_lies_under_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("x" * 300, "a\0b", "~nobody-of-this-name/x"):
        path = locate_path(name, tmp_path)
        assert not any(look(path) for look in (exists, is_file, is_folder))
