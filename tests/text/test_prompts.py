from pathlib import Path
from typing import Any

import pytest

from reportgen import resources
from reportgen.documents.problem import Problem
from reportgen.errors import BatteryError
from reportgen.text.prompts import Prompt, PromptsError, PromptSets, read_prompt_file, read_prompts

SHIPPED = PromptSets.for_battery(None)
SET = "{title: t, source: s, what_to_see: w, prompts: [%s]}"


def problems(value: Any, sets: PromptSets | None = None) -> list[Problem]:
    with pytest.raises(PromptsError) as caught:
        read_prompts(value, sets)
    return list(caught.value.problems)


def test_strings_mappings_and_chats_are_prompts() -> None:
    chat = {"messages": [{"role": "user", "content": "hi"}], "id": "greeting"}
    plain, marked, turns = read_prompts(["天氣", {"text": "an apple", "word": "apple", "index": 0}, chat], None)
    assert plain == Prompt(text="天氣")
    assert (marked.text, marked.word, marked.index) == ("an apple", "apple", 0)
    assert turns.messages is not None
    assert [(turn.role, turn.content) for turn in turns.messages] == [("user", "hi")]
    assert turns.text is None
    assert len({plain, marked, turns}) == 3, "prompts are hashable"


def test_prompts_that_were_read_before_pass_unchanged() -> None:
    prompts = read_prompts(["a", {"text": "b", "group": "g"}], None)
    assert read_prompts(prompts, None) == prompts
    assert read_prompts([prompt.model_dump() for prompt in prompts], None) == prompts


WRONG = [
    ({"text": "a", "messages": [{"role": "user", "content": "b"}]}, (0,), "a prompt has either text or messages", ""),
    ({"word": "a"}, (0,), "a prompt has either text or messages", ""),
    ("", (0,), "the text is empty", ""),
    (7, (0,), "expected text or a mapping, found 7", "Put quotes around it to make it text."),
    (None, (0,), "expected text or a mapping, found nothing", "Put quotes around it to make it text."),
    ({"text": 7}, (0, "text"), "expected text, found 7", "Put quotes around it to make it text."),
    ({"text": "a", "index": -1}, (0, "index"), "expected at least 0, found -1", ""),
    ({"text": "a", "wrod": "a"}, (0, "wrod"), "unknown key", "Did you mean 'word'?"),
    ({"messages": []}, (0, "messages"), "expected at least 1 item, found an empty list", ""),
    ({"messages": [{"role": "usr", "content": "a"}]}, (0, "messages", 0, "role"),
     "expected system or user or assistant, found 'usr'", "Did you mean 'user'?"),
    ({"messages": [{"role": "user"}]}, (0, "messages", 0, "content"), "missing", ""),
]  # fmt: skip


@pytest.mark.parametrize(("item", "where", "message", "remedy"), WRONG)
def test_a_wrong_prompt_is_found_where_it_stands(item: Any, where: Any, message: str, remedy: str) -> None:
    assert problems([item]) == [Problem(where, message, remedy)]


def test_every_wrong_prompt_of_a_list_is_told() -> None:
    assert [problem.where for problem in problems(["fine", 3, {"txt": "a"}])] == [(1,), (2, "txt")]


def test_a_value_that_is_no_list_and_no_name() -> None:
    assert problems(5)[0].message == "expected a list of prompts, or the name FILE/SET of a prompt set, found 5"


def test_a_name_without_sets_is_an_error() -> None:
    assert problems("lecture/apple")[0].message == "expected a list of prompts, found 'lecture/apple'"


def test_a_named_set_is_found_and_remembered() -> None:
    sets = PromptSets.for_battery(None)
    prompts = read_prompts("lecture/apple", sets)
    assert [prompt.sense for prompt in prompts] == ["fruit", "fruit", "company", "company"]
    assert list(sets.used) == ["lecture/apple"]
    assert sets.used["lecture/apple"].title == "One word, two meanings"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("lecture/aple", "Did you mean 'lecture/apple'?"),
        ("lectur/words", "Did you mean 'lecture/words'?"),
        ("../prompts/lecture/apple", "Did you mean 'lecture/apple'?"),
        ("qqq", "Known: "),
    ],
)
def test_an_unknown_set_is_refused_with_the_nearest_name(name: str, remedy: str) -> None:
    (problem,) = problems(name, SHIPPED)
    assert problem.message == f"there is no prompt set {name!r}"
    assert problem.remedy.startswith(remedy)


def test_no_name_leads_out_of_the_folders(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "outside.yaml").write_text(f"one: {SET % 'x'}")
    sets = PromptSets((tmp_path / "prompts",))
    for name in ("../outside/one", "..\\outside/one", f"{tmp_path}/outside/one", "/one", "outside.yaml/one"):
        assert problems(name, sets)[0].message.startswith("there is no prompt set")


