"""The architecture, held: which room imports from which, and where heavy libraries are imported at module level."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import reportgen

PACKAGE = Path(reportgen.__file__).parent
GROUND = {"errors", "suggest", "resources", "cache", "language", "numerals", "fingerprints", "spelling"}
"""The modules that lie beside the rooms; each room may import them."""
ENTRY = {"", "__main__", "model"}
"""The package itself, `python -m reportgen`, and the rooms that hold nothing but rooms."""

ARROWS: dict[str, str] = {
    "testing": "workflows baseline results",
    "cli": "workflows ci engines running battery probes probing baseline results processes",
    "workflows": "ci engines outputs report report.comparison report.history report.content report.templates running "
    "battery probes probing baseline model.files figures figures.kept figures.draw look results documents processes",
    "engines": "processes",
    "ci": "baseline results",
    "outputs": "report report.slides report.content report.templates probes figures figures.kept figures.draw look "
    "results documents",
    "report.comparison": "report report.content report.templates baseline probes probing figures figures.kept "
    "figures.draw look results ",
    "report.history": "report.content report.templates baseline figures ",
    "report.slides": "report.content report.templates probing figures figures.draw look results text",
    "report": "report.content report.templates report.paper look results processes",
    "report.paper": "",
    "report.templates": "report.content probes look documents",
    "report.content": "features probes probing figures figures.kept figures.draw look results text processes",
    "running": "battery probing model.load model.place model.capture model.files model.network model.needs text "
    "results documents processes",
    "battery": "baseline probes probing model.files look text results documents processes",
    "baseline": "probes look results documents numerics",
    "probes": "features training probing model.sae model.measures model.capture model.network model.needs model.files "
    "figures text results documents numerics processes",
    "training": "probing model.needs text documents numerics",
    "features": "probing model.sae model.measures model.needs text results documents",
    "probing": "model.needs model.files model.network figures text results documents",
    "model.sae": "model.load model.measures model.capture model.network model.needs model.files text documents "
    "numerics",
    "model.measures": "model.load model.capture model.network model.needs model.files documents numerics",
    "model.load": "model.merge model.place model.capture model.network model.files",
    "model.place": "model.network",
    "model.merge": "model.network model.files numerics",
    "model.capture": "model.network model.needs numerics",
    "model.network": "model.needs numerics",
    "model.files.dequantise": "model.files",
    "model.files": "text documents processes",
    "model.needs": "",
    "figures.kept": "figures figures.draw look",
    "figures.draw": "figures look text",
    "figures": "",
    "look": "documents",
    "text": "documents processes",
    "results": "documents",
    "numerics": "",
    "documents": "",
    "processes": "",
}
"""Room (or a module that is one of its own, heavier than the others) -> the rooms that it imports from. Imports
inside functions and under TYPE_CHECKING count."""

LIBRARIES = {
    "torch": "probes training model.load model.place model.merge model.network model.capture model.measures model.sae "
    "model.files.dequantise",
    "transformers": "model.load model.merge model.files.dequantise",
    "matplotlib": "figures.draw",
    "jinja2": "report.templates text documents",
    "weasyprint": "report.paper",
}
"""What takes long to import -> the rooms that import it when they are imported themselves."""


@cache
def modules() -> dict[str, ast.Module]:
    """Name without `reportgen.` -> its source."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = ast.parse(file.read_text())
    return found


def room_of(module: str) -> str:
    """The room that a module lies in; itself where it lies in none."""
    rooms = [room for room in ARROWS if module == room or module.startswith(f"{room}.")]
    return max(rooms, key=len, default=module)


def list_imports(source: ast.AST) -> Iterator[str]:
    """Full names of what is imported anywhere in a source: modules, and names of modules."""
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(name: str) -> set[str]:
    """The modules of the package that a module imports."""
    found = set()
    for full in list_imports(modules()[name]):
        if full.startswith("reportgen."):
            inner = full.removeprefix("reportgen.")
            found.add(inner if inner in modules() else inner.rpartition(".")[0])
    return found - {name}


def at_module_level(source: ast.Module) -> Iterator[str]:
    """Top-level packages that are imported as soon as the module is."""
    waiting: list[ast.stmt] = list(source.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            waiting += node.body + node.orelse
        elif isinstance(node, ast.Try):
            waiting += node.body
        else:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (full.partition(".")[0] for full in list_imports(node))


def test_every_module_lies_in_a_room() -> None:
    loose = {name for name in modules() if room_of(name) == name and name not in ARROWS} - GROUND - ENTRY
    assert not loose, "a module beside the rooms: what does it belong to?"
    assert len(GROUND) <= 8


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_from_the_rooms_below_it_alone(room: str) -> None:
    allowed = {room, *ARROWS[room].split(), *GROUND}
    found = {
        f"{name} → {other}"
        for name in modules()
        if room_of(name) == room
        for other in own_imports(name)
        if room_of(other) not in allowed
    }
    assert not found


def test_no_arrow_is_allowed_that_nobody_needs() -> None:
    drawn = {(room_of(name), room_of(other)) for name in modules() for other in own_imports(name)}
    spare = {f"{room} → {other}" for room, others in ARROWS.items() for other in others.split()} - {
        f"{room} → {other}" for room, other in drawn
    }
    assert not spare


def test_arrows_lead_down() -> None:
    tuple(TopologicalSorter({room: others.split() for room, others in ARROWS.items()}).static_order())


def test_no_modules_import_each_other_in_a_circle() -> None:
    tuple(TopologicalSorter({name: own_imports(name) for name in modules()}).static_order())


def test_the_ground_imports_no_room() -> None:
    found = {f"{name} → {other}" for name in GROUND for other in own_imports(name) if room_of(other) in ARROWS}
    assert not found


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_slow_to_import_is_imported_where_it_is_needed(library: str) -> None:
    rooms = {room_of(name) for name, source in modules().items() if library in at_module_level(source)}
    assert rooms == set(LIBRARIES[library].split())


def test_every_room_says_in_one_line_what_it_is_for() -> None:
    silent = {room for room in ARROWS if not ast.get_docstring(modules()[room])}
    assert not silent


FACES = sorted(f"probes.{file.parent.name}" for file in (PACKAGE / "probes").glob("*/run.py"))


@pytest.mark.parametrize("face", FACES)
def test_the_face_of_a_probe_computes_nothing(face: str) -> None:
    hidden = [
        node
        for node in ast.walk(modules()[face])
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    typed = {name for node in hidden for name in list_imports(node)}
    imported = set(list_imports(modules()[face])) - typed
    assert {full.partition(".")[0] for full in imported}.isdisjoint({"torch", "numpy"})


@pytest.mark.parametrize("face", FACES)
def test_the_face_of_a_probe_is_read_in_one_sitting(face: str) -> None:
    assert len((PACKAGE / Path(*face.split(".")) / "__init__.py").read_text().splitlines()) < 250


def test_a_probe_imports_torch_where_it_measures_and_nowhere_else() -> None:
    of_probes = {name: source for name, source in modules().items() if room_of(name) == "probes"}
    found = {name for name, source in of_probes.items() if "torch" in at_module_level(source)}
    assert found
    assert all(name.endswith(".run") for name in found)
