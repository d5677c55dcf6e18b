"""What each probe's rule says of numbers made for each of its branches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reportgen.figures.describe import Curves, Figure, Ranking, Rankings
from reportgen.language import ENGLISH, list_languages, use_language
from reportgen.probes.logit_lens.statement import Turn, turn_of
from reportgen.probes.registry import find
from reportgen.probing.probe import statement_of, words_of
from reportgen.results.quantities import Array, Metric, Outcome, Table
from reportgen.results.section import ModelCard, Section
from reportgen.text.scripts import script_of

NONE = "No clear statement about M"


def outcome(
    options: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float | None] | None = None,
    tables: Mapping[str, tuple[Sequence[str], list[list[Any]]]] | None = None,
    arrays: Mapping[str, tuple[Sequence[str], Any]] | None = None,
) -> Outcome:
    return Outcome(
        "p",
        1,
        dict(options or {}),
        ("m",),
        "ok",
        metrics={name: Metric(value) for name, value in (metrics or {}).items()},
        tables={name: Table(tuple(columns), rows) for name, (columns, rows) in (tables or {}).items()},
        arrays={name: Array(tuple(dims), np.asarray(values, float)) for name, (dims, values) in (arrays or {}).items()},
    )


def section(*found: Outcome) -> Section:
    ids = ["m", "n"][: len(found)]
    cards = {id: ModelCard(id, id.upper(), "X", 4) for id in ids}
    return Section("s", dict(zip(ids, found, strict=True)), cards)


def named(name: str) -> Figure:
    return Curves(name=name, subject=("m",), title="", alt="", x_label="", y_label="", curves=[])


def statement(probe: str, *found: Outcome) -> str:
    return find(probe).statement(section(*found))


@pytest.mark.parametrize("probe", ["parameter_census", "nearest_tokens", "word_similarity", "logit_lens",
                                   "attention_grid", "pca_map", "drift"])  # fmt: skip
def test_nothing_is_said_where_nothing_was_measured(probe: str) -> None:
    failed = Outcome("p", 1, {}, ("m",), "failed", "out of memory")
    assert statement(probe, failed) == ""


# parameter_census


def census(**sizes: int) -> Outcome:
    rows = [[name, name.replace("_", " "), None, "1", "F32", size] for name, size in sizes.items()]
    columns = ("name", "component", "block", "shape", "dtype", "parameters")
    return outcome(metrics={"total_parameters": sum(sizes.values())}, tables={"tensors": (columns, rows)})


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"embedding": 40, "head": 20, "MLP_up": 40}, "M keeps 60% of its 100 parameters in its vocabulary."),
        ({"embedding": 40, "MLP_up": 30, "experts": 30}, "M keeps 60% of its 100 parameters in its MLPs."),
        ({"attention_q": 50, "attention_o": 25, "norms": 25}, "M keeps 75% of its 100 parameters in attention."),
        ({"embedding": 49, "MLP_up": 49, "norms": 2}, f"{NONE}: no part holds half of its 100 parameters."),
        ({}, f"{NONE}: no part holds half of its 0 parameters."),
    ],
)
def test_the_census_names_the_part_with_half_of_the_parameters(sizes: dict[str, int], said: str) -> None:
    assert statement("parameter_census", census(**sizes)) == said


def test_the_census_compares_vocabularies_only_where_they_are_apart() -> None:
    small, large = census(embedding=20, MLP_up=80), census(embedding=60, MLP_up=40)
    assert statement("parameter_census", small, large).endswith("The vocabulary takes 60% of N, but 20% of M.")
    assert "takes" not in statement("parameter_census", small, census(embedding=35, MLP_up=65))


# nearest_tokens


def nearest(*tokens: str, first: float = 0.8, metric: str = "cosine") -> Outcome:
    rows = [["apple", rank, rank, token, first - rank / 100] for rank, token in enumerate(tokens, 1)]
    columns = ("query", "rank", "token_id", "token", "similarity")
    return outcome({"metric": metric}, tables={"neighbours": (columns, rows)})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            nearest("Apple", " apples"),
            "In M, all of the 2 tokens nearest to “apple” are its own spellings and inflections.",
        ),
        (
            nearest("Apple", " apples", "梨"),
            "In M, 2 of the 3 tokens nearest to “apple” are its own spellings and "
            "inflections; the nearest others: “梨”.",
        ),
        (
            nearest(" pear", "Apple", "fig", "iPhone"),
            "In M, other words are nearest to “apple”: “␣pear”, “fig” and "
            "“iPhone”; 1 of the nearest 4 are its own spellings.",
        ),
        (nearest("Apple", "x", first=0.2), f"{NONE}: nothing is near “apple” (cosine 0.19 at most)."),
        (
            nearest("Apple", first=0.2, metric="dot"),
            "In M, all of the 1 tokens nearest to “apple” are its own spellings and inflections.",
        ),
    ],
)
def test_nearest_tokens_are_spellings_others_or_not_near(found: Outcome, said: str) -> None:
    assert statement("nearest_tokens", found) == said


def test_nearest_tokens_says_nothing_of_no_query() -> None:
    assert statement("nearest_tokens", nearest()) == ""


def test_a_slide_of_some_queries_tells_of_the_first_of_them() -> None:
    rows = [["apple", 1, 1, "Apple", 0.8], ["王", 1, 2, "King", 0.7]]
    columns = ("query", "rank", "token_id", "token", "similarity")
    both = section(outcome({"metric": "cosine"}, tables={"neighbours": (columns, rows)}))
    king = Ranking(title="王", labels=["King"], values=[0.7])
    shown = Rankings(
        name="neighbours", subject=("m",), title="", alt="", rankings=[king], value_label="", value_range=(0, 1),
        model="m",
    )  # fmt: skip
    told = {"m": "In M, other words are nearest to “王”: “King”; 0 of the nearest 1 are its own spellings."}
    assert find("nearest_tokens").tell_figure_each(both, shown) == told


def test_a_slide_of_a_tensor_tells_of_its_own_numbers() -> None:
    rows = [[0, "embed", 30.0, "1000 x 1000"], [1, "down", 5.0, "1000 x 1000"]]
    found = section(outcome(tables={"tensors": (("item", "tensor", "farthest", "shape"), rows)}))
    probe = find("weights")
    assert "embed has outliers" in probe.statement(found)
    (told,) = probe.tell_figure_each(found, named("histogram-1")).values()
    assert told.startswith("No clear outliers in M: the farthest number, in down, is 5 standard deviations")


# word_similarity


def similarity(alike: list[float], other: list[float] | None = None) -> Outcome:
    """Two pairs of one sense and one of others, by layer; without the last, pairs without senses."""
    rows = [[0, 0, 1, True if other else None], *([[1, 0, 2, False]] if other else [])]
    values = [alike, *([other] if other else [])]
    columns = ("pair", "prompt_a", "prompt_b", "same_sense")
    return outcome(tables={"pairs": (columns, rows)}, arrays={"raw": (("pair", "layer"), values)})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            similarity([1, 0.9, 0.9, 0.9], [1, 0.9, 0.6, 0.8]),
            "M tells the senses apart from layer 2 of 3 on, most clearly "
            "at layer 2: sentences of one sense are 0.30 more alike there (cosine) than the others.",
        ),
        (
            similarity([1, 0.9, 0.9, 0.9], [1, 0.9, 0.8, 0.5]),
            "M tells the senses apart from layer 2 on, most clearly at "
            "the last, 3: sentences of one sense are 0.40 more alike there (cosine) than the others.",
        ),
        (
            similarity([1, 0.9, 0.9, 0.9], [1, 0.5, 0.9, 0.9]),
            "M tells the senses apart best at layer 1 of 3 (sentences of "
            "one sense are 0.40 more alike in cosine than the others) and no longer at the end.",
        ),
        (
            similarity([1, 0.9, 0.9], [1, 0.89, 0.95]),
            f"{NONE}: at no layer are sentences of one sense more alike than the others by 0.02 or more.",
        ),
        (
            similarity([1, 0.5, 0.9]),
            "M tells the sentences apart most at layer 1 of 2, where the word has a mean cosine of 0.50 between them.",
        ),
        (
            similarity([1, 0.95, 0.99]),
            f"{NONE}: the word stays much the same in all sentences (mean cosine 0.95 or more).",
        ),
    ],
)
def test_a_word_is_told_apart_from_a_layer_on_below_or_not(found: Outcome, said: str) -> None:
    assert statement("word_similarity", found) == said


def test_normalised_curves_are_told_of_by_what_they_show() -> None:
    found = similarity([1, 0.9, 0.9, 0.9], [1, 0.9, 0.6, 0.8])
    shown = replace(found.arrays["raw"], values=np.array([[1, 1.1, 1.3, 1.2], [1, 1.1, 0.9, 1.0]]))
    both = section(replace(found, arrays={**found.arrays, "normalised": shown}))
    probe = find("word_similarity")
    assert probe.tell_figure_each(both, named("raw")) == {"m": ""}
    assert probe.tell_figure_each(both, named("normalised")) == {
        "m": "Set against what words in general have in common in M, the senses are furthest apart at layer 2 of 3: "
        "1.30 within a sense, 0.900 between senses."
    }
    cut = replace(named("normalised"), y_range=(0.9, 1.25))
    assert "at layer 3 of 3: 1.20 within" in probe.tell_figure_each(both, cut)["m"], "layer 2 reaches beyond the axis"
    near = replace(shown, values=np.array([[1, 1.1, 1.08, 1.2], [1, 1.1, 1.07, 1.2]]))
    unclear = section(replace(found, arrays={**found.arrays, "normalised": near}))
    assert probe.tell_figure_each(unclear, named("normalised")) == {"m": ""}
    equal = replace(found.arrays["raw"], values=np.array([[1, 0.90, 0.61, 0.80], [1, 0.90, 0.60, 0.80]]))
    small = section(replace(found, arrays={**found.arrays, "raw": equal, "normalised": shown}))
    assert probe.tell_figure_each(small, named("normalised")) == {"m": ""}, "divided by a small mean, 0.01 is 0.4"
    alone = section(
        replace(similarity([1, 0.9, 0.9, 0.9]), arrays={"normalised": Array(("pair", "layer"), shown.values[1:])})
    )
    assert probe.tell_figure_each(alone, named("normalised")) == {
        "m": "Set against what words in general have in common in M, the word differs most between the sentences at "
        "layer 2 of 3: 0.900."
    }


# logit_lens


def lens(*prompts: list[tuple[str, float]]) -> Outcome:
    """A prompt each: (layer) the likeliest token and its probability. Token ids are those of the tokens' order."""
    ids = {token: id for id, token in enumerate(dict.fromkeys(token for layers in prompts for token, _ in layers))}
    rows = [
        [prompt, 0, 4, layer, 1, ids[token], token, probability]
        for prompt, layers in enumerate(prompts)
        for layer, (token, probability) in enumerate(layers)
    ]
    rows.append([0, 1, 5, 0, 1, 0, "later", 1.0])
    ranks = [[[1 if token == layers[-1][0] else 2 for token, _ in layers]] for layers in prompts]
    columns = ("prompt", "step", "position", "layer", "rank", "token_id", "token", "probability")
    return outcome(
        {"prompts": [{"text": text} for text in "PQRSTU"[: len(prompts)]], "positions": "last"},
        tables={"top": (columns, rows)},
        arrays={"answer_rank": (("prompt", "step", "layer"), ranks)},
    )


