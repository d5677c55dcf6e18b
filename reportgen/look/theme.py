"""What figures look like, as data: colours, sizes, a font and a logo of one's own. Five themes are built in.

It imports neither numpy nor what draws: a battery names its theme, and run.json keeps it as JSON.
"""

import re
from collections.abc import Collection, Mapping
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reportgen.documents.beside import HERE, exists, explain_search, lies_only_here, locate_path
from reportgen.documents.plain_words import explain_errors
from reportgen.documents.problem import Problem, describe_value
from reportgen.documents.yaml_source import Source, read_source, read_text
from reportgen.errors import BatteryError, Mistake
from reportgen.look.font_sources import OwnFont, own_font
from reportgen.look.own_files import PICTURES, UnusableFile, check_font, check_uri, picture_uri
from reportgen.suggest import find_nearest, suggestion

TEXT = 8.5
"""Points of text when figures are laid out, which all else is measured by: 11 px on a screen."""
WIDTH, HEIGHT = 400.0, 190.0
"""Points of a figure across, and of curves upwards, with text of that size."""
NARROWEST, LOWEST = 237.0, 80.0
"""Points across and upwards in which figures with text of that size can still be laid out."""
NAME = "A-Za-z0-9_-"
"""Characters of a theme's name: it becomes part of a folder's."""
FILES = (".yaml", ".yml")


def _colour(written: str) -> str:
    digits = written.removeprefix("#")
    if written == digits or len(digits) != 6 or set(digits) - set("0123456789abcdefABCDEF"):
        raise ValueError(f"{describe_value(written)} is not a colour: write it as #rrggbb")
    return written.lower()


def _check_odd(colours: tuple[str, ...]) -> tuple[str, ...]:
    if len(colours) % 2 == 0:
        raise ValueError("an odd number of colours is needed: the middle one means 0")
    return colours


GROUPS = ("#882255", "#117733", "#332288", "#7d7d1f", "#aa4499", "#661100", "#2f8f83", "#5a5d66")
"""Paul Tol's muted colours, the light ones darker: none of them is a model's."""

Colour = Annotated[str, AfterValidator(_colour), Field(json_schema_extra={"pattern": "^#[0-9a-fA-F]{6}$"})]
Points = Annotated[float, Field(ge=1, le=5000)]


class Theme(BaseModel):
    """Everything that figures of one look share. `model_dump` gives plain values, `model_validate` takes them back."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    name: Annotated[str, Field(pattern=f"^[{NAME}]{{1,64}}$")]
    """What it is called; as its file, where it says nothing else."""
    ink: Colour
    """Text and axes."""
    muted: Colour
    """Second-rank text, reference lines."""
    faint: Colour
    """Ticks, grids, frames."""
    paper: Colour
    """The ground a figure stands on, where it must hide what lies below."""
    ground: Colour | Literal["transparent"]
    """Ground of a PNG. SVG and PDF have none, but where it is not white."""
    models: Annotated[tuple[Colour, ...], Field(min_length=1, max_length=64, strict=False)]
    """Of models, in their order."""
    groups: Annotated[tuple[Colour, ...], Field(min_length=1, max_length=64, strict=False)] = GROUPS
    """Of what is no model (senses, languages, kinds of words), in their order."""
    areas: Annotated[tuple[Colour, ...], Field(min_length=1, max_length=64, strict=False)]
    """Fills that touch each other."""
    sequential: Annotated[tuple[Colour, ...], Field(min_length=2, max_length=64, strict=False)]
    """From 0 to 1, evenly spaced."""
    diverging: Annotated[
        tuple[Colour, ...], Field(min_length=3, max_length=63, strict=False), AfterValidator(_check_odd)
    ]
    """From -1 over 0 to 1, evenly spaced."""
    outline: Colour
    """Around cells that stand out."""
    text: Annotated[float, Field(ge=4, le=100)]
    """Points of text in a figure of its own size; heads are a little larger."""
    width: Points
    """Points a figure takes across; those of many columns take more."""
    height: Points
    """Points that curves take upwards; matrices and strips go with it."""
    widest: Points | None = None
    """Points that a grid of tokens may take: its cells become as narrow as that needs."""
    tallest: Points | None = None
    """Points that a figure takes upwards where it may be of any height, and that it may take at most, as far as its
    text allows; None: as its kind does."""
    exact: bool = False
    """Whether every picture is exactly `width` across and `tallest` upwards, and refused where its text needs more."""
    legible: Annotated[float, Field(ge=1, le=100)] = 10.0
    """Points below which a figure's text is not made smaller on a slide: what has no room goes on over more slides.
    From 16 on, slides are for a hall: their words are larger and fewer."""
    lines: Annotated[float, Field(gt=0, le=20)]
    """Widths of lines, and sizes of points, by those of `paper` next to text of the same size."""
    font: str | None = None
    """File of a font for text; what it lacks is set in ours."""
    font_sha256: str | None = None
    logo: str | None = None
    """Picture for title pages; once read, as data URI."""

    @property
    def scale(self) -> float:
        """How much larger everything is than it was laid out."""
        return self.text / TEXT

    @property
    def inks(self) -> dict[str, str]:
        """The inks by name, as pages set them as CSS variables."""
        return {"ink": self.ink, "muted": self.muted, "faint": self.faint, "paper": self.paper}

    @property
    def drawing_state(self) -> str:
        """All of it that a drawing depends on."""
        return self.model_dump_json(exclude={"name", "logo", "legible"})

    @property
    def own_font(self) -> OwnFont | None:
        """Its font, where it has one of its own."""
        return own_font(self.font, self.font_sha256 or "") if self.font else None

    def fit_box(self, width: float | None, height: float) -> "Theme":
        """The same for pictures of exactly these points; without a width, of its own."""
        across = width or self.width
        return self.model_copy(update={"width": across, "widest": across, "tallest": height, "exact": True})

    @property
    def dark(self) -> bool:
        """Whether it is drawn for a dark ground: then a page is dark, too, whatever the reader's system asks for."""
        return int(self.paper[1:3], 16) <= 127

    def on_page(self) -> "Theme":
        """As a page draws it: in `paper`'s sizes and inks, which the page replaces by the theme's own."""
        return self.model_copy(update={name: getattr(PAPER, name) for name in _OF_THE_PAGE})


