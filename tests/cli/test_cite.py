"""`reportgen cite`: BibTeX that a reader takes, of whatever stands in a bundle."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reportgen.probes import registry
from reportgen.report.content.citations import cite_bundle
from reportgen.report.page import render_page
from reportgen.results.bundle import write_numbers
from tests.report.fakes import GEMMA, HOSTILE, fake_bundle

Call = Callable[..., Any]


def find_end(text: str, at: int) -> int:
    """Where the brace closes that is open at this place."""
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at - 1


def read_entries(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The entries as BibTeX reads them: it counts braces, whatever stands before them, and takes what is between
    entries for comments unless an @ is in it.
    """
    at = 0
    while (start := text.find("@", at)) >= 0:
        head = re.match(r"@(\w+)\{([^,\s]+),", text[start:])
        assert head
        end = find_end(text, text.index("{", start) + 1)
        fields = {}
        body = text[text.index(",", start) + 1 : end]
        while found := re.match(r"\s*(\w+) = \{", body):
            stop = find_end(body, found.end())
            fields[found[1]] = body[found.end() : stop]
            assert body[stop + 1] == ","
            body = body[stop + 2 :]
        assert not body.strip()
        yield head[1], head[2], fields
        at = end + 1


def test_the_tool_the_models_and_each_work_once(reportgen: Call, tmp_path: Path) -> None:
    whole = fake_bundle()
    write_numbers(tmp_path, replace(whole, run={"versions": {"lm-reportgen": "0.1.0"}, "started": ""}))
    ended = reportgen("cite", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    entries = {key: (kind, fields) for kind, key, fields in read_entries(ended.out)}
    assert entries["reportgen"][1]["note"] == "version 0.1.0"
    assert entries["model-gemma"][1]["title"] == "{Gemma-3-270M}"
    assert "revision abc123" in entries["model-gemma"][1]["note"]
    assert entries["gu2024sink"][1]["year"] == "2024"
    works = {
        source.key for by in whole.outcomes.values() for source in registry.find(next(iter(by.values())).probe).sources
    }
    assert set(entries) == {"reportgen", "model-llama", "model-gemma"} | works
    assert ended.out.count("@") == len(entries)
    assert "% weather: logit_lens, version 1: nostalgebraist2020lens, belrose2023tunedlens\n" in ended.out
    assert "% census: parameter_census, version 1: names no work\n" in ended.out


@pytest.mark.parametrize("name", [HOSTILE, "a{b", "a}b", "\\", "x},\n@misc{y", "% $ & # _ ^ ~", "百川-7B_chat"])
def test_a_strangers_name_stays_in_its_field(name: str) -> None:
    whole = fake_bundle()
    card = replace(
        whole.models[GEMMA], name=name, architecture=name, facts={"source": name, "revision": name, "dtype": name}
    )
    entries = {key: fields for _, key, fields in read_entries(cite_bundle(replace(whole, models={GEMMA: card})))}
    assert set(entries["model-gemma"]) == {"title", "howpublished", "note", "key"}
    assert not re.search("[\x00-\x1f\u202e\u200b]", "".join(entries["model-gemma"].values()))
    assert "y" not in entries


def test_a_model_from_the_hub_has_its_address_and_a_folder_has_none() -> None:
    whole = fake_bundle()
    for source, revision, url in (
        ("org/name", "0123abcd", "https://huggingface.co/org/name"),
        ("org/name@main", "0123abcd", "https://huggingface.co/org/name"),
        ("models/llama", None, None),
        ("./org/name", "x", None),
    ):
        card = replace(whole.models[GEMMA], facts={"source": source, "revision": revision})
        entries = {key: fields for _, key, fields in read_entries(cite_bundle(replace(whole, models={GEMMA: card})))}
        assert entries["model-gemma"].get("url") == url


def test_a_probe_that_is_not_installed_is_named() -> None:
    whole = fake_bundle()
    gone = {GEMMA: replace(whole.outcomes["census"][GEMMA], probe="of_others")}
    assert "% mine: of_others, version 1: is not installed\n" in cite_bundle(replace(whole, outcomes={"mine": gone}))


def test_the_page_ends_with_the_same_folded() -> None:
    whole = fake_bundle()
    page = render_page(whole, {})
    (folded,) = re.findall(r'<details class="cite">.*?</details>', page, re.DOTALL)
    assert "gu2024sink" in folded
    assert page.index('class="cite"') > page.rindex('class="probe')
