"""The SVG of a figure read into what is to be painted; what is said in any other word than ours is refused."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, radians, sin

NAMESPACE = "{http://www.w3.org/2000/svg}"
_LOOK = frozenset({
    "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "font-family", "font-size", "font-weight",
})  # fmt: skip
"""Attributes that members of an element take over."""
_PLACE = frozenset({"id", "x", "y", "transform", "clip-path"})
_WORDS: Mapping[str, frozenset[str]] = {
    "svg": frozenset({"width", "height", "viewBox", "version", "role", "aria-labelledby"}) | _LOOK,
    "title": frozenset({"id"}),
    "desc": frozenset({"id"}),
    "defs": frozenset(),
    "clipPath": frozenset({"id"}),
    "g": _LOOK | _PLACE,
    "path": _LOOK | _PLACE | {"d", "opacity"},
    "rect": _LOOK | _PLACE | {"width", "height", "opacity"},
    "use": _LOOK | _PLACE | {"href"},
    "text": _LOOK | _PLACE | {"opacity"},
    "image": _PLACE | {"width", "height", "href", "image-rendering"},
}
"""Element -> those of its attributes that are understood here."""
_UNPAINTED = frozenset({"title", "desc", "defs", "clipPath"})
_CAPS = {"butt": 0, "round": 1, "square": 2}
_JOINS = {"miter": 0, "round": 1, "bevel": 2}

Matrix = tuple[float, float, float, float, float, float]
Look = Mapping[str, str]


class UnknownWord(ValueError):
    """A picture says what is not understood here."""


@dataclass(frozen=True)
class Ink:
    """A colour as CSS writes it, and how much of it covers what is below, from 0 to 1."""

    colour: str
    opacity: float


@dataclass(frozen=True)
class Stroke:
    """A line along the edges of a shape, in units of the picture."""

    ink: Ink
    width: float
    dashes: tuple[float, ...]
    offset: float
    cap: int
    join: int
    mitre: float
    """Caps, joins and the mitre's limit as PDF counts them."""


@dataclass(frozen=True)
class Shape:
    """Operators of PDF that say a path, and what it is filled and drawn with."""

    operators: bytes
    fill: Ink | None
    stroke: Stroke | None


@dataclass(frozen=True)
class Line:
    """A text on one line, from its left end on its baseline."""

    text: str
    x: float
    y: float
    families: tuple[str, ...]
    size: float
    weight: int
    ink: Ink


@dataclass(frozen=True)
class Raster:
    """A picture of pixels in a box."""

    address: str
    box: tuple[float, float, float, float]
    """(left, top, width, height)"""
    rendering: str


@dataclass(frozen=True)
class Group:
    """Pieces that are moved or cut off together."""

    matrices: Sequence[Matrix]
    clip: bytes
    """Operators of a path that cuts off what is beyond it; empty: nothing is."""
    pieces: "Sequence[Piece]"


Piece = Shape | Line | Raster | Group


@dataclass(frozen=True)
class Picture:
    """All of a figure."""

    box: tuple[float, float, float, float]
    """Its viewBox: (left, top, width, height)."""
    pieces: Sequence[Piece]


def read_picture(svg: bytes) -> Picture:
    """What an SVG paints.

    Raises:
        UnknownWord: it is said in words that our figures do not use.
    """
    try:
        root = ET.fromstring(svg)
        _check_words(root)
        left, top, width, height = map(float, root.attrib["viewBox"].split())
        if min(width, height) <= 0:
            raise UnknownWord("an empty viewBox")
        named = {node.attrib["id"]: node for node in root.iter() if "id" in node.attrib}
        return Picture((left, top, width, height), tuple(_Reader(named).read_members(root, {})))
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        raise UnknownWord(str(error)) from error


def _check_words(root: ET.Element) -> None:
    for node in root.iter():
        node.tag = node.tag.removeprefix(NAMESPACE)
        if node.tag not in _WORDS or not node.attrib.keys() <= _WORDS[node.tag]:
            raise UnknownWord(node.tag)
    if root.tag != "svg":
        raise UnknownWord(root.tag)


class _Reader:
    """A picture under way."""

    def __init__(self, named: Mapping[str, ET.Element]) -> None:
        self._named = named

    def read_members(self, parent: ET.Element, inherited: Look) -> Iterator[Piece]:
        look = _pass_on(parent, inherited)
        for node in parent:
            if node.tag not in _UNPAINTED:
                yield self._read(node, look)

    def _read(self, node: ET.Element, inherited: Look) -> Piece:
        said = node.attrib
        matrices = list(_read_transform(said.get("transform", "")))
        if node.tag == "use":
            matrices.append((1, 0, 0, 1, float(said.get("x", 0)), float(said.get("y", 0))))
            pieces: tuple[Piece, ...] = (self._read(self._find(said["href"]), _pass_on(node, inherited)),)
        elif node.tag == "g":
            pieces = tuple(self.read_members(node, inherited))
        else:
            pieces = (_read_piece(node, {**inherited, **said}),)
        clip = self._read_clip(said["clip-path"]) if "clip-path" in said else b""
        if len(pieces) == 1 and not matrices and not clip:
            return pieces[0]
        return Group(matrices, clip, pieces)

    def _find(self, reference: str) -> ET.Element:
        return self._named[reference.removeprefix("#")]

    def _read_clip(self, reference: str) -> bytes:
        clip = self._find(reference.removeprefix("url(").removesuffix(")"))
        if any("transform" in member.attrib for member in clip):
            raise UnknownWord("a moved clip")
        return b"\n".join(_read_path(member) for member in clip)


