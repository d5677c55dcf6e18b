"""One small figure of every kind, with tokens of many scripts."""

import numpy as np

from reportgen.figures.describe import (
    Arcs,
    AttentionHead,
    Band,
    Curve,
    Curves,
    Figure,
    HeadMosaic,
    HeatMap,
    Maps,
    Panel,
    Ranking,
    Rankings,
    StackedBars,
    Timeline,
    Timelines,
    TokenGrid,
)

TOKENS = [" the", "天氣", "مرحبا", "नमस्ते", "สวัสดี", "🐠", "<E9 A2>", "ி", "한국어", "\n"]
HOSTILE = "a\x00\x1b\ud800\u202eb\u200d $\\frac$ </title><script>--> ]]> & \"' \ue000\ufffe"


def attention(*shape: int) -> np.ndarray:
    """(… x query x key) causal rows that sum to 1, all different."""
    weights = np.random.default_rng(0).random(shape) * np.tri(shape[-1])
    return weights / weights.sum(-1, keepdims=True)


def one_of_each(name: str = "x", text: str = "") -> list[Figure]:
    """A figure of every kind; `text` stands wherever a stranger's text may stand."""
    random = np.random.default_rng(1)
    tokens = [*TOKENS, text or " end"]
    count = len(tokens)
    common = {"subject": ("llama",), "title": f"Title {text}", "alt": f"Alt {text}"}
    label = f"label {text}"
    grid = random.random((3, count))
    grid[1, 1] = np.nan
    line = Curve(label=label, x=[0, 1, 2], y=[0.5, np.nan, 1.0], model="llama", band=([0, 0, 0], [1, 1, 1]))
    other = Curve(label="other", x=[0, 1], y=[0.2, 0.4], group=label, faint=True)
    return [
        Curves(name=f"{name}-curves", x_label=label, y_label=label, curves=[line, other], references={label: 1.0},
               **common),
        TokenGrid(name=f"{name}-grid", row_label=label, rows=["0", "1", label], column_label=label, columns=tokens,
                  texts=[tokens] * 3, values=grid, value_label=label, outlined=grid > 0.5, outline_label=label,
                  **common),
        HeadMosaic(name=f"{name}-heads", patterns=attention(3, 2, 4, 4), **common),
        AttentionHead(name=f"{name}-head", pattern=attention(count, count), queries=tokens, keys=tokens, **common),
        HeatMap(name=f"{name}-heat", values=grid - 0.5, row_label=label, column_label=label, value_label=label,
                scale="diverging", **common),
        Maps(name=f"{name}-maps", panels=[Panel(title=label, points=random.random((count, 2)), x_label=label,
                                                y_label=label)], labels=tokens, groups=[label, ""] * 5 + [""],
             **common),
        Arcs(name=f"{name}-arcs", words=tokens, above=[(0, 2), (1, 2), (2, 6), (2, 9), (7, 9)],
             below=[(0, 1), (1, 2), (2, 9), (6, 7), (7, 9)], above_label=label, below_label=label, other_label=label,
             model="llama", **common),
        StackedBars(name=f"{name}-bars", bars=["a", label], segments=["attention", label],
                    values=np.array([[1.0, 2.0], [3.0, 0.0]]), value_label=label, **common),
        Rankings(name=f"{name}-ranks", rankings=[Ranking(title=label, labels=tokens, values=[0.5] * count)],
                 value_label=label, value_range=(0.0, 1.0), model="llama", **common),
        Timelines(name=f"{name}-nights", runs=tokens, model="llama", timelines=[
            Timeline(label=label, unit=label, values=[1.0] * (count - 3) + [np.nan, 2.0, 2.0], steps=[(3, 5), (9, 9)],
                     breaks=[1], bands=[Band(first=0, last=7, lower=0.9, upper=1.1)]),
            Timeline(label="layers", unit="", values=[12.0] * count),
        ], **common),
    ]  # fmt: skip
