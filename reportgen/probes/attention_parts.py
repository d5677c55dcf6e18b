"""The way to an attention weight: scores, weights, what stands at the keys (Kobayashi et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reportgen.figures.describe import Figure, TokenGrid
from reportgen.language import digits, listed, say, sentences
from reportgen.model.needs import Need, Pass, Site
from reportgen.probing.probe import Case, Probe, ProbeOptions, Prompts, Unusable
from reportgen.results.quantities import Findings, Outcome, Rows, arrays, metric, table
from reportgen.results.section import Section
from reportgen.text.characters import mark_space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from reportgen.model.needs import Captured
    from reportgen.model.network.loaded import LoadedModel

WIDEST = 14
"""Keys of a figure."""
CLEAR = 0.25
"""Share of all norm-weighted attention from which a key is said to be read."""
TOLD = 3
"""Heads of a model that a statement is about."""

Head = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Options(ProbeOptions):
    """Which prompts, which heads, and from where they look."""

    prompts: Prompts
    """What the model reads."""
    heads: Annotated[list[Head], Field(min_length=1)]
    """The heads, each as [block, head], counted from 0."""
    query: Annotated[int, Field(ge=0)] | None = None
    """The position that looks, counted from 0; the last of each prompt where none is given."""


@dataclass(frozen=True, kw_only=True)
class AttentionParts(Findings):
    """What is found on the way to the weights."""

    first_weight: float = metric("share")
    """Mean over prompts and heads of the weight on position 0."""
    first_share: float = metric("share")
    """Mean over prompts and heads of position 0's share of the norm-weighted attention: what the weight on it moves."""
    scores: list[NDArray[np.float32]] = arrays("item", "key", unit="score")
    """(head x key) q·k of the query with each key, scaled and softcapped as the model does, before mask and softmax;
    empty where the mask lets nothing through."""
    weights: list[NDArray[np.float32]] = arrays("item", "key", unit="weight")
    """(head x key) attention after the softmax, as the model computes it."""
    value_norms: list[NDArray[np.float32]] = arrays("item", "key", unit="norm")
    """(head x key) norm of value · W_O: what the head would write if it looked at this key alone."""
    norm_weighted: list[NDArray[np.float32]] = arrays("item", "key", unit="norm")
    """(head x key) weight times that norm (Kobayashi et al. 2020): how much of what is written comes from the key."""
    heads: Rows = table("item", "block", "head")
    """The heads, in the order of the arrays."""
    keys: Rows = table("prompt", "item", "key", "token", "score", "weight", "value_norm", "norm_weighted")
    """The same, a row a key."""
    queries: Rows = table("prompt", "query", "token")
    """The positions that look."""
    skipped: Rows = table("head", "reason")
    """Named heads that this model does not have."""
    prompts: Rows = table("prompt", "text", "tokens", "token_count")
    """The prompts as this model reads them."""