LATE = [("a", 0.2), ("b", 0.2), ("c", 0.2), ("d", 0.2), ("e", 0.2)]
EARLY = [("a", 0.2), ("b", 0.2), ("e", 0.2), ("e", 0.2), ("e", 0.2)]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (lens(LATE), "M settles only in its last layer, 4: “e” after “P”."),
        (lens(EARLY), "M settles at layer 2 of 4: “e” after “P”."),
        (lens(EARLY, LATE), "M settles between layers 2 and 4 of 4: “e” after “P” and “e” after “Q”."),
        (
            lens(*[EARLY] * 6),
            "M settles at layer 2 of 4: “e” after “P”, “e” after “Q”, “e” after “R”, “e” after “S” and 2 more.",
        ),
        (lens([*LATE[:4], ("e", 0.09)]), f"{NONE}: after no prompt has any token a probability of 10% or more."),
        (
            lens([("a", 0.2), ("b", 0.2), ("c", 0.2), ("氣", 0.2), ("氣", 0.2)]),
            "M settles at layer 3 of 4: “氣” after “P”. "
            "M turns from Latin letters to Chinese characters at layer 3 of 4.",
        ),
        (
            lens(
                [("a", 0.2), ("b", 0.2), ("氣", 0.2), ("氣", 0.2), ("氣", 0.2)],
                [("a", 0.2), ("b", 0.2), ("c", 0.2), ("氣", 0.2), ("氣", 0.2)],
            ),
            "M settles between layers 2 and 3 of 4: “氣” after “P” and “氣” after “Q”. M turns from Latin letters to "
            "Chinese characters between layers 2 and 3 of 4.",
        ),
        (
            lens([*LATE[:3], (" d", 0.25), ("e", 0.2)]),
            "M settles only in its last layer, 4: “e” after “P”. In M, the last "
            "layer overturns “␣d” (25% one layer before) in favour of “e” after “P”.",
        ),
        (lens([*LATE[:3], (" ", 0.9), ("e", 0.2)]), "M settles only in its last layer, 4: “e” after “P”."),
        (
            lens([*LATE[:4], ("<E8 82>", 0.2)]),
            "M settles only in its last layer, 4: “<E8 82>” after “P”. 1 answer of M is "
            "only a fragment of a character.",
        ),
    ],
)
def test_the_lens_settles_turns_and_overturns(found: Outcome, said: str) -> None:
    assert statement("logit_lens", found) == said


