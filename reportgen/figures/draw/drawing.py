"""A drawn figure as SVG, PNG or PDF: the same bytes each time, and fit to stand in a page with others."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO, StringIO
from typing import Any, Literal
from xml.sax.saxutils import escape

import matplotlib as mpl

from reportgen.figures.describe import Figure, list_texts
from reportgen.figures.draw.canvas import Canvas
from reportgen.figures.draw.lettering import SHAPED_AS_PATHS, SIZE, Lettering, needs_shaping
from reportgen.figures.draw.outlined_text import outline_texts
from reportgen.figures.draw.plain_svg import simplify_svg
from reportgen.figures.svg_tags import replace_in_tags
from reportgen.look.font_sources import MONO
from reportgen.look.fonts import Typefaces
from reportgen.look.legible import make_legible
from reportgen.look.model_styles import FAINT, INK

PNG_DPI = 200
WHITE = "#ffffff"
"""A ground that what is no PNG is not given: it is that of paper."""
SvgText = Literal["paths", "characters", "simple characters"]


@contextmanager
def matplotlib_settings(typefaces: Typefaces, salt: str = "", svg_text: SvgText = "paths") -> Iterator[None]:
    """Everything matplotlib would else take from its user's configuration."""
    with mpl.rc_context():
        # As in any dictionary: to check three hundred settings each time takes as long as to draw a small figure.
        dict.update(mpl.rcParams, _check_settings(typefaces.families))
        mpl.rcParams.update({"svg.fonttype": "path" if svg_text == "paths" else "none", "svg.hashsalt": salt})
        yield


@cache
def _check_settings(families: tuple[str, ...]) -> dict[str, Any]:
    """All settings as matplotlib holds them once it has checked them."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({
            "font.family": list(families),
            "font.size": SIZE,
            "text.color": INK,
            "text.parse_math": False,
            "text.hinting": "none",  # hints are made up from whatever glyphs a font was cut down to
            "axes.edgecolor": FAINT,
            "axes.labelcolor": INK,
            "pdf.fonttype": 3,  # Type 42 mislabels the CJK font, and loses emoji in some versions
        })  # fmt: skip
        return dict.copy(mpl.rcParams)  # as they are held: to ask for the backend would choose one


class Drawing:
    """One figure, ready to be written."""

    def __init__(self, description: Figure, kind: str, canvas: Canvas, typefaces: Typefaces) -> None:
        """`kind` is the name of the kind of figure that it was painted as."""
        self._description = description
        self._kind = kind
        self._figure = canvas.figure
        self._frames = canvas.frames
        self._ground = canvas.theme.ground
        self._typefaces = typefaces
        self._drawn: dict[SvgText, str] = {}
        self._svg: dict[SvgText, str] = {}
        self._id = re.sub(r"[^A-Za-z0-9_-]", "-", "-".join(("figure", *description.subject, description.name)))

    @property
    def width_inches(self) -> float:
        """Natural width."""
        return float(self._figure.get_figwidth())

    @property
    def height_inches(self) -> float:
        """Natural height."""
        return float(self._figure.get_figheight())

    def svg(self, text: SvgText = "paths") -> str:
        """One <svg> element: no prologue, no style sheet that would reach the page, ids that no other figure has.

        Text is drawn as `paths`, which look the same everywhere; or as `characters`, which can be searched, copied
        and read aloud where the typefaces are at hand; or as `simple characters`, for WeasyPrint: said in few words,
        and only the scripts that need no shaping are characters, as it neither joins nor orders an SVG's letters.

        The SVG of `characters`, which a page shows, says in data-kind what kind of figure it is, and in data-frames,
        as JSON, where it plots its numbers: see `Canvas.frame`; in units of its viewBox.
        """
        element = self._get_plain_svg(text)
        return _add_frames(element, self._kind, self._frames) if text == "characters" else element

    def _get_plain_svg(self, text: SvgText) -> str:
        if text not in self._svg:
            self._svg[text] = self._plain_svg() if text == "simple characters" else self._render_svg(text)
        return self._svg[text]

    def _plain_svg(self) -> str:
        shaped = any(needs_shaping(one) for one in list_texts(self._description))
        element = self._render_svg("simple characters") if shaped else self._get_plain_svg("characters")
        lettering = Lettering(self._typefaces)
        return simplify_svg(
            element, lambda text, size, family: lettering.width(text, size=size, mono=family == MONO.family)
        )

    def _render_svg(self, text: SvgText) -> str:
        element = _number_glyphs(self._outline() if text == "paths" else self._draw_svg(text))
        title, alt = (escape(make_legible(text)) for text in (self._description.title, self._description.alt))
        # Two probes of a battery may give their figures the same name.
        unique = f"{self._id}-{hashlib.sha256((element + title + alt).encode()).hexdigest()[:8]}"
        return _add_title(_prefix_ids(element, unique), unique, title, alt)

    def _outline(self) -> str:
        """Its texts as paths, without drawing the figure again."""
        return outline_texts(self._draw_svg("characters"), Lettering(self._typefaces)) or self._draw_svg("paths")

    def _draw_svg(self, text: SvgText) -> str:
        """The element as matplotlib writes it."""
        if text not in self._drawn:
            out = StringIO()
            self._save(out, text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
            self._drawn[text] = _strip_document(out.getvalue())
        return self._drawn[text]

    def png(self, dpi: float = PNG_DPI, *, pixels: int | None = None) -> bytes:
        """A picture on the theme's ground; with `pixels`, of exactly so many across instead of `dpi`."""
        if pixels is not None:
            # What is not whole is cut off: a little more, so that none is lost to rounding.
            dpi = (pixels + 1e-3) / self.width_inches
        out = BytesIO()
        # Large even areas: runs compress them as well as a search for repeats does, in two thirds of the time.
        packed = {"compress_type": zlib.Z_RLE}
        self._save(out, format="png", dpi=dpi, facecolor=self._face, metadata={"Software": None}, pil_kwargs=packed)
        return out.getvalue()

    def pdf(self) -> bytes:
        """One page of the figure's own size."""
        out = BytesIO()
        metadata = {"Title": make_legible(self._description.title), "Creator": "reportgen", "CreationDate": None}
        self._save(out, format="pdf", metadata=metadata)
        return _number_pdf_names(out.getvalue())

    @property
    def _face(self) -> str:
        return "none" if self._ground == "transparent" else self._ground

    def _save(self, out: StringIO | BytesIO, svg_text: SvgText = "paths", **options: Any) -> None:
        with matplotlib_settings(self._typefaces, self._id, svg_text):
            Lettering(self._typefaces)  # another figure's typefaces may have been registered since
            shaped = SHAPED_AS_PATHS.set(svg_text == "simple characters")
            try:
                ground = "none" if self._ground == WHITE else self._face
                self._figure.savefig(out, **{"dpi": PNG_DPI, "facecolor": ground, **options})
            finally:
                SHAPED_AS_PATHS.reset(shaped)


