"""What probes ask of a model beside their own arithmetic, written down while they run, and done again bare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from reportgen.model.capture import shared_passes as capture
from reportgen.model.capture.batches import JoinedPass
from reportgen.model.needs import Pass
from reportgen.model.network.loaded import LoadedModel

CHUNK = 64
"""Rows that meet the vocabulary together, at most."""
PRODUCTS = {
    "final_logits": "unembedding",
    "lens_logits": "unembedding",
    "unembedding_scores": "unembedding",
    "embedding_scores": "embedding",
}
"""Every method of a model that multiplies rows with a table of the vocabulary -> which table."""


@dataclass
class Work:
    """Passes and products in the order in which they were asked for."""

    passes: list[tuple[tuple[int, ...], int]] = field(default_factory=list)
    """(tokens, those of the prompt): the prompt passes at once, each token after it alone."""
    products: list[tuple[str, int]] = field(default_factory=list)
    """(table, rows)"""

    @property
    def tokens(self) -> int:
        return sum(len(tokens) for tokens, _ in self.passes)

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.products)


@contextmanager
def written_down() -> Iterator[Work]:
    """The work that is done meanwhile. A pass that proves a site of the model is none that a probe asked for: it is
    not written down, nor are products of a single direction with a table, which no method of the model makes.
    """
    work = Work()
    with (
        _replace_attribute(capture, "run", lambda own: _noting_passes(own, work)),
        _each_product(lambda table, rows: work.products.append((table, rows))),
    ):
        yield work


@contextmanager
def _each_product(note: Any) -> Iterator[None]:
    own = {name: getattr(LoadedModel, name) for name in PRODUCTS}
    for name, table in PRODUCTS.items():
        setattr(LoadedModel, name, _noting_rows(own[name], table, note))
    try:
        yield
    finally:
        for name, method in own.items():
            setattr(LoadedModel, name, method)


@contextmanager
def _replace_attribute(owner: Any, name: str, by: Any) -> Iterator[None]:
    own = getattr(owner, name)
    setattr(owner, name, by(own))
    try:
        yield
    finally:
        setattr(owner, name, own)


def _noting_rows(own: Any, table: str, note: Any) -> Any:
    def product(model: LoadedModel, rows: torch.Tensor, *more: Any, **named: Any) -> Any:
        note(table, len(rows))
        return own(model, rows, *more, **named)

    return product


def _noting_passes(own: Any, work: Work) -> Any:
    def run(model: LoadedModel, together: Sequence[JoinedPass]) -> list[capture.JoinedResult]:
        taken: list[capture.JoinedResult] = own(model, together)
        for joined, one in zip(together, taken, strict=True):
            whole = one.part(Pass(joined.tokens, (), joined.steps, joined.draw))
            work.passes.append((whole.tokens, whole.prompt_length))
        return taken

    return run


@torch.inference_mode()
def do_bare(model: LoadedModel, work: Work) -> None:
    """The same passes without a hook, their tokens known beforehand, and the same rows through the tables, into
    memory that is there already; nothing is made of either.
    """
    for tokens, prompt in work.passes:
        _pass(model, tokens, prompt)
    tables = {"unembedding": model.anatomy.unembedding.weight.detach(), "embedding": model.embedding_table}
    scores = torch.empty(CHUNK, len(tables["unembedding"]), dtype=model.dtype, device=model.device)
    rows = torch.randn(CHUNK, tables["unembedding"].shape[1], dtype=model.dtype, device=model.device)
    for name, count in work.products:
        for start in range(0, count, CHUNK):
            some = min(CHUNK, count - start)
            torch.mm(rows[:some], tables[name].T, out=scores[:some])


def _pass(model: LoadedModel, tokens: tuple[int, ...], prompt: int) -> None:
    cache, begun = None, 0
    for end in range(prompt, len(tokens) + 1):
        ids = torch.tensor([tokens[begun:end]], device=model.device)
        output = model.anatomy.decoder(input_ids=ids, past_key_values=cache, use_cache=True)
        cache, begun = getattr(output, "past_key_values", None), end