def test_curves_of_entropy_and_kl_are_told_of_by_what_they_show() -> None:
    curves = {"entropy": [[[0, 8, 7, 2, 3]], [[0, 8, 9, 4, 3]]], "kl": [[[5, 6, 0.2, 0.9, 0]], [[5, 9, 4, 0.7, 0]]]}
    found = lens(EARLY, LATE)
    arrays = {name: Array(("prompt", "step", "layer"), np.array(values)) for name, values in curves.items()}
    both, probe = section(replace(found, arrays={**found.arrays, **arrays})), find("logit_lens")
    assert probe.tell_figure_each(both, named("entropy")) == {
        "m": "Behind the embedding, M is least sure at layer 1 of 4 (entropy 8 nat) and surest at layer 3 (3 nat), on "
        "average over the prompts."
    }
    assert probe.tell_figure_each(both, named("kl")) == {
        "m": "M is within 1 nat of its final distribution from layer 3 of 4 on, on average over the prompts; furthest "
        "from it at layer 1 (7.5 nat)."
    }
    assert probe.tell_figure_each(both, named("grid")) == {"m": ""}


def test_a_grid_of_one_prompt_of_several_is_told_of_by_that_prompt() -> None:
    tell = find("logit_lens").tell_figure_each
    grid = replace(named("grid-1"), title="M: what each layer expects after “Q”")
    assert tell(section(lens(EARLY, LATE)), grid) == {"m": "M settles only in its last layer, 4: “e” after “Q”."}
    unsure = [("a", 0.01)] * 5
    assert tell(section(lens(EARLY, unsure)), grid) == {"m": ""}, "what is found after all is told"
    assert tell(section(lens(EARLY)), replace(grid, title="M: what each layer expects after “P”")) == {"m": ""}
    assert tell(section(lens(EARLY, LATE)), replace(grid, title="M: after “P” and “Q”")) == {"m": ""}