def _strip_document(document: str) -> str:
    element = document[document.index("<svg") :]
    element = re.sub(r"<!--.*?-->", "", element, flags=re.DOTALL)
    element = re.sub(r"\s*<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>", "", element, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "\n", element).strip() + "\n"


def _number_glyphs(element: str) -> str:
    """Glyphs by their order of appearance: their numbers in a font change with what it was cut down to."""
    names: dict[str, str] = {}
    return replace_in_tags(
        r'(\sid="|href="#)((reportgen\w+-\w+-)[0-9a-f]+)(?=")',
        lambda found: found[1] + names.setdefault(found[2], f"{found[3]}{len(names) + 1}"),
        element,
    )


def _number_pdf_names(document: bytes) -> bytes:
    """The same for a PDF: a subset's tag is a hash of such numbers, and glyphs of the CJK font have no other names.

    Nothing changes its length, so that everything stays where the file's own table says.
    """
    names: dict[bytes, bytes] = {}
    document = re.sub(rb"[A-Z]{6}\+(?=reportgen)", b"FIGURE+", document)
    return re.sub(
        rb"/uni[0-9a-f]{8}(?=[ \n])", lambda found: names.setdefault(found[0], b"/uni%08x" % (len(names) + 1)), document
    )


def _prefix_ids(element: str, prefix: str) -> str:
    return replace_in_tags(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}-", element)


def _add_title(element: str, prefix: str, title: str, alt: str) -> str:
    # Round joins were asked for by the style sheet that was taken out.
    opening = (
        f'<svg role="img" aria-labelledby="{prefix}-title {prefix}-alt" stroke-linejoin="round" stroke-linecap="butt"'
    )
    words = f'<title id="{prefix}-title">{title}</title>\n<desc id="{prefix}-alt">{alt}</desc>\n'
    end = element.index(">") + 2
    return opening + element[len("<svg") : end] + words + element[end:]


def _add_frames(element: str, kind: str, frames: Sequence[dict[str, Any]]) -> str:
    said = json.dumps(frames, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A # could be taken for one of the inks, which pages replace within tags.
    said = escape(said.replace("#", r"\u0023"), {'"': "&quot;"})
    return f'<svg data-kind="{kind}" data-frames="{said}"' + element[len("<svg") :]
