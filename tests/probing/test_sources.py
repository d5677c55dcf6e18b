"""Every work that a probe says it is from is one that can be cited, and every record can be written."""

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

import reportgen
from reportgen.probes import registry
from reportgen.probing import literature
from reportgen.probing.source import Source

PACKAGE = Path(reportgen.__file__).parent
NAME = r"[A-ZÀ-Ž][\w'-]+"
NAMED = re.compile(
    rf"(?P<first>{NAME}|nostalgebraist)(?:\s+et\s+al\.?|\s+(?:&|and)\s+{NAME})?,?\s+\(?(?P<years>(?:19|20)\d\d(?:,\s+(?:19|20)\d\d)*)\b"
)
RECORDS = [one for one in vars(literature).values() if isinstance(one, Source)]


def list_docstrings(probe: str) -> Iterator[str]:
    """The texts that stand alone in a probe's face: its docstrings, and those of its fields."""
    place = PACKAGE / "probes" / probe / "__init__.py"
    file = place if place.exists() else place.parent.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def fold(name: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", name) if not unicodedata.combining(one))


def list_named(texts: Iterator[str]) -> set[tuple[str, int]]:
    return {
        (fold(found["first"]), int(year))
        for text in texts
        for found in NAMED.finditer(text)
        for year in re.findall(r"\d{4}", found["years"])
    }


def test_the_ways_in_which_a_work_is_named_are_seen() -> None:
    text = "(Geva et al. 2021, 2022), Zhang & Nanda 2024; Marchenko and Pastur\n1967; Ethayarajh 2019, Levy (2014)"
    assert list_named(iter([text])) == {
        ("Geva", 2021), ("Geva", 2022), ("Zhang", 2024), ("Marchenko", 1967), ("Ethayarajh", 2019), ("Levy", 2014)
    }  # fmt: skip


@pytest.mark.parametrize("name", registry.names())
def test_each_work_that_a_docstring_names_has_a_record(name: str) -> None:
    known = {(fold(one.names[0]), one.year) for one in registry.find(name).sources}
    assert list_named(list_docstrings(name)) <= known


def test_the_docstrings_name_many() -> None:
    assert len({one for name in registry.names() for one in list_named(list_docstrings(name))}) > 20


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one.key)
def test_a_record_is_whole_and_used(record: Source) -> None:
    first = fold(record.names[0]).lower()
    assert re.fullmatch(rf"{first}{record.year}[a-z]+", record.key)
    assert record.title
    assert record.where
    assert re.fullmatch(r"https://[\w./-]+", record.url)
    if "arxiv.org" in record.url:
        year, month = re.findall(r"/(\d\d)(\d\d)\.\d{5}$", record.url)[0]
        assert 0 <= record.year - (2000 + int(year)) <= 1  # printed in the year of the preprint, or the next
        assert 1 <= int(month) <= 12
    assert all(" " in author or author in ("others", "nostalgebraist") for author in record.authors)
    assert any(record in registry.find(name).sources for name in registry.names())


def test_keys_are_unique() -> None:
    assert len({one.key for one in RECORDS}) == len(RECORDS)
