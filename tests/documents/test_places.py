"""What is passed on knows nothing of the machine it was made on."""

from pathlib import Path

import pytest

from reportgen.documents.places import list_places


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home" / "Jane Doe"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder


def test_a_path_is_called_what_the_battery_calls_it(home: Path, tmp_path: Path) -> None:
    told = list_places({tmp_path / "data" / "llama": "./models/llama"}, home / "reports").leave_out_of
    assert told(f"{tmp_path}/data/llama: truncated") == "./models/llama: truncated"
    assert told(f"{tmp_path}/data/llama/model.safetensors.") == "./models/llama/model.safetensors."
    assert told(f"[Errno 2] '{home}/reports/lens.csv'") == "[Errno 2] 'lens.csv'"
    assert told(f"{home}/elsewhere/x and {home}/reports") == "elsewhere/x and ."
    assert told(f"{home.parent}/another/x") == "…/x"
    assert told("no /usr/lib/python3/dist-packages/torch/nn.py here") == "no …/nn.py here"


def test_what_is_no_path_of_this_machine_stays(home: Path, tmp_path: Path) -> None:
    told = list_places({tmp_path / "m": "/data/m"}, home, "a prompt about /usr/bin/env").leave_out_of
    for text in (
        "see https://huggingface.co/org/name",
        "and/or, ./models/x, ../y/z, ~/model, a/b/c",
        "in the sentence '/usr/bin/env'",
        "/no-such-root/of/this/machine",
        "1/2/3",
    ):
        assert told(text) == text
    assert told(f"{tmp_path}/m/config.json") == "/data/m/config.json"
    assert told(f"{tmp_path}/model/a") == "…/a"