class AttentionPartsProbe(Probe[Options, AttentionParts]):
    """Shows: for one head and one token that looks, how its weights come about and what comes of them.

    Read: one column a token that can be seen. The score says how well key and query fit; the softmax makes weights of
    the scores; the value norm says how much there is to be read at the key; weight times norm, the product, is what the
    head takes from it. A first token with nearly all of the weight and a tiny norm is a place to look at when there is
    nothing to read.

    Computed: query and key after rotary embedding, their product scaled (and softcapped) as the model does; the
    weights are the model's own, and the softmax of the scores was proven to be them. Norm of value · W_O without
    bias and without a norm behind it; norm-weighted attention is weight times that (Kobayashi et al. 2020).
    """

    name = "attention_parts"
    version = 1
    question = "Why does this head look there?"
    options = Options
    findings = AttentionParts

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """Each prompt once, with what the named blocks compute."""
        if case.facts.heads is None:
            raise Unusable(f"the architecture {case.facts.architecture} has no attention")
        if not _heads(case):
            raise Unusable("; ".join(f"head {head}: {told}" for head, told in self.skipped_rows(case).items()))
        return [Pass(tokens, _needs(case, _query(case, tokens))) for tokens in map(case.tokens, case.options.prompts)]

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Named heads out of range."""
        return {f"{block}.{head}": told for block, head in case.options.heads if (told := _refused(case, block, head))}

    def run(self, case: Case[Options], model: LoadedModel, captured: Sequence[Captured]) -> AttentionParts:
        """Head by head, from what its block gave."""
        import numpy as np

        heads = _heads(case)
        found = [_parts(case, model, single, heads) for single in captured]
        scores, weights, norms = ([parts[name] for parts in found] for name in ("scores", "weights", "norms"))
        products = [one * two for one, two in zip(weights, norms, strict=True)]
        keys: Rows = []
        queries: Rows = []
        for prompt, single in enumerate(captured):
            query = _query(case, single.tokens)
            shown = case.tokenizer.show_sequence(single.tokens)
            queries.append([prompt, query, shown[query]])
            for item in range(len(heads)):
                for key in range(query + 1):
                    numbers = (table[prompt][item, key] for table in (scores, weights, norms, products))
                    cells = [float(number) if np.isfinite(number) else None for number in numbers]
                    keys.append([prompt, item, key, shown[key], *cells])
        return AttentionParts(
            first_weight=float(np.mean([part[:, 0] for part in weights])),
            first_share=float(np.mean([part[:, 0] / part.sum(1) for part in products])),
            scores=scores,
            weights=weights,
            value_norms=norms,
            norm_weighted=products,
            heads=[[item, block, head] for item, (block, head) in enumerate(heads)],
            keys=keys,
            queries=queries,
            skipped=[[head, reason] for head, reason in self.skipped_rows(case).items()],
            prompts=case.prompt_rows(case.options.prompts),
        )

    def figures(self, section: Section) -> Iterable[Figure]:
        """A grid a head and prompt: the four numbers of every key."""
        ok = section.ok()
        for prompt in range(max((len(outcome.tables["prompts"].rows) for outcome in ok.values()), default=0)):
            heads = dict.fromkeys((r["block"], r["head"]) for o in ok.values() for r in o.tables["heads"].records())
            for block, head in heads:
                for subject, outcome in ok.items():
                    yield from _grids(section.name(subject), subject, outcome, prompt, block, head)

    def statement(self, section: Section) -> str:
        """Where the heads look, and where they take most of what they write from."""
        return sentences(_seen(section.name(subject), outcome) for subject, outcome in section.ok().items())


def _refused(case: Case[Options], block: int, head: int) -> str:
    facts = case.facts
    if facts.layers is not None and block >= facts.layers:
        return f"blocks go from 0 to {facts.layers - 1}"
    if facts.heads is not None and head >= facts.heads:
        return f"heads go from 0 to {facts.heads - 1}"
    return ""


def _heads(case: Case[Options]) -> list[tuple[int, int]]:
    """The named heads that this model has, each once."""
    named = dict.fromkeys((block, head) for block, head in case.options.heads)
    return [(block, head) for block, head in named if not _refused(case, block, head)]


def _query(case: Case[Options], tokens: Sequence[int]) -> int:
    query, last = case.options.query, len(tokens) - 1
    if query is not None and query > last:
        raise Unusable(f"there is no position {query}: those of {case.tokenizer.decode(tokens)!r} go from 0 to {last}")
    return last if query is None else query


def _needs(case: Case[Options], query: int) -> tuple[Need, Need, Need, Need]:
    """Scores and weights of the query, all values; what the heads found, so that their order is proven."""
    blocks = tuple(sorted({block for block, _ in _heads(case)}))
    return (
        Need(Site.SCORES, (query,), blocks),
        Need(Site.ATTENTION, (query,), blocks),
        Need(Site.VALUES, "all", blocks),
        Need(Site.HEADS, (query,), blocks),
    )


def _parts(
    case: Case[Options], model: LoadedModel, single: Captured, heads: Sequence[tuple[int, int]]
) -> dict[str, NDArray[np.float32]]:
    """(head x key) scores, weights and norms of values, of the keys up to the query."""
    import numpy as np

    query = _query(case, single.tokens)
    needs = _needs(case, query)
    blocks = sorted({block for block, _ in heads})
    scores, patterns, values, _ = (dict(zip(blocks, single.kept(need, 0), strict=True)) for need in needs)
    seen = slice(0, query + 1)
    found = {
        "scores": [scores[block][head, 0, seen] for block, head in heads],
        "weights": [patterns[block][head, 0, seen] for block, head in heads],
        "norms": [_norms(model, block, head, values[block][head][seen]) for block, head in heads],
    }
    stacked = {name: np.stack([row.float().cpu().numpy() for row in rows]) for name, rows in found.items()}
    stacked["scores"] = np.where(np.isfinite(stacked["scores"]), stacked["scores"], np.nan)
    return stacked


def _norms(model: LoadedModel, block: int, head: int, values: Tensor) -> Tensor:
    """(key) norms of (key x head width) values through the head's rows of the output projection."""
    from reportgen.model.network.matrices import matrix_of

    writer = model.anatomy.attention_writers[block]
    assert writer is not None
    assert writer.projection is not None
    width = values.shape[1]
    written: Tensor = values.float() @ matrix_of(writer.projection)[head * width : (head + 1) * width]
    norms: Tensor = written.norm(dim=1)
    return norms


def _quantities() -> dict[str, str]:
    """Column of `keys` -> what a row of a figure is called, from top to bottom."""
    return {
        "score": say("attention_parts.score", "score q·k"),
        "weight": say("attention_parts.weight", "weight"),
        "value_norm": say("attention_parts.value_norm", "value norm"),
        "norm_weighted": say("attention_parts.product", "product"),
    }