_OF_THE_PAGE = ("ink", "muted", "faint", "paper", "ground", "text", "width", "height", "widest", "tallest", "exact",
                "lines")  # fmt: skip

BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW = "#e69f00", "#56b4e9", "#f0e442"
OKABE_ITO = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
"""Less black, which is ink, and yellow, whose lines vanish on paper."""
AREAS = (
    BLUE, ORANGE, GREEN, SKY, VERMILLION, PURPLE, YELLOW, "#8a8d94",
    "#7fb8d8", "#7a5200", "#80ceb9", "#2a6b96", "#eaae80", "#7d4767", "#b8a900", "#c9cbd0",
)  # fmt: skip
"""Neighbours differ in lightness too."""

PAPER = Theme(
    name="paper",
    # The four inks are values that nothing else uses, so that a page may replace them by its own variables.
    ink="#1b1c21", muted="#6a6c73", faint="#d7d8dd", paper="#fefefd", ground="#ffffff",
    models=OKABE_ITO, areas=AREAS, outline=VERMILLION,
    sequential=("#f6f8fb", "#cfdfef", "#94bbdc", "#4d8bc0", "#205a9b", "#0b2a5c"),
    diverging=("#6d2600", "#b04a12", "#e08a52", "#f6cfb4", "#ffffff", "#c3dbee", "#6fa8d3", "#2468a6", "#0b2a5c"),
    text=TEXT, width=WIDTH, height=HEIGHT, lines=1.0,
)  # fmt: skip
"""For pages and paper."""

SLIDES = PAPER.model_copy(update={
    # 12 inches across on a slide of 13.33, to be read from the last row.
    "name": "slides", "ink": "#101114", "muted": "#4c4f57", "faint": "#c9cbd2",
    "text": 20.0, "width": 850.0, "widest": 850.0, "height": 260.0, "lines": 1.5,
})  # fmt: skip
DARK = PAPER.model_copy(update={
    "name": "dark", "ink": "#e9eaee", "muted": "#a4a7b1", "faint": "#3b3e48", "paper": "#15171c",
    "ground": "#14161b",
    "models": ("#5db7f0", "#ff8f4f", "#2fcf9f", "#f0b8dd", "#ffe27a", "#8f7ff0"),
    "groups": ("#e58fb5", "#7fc97f", "#a99cf0", "#d3d05c", "#b04fc4", "#a8644a", "#7fdccf", "#b9bcc6"),
    "outline": "#ff8f4f",
    "sequential": ("#1d222b", "#1c3f68", "#2467a8", "#4699dc", "#93cbf3", "#f1f8ff"),
    "diverging": (
        "#ffe0c4", "#f5a76e", "#bd662c", "#603118", "#1d222b", "#1b3d61", "#3279bb", "#7fbcec", "#dceeff",
    ),
})  # fmt: skip
_OF_A_HALL: dict[str, object] = {
    # With its margins as wide as a slide of 13.33 x 7.5 inches between its edges, and as high as a title and two lines
    # leave of it.
    "text": 18.0, "width": 865.0, "widest": 865.0, "tallest": 346.0, "height": 250.0, "lines": 1.8, "legible": 18.0,
}  # fmt: skip

_NOT_WRITTEN = ("font_sha256", "exact")
"""Keys that no file has: what is found of another, and what the command line asks for."""

