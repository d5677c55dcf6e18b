"""Strangers' YAML as plain values that remember their lines. Nothing in it can run code."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reportgen.documents.beside import exists, is_file, is_folder
from reportgen.documents.problem import Problem, Where, describe_value, write_place
from reportgen.errors import BatteryError, Mistake
from reportgen.suggest import suggestion

MAX_BYTES = 5_000_000
MAX_DEPTH = 40
MAX_EXCERPT = 100

LARGEST = 10**18 - 1
"""Whole numbers beyond it do not fit what computes with them."""
QUOTES = "Put quotes around it where text is meant."
HALF = "Write the character itself."

STANDARD = "tag:yaml.org,2002:"
# dates, `<<` and `=` mean nothing in a battery: they are the text that was written
TEXT = {STANDARD + kind for kind in ("str", "timestamp", "merge", "value")}


@dataclass(frozen=True)
class Source:
    """One YAML document: its plain value, the line of every key and item, and what is wrong with the YAML itself."""

    value: Any
    """dict, list, str, int, float, bool or None; keys are always text."""
    lines: Mapping[Where, int]
    file: Path | str
    problems: Sequence[Problem] = field(default=())

    def mistakes(self, found: Iterable[Problem]) -> list[Mistake]:
        """What is wrong with the YAML itself, then `found`, less what only follows from the former; by line."""
        told = [*self.problems, *(problem for problem in found if not self._follows(problem))]
        return sorted(dict.fromkeys(map(self._mistake, told)), key=lambda mistake: mistake.line or 0)

    def _follows(self, found: Problem) -> bool:
        """Whether something is missed, there or in what it is a part of, only because it could not be read."""
        where = found.where
        return any(where == one.where[: len(where)] for one in self.problems if where or not one.where)

    def _mistake(self, problem: Problem) -> Mistake:
        """A problem with its file and line: that of the value, or of the nearest one above that is written out."""
        path = write_place(problem.where)
        message = f"{path}: {problem.message}" if path else problem.message
        known = (self.lines.get(problem.where[:end]) for end in range(len(problem.where), -1, -1))
        return Mistake(message, problem.remedy, self.file, next((line for line in known if line is not None), None))


def read_text(path: Path, what: str) -> str:
    """The text of a file that a person named.

    Raises:
        BatteryError: it is missing, a folder, unreadable, too large or not UTF-8.
    """
    if _is_broken(str(path)):  # bytes that are not UTF-8, which no record of the run could hold
        raise BatteryError(Mistake(f"{path}: the name is not UTF-8", "Give the file another name."))
    if is_folder(path):
        raise BatteryError(Mistake(f"{path} is a folder, not a {what}", _yaml_files_in(path)))
    if not exists(path):
        raise BatteryError(Mistake(f"{path} does not exist", _near_files(path)))
    if not is_file(path):
        raise BatteryError(Mistake(f"{path} is not a regular file", f"Name a {what} in YAML."))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BatteryError(
                Mistake(f"larger than {MAX_BYTES // 1_000_000} MB", f"A {what} is a few KB of YAML.", path)
            )
        data = path.read_bytes()
    except OSError as error:
        raise BatteryError(Mistake(f"{path} cannot be read: {error.strerror}")) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BatteryError(Mistake("not UTF-8 text", "Save the file with UTF-8 encoding.", path, line)) from error


def read_source(text: str, file: Path | str) -> Source:
    """The one document in `text`.

    Raises:
        BatteryError: not YAML, more than one document, empty, nested too deeply, or with aliases.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _PlainComposer
    yaml.max_depth = MAX_DEPTH
    try:
        root = yaml.compose(text)
    except YAMLError as error:
        raise BatteryError(_explain_no_yaml(error, text, file)) from error
    except Exception as error:
        # strangers' bytes also find the parser's own slips (an escape beyond Unicode overflows in chr)
        raise BatteryError(Mistake(f"not YAML: {str(error)[:MAX_EXCERPT]}", "", file)) from error
    if root is None:
        raise BatteryError(Mistake("empty", "`reportgen init` writes a battery to start from.", file))
    reading = _Reading(yaml)
    value = reading.value(root, ())
    return Source(value, reading.lines, file, tuple(reading.problems))


