import re

import pytest

from reportgen.baseline.history import read_history
from reportgen.baseline.tolerance import ToleranceEntry
from reportgen.results.quantities import Metric
from reportgen.workflows.history import write_history
from tests.baseline.nights_written import date, write_night
from tests.report.fakes import HOSTILE
from tests.report.parsed import Page


def page(folder, written=None):
    file = folder.parent / "page.html"
    write_history(read_history(folder, written or {}, {}), file)
    return file.read_text()


@pytest.fixture
def nights(tmp_path):
    """Thirty nights: a step on the 21st, another version from the 11th on, one bundle damaged."""
    for night in range(30):
        metrics = {"entropy": 1.2 if night < 20 else 1.5, "layers": 18, "speed": 5.0}
        write_night(tmp_path / "nights" / f"n{night}", night, metrics, version=1 + (night >= 10))
    (tmp_path / "nights" / "n3" / "results.json").write_text("{")
    return tmp_path / "nights"


def test_the_page_says_first_what_stepped_and_then_shows_every_metric(nights):
    html = page(nights, {"*.speed": ToleranceEntry(gate=False)})
    read = Page(html)
    assert read.inside("h1") == ["Nightly – history"]
    assert read.inside("h2") == ["Contents", "What stepped", "weather"]
    text = read.text
    assert f"29 nights, from “ 2026-11-01 ” to “ {date(29)} ”: 1 of 2 metrics stepped." in text
    assert f"Night {date(20)}: weather.gemma.entropy stepped from 1.20 to 1.50 weather" in text
    assert f"{date(10)}: weather.gemma is not comparable with before: another version of logit_lens: 1 → 2" in text
    assert "n3/results.json : the bundle is damaged" in text
    assert "Metrics that fail no comparison are left out: 1 of them." in text
    assert html.count("<figure") == 1


def test_the_table_holds_first_and_last_value_and_what_is_allowed(nights):
    html = page(nights)
    (row,) = re.findall(r'<tr><th scope="row"><bdi>entropy</bdi>.*?</tr>', html)
    assert re.sub(r"<[^>]*>", " ", row).split() == [
        "entropy", "Gemma-3-270M", "nat", "1.200", "1.500", "±", "0.002500", "29", "1",
    ]  # fmt: skip


def test_the_page_asks_the_network_for_nothing_and_names_no_path_of_this_machine(nights):
    html = page(nights)
    assert "default-src 'none'" in html
    assert re.findall(r'(?:src|href)="(?!#|data:)', html) == []
    assert str(nights) not in html
    assert str(nights) not in (nights.parent / "page.json").read_text()


def test_every_link_leads_somewhere_and_no_id_is_twice(nights):
    read = Page(page(nights))
    ids = list(read.attributes("id"))
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in read.attributes("href") if link.startswith("#")} <= set(ids)


def test_nothing_stepped_is_said(tmp_path):
    for night in range(3):
        write_night(tmp_path / "nights" / str(night), night, {"entropy": 1.0})
    read = Page(page(tmp_path / "nights"))
    assert "3 nights, from “ 2026-11-01 ” to “ 2026-11-03 ”: none of 1 metric stepped." in read.text
    assert "Where something else began to be measured" not in read.text


def test_a_strangers_text_stays_text(tmp_path):
    hostile = HOSTILE.replace("\ud800", "")
    for night in range(8):
        metrics = {"entropy": Metric(1.0 + (night > 4), hostile)}
        write_night(tmp_path / "nights" / f"n {night} <b>", None, metrics, title=hostile, name=hostile)
    html = page(tmp_path / "nights")
    read = Page(html)
    assert read.scripts() == [None], "our own"
    assert "b" not in read.tags()
    assert "onerror" not in {name for _, attributes in read.elements for name in attributes}
    assert "{{ 7*7 }}" in html
    assert "\u202e" not in html


def test_the_same_bundles_give_the_same_page(nights):
    assert page(nights) == page(nights)


def test_a_long_list_is_cut_and_says_so(tmp_path):
    for night in range(6):
        metrics = {f"metric_{index:03}": 1.0 + (night > 2) for index in range(70)}
        write_night(tmp_path / "nights" / str(night), night, metrics)
    html = page(tmp_path / "nights")
    assert html.count("stepped from 1 to 2") == 60
    assert "10 more are in <code><bdi>page.json</bdi></code>." in html
    assert html.count("<figure") == 6