@pytest.mark.parametrize(
    ("tokens", "turn"),
    [
        (["a", "b", "c", " d", "氣", "氣"], Turn(4, "latin", "han")),
        (["a", "b", ",", " d", "氣", "氣"], Turn(4, "latin", "han")),
        (["a", "b", ",", ".", "氣", "氣"], None),  # punctuation is of no script
        (["a", "氣", "氣", "氣", "氣", "氣"], None),  # too early
        (["a", "b", "c", "d", "e", "."], None),
        (["氣"] * 6, None),
        (["a", "b", "c", "d", "e", "f"], None),
    ],
)
def test_a_turn_is_late_and_from_one_script_to_another(tokens: list[str], turn: Turn | None) -> None:
    assert turn_of(tokens) == turn


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (" Paris", "latin"),
        ("天氣", "han"),
        ("がら", "kana"),
        ("<E8>", None),
        (",", None),
        ("a天", None),
        ("ходження", "cyrillic"),
        ("राजा", "devanagari"),
        ("محمد", "arabic"),
        ("정", "hangul"),
        ("", None),
    ],
)
def test_a_text_is_of_the_script_of_its_letters(text: str, script: str | None) -> None:
    assert script_of(text) == script


# attention_grid


def attention(sinks: list[list[float]], tokens: int = 12) -> Outcome:
    return outcome(
        tables={
            "prompts": (("prompt", "text", "tokens", "token_count"), [[0, "x", "x", 2], [1, "y", "y", tokens]]),
            "tokens": (("prompt", "position", "token"), [[0, 0, "no"], [1, 0, "The"]]),
        },
        arrays={"sink": (("prompt", "block", "head"), [np.ones_like(sinks), sinks])},
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (attention([[0.9] * 4] * 3), "In M, 12 of 12 heads park their attention on the first of 12 tokens, “The”."),
        (
            attention([[0.0] * 4, [0.9] * 4, [0.9] * 4]),
            "In M, 8 of 12 heads park their attention on the first of 12 "
            "tokens, “The”. The heads that do not are mostly in block 0.",
        ),
        (
            attention([[0, 0, 0, 0.9], [0, 0, 0.9, 0.9], [0.9] * 4]),
            "In M, 7 of 12 heads park their attention on the first "
            "of 12 tokens, “The”. The heads that do not are mostly in blocks 0 and 1.",
        ),
        (
            attention([[0] + [0.9] * 3] * 8),
            "In M, 24 of 32 heads park their attention on the first of 12 tokens, “The”.",
        ),
        (
            attention([[0.9, 0, 0, 0]] * 3),
            "In M, some heads park their attention on the first of 12 tokens, “The”: 3 of 12.",
        ),
        (attention([[0.0] * 4] * 3), "In M, hardly any head parks its attention on the first token, “The”: 0 of 12."),
        (attention([[0.9] * 4] * 3, tokens=5), f"{NONE}: a prompt of 5 tokens is too short to tell a sink."),
    ],
)
def test_sinks_are_of_most_some_or_hardly_any_heads(found: Outcome, said: str) -> None:
    assert statement("attention_grid", found) == said