BUILT_IN: Mapping[str, Theme] = {
    theme.name: theme
    for theme in (
        PAPER,
        SLIDES,
        DARK,
        SLIDES.model_copy(update={"name": "hall", **_OF_A_HALL}),
        DARK.model_copy(update={
            "name": "hall-dark", "ink": "#ffffff", "muted": "#c3c6cf", "paper": "#07080b", "ground": "#050608",
            # Where the scales begin, a cell is the ground.
            "sequential": ("#050608", "#123256", "#2467a8", "#4699dc", "#93cbf3", "#f1f8ff"),
            "diverging": (
                "#ffe0c4", "#f5a76e", "#bd662c", "#522a14", "#050608", "#16365a", "#3279bb", "#7fbcec", "#dceeff",
            ),
            **_OF_A_HALL,
        }),
    )
}  # fmt: skip


def read_theme(name_or_path: str | Path, folder: Path | None = None) -> Theme:
    """A built-in theme by its name, or one's own from a YAML file, whose path may be relative to `folder`.

    Raises:
        BatteryError: there is none of that name, or it is wrong: every mistake with its file and line.
    """
    written = str(name_or_path)
    if written in BUILT_IN:
        return BUILT_IN[written]
    file = locate_path(written, folder or HERE)
    if not exists(file) and file.suffix not in FILES and len(Path(written).parts) == 1:
        remedy = suggestion(written, BUILT_IN) + " A custom theme is a YAML file."
        raise BatteryError(Mistake(f"unknown theme {describe_value(written)}", remedy.strip()))
    if not exists(file) and folder is not None and lies_only_here(written, folder):
        raise BatteryError(Mistake(f"there is no theme {describe_value(written)}", explain_search(written, folder)))
    return _parse_theme(read_source(read_text(file, "theme"), file), file)


def stored_theme(content: object) -> Theme:
    """A theme as run.json keeps it, which may be a stranger's: its logo is a picture, and no address of one.

    Raises:
        ValueError: it is none.
    """
    theme = Theme.model_validate(content)
    theme.model_dump_json().encode()  # a lone surrogate in a path can be neither a key nor told
    if theme.logo is not None:
        try:
            check_uri(theme.logo)
        except UnusableFile as refused:
            raise ValueError(str(refused)) from refused
    return theme


def _parse_theme(source: Source, file: Path) -> Theme:
    found: list[Problem] = []
    written = source.value if isinstance(source.value, dict) else {}
    if not isinstance(source.value, dict):
        found.append(Problem((), f"a theme is a mapping, not {describe_value(source.value)}"))
    base = written.get("extends", PAPER.name)
    if not isinstance(base, str) or base not in BUILT_IN:
        found.append(Problem(("extends",), f"unknown theme {describe_value(base)}", suggestion(str(base), BUILT_IN)))
        base = PAPER.name
    keys = ["extends", *(key for key in Theme.model_fields if key not in _NOT_WRITTEN)]
    for key in written:
        if key not in keys:
            near = find_nearest(str(key), keys)
            meant = f"Did you mean '{near}'? " if near else ""
            found.append(Problem((key,), "unknown key", f"{meant}The keys of a theme are {', '.join(keys)}."))
    own = {key: value for key, value in written.items() if key in keys[1:]}
    content = BUILT_IN[base].model_dump() | {"name": re.sub(f"[^{NAME}]", "-", file.stem)[:64]} | own
    theme = None
    try:
        theme = _make_room(Theme.model_validate(content), own, found)
    except ValidationError as error:
        found += explain_errors(error, content, Theme)
    if theme is not None:
        theme = _read_files(theme, file.parent, found)
    mistakes = source.mistakes(found)
    if theme is None or mistakes:
        raise BatteryError(*mistakes)
    return theme


def _make_room(theme: Theme, written: Collection[str], found: list[Problem]) -> Theme:
    """The theme with figures large enough for its text; a size that was written and is too small is found wrong."""
    larger: dict[str, float] = {}
    for key, least in (("width", NARROWEST), ("widest", NARROWEST), ("height", LOWEST), ("tallest", 2 * LOWEST)):
        given: float | None = getattr(theme, key)
        needed = float(ceil(least * theme.scale))
        if given is None or given >= needed:
            continue
        if key in written:
            told = f"{given:g} points have no room for text of {theme.text:g} points: at least {needed:g} are needed"
            found.append(Problem((key,), told, "Make the text smaller, or leave this out."))
        larger[key] = needed
    return theme.model_copy(update=larger)


def _read_files(theme: Theme, folder: Path, found: list[Problem]) -> Theme:
    """The theme with the files that it names, read; what is wrong with them is found."""
    read: dict[str, str] = {}
    for key, written in (("font", theme.font), ("logo", theme.logo)):
        if written is None:
            continue
        try:
            if key == "font":
                path = folder / written
                read |= {"font": str(path.absolute()), "font_sha256": check_font(path)}
            else:
                read["logo"] = picture_uri(folder / written)
        except UnusableFile as refused:
            remedy = "Name a TTF or OTF file." if key == "font" else f"Name a file of {PICTURES}."
            found.append(Problem((key,), str(refused), remedy))
    return theme.model_copy(update=read)
