"""A deck as two models' bundle gives it, its drawings made of a few strokes."""

import io
from dataclasses import replace

from PIL import Image

from reportgen.figures.describe import Figure
from reportgen.figures.kept import CachedFigure
from reportgen.look.theme import PAPER
from reportgen.report.content.bundle_figures import DrawnFigure
from reportgen.report.content.statements import state_bundle
from reportgen.report.slides.deck import build_deck
from reportgen.report.slides.slide import Deck
from tests.report.fakes import GEMMA, HOSTILE, LLAMA, curves, fake_bundle, make_grid, svg

SIZES = {"grid-0": (260.0, 455.0), "components": (406.0, 96.0)}


class Strokes:
    """What `draw` gives, without matplotlib."""

    def __init__(self, figure: Figure) -> None:
        self._size = SIZES.get(figure.name, (406.0, 248.0))
        self._title = f"{'-'.join(figure.subject)}-{figure.name}"

    def svg(self, text: str = "paths") -> str:
        drawn = svg(*self._size, title=self._title)
        families = "'reportgen Sans', 'reportgen Rest', 'reportgen CJK'"
        words = f'<text x="9" y="20" font-family="{families}">ⴰ天</text></svg>'
        return drawn if text == "paths" else drawn.replace("</svg>", words)

    def png(self) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", tuple(round(length / 4) for length in self._size), "navy").save(out, "png")
        return out.getvalue()


def make_drawn(probe: str, figure: Figure) -> DrawnFigure:
    stem = f"{probe}-{'+'.join(figure.subject)}-{figure.name}"
    return DrawnFigure(probe, stem, figure, CachedFigure(None, lambda: Strokes(figure)))


def figures() -> list[DrawnFigure]:
    name = {LLAMA: "SmolLM2-135M-Instruct", GEMMA: "Gemma-3-270M"}
    return [
        make_drawn("census", replace(curves((LLAMA, GEMMA), "components"), title="Parameters by component")),
        *[make_drawn("nearest", replace(curves((m,), "neighbours"), title=name[m])) for m in name],
        *[make_drawn("apple", replace(curves((m,), "raw"), title=f"{name[m]}: cosine")) for m in name],
        *[make_drawn("weather", replace(make_grid(m, "grid-0"), title=f"{name[m]}: 天氣", alt=HOSTILE)) for m in name],
    ]


def sample(title: str = "Llama vs Gemma") -> Deck:
    bundle = replace(fake_bundle(), title=title)
    return build_deck(bundle, figures(), state_bundle(bundle), theme=PAPER, measured="paths")