def test_heads_on_another_prompt_than_the_longest_are_told_of_by_that_prompt() -> None:
    both = section(replace(attention([[0.9] * 4]), options={"prompts": [{"text": "x"}, {"text": "y"}]}))
    tell = find("attention_grid").tell_figure_each
    short = replace(named("heads-0"), title="M: where all heads look, in “x”")
    assert tell(both, short) == {"m": f"{NONE}: a prompt of 2 tokens is too short to tell a sink."}
    assert tell(both, replace(short, title="M: where all heads look, in “y”")) == {"m": ""}
    assert tell(both, replace(short, name="found-0")) == {"m": ""}, "of where a head looks from one word at another"


# pca_map

APART = [[0, 0], [0, 1], [9, 9], [9, 8]]
MIXED = [[0, 0], [9, 9], [0, 1], [9, 8]]
UNDEFINED = [[np.nan, np.nan]] * 4


def points(*layers: list[list[float]], groups: str = "aabb", drowned: int = 0) -> Outcome:
    shares = [[0.95 if layer < drowned else 0.5, 0.03] for layer in range(len(layers))]
    return outcome(
        tables={"items": (("item", "text", "group"), [[i, "w", group.strip()] for i, group in enumerate(groups)])},
        arrays={
            "points": (("layer", "item", "component"), layers),
            "explained_variance": (("layer", "component"), shares),
        },
    )


