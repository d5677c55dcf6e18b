"""Where texts are set, against matplotlib's own layout of them."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.text import Text

from reportgen.figures.draw.drawing import matplotlib_settings
from reportgen.figures.draw.lettering import Lettering, SetText
from reportgen.look.fonts import load_typefaces
from reportgen.look.legible import make_legible

TEXTS = ["x", "Agpqy 0.835", "天氣", "مرحبا", "नमस्ते", "สวัสดี", "🐠", "apple 天", "ÁÂǺ", "_", "…", "kerning: AVATAR, To"]
FACES = load_typefaces(map(make_legible, TEXTS))


@pytest.mark.parametrize("dpi", [72, 200])
@pytest.mark.parametrize("rotation", [0, 35, 90])
@pytest.mark.parametrize("across", ["left", "center", "right"])
def test_a_text_begins_where_matplotlib_would_begin_it(dpi, rotation, across):
    with matplotlib_settings(FACES):
        lettering, sheet = Lettering(FACES), Sheet(figsize=(4, 3), dpi=dpi)
        renderer = FigureCanvasAgg(sheet).get_renderer()
        for text in map(make_legible, TEXTS):
            for bold, size in ((False, 8.5), (True, 12.0), (False, 30.0)):
                look = {"fontproperties": lettering.properties(text, size=size, bold=bold), "ha": across}
                ours = SetText(
                    50, 60, text, extent=lettering.measure(text, size=size, bold=bold), rotation=rotation, **look
                )
                theirs = Text(50, 60, text, va="center_baseline", rotation_mode="anchor", rotation=rotation, **look)
                for one in (ours, theirs):
                    one.set_figure(sheet)
                _, ((_, _, (x, y)),), _ = theirs._get_layout(renderer)
                asked = ours.get_transform().transform((50, 60))
                expected = np.array([asked[0] + x, sheet.get_figheight() * dpi - asked[1] - y])
                # matplotlib rounds each letter to a 64th of a pixel, at each resolution anew
                assert ours._find_start(renderer) == pytest.approx(expected, abs=0.03 * len(text) * dpi / 72), text


def test_a_text_that_is_made_larger_begins_where_a_larger_one_would():
    with matplotlib_settings(FACES):
        lettering, sheet = Lettering(FACES), Sheet(figsize=(4, 3), dpi=72)
        renderer = FigureCanvasAgg(sheet).get_renderer()
        starts = []
        for at in (8.5, 17.0):
            one = SetText(50, 60, "Agpqy", extent=lettering.measure("Agpqy", size=at), ha="right",
                          fontproperties=lettering.properties("Agpqy", size=at))  # fmt: skip
            one.set_figure(sheet)
            one.set_fontsize(17.0)
            starts.append(one._find_start(renderer))
        assert starts[0] == pytest.approx(starts[1], abs=0.2)
