import json
from pathlib import Path

import pytest

from reportgen.errors import BatteryError
from reportgen.features.labels import BY_HAND, Label, labels_for, page_of, read_labels
from reportgen.model.sae.sources import locate_dictionaries
from tests.tiny_dictionaries import save_dictionaries, save_dictionary


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_yaml_and_csv_say_the_same(tmp_path: Path) -> None:
    yaml = written(
        tmp_path, "a.yaml", '1: {3: "sums, of all kinds", 5: {label: eyes, score: 0.5}}\nlayer_2: {3: 蘋果}\n'
    )
    csv = written(
        tmp_path, "a.csv", 'layer,feature,label,score\n1,3,"sums, of all kinds",\n1,5,eyes,0.5\nlayer_2,3,蘋果,\n'
    )
    expected = [
        ("1", 3, Label("sums, of all kinds", BY_HAND)),
        ("1", 5, Label("eyes", BY_HAND, 0.5)),
        ("layer_2", 3, Label("蘋果", BY_HAND)),
    ]
    for file in (yaml, csv):
        assert [(one.place, one.feature, one.label) for one in read_labels(file)] == expected


def test_a_label_is_found_by_layer_and_by_name(tmp_path: Path) -> None:
    found = locate_dictionaries(str(save_dictionaries(tmp_path / "d")))
    labels = labels_for(read_labels(written(tmp_path, "a.yaml", "1: {3: one}\nlayer_2: {4: two}\n")), found, "a.yaml")
    assert labels == {(0, 3): Label("one", BY_HAND), (1, 4): Label("two", BY_HAND)}


def test_an_export_of_neuronpedia_is_joined_by_its_source_and_linked(tmp_path: Path) -> None:
    page = "gemma-2-2b/1-gemmascope-res-16k"
    folder = save_dictionary(tmp_path / "layer_2", 2, metadata={"neuronpedia_id": page})
    save_dictionary(tmp_path / "layer_1", 1)
    found = locate_dictionaries(str(tmp_path))
    rows = [
        {"modelId": "gemma-2-2b", "layer": "1-gemmascope-res-16k", "index": "7", "description": " words\nof praise",
         "explanationModelName": "gpt-4o-mini", "typeName": "oai_token-act-pair"},
        {"modelId": "gemma-2-2b", "layer": "1-gemmascope-res-16k", "index": 7, "description": "a second one"},
        {"modelId": "gemma-2-2b", "layer": "5-gemmascope-res-16k", "index": 7, "description": "of another layer"},
    ]  # fmt: skip
    file = written(tmp_path, "e.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    item = next(at for at, one in enumerate(found) if one.folder.resolve() == folder.resolve())
    assert labels_for(read_labels(file), found, file) == {
        (item, 7): Label("words of praise", "Neuronpedia, gpt-4o-mini")
    }
    assert page_of(found[item], 7) == f"https://www.neuronpedia.org/{page}/7"
    assert page_of(found[1 - item], 7) == ""


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("a.csv", "layer,feature\n1,2\n", 1, "lacks 'label'"),
        ("a.csv", "layer,feature,label\n1,two,x\n", 2, "expected the number of a feature"),
        ("a.csv", "layer,feature,label\n1,2,x\n1,2,y\n", 3, "has a label in line 2 already"),
        ("a.csv", "layer,feature,label\n1,2,x, y\n", 2, "expected 3 cells"),
        ("a.csv", "layer,feature,label,score\n1,2,x,nan\n", 2, "expected a score"),
        ("a.yaml", "1:\n  2: x\n  -3: y\n", 3, "expected the number of a feature"),
        ("a.yaml", "1: words\n", 1, "expected features with their labels"),
        ("a.yaml", "1:\n  2: {label: x, sore: 1}\n", 2, "unknown key 'sore'"),
        ("a.jsonl", '{"modelId": "m"}\n', 1, "lacks layer, index, description"),
        ("a.jsonl", '\n{"modelId": \n', 2, "not JSON"),
        ("a.jsonl", "[]\n", 1, "expected an object"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, text: str, line: int, said: str) -> None:
    file = written(tmp_path, name, text)
    with pytest.raises(BatteryError) as refused:
        read_labels(file)
    assert f"{name}:{line}: " in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.jsonl", "5", "expected an object, found 5"),
        ("l.jsonl", "null", "expected an object, found nothing"),
        ("l.jsonl", '"modelId layer index description"', "expected an object, found"),
        ("l.jsonl", "[" * 1000, "not JSON: recursion limit exceeded"),
        ("l.jsonl", "9" * 5000, "not JSON: number out of range"),
        ("l.jsonl", '{"modelId": ["a"], "layer": "b", "index": 1, "description": "c"}', "modelId: expected text"),
        ("l.jsonl", '{"modelId": "a", "layer": {}, "index": 1, "description": "c"}', "layer: expected text"),
        (
            "l.jsonl",
            '{"modelId": "a", "layer": "b", "index": [1], "description": "c"}',
            "expected the number of a feat",
        ),
        ("l.jsonl", '{"modelId": "a", "layer": "b", "index": 1, "description": 7}', "expected a label, found 7"),
        ("l.yaml", "3: {5: {label: a, score: [1]}}", "expected a score, found a list of 1"),
        ("l.yaml", f"3: {{5: {{label: a, score: {'9' * 400}}}}}", "3.5.score: a whole number of more than 18 digits"),
        ("l.yaml", "3: {5: {label: a, origin: [me]}}", "expected an origin, found a list of 1"),
        ("l.yaml", "3: {5: {label: a, feature: 6}}", "unknown key 'feature'"),
        ("l.csv", "layer,feature,label,label\n3,5,a,b", "the heading names 'label' twice"),
        ("l.csv", f"layer,feature,{'x' * 140_000}\n3,5,a", "not CSV: field larger than field limit"),
    ],
)
def test_whatever_a_line_holds_it_is_told_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BatteryError) as raised:
        read_labels(tmp_path / name)
    (mistake,) = raised.value.mistakes
    assert mistake.line == 1
    assert mistake.message.startswith(said)


def test_a_missing_file_and_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BatteryError, match="cannot be read"):
        read_labels(tmp_path / "none.yaml")
    with pytest.raises(BatteryError, match=r"read from \.yaml, \.csv and \.jsonl"):
        read_labels(written(tmp_path, "a.txt", "x"))


def test_labels_that_are_about_no_dictionary_in_use_are_refused(tmp_path: Path) -> None:
    found = locate_dictionaries(str(save_dictionaries(tmp_path / "d")))
    rows = [{"modelId": "gemma-2-2b", "layer": "5-res", "index": 7, "description": "x"}]
    file = written(tmp_path, "e.jsonl", json.dumps(rows[0]))
    with pytest.raises(BatteryError, match="none of the labels is about a dictionary that is used"):
        labels_for(read_labels(file), found, file)