def _pass_on(node: ET.Element, inherited: Look) -> Look:
    return {**inherited, **{name: value for name, value in node.attrib.items() if name in _LOOK}}


def _read_piece(node: ET.Element, look: Look) -> Piece:
    if node.tag == "text":
        return _read_line(node, look)
    if node.tag == "image":
        x, y, width, height = (float(node.attrib.get(name, 0)) for name in ("x", "y", "width", "height"))
        return Raster(look["href"], (x, y, width, height), look.get("image-rendering", "auto"))
    fill, stroke = _read_ink(look, "fill", "black"), _read_stroke(look)
    if fill and stroke and "opacity" in look:
        raise UnknownWord("a shape that is let through as a whole")
    return Shape(_read_path(node), fill, stroke)


def _read_line(node: ET.Element, look: Look) -> Line:
    ink = _read_ink(look, "fill", "black")
    if ink is None or "stroke" in look or len(node):
        raise UnknownWord("a text that is more than filled")
    families = tuple(family.strip().strip("'\"") for family in look["font-family"].split(","))
    text = re.sub(" +", " ", re.sub("[\n\r]", "", node.text or "").replace("\t", " ")).lstrip(" ")
    x, y = float(node.attrib["x"]), float(node.attrib["y"])
    return Line(text, x, y, families, _read_length(look["font-size"]), int(look.get("font-weight", 400)), ink)


def _read_ink(look: Look, name: str, usual: str) -> Ink | None:
    colour = look.get(name, usual)
    if colour.startswith("url("):
        raise UnknownWord(colour)
    opacity = float(look.get(f"{name}-opacity", 1)) * float(look.get("opacity", 1))
    return None if colour == "none" else Ink(colour, opacity)


def _read_stroke(look: Look) -> Stroke | None:
    ink, width = _read_ink(look, "stroke", "none"), _read_length(look.get("stroke-width", "1"))
    if ink is None or not width:
        return None
    dashes = look.get("stroke-dasharray", "none").replace(",", " ").split()
    return Stroke(
        ink,
        width,
        tuple(map(float, dashes)) if dashes != ["none"] else (),
        float(look.get("stroke-dashoffset", 0)),
        _CAPS[look.get("stroke-linecap", "butt")],
        _JOINS[look.get("stroke-linejoin", "miter")],
        float(look.get("stroke-miterlimit", 4)),
    )


def _read_length(said: str) -> float:
    return float(said.removesuffix("px"))


def _read_path(node: ET.Element) -> bytes:
    if node.tag == "rect":
        edges = [node.attrib.get(name, "0") for name in ("x", "y", "width", "height")]
        return f"{' '.join(f'{float(edge):f}' for edge in edges)} re".encode()
    if node.tag != "path":
        raise UnknownWord(node.tag)
    return _translate_path(node.attrib["d"])


@cache
def _translate_path(said: str) -> bytes:
    """A path of absolute moves, lines and curves as PDF says it."""
    operators = []
    x = y = 0.0
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", said):
        values = [float(number) for number in numbers.split()]
        if letter == "Q":
            (a, b), (c, d) = values[:2], values[2:]
            values = [x + (a - x) * 2 / 3, y + (b - y) * 2 / 3, c + (a - c) * 2 / 3, d + (b - d) * 2 / 3, c, d]
        operator, taken = {"M": ("m", 2), "L": ("l", 2), "C": ("c", 6), "Q": ("c", 6), "z": ("h", 0)}[letter]
        if len(values) != taken:
            raise UnknownWord(f"{letter} with {len(values)} numbers")
        if values:
            x, y = values[-2:]
        operators.append(" ".join([*map(_write_number, values), operator]))
    return "\n".join(operators).encode()


def _write_number(value: float) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")


def _read_transform(said: str) -> Iterator[Matrix]:
    for name, numbers in re.findall(r"(\w+)\s*\(([^)]*)\)", said):
        values = [float(number) for number in numbers.replace(",", " ").split()]
        if name == "translate":
            yield (1, 0, 0, 1, values[0], values[1] if len(values) > 1 else 0)
        elif name == "scale":
            yield (values[0], 0, 0, values[-1], 0, 0)
        elif name == "matrix":
            a, b, c, d, e, f = values
            yield (a, b, c, d, e, f)
        elif name == "rotate":
            yield from _read_rotation(*values)
        else:
            raise UnknownWord(name)


def _read_rotation(degrees: float, x: float = 0, y: float = 0) -> Iterator[Matrix]:
    across, up = cos(radians(degrees)), sin(radians(degrees))
    yield (1, 0, 0, 1, x, y)
    yield (across, up, -up, across, 0, 0)
    yield (1, 0, 0, 1, -x, -y)