def test_sets_beside_the_battery_come_first_then_those_beside_its_folder(tmp_path: Path) -> None:
    near, far = tmp_path / "reports" / "prompts", tmp_path / "prompts"
    for folder, text in ((near, "near"), (far, "far")):
        folder.mkdir(parents=True)
        (folder / "mine.yaml").write_text(f"one: {SET % text}")
    (far / "other.yaml").write_text(f"two: {SET % 'far'}")
    sets = PromptSets.for_battery(tmp_path / "reports" / "nightly.yaml")
    assert sets.folders == (near, far, resources.folder("prompts"))
    assert sets.find("mine/one").prompts == (Prompt(text="near"),)
    assert sets.find("other/two").prompts == (Prompt(text="far"),)
    assert {"mine/one", "other/two", "lecture/apple"} <= set(sets.names())


def test_a_broken_file_hides_no_other_names(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("one: [")
    (tmp_path / "good.yaml").write_text(f"one: {SET % 'x'}")
    sets = PromptSets((tmp_path,))
    assert sets.names() == ["good/one"]
    with pytest.raises(PromptsError) as caught:
        sets.find("bad/one")
    (mistake,) = caught.value.elsewhere
    assert (mistake.file, mistake.line) == (tmp_path / "bad.yaml", 1)
    assert mistake.message.startswith("not YAML: ")


def test_every_shipped_set_is_complete() -> None:
    for path in resources.folder("prompts").glob("*.yaml"):
        for one in read_prompt_file(path).values():
            assert min(len(one.title), len(one.source), len(one.what_to_see)) > 10
    lecture = read_prompt_file(resources.folder("prompts") / "lecture.yaml")
    assert [prompt.text for prompt in lecture["apple"].prompts] == [
        "I ate an apple for breakfast",
        "She baked an apple pie for dessert",
        "The company that makes the iPad and the AirPods is apple",
        "Shares of apple rose after the company sold more phones",
    ]
    groups = [prompt.group for prompt in lecture["words"].prompts]
    assert {group: groups.count(group) for group in groups} == dict.fromkeys(
        ["cities", "animals", "colours", "numbers"], 6
    )
    assert [prompt.text for prompt in lecture["weather"].prompts] == ["天氣", "今天天氣真"]


def test_a_name_in_a_list_is_the_set_and_anything_else_the_text(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"one: {SET % 'x'}")
    sets = PromptSets((tmp_path,))
    found = read_prompts(["and/or", "mine/one", {"text": "mine/one"}, "a mine/one", "either/one"], sets)
    assert [prompt.text for prompt in found] == ["and/or", "x", "mine/one", "a mine/one", "either/one"]
    assert list(sets.used) == ["mine/one"]


@pytest.mark.parametrize("name", ["lecture/aple", "lectures/apple"])
def test_what_is_almost_a_name_in_a_list_is_asked_about(name: str) -> None:
    (problem,) = problems(["a", name], SHIPPED)
    assert problem.where == (1,)
    assert problem.message == f"there is no prompt set {name!r}"
    assert problem.remedy == f"Did you mean 'lecture/apple'? Where it is a text: {{text: {name!r}}}."


def test_a_set_named_in_a_list_tells_the_mistakes_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("one: [")
    with pytest.raises(PromptsError) as caught:
        read_prompts(["bad/one"], PromptSets((tmp_path,)))
    assert caught.value.elsewhere


def test_a_name_that_no_file_can_have_is_no_set() -> None:
    assert problems(f"{'x' * 300}/one", SHIPPED)[0].message.startswith("there is no prompt set")


def test_a_set_may_be_a_bare_list(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("one: [an apple, {text: a day, id: day}]\ntwo: {prompts: [x]}")
    sets = read_prompt_file(file)
    assert [prompt.called for prompt in sets["one"].prompts] == ["an apple", "day"]
    assert (sets["one"].title, sets["one"].source, sets["one"].what_to_see) == ("", "", "")
    assert sets["two"].title == ""


def test_what_is_wrong_in_a_bare_list_is_told_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("one:\n  - an apple\n  - {txt: a day}\ntwo: []\n")
    with pytest.raises(BatteryError) as caught:
        read_prompt_file(file)
    assert [(told.line, told.message) for told in caught.value.mistakes] == [
        (3, "one[1].txt: unknown key"),
        (4, "two: expected at least 1 item, found an empty list"),
    ]


def test_answers_are_one_text_or_several_or_none_that_is_right() -> None:
    one, several, none, unknown = read_prompts(
        [
            {"text": "a", "answers": "24"},
            {"text": "b", "answers": ["sand", "the sand"]},
            {"text": "c", "answers": []},
            "d",
        ],
        None,
    )
    assert [one.answers, several.answers, none.answers, unknown.answers] == [("24",), ("sand", "the sand"), (), None]
    for wrong, message in (([""], "expected at least 1 character"), (24, "expected")):
        with pytest.raises(PromptsError, match=message) as raised:
            read_prompts([{"text": "a", "answers": wrong}], None)
        assert raised.value.problems[0].where[:2] == (0, "answers")