BEST = "100% of the words there have one of their own group as nearest neighbour."


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (points(APART, APART), f"M separates the groups at every layer, best at layer 1 of 4: {BEST}"),
        (points(MIXED, APART, APART), f"M separates the groups from layer 1 on, best at layer 2 of 4: {BEST}"),
        (points(UNDEFINED, APART), f"M separates the groups from layer 1 on, best at layer 1 of 4: {BEST}"),
        (
            points(MIXED, APART, MIXED),
            f"M separates the groups at some layers only and no longer at the end, best at layer 1 of 4: {BEST}",
        ),
        (
            points(MIXED, MIXED),
            f"{NONE}: at no layer does the plane separate its groups; at layer 1 of 4, which comes "
            "nearest, 0% of the words have one of their own group as nearest neighbour.",
        ),
        (points(APART), f"M separates the groups at layer 0 of 4: {BEST}"),
        (points(APART, groups="aaaa"), f"{NONE}: its words have no groups."),
        (points(APART, groups="    "), f"{NONE}: its words have no groups."),
        (points(UNDEFINED), f"{NONE}: its maps are undefined."),
        (
            points(APART, APART, drowned=1),
            f"M separates the groups at every layer, best at layer 1 of 4: {BEST} At 1 of "
            "2 layers of M a single direction holds over 90% of the variance: the map shows little but an outlier.",
        ),
    ],
)
def test_groups_lie_apart_from_a_layer_on_between_or_nowhere(found: Outcome, said: str) -> None:
    assert statement("pca_map", found) == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": [3]}, f"Only layer 3 considered: M separates the groups at layer 0 of 4: {BEST}"),
        ({"layers": [3, 1, 3]}, f"Only layers 1 and 3 considered: M separates the groups at layer 0 of 4: {BEST}"),
        ({"blocks": [2]}, f"Only block 2 considered: M separates the groups at layer 0 of 4: {BEST}"),
        ({"layers": [4, 3, 2, 1, 0]}, f"M separates the groups at layer 0 of 4: {BEST}"),
        ({"layers": "all"}, f"M separates the groups at layer 0 of 4: {BEST}"),
    ],
)
def test_a_statement_about_some_layers_says_which(options: dict[str, Any], said: str) -> None:
    found = replace(points(APART), options=options)
    assert statement_of(find("pca_map"), section(found)) == said


def test_figures_of_the_first_prompts_are_announced() -> None:
    class Few(type(find("pca_map"))):  # type: ignore[misc]
        drawn = ("items", 3)

    told = f"M separates the groups at layer 0 of 4: {BEST}"
    assert statement_of(Few(), section(points(APART))) == f"{told} Figures show the first 3 of 4: items."
    Few.drawn = ("items", 4)
    assert statement_of(Few(), section(points(APART))) == told


# drift


def drift(
    change: list[float], weights: list[tuple[int | None, float]], *, changed: int = 1, agreement: float | None = 0.5
) -> Outcome:
    beyond = [layer for layer, value in enumerate(change) if value > 1e-4]
    kl = {"kl": 0.25, "agreement": agreement, "positions": 8, "changed_tensors": changed}
    return outcome(
        metrics={"first_changed_layer": beyond[0] if beyond else None, **kl},
        tables={"weights": (("tensor", "component", "block", "shape", "norm", "change"),
                            [["t", "norms", block, "1", 1.0, value] for block, value in weights]),
                "skipped": (("tensor", "reason"), [])},
        arrays={"relative_change": (("layer",), change)},
    )  # fmt: skip


TOKENS = "The most likely next token stays the same at 50% of 8 positions (KL 0.25 nat)."