def _of_head(outcome: Outcome, prompt: int, block: int, head: int) -> list[dict[str, Any]]:
    """The rows of `keys` of one head; none where the model does not have it."""
    items = [r["item"] for r in outcome.tables["heads"].records() if (r["block"], r["head"]) == (block, head)]
    return [r for r in outcome.tables["keys"].records() if r["prompt"] == prompt and r["item"] in items]


def _grids(name: str, subject: str, outcome: Outcome, prompt: int, block: int, head: int) -> Iterable[TokenGrid]:
    """The four numbers of every key, some keys a grid; shades from a row's least, or 0, to its largest."""
    import numpy as np

    records = _of_head(outcome, prompt, block, head)
    if not records:
        return
    quantities = _quantities()
    numbers = np.array([[np.nan if r[q] is None else r[q] for r in records] for q in quantities], dtype=float)
    least = np.array([np.nanmin(numbers[0]), 0.0, 0.0, 0.0])[:, None]
    shades = (numbers - least) / np.maximum(np.nanmax(numbers, axis=1, keepdims=True) - least, 1e-12)
    query = outcome.tables["queries"].records()[prompt]
    for part, some in enumerate(_evenly(len(records))):
        yield TokenGrid(
            name=f"head-{block}-{head}-{prompt}-{part}",
            subject=(subject,),
            title=say(
                "attention_parts.title",
                "{model}: block {block}, head {head}, seen from “{token}”",
                model=name,
                block=block,
                head=head,
                token=mark_space(str(query["token"])),
            ),
            alt=say(
                "attention_parts.alt",
                "Scores, weights and norms of head {block}.{head} of {model}: {keys}",
                block=block,
                head=head,
                model=name,
                keys=listed([_key_told(record) for record in records[some]]),
            ),
            row_label=say("attention_parts.of_each_key", "of each key"),
            rows=list(quantities.values()),
            column_label=say("attention_parts.keys", "key"),
            columns=[mark_space(str(record["token"])) for record in records[some]],
            texts=[[_number(float(number)) for number in row] for row in numbers[:, some]],
            values=shades[:, some],
            value_label=say("attention_parts.shade", "from each row's least, or 0, to its largest"),
            outlined=np.zeros(shades[:, some].shape, dtype=bool),
        )


def _evenly(count: int) -> list[slice]:
    """Columns for as few grids as there can be, all about as wide."""
    width = math.ceil(count / math.ceil(count / WIDEST))
    return [slice(start, start + width) for start in range(0, count, width)]


def _number(value: float) -> str:
    if value != value:
        return "–"
    return digits(f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}")


def _key_told(record: Mapping[str, Any]) -> str:
    return say(
        "attention_parts.key",
        "“{token}” has weight {weight}",
        token=mark_space(str(record["token"])),
        weight=digits(f"{record['weight']:.2g}"),
    )


def _seen(name: str, outcome: Outcome) -> str:
    """What one model's first heads do on the first prompt."""
    told = []
    query = outcome.tables["queries"].records()[0]
    for record in outcome.tables["heads"].records()[:TOLD]:
        keys = _of_head(outcome, 0, record["block"], record["head"])
        looked = max(keys, key=lambda key: float(key["weight"]))
        read = max(keys, key=lambda key: float(key["norm_weighted"]))
        whole = sum(float(key["norm_weighted"]) for key in keys) or 1.0
        values = {
            "model": name,
            "head": f"{record['block']}.{record['head']}",
            "query": mark_space(str(query["token"])),
            "looked": mark_space(str(looked["token"])),
            "read": mark_space(str(read["token"])),
            "weight": digits(f"{float(looked['weight']):.0%}"),
            "share": digits(f"{float(read['norm_weighted']) / whole:.0%}"),
        }
        if float(read["norm_weighted"]) < CLEAR * whole:
            told.append(
                say(
                    "attention_parts.no_clear_statement",
                    "No clear statement about head {head} of {model}: it reads many tokens, none of them for more than "
                    "{share} of what it writes.",
                    **values,
                )
            )
        elif looked["key"] == read["key"]:
            told.append(
                say(
                    "attention_parts.same",
                    "In {model}, head {head} looks from “{query}” at “{looked}” ({weight} of its weight) and takes "
                    "{share} of what it writes from there.",
                    **values,
                )
            )
        else:
            told.append(
                say(
                    "attention_parts.other",
                    "In {model}, head {head} looks from “{query}” most at “{looked}” ({weight} of its weight), but "
                    "takes most of what it writes, {share}, from “{read}”.",
                    **values,
                )
            )
    return sentences(told)


probe = AttentionPartsProbe()
