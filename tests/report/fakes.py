"""A bundle as two models would leave it: all six probes, one of them failed for both, one skipped for one."""

import random
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.figures.describe import Curves, Figure, TokenGrid
from reportgen.look import model_styles as style
from reportgen.report.content.drawn import PageFigure
from reportgen.results.bundle import Bundle
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard

LLAMA, GEMMA = "llama", "gemma"
LAYERS = {LLAMA: 30, GEMMA: 18}
TEXTS = ["天氣", "今天天氣真", "The capital of France is"]


def card(model: str) -> ModelCard:
    if model == LLAMA:
        facts = {
            "source": "demo:smollm2-135m-instruct", "revision": None, "dtype": "float32", "hidden_size": 576,
            "heads": 9, "kv_heads": 3, "vocabulary": 49152, "context_length": 8192, "device": "cpu",
            "attention": "eager",
        }  # fmt: skip
        return ModelCard(LLAMA, "SmolLM2-135M-Instruct", "LlamaForCausalLM", 30, facts)
    facts = {
        "source": "demo:gemma-3-270m", "revision": "abc123", "dtype": "float32", "hidden_size": 640, "heads": 4,
        "kv_heads": 1, "vocabulary": 262144, "context_length": 32768, "device": "cpu", "attention": "eager",
    }  # fmt: skip
    return ModelCard(GEMMA, "Gemma-3-270M", "Gemma3ForCausalLM", 18, facts)


def outcome(probe: str, model: str, options: dict[str, Any] | None = None, **found: Any) -> Outcome:
    return Outcome(probe, 1, {"seed": 0, **(options or {})}, (model,), found.pop("status", "ok"), **found)


def prompts(texts: list[str]) -> Table:
    rows = [[i, text, " | ".join(text), len(text)] for i, text in enumerate(texts)]
    return Table(("prompt", "text", "tokens", "token_count"), rows)


def census(model: str) -> Outcome:
    total = {LLAMA: 134_515_008, GEMMA: 268_098_176}[model]
    tensors = [
        ["model.embed_tokens.weight", "embedding", None, "49152 x 576", "float32", 28_311_552],
        *[[f"model.layers.{i}.mlp.up_proj.weight", "mlp", i, "576 x 1536", "float32", 884_736] for i in range(90)],
    ]
    return outcome(
        "parameter_census",
        model,
        metrics={
            "total_parameters": Metric(total, "parameters"),
            "layers": Metric(LAYERS[model], "blocks"),
            "grouped_query_ratio": Metric(3.0, "query heads per key-value head"),
            "reserved_vocabulary": Metric(None, "tokens", reason="a configuration alone has no tokenizer"),
        },
        tables={"tensors": Table(("name", "component", "block", "shape", "dtype", "parameters"), tensors)},
    )


def nearest(model: str) -> Outcome:
    tokens = [" apple", "Apple", "蘋果", "<E9 A2>", "apples", " Äpfel", "सेब", "تفاح"]
    rows = [[query, i + 1, 1000 + i, tokens[i % 8], 0.9 - i / 50] for query in ("apple", "李") for i in range(20)]
    return outcome(
        "nearest_tokens",
        model,
        {"texts": ["apple", "李", "王"], "k": 20, "metric": "cosine", "pool": None},
        tables={
            "neighbours": Table(("query", "rank", "token_id", "token", "similarity"), rows),
            "skipped": Table(("query", "tokens"), [["王", "3 tokens: <E7> | <8E> | <8B>"]] if model == LLAMA else []),
        },
    )


def lens(model: str) -> Outcome:
    layers = LAYERS[model] + 1
    top = [
        [prompt, step, 3, layer, rank, 260 + rank, " weather", 0.5 / rank / (31 - layer)]
        for prompt in range(len(TEXTS))
        for step in range(3)
        for layer in range(layers)
        for rank in range(1, 6)
    ]
    steps = [[p, s, 4 + s, text, 300 + s, " Paris"] for p, text in enumerate(TEXTS) for s in range(3)]
    ranks = np.ones((len(TEXTS), 3, layers))
    ranks[..., :12] = 40.0
    dims = ("prompt", "step", "layer")
    return outcome(
        "logit_lens",
        model,
        {"prompts": [{"text": text} for text in TEXTS], "continue": 3, "top_k": 5, "axis": "relative"},
        tables={
            "top": Table(("prompt", "step", "position", "layer", "rank", "token_id", "token", "probability"), top),
            "steps": Table(("prompt", "step", "length", "text", "next_token_id", "next_token"), steps),
            "prompts": prompts(TEXTS),
        },
        arrays={"answer_rank": Array(dims, ranks, "rank"), "entropy": Array(dims, ranks, "nat")},
    )


def words(model: str) -> Outcome:
    texts = [f"I ate an apple {word}" for word in ("for breakfast", "today", "at noon", "alone")]
    pairs = [[i, a, b, a < 2] for i, (a, b) in enumerate((a, b) for a in range(4) for b in range(a + 1, 4))]
    values = np.linspace(1, 0.5, 6 * (LAYERS[model] + 1)).reshape(6, -1).astype(np.float32)
    return outcome(
        "word_similarity",
        model,
        {"word": "apple", "normalise": "divide_mean", "axis": "relative"},
        tables={"pairs": Table(("pair", "prompt_a", "prompt_b", "same_sense"), pairs), "prompts": prompts(texts)},
        arrays={name: Array(("pair", "layer"), values, "cosine") for name in ("raw", "normalised")},
    )


def failed_attention(model: str) -> Outcome:
    return outcome("attention_grid", model, status="failed", reason="out of memory: 31 GiB wanted, 8 GiB free")