def test_weights_that_could_not_be_compared_are_not_called_equal() -> None:
    equal = drift([0.0, 0.3], [(0, 0.0)], changed=0)
    skipped = Table(("tensor", "reason"), [["a", "packed"], ["b", "packed"]])
    said = statement("drift", replace(equal, tables={**equal.tables, "skipped": skipped}))
    assert "The weights that can be compared are equal; 2 tensors cannot be." in said
    assert "The weights are equal." not in said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            drift([0, 0, 0.5, 0.1], [(0, 0.0), (1, 0.2), (2, 0.0)]),
            "M: the change begins at layer 2 of 3 and is largest at "
            "layer 2 (50% of the norm). Only the weights of block 1 differ, most in block 1 (norms, 20%). " + TOKENS,
        ),
        (
            drift([0, 0.5], [(0, 0.1), (1, 0.2), (2, 0.1), (5, 0.0), (7, 0.1)]),
            "M: the change begins at layer 1 of 1 and is "
            "largest at layer 1 (50% of the norm). Only the weights of blocks 0–2 and 7 differ, most in block 1 "
            "(norms, 20%). " + TOKENS,
        ),
        (
            drift([0, 0.5], [(0, 0.2), (1, 0.1)], agreement=None),
            "M: the change begins at layer 1 of 1 and is largest at "
            "layer 1 (50% of the norm). The weights of every block differ, most in block 0 (norms, 20%).",
        ),
        (
            drift([0, 0], [(0, 0.0)], changed=0),
            "M: no layer changed by more than 0.010% of its norm. The weights are equal. " + TOKENS,
        ),
        (
            drift([0, 0], [(None, 0.1), (0, 0.0)]),
            "M: no layer changed by more than 0.010% of its norm. Only weights outside the blocks differ. " + TOKENS,
        ),
        (drift([np.nan] * 2, [(0, 0.0)], changed=0), f"{NONE}: no layer has a norm. The weights are equal. " + TOKENS),
    ],
)
def test_drift_begins_at_a_layer_or_not_at_all(found: Outcome, said: str) -> None:
    assert statement("drift", found) == said


@pytest.mark.parametrize("tag", [tag for tag in list_languages() if tag != ENGLISH])
def test_a_statement_is_translated_whole(tag: str) -> None:
    found = {
        "parameter_census": [census(embedding=60, MLP_up=40), census(embedding=20, MLP_up=80)],
        "nearest_tokens": [nearest("Apple", "x")],
        "word_similarity": [similarity([1, 0.9], [1, 0.5])],
        "logit_lens": [lens([*LATE[:3], ("d", 0.3), ("氣", 0.2)])],
        "attention_grid": [attention([[0.0] * 4, [0.9] * 4, [0.9] * 4])],
        "pca_map": [points(APART, APART, drowned=1)],
        "drift": [drift([0, 0.5], [(0, 0.1), (1, 0.0)])],
    }
    with use_language(tag):
        told = " ".join(statement(probe, *outcomes) for probe, outcomes in found.items())
    for english in (" the ", " of ", " at ", " layer", "weights", "heads", "tokens", "parameters"):
        assert english not in told, told


# In a few words, for a table of many models


def briefly(probe: str, found: Outcome) -> str:
    return find(probe).tell_each_briefly(section(found))["m"]


@pytest.mark.parametrize(
    ("probe", "found", "said"),
    [
        ("parameter_census", census(embedding=40, MLP_up=35, norms=25), "100 parameters: 40% vocabulary, 35% MLPs"),
        ("logit_lens", lens(EARLY), "settles at layer 2 of 4 (50%)"),
        ("logit_lens", lens(EARLY, LATE, LATE), "settles at layer 4 of 4 (100%), median of 3 prompts"),
        ("logit_lens", lens(EARLY, EARLY, LATE, LATE), "settles at layer 2 of 4 (50%), median of 4 prompts"),
        (
            "logit_lens",
            lens(EARLY, [(token, 0.05) for token, _ in LATE]),
            "settles at layer 2 of 4 (50%), median of the 1 of 2 prompts with a clear answer",
        ),
        ("logit_lens", lens([(token, 0.05) for token, _ in LATE]), "no answer of 10% or more"),
        (
            "word_similarity",
            similarity([1, 0.9, 0.9, 0.9], [1, 0.9, 0.6, 0.8]),
            "senses furthest apart at layer 2 of 3 (67%): cosine +0.30",
        ),
        ("word_similarity", similarity([1, 0.9, 0.9], [1, 0.9, 0.9]), "senses not told apart"),
        ("word_similarity", similarity([1, 0.5, 0.75]), "least alike at layer 1 of 2 (50%): cosine 0.50"),
        ("attention_grid", attention([[0.9] * 4, [0.1] * 4]), "4 of 8 heads (50%) park on the first token"),
        (
            "pca_map",
            points([[0, 0], [9, 9], [0, 1], [9, 8]], [[0, 0], [0, 1], [9, 9], [9, 8]]),
            "100% of the words are next to their own group at layer 1 of 4 (25%)",
        ),
        ("pca_map", points([[0, 0], [9, 9], [0, 1], [9, 8]], groups="aaaa"), "no clear groups"),
        (
            "next_token",
            outcome(metrics={"top_probability": 0.25, "own_entropy": 2.5}),
            "most likely token 25% on average, entropy 2.50 nats",
        ),
        (
            "head_scores",
            outcome(metrics={"best_induction": 0.5, "best_previous_token": 0.25}),
            "best induction head 50%, best previous-token head 25%",
        ),
        (
            "attention_sink",
            outcome(metrics={"sink_share": 0.75, "massive_share": 0.5}),
            "75% of the heads are sinks; massive activations in 50% of the layers",
        ),
        (
            "tokenization",
            outcome(metrics={"characters_per_token": 2.5, "fragments": 0.0}),
            "2.50 characters per token, 0% fragments",
        ),
        (
            "generation_lens",
            outcome(metrics={"settling_layer": 3.0}),
            "what is written settles at layer 3 of 4 (75%) on average",
        ),
        ("generation_lens", outcome(metrics={"settling_layer": None}), "ends at once"),
        (
            "latent_language",
            outcome(
                metrics={"pivot_peak": 0.5, "pivot_peak_layer": 3},
                tables={"languages": (("component", "language"), [[0, "en"], [1, "fr"]])},
            ),
            "English reaches 50% at layer 3 of 4 (75%)",
        ),
    ],
)
def test_a_few_words_tell_a_model_from_others_without_its_name(probe: str, found: Outcome, said: str) -> None:
    assert briefly(probe, found) == said


