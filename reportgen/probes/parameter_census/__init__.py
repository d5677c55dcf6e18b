"""Where a model's parameters are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.probing.options import ProbeOptions
from reportgen.probing.probe import Probe
from reportgen.results.quantities import Findings, Rows, metric, table

if TYPE_CHECKING:
    pass


class Options(ProbeOptions):
    """The census has no options of its own."""


@dataclass(frozen=True, kw_only=True)
class Census(Findings):
    """What the census gives."""

    total_parameters: int = metric("parameters")
    """Sum of the sizes of all tensors; a tensor that two parts share (a tied head) counts once."""
    layers: int = metric("blocks")
    """Number of blocks."""
    heads: int | str = metric("heads")
    """Query heads per block."""
    kv_heads: int | str = metric("heads")
    """Key-value heads per block."""
    grouped_query_ratio: float | str = metric("query heads per key-value head")
    """Query heads per key-value head (GQA); 1 is plain multi-head attention."""
    hidden_size: int = metric("dimensions")
    """Width of the residual stream."""
    vocabulary: int = metric("tokens")
    """Rows of the embedding table."""
    reserved_vocabulary: int | str = metric("tokens")
    """Rows that no text uses: beyond the tokenizer's tokens, or reserved by name (unused, reserved)."""
    tied_head: int = metric("1 = yes")
    """1 if the unembedding is the embedding table itself, else 0."""
    tensors: Rows = table("name", "component", "block", "shape", "dtype", "parameters")
    """Every tensor once; block is empty outside the blocks."""
    attention: Rows = table("block", "heads", "query_width", "value_width", "window")
    """The blocks with attention: on a prompt of n tokens the weights of each are an array of heads × n queries × n
    keys. Numbers of a query (and key) and of a value per head; how many tokens a query sees, itself included, if that
    is a sliding window and not all."""


class ParameterCensus(Probe[Options, Census]):
    """Shows: how many parameters each part of the model has, in total, by component and by block.

    Read: one bar per model, one colour per component. A small model with a large vocabulary spends most of its
    parameters on the embedding table. The second figure shows the blocks; blocks of the same shape are drawn as one
    bar.

    Computed: the sizes of all tensors are added up, a tensor shared by two parts once. Components are recognised by the
    names of the tensors. From `config:FILE` the model is built without weights, and the same sum is taken.
    """

    name = "parameter_census"
    version = 1
    question = "Where are the parameters?"
    options = Options
    findings = Census
    needs_weights = False
    of_tokenizer = ("reserved_vocabulary",)


probe = ParameterCensus()
