"""All messages of the report, as they stand in its source, and the catalogues that translate them.

`python -m tests.catalogues [TAG…]` brings `reportgen/locale/*.po` up to date and begins TAG.po: new
messages are added without a translation, a translation of a text that has changed since is marked fuzzy, one of a
message that is gone is kept as obsolete.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.plurals import get_plural
from babel.messages.pofile import normalize, read_po
from jinja2 import Environment, nodes

from reportgen.language import CATALOGUES
from reportgen.probes import registry
from reportgen.probes.parameter_census.figures import COMPONENTS
from reportgen.probing.probe import Probe
from reportgen.resources import folder
from reportgen.results.quantities import DIMS, Quantity

PACKAGE = Path(__file__).parents[1] / "reportgen"
ARGUMENTS = {"say": 2, "say_count": 3}
"""Words of the source that name a message -> how many of their first arguments are its id and its texts."""
BY_IDENTIFIER = (
    "language.py",
    "probing/probe.py",
    "probes/parameter_census/view.py",
    "probes/parameter_census/figures.py",
    "report/templates/templating.py",
)
"""Files that say what the source holds elsewhere: names, units and docstrings, whose ids are not written out there."""
PLURALS = {"hu": (2, "(n != 1)")}
"""Forms where Babel knows fewer than the language needs: Hungarian says "this block" and "these blocks"."""
Texts = tuple[str, ...]
"""A text; or the form beside one thing and the form beside several."""


@dataclass(frozen=True)
class Message:
    """One text of the report."""

    id: str
    texts: Texts
    where: str


@dataclass
class Translation:
    """What a catalogue has of one message."""

    texts: Texts
    """The English that was translated."""
    translations: Texts
    stale: bool = False


def messages() -> list[Message]:
    """Every message, as often as the source says it."""
    return [*_of_python(), *_of_templates(), *_of_probes()]


def by_id(found: Iterable[Message]) -> dict[str, Texts]:
    """Id -> texts, sorted by id; of one id with two texts the first."""
    texts: dict[str, Texts] = {}
    for message in found:
        texts.setdefault(message.id, message.texts)
    return dict(sorted(texts.items()))


def _of_python() -> Iterator[Message]:
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        for call in _calls(ast.parse(path.read_text())):
            literals = [one.value if isinstance(one, ast.Constant) else None for one in _take_texts(call)]
            if where not in BY_IDENTIFIER or None not in literals:
                yield _message(literals, f"reportgen/{where}:{call.lineno}")


def _calls(source: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(source):
        if isinstance(node, ast.Call) and _name_of(node) in ARGUMENTS:
            yield node


def _name_of(call: ast.Call) -> str:
    """`say` of say(…) and of language.say(…)."""
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _take_texts(call: ast.Call) -> list[ast.expr]:
    return call.args[: ARGUMENTS[_name_of(call)]]


def _of_templates() -> Iterator[Message]:
    for path in sorted(folder("templates").rglob("*.j2")):
        for call in Environment().parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in ARGUMENTS:
                first = call.args[: ARGUMENTS[call.node.name]]
                yield _message([one.value if isinstance(one, nodes.Const) else None for one in first],
                               f"templates/{path.relative_to(folder('templates'))}:{call.lineno}")  # fmt: skip


def _message(literals: list[str | None], where: str) -> Message:
    id, *texts = literals
    if id is None or None in texts:
        raise ValueError(f"{where}: the id and the text of a message are written out, so that they can be found")
    return Message(id, tuple(text for text in texts if text is not None), where)


def _of_probes() -> Iterator[Message]:
    """What is said of a probe, its numbers and their dims by the names they have in the source."""
    for name in registry.names():
        probe = registry.find(name)
        if type(probe).__module__.startswith("reportgen."):
            yield from _of_probe(probe)
    for dim in DIMS:
        yield _name(dim, "reportgen/results/quantities.py")
    for component in COMPONENTS:
        yield Message(f"component.{component}", (component,), "reportgen/probes/parameter_census.py")


def _of_probe(probe: Probe) -> Iterator[Message]:
    from reportgen.probing.probe import explanation, meanings

    where = f"reportgen/probes/{probe.name}.py"
    yield Message(f"{probe.name}.question", (probe.question,), where)
    for paragraph, text in vars(explanation(probe)).items():
        yield Message(f"{probe.name}.{paragraph}", (text,), where)
    for name, text in meanings(probe).items():
        yield Message(f"{probe.name}.definition.{name}", (text,), where)
    for name, quantity in _quantities(probe).items():
        yield _name(name, where)
        for column in quantity.columns:
            yield _name(column, where)
        if quantity.unit:
            yield Message(f"unit.{quantity.unit}", (quantity.unit,), where)


def _quantities(probe: Probe) -> Mapping[str, Quantity]:
    declared = ((name, one.metadata.get("quantity")) for name, one in probe.findings.__dataclass_fields__.items())
    return {name: quantity for name, quantity in declared if quantity is not None}


def _name(identifier: str, where: str) -> Message:
    return Message(f"name.{identifier}", (identifier.replace("_", " "),), where)


def read_catalogue(tag: str) -> dict[str, Translation]:
    """Id -> what the catalogue of a language has of it."""
    path = CATALOGUES / f"{tag}.po"
    if not path.exists():
        return {}
    found = _parse_catalogue(path, tag)
    known = [*found, *found.obsolete.values()]
    return {one.context: Translation(_tuple(one.id), _tuple(one.string), one.fuzzy) for one in known if one.context}


def _parse_catalogue(path: Path, tag: str) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=tag.replace("-", "_"), abort_invalid=True)


def _tuple(texts: str | Iterable[str]) -> Texts:
    return (texts,) if isinstance(texts, str) else tuple(texts)


def plural_of(tag: str) -> tuple[int, str]:
    """How many forms a language has beside numbers, and the expression that chooses one."""
    known = get_plural(tag.replace("-", "_"))
    return PLURALS.get(tag, (known.num_plurals, known.plural_expr))


def merge_catalogue(tag: str, source: Mapping[str, Texts], known: Mapping[str, Translation]) -> str:
    """The catalogue as its file holds it, brought up to date; no clock, sorted by id."""
    many, expression = plural_of(tag)
    head = [
        f"Language: {tag}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        f"Plural-Forms: nplurals={many}; plural={expression};",
    ]
    entries = ["\n".join(['msgid ""', 'msgstr ""', *(f'"{line}\\n"' for line in head), ""])]
    for id, texts in source.items():
        old = known.get(id)
        forms = many if len(texts) > 1 else 1
        kept = old.translations if old is not None and len(old.translations) == forms else ("",) * forms
        stale = old is not None and any(kept) and (old.stale or old.texts != texts)
        entries.append(_entry(id, texts, kept, stale))
    gone = sorted(set(known) - set(source))
    for id in gone:
        if any(known[id].translations):
            obsolete = _entry(id, known[id].texts, known[id].translations, stale=False)
            entries.append("".join(f"#~ {line}\n" for line in obsolete.splitlines()))
    return "\n".join(entries)


def _entry(id: str, texts: Texts, translations: Texts, stale: bool) -> str:
    lines = ["#, fuzzy"] if stale else []
    lines += [f"msgctxt {normalize(id, width=0)}", f"msgid {normalize(texts[0], width=0)}"]
    lines += [f"msgid_plural {normalize(text, width=0)}" for text in texts[1:]]
    if len(texts) == 1:
        lines.append(f"msgstr {normalize(translations[0], width=0)}")
    else:
        lines += [f"msgstr[{number}] {normalize(text, width=0)}" for number, text in enumerate(translations)]
    return "\n".join(lines) + "\n"


def update(tag: str) -> None:
    """Writes one catalogue anew."""
    (CATALOGUES / f"{tag}.po").write_text(merge_catalogue(tag, by_id(messages()), read_catalogue(tag)))


if __name__ == "__main__":
    for one in dict.fromkeys([*(path.stem for path in CATALOGUES.glob("*.po")), *sys.argv[1:]]):
        update(one)