def test_a_statement_of_each_subject_is_told_in_parts() -> None:
    both = section(lens(EARLY), lens(LATE))
    probe = find("logit_lens")
    words = words_of(probe, both, statement_of(probe, both))
    assert {subject: one.told for subject, one in words.items()} == {
        "m": "M settles at layer 2 of 4: “e” after “P”.",
        "n": "N settles only in its last layer, 4: “e” after “P”.",
    }
    assert words["n"].brief == "settles at layer 4 of 4 (100%)"
    compared = section(census(embedding=20, MLP_up=80), census(embedding=60, MLP_up=40))
    told = words_of(find("parameter_census"), compared, statement_of(find("parameter_census"), compared))
    assert [one.told for one in told.values()] == [
        "M keeps 80% of its 100 parameters in its MLPs.",
        "N keeps 60% of its 100 parameters in its vocabulary.",
    ]
    assert words_of(probe, both, f"Looking at layer 2 only: {statement_of(probe, both)}")["m"].told == ""


def test_a_slide_of_one_text_tells_how_it_is_cut() -> None:
    rows = [[0, 4, 2, 1.0], [1, 18, 1, 4.5]]
    columns = ("prompt", "token_count", "added", "characters_per_token")
    prompts = {"prompts": [{"text": "中文"}, {"text": "a long text", "id": "long"}]}
    found = section(outcome(prompts, tables={"texts": (columns, rows)}))
    tell = find("tokenization").tell_figure_each
    assert tell(found, named("strip-0")) == {"m": "M reads “中文” as 2 tokens: 1 characters per token."}
    assert tell(found, named("strip-1")) == {"m": "M reads “a long text” as 17 tokens: 4.5 characters per token."}
    assert tell(found, named("kinds")) == {"m": ""}


def test_a_slide_of_norms_tells_of_its_own_prompt() -> None:
    layers = Array(("layer", "position"), np.array([[1.0, 1, 1], [30, 1, 1]]), {"layer": [0, 1]})
    columns = ("prompt", "position", "token_id", "token")
    rows = [[0, at, at, token] for at, token in enumerate(["<bos>", "how", "you"])]
    found = replace(outcome(tables={"tokens": (columns, rows)}), arrays={"norms/0": layers})
    tell = find("hidden_states").tell_figure_each
    (told,) = tell(section(found), named("norms-0-0")).values()
    assert told == ("At layer 1 of 4, the vector of M at “<bos>” (position 0) is 30 times as long as the median.")
    assert tell(section(found), named("differences-0-0")) == {"m": ""}