class _PlainComposer(Composer):
    """Refuses aliases: with them a few lines expand to billions of values."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.parser.check_event(AliasEvent):
            event = self.parser.get_event()
            raise ComposerError(
                None, None, f"the alias {describe_value(event.anchor)} is not allowed", event.start_mark
            )
        return super().compose_node(parent, index)


class _Reading:
    """One walk over the nodes of a document."""

    def __init__(self, yaml: YAML) -> None:
        self.constructor = yaml.constructor
        self.lines: dict[Where, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: Node, where: Where) -> Any:
        self.lines.setdefault(where, node.start_mark.line + 1)
        match node:
            case MappingNode() if node.tag == STANDARD + "map":
                return self.mapping(node, where)
            case SequenceNode() if node.tag == STANDARD + "seq":
                return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
            case ScalarNode():
                return self.scalar(node, where)
        return self.refuse_tag(where, node)

    def mapping(self, node: MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.add_problem(where, f"a key in line {line} is not text")
                continue
            name = _join_surrogates(key.value)
            below = (*where, name)
            if _is_broken(name):
                self.add_problem(where, f"a key in line {line} holds half of a surrogate pair", HALF)
                continue
            if name in found:
                first = self.lines[below]
                self.lines[below] = line
                self.add_problem(
                    below, f"given twice, first in line {first}", "Keep one, or give the other another name."
                )
                # further problems inside the second one would carry the lines of the first
                continue
            self.lines[below] = line
            found[name] = self.value(item, below)
        return found

    def scalar(self, node: ScalarNode, where: Where) -> Any:
        if node.tag in TEXT:
            text = _join_surrogates(node.value)
            return self.add_problem(where, "half of a surrogate pair is not text", HALF) if _is_broken(text) else text
        construct = {
            STANDARD + "null": self.constructor.construct_yaml_null,
            STANDARD + "bool": self.constructor.construct_yaml_bool,
            STANDARD + "int": self.constructor.construct_yaml_int,
            STANDARD + "float": self.constructor.construct_yaml_float,
        }.get(str(node.tag))
        if construct is None:
            return self.refuse_tag(where, node)
        try:
            value = construct(node)
        except (ValueError, KeyError, IndexError, OverflowError):
            return self.add_problem(where, f"{describe_value(node.value)} is not what its tag or form says")
        if isinstance(value, float) and not math.isfinite(value):
            return self.add_problem(where, f"expected a finite number, found {describe_value(node.value)}", QUOTES)
        if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
            return self.add_problem(where, "a whole number of more than 18 digits", QUOTES)
        return value

    def refuse_tag(self, where: Where, node: Node) -> None:
        tag = describe_value(str(node.tag).replace(STANDARD, "!!"))
        self.add_problem(where, f"the tag {tag} is not allowed", "Tags are not needed: write the plain value.")

    def add_problem(self, where: Where, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(where, message, remedy))


def _join_surrogates(text: str) -> str:
    """The text with each character whose halves were escaped one by one, as JSON does (YAML 1.2 holds JSON)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _explain_no_yaml(error: YAMLError, text: str, file: Path | str) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    position = getattr(error, "position", None)
    line = mark.line + 1 if mark is not None else None
    if line is None and isinstance(position, int):
        line = text.count("\n", 0, position) + 1
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).splitlines()[0]
    if "maximum depth" in problem:
        return Mistake(f"nested more than {MAX_DEPTH} levels deep", "", file, line)
    if "the alias" in problem:
        return Mistake(problem, "Write the value out where it is needed.", file, line)
    if "another document" in problem:
        return Mistake("a second document starts here", "Remove the line ---.", file, line)
    remedy = "Text that holds ': ' or ' #', or starts with one of [ ] { } & * ! | > % @ `, needs quotes."
    return Mistake(f"not YAML: {problem[:MAX_EXCERPT]}", remedy, file, line)


def _yaml_files(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
    except OSError:
        return []


def _yaml_files_in(folder: Path) -> str:
    names = _yaml_files(folder)
    return suggestion("", [str(folder / name) for name in names])


def _near_files(path: Path) -> str:
    if not is_folder(path.parent):
        return f"The folder {path.parent} does not exist either."
    return suggestion(path.name, _yaml_files(path.parent))


def write_yaml(file: Path, value: Any) -> None:
    """Writes plain values as YAML that reads well in a diff: a line a value, in the order given."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    # Its default sorts the keys: the order given is the one that reads well.
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as its default, None
    yaml.width = 100
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(value, stream)