def map_of(model: str) -> Outcome:
    if model == GEMMA:
        return outcome("pca_map", model, status="skipped", reason="it has no chat template")
    variance = np.full((3, 2), 0.25)
    points = np.arange(12.0).reshape(3, 2, 2)
    return outcome(
        "pca_map",
        model,
        tables={"items": Table(("item", "text", "group"), [[0, "Paris", "cities"], [1, "貓", "animals"]])},
        arrays={
            "explained_variance": Array(("layer", "component"), variance, "share", {"layer": (0, 15, 30)}),
            "points": Array(("layer", "item", "component"), points, "", {"layer": (0, 15, 30)}),
        },
    )


def svg(width: float, height: float, seed: int = 0, paths: int = 40, title: str = "A picture") -> str:
    """As matplotlib writes them: points, glyphs as paths, ids of its own, the sentinel inks."""
    numbers = random.Random(f"{seed} {title}")
    shapes = "".join(
        f'<path id="{title}-{i}" d="M {numbers.random() * width:.2f} {numbers.random() * height:.2f} l 20 -9" '
        f'style="fill: none; stroke: {style.INK}; stroke-width: 0.8"/>'
        for i in range(paths)
    )
    return (
        '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN">\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}pt" '
        f'height="{height}pt" viewBox="0 0 {width} {height}" version="1.1" role="img"><title>{title}</title>'
        f'<rect width="{width}" height="{height}" style="fill: {style.PAPER}"/>{shapes}</svg>'
    )


def curves(subject: tuple[str, ...], name: str) -> Figure:
    return Curves(name=name, subject=subject, title=f"{name} of {subject[0]}", alt="Lines", x_label="layer",
                  y_label="cosine", curves=[])  # fmt: skip


def make_grid(subject: str, name: str) -> Figure:
    return TokenGrid(name=name, subject=(subject,), title=f"{name} of {subject}", alt="A grid", row_label="layer",
                     rows=[], column_label="step", columns=[], texts=[], values=np.zeros((0, 0)),
                     value_label="probability", outlined=np.zeros((0, 0)))  # fmt: skip


def make_page_figure(probe: str, figure: Figure, width: float = 396.0, height: float = 260.0) -> PageFigure:
    stem = f"{probe}-{'-'.join(figure.subject)}-{figure.name}"
    return PageFigure(figure, stem, svg(width, height, title=stem))


def add_thumbnails(drawings: dict[str, list[PageFigure]]) -> dict[str, list[PageFigure]]:
    """The drawings with a thumbnail of each probe's first figure, of every subject."""
    return {
        probe: [
            replace(one, thumbnail=svg(180.0, 90.0, title=f"small {one.file_stem}"))
            if one.description.name == of_probe[0].description.name
            else one
            for one in of_probe
        ]
        for probe, of_probe in drawings.items()
    }


def fake_bundle() -> Bundle:
    made = {
        "census": census,
        "nearest": nearest,
        "apple": words,
        "weather": lens,
        "heads": failed_attention,
        "map": map_of,
    }
    return Bundle(
        path=None,
        title="Llama vs Gemma",
        models={LLAMA: card(LLAMA), GEMMA: card(GEMMA)},
        outcomes={probe: {model: make(model) for model in (LLAMA, GEMMA)} for probe, make in made.items()},
        run={"versions": {"reportgen": "0.1.0", "torch": "2.13.0"}, "started": "2026-11-21T03:00:00Z"},
    )


def fake_drawings() -> dict[str, list[PageFigure]]:
    return {
        "census": [make_page_figure("census", curves((LLAMA, GEMMA), "components"), 460.0, 120.0)],
        "nearest": [make_page_figure("nearest", curves((model,), "neighbours")) for model in (LLAMA, GEMMA)],
        "apple": [
            make_page_figure("apple", curves((m,), name)) for name in ("raw", "normalised") for m in (LLAMA, GEMMA)
        ],
        "weather": [
            *[
                make_page_figure("weather", make_grid(m, f"grid-{i}"), 320.0, 420.0)
                for i in range(2)
                for m in (LLAMA, GEMMA)
            ],
            *[make_page_figure("weather", make_grid(m, "grid-2"), 900.0, 420.0) for m in (LLAMA, GEMMA)],
        ],
        "map": [make_page_figure("map", curves((LLAMA,), name), 480.0, 300.0) for name in ("layers", "sweep")],
    }


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202egnp.exe\u200b\x07\ud800 {{ 7*7 }}'


def hostile(bundle: Bundle) -> Bundle:
    """The bundle with a stranger's text wherever a text may stand."""
    table = Table(("prompt", "text", "tokens", "token_count"), [[0, HOSTILE, HOSTILE, 3]])
    skipped = Table(("query", "tokens"), [[HOSTILE, HOSTILE]])
    tokens = Table(("query", "rank", "token_id", "token", "similarity"), [["apple", 1, 5, " " + HOSTILE, 0.5]])
    found = {
        LLAMA: outcome(
            "nearest_tokens", LLAMA, {"texts": [HOSTILE], "metric": HOSTILE},
            metrics={HOSTILE: Metric(None, HOSTILE, reason=HOSTILE)},
            tables={"neighbours": tokens, "skipped": skipped, "prompts": table},
        ),
        GEMMA: outcome("nearest_tokens", GEMMA, status="failed", reason=HOSTILE),
    }  # fmt: skip
    models = {
        id_: replace(
            card, name=HOSTILE, architecture=HOSTILE, facts={**card.facts, "source": HOSTILE, "dtype": HOSTILE}
        )
        for id_, card in bundle.models.items()
    }
    return replace(bundle, title=HOSTILE, models=models, outcomes={"nearest": found}, run={"versions": {"x": HOSTILE}})
