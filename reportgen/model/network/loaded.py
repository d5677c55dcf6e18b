"""A model in memory: its parts, and the two tables that probes read directly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from reportgen.model.needs import Site, Unmeasurable
from reportgen.model.network.anatomy import Anatomy, Network
from reportgen.model.network.held import copy_in_float32
from reportgen.model.network.quantise import INT8, describe_quantisation, named_weights, packed_tensors, stored_dtype
from reportgen.model.network.rotary import Rotation
from reportgen.numerics.distributions import softcap

CHUNK = 64
"""Rows that go through the unembedding together. Fixed, and padded to: a row's bits change with the number of
rows next to it, not with their content."""
FINAL_CHUNK = 16
"""The same for the few rows of final logits."""
READ_TOGETHER = 4
"""Rows of logits that are handed out together on a CPU: what is computed of them stays in its cache. Fixed, and
padded to, for the same reason."""
_VOCABULARY_SLICE = 8_192
_SLICE_IN_CACHE = 1_024
"""Rows of a table that are read at a time on a CPU: they, and what comes of them, stay in its cache. The same bits as
of all at once, in four fifths of the time."""
_CHUNKS_A_WIDENING = 4
"""Chunks that share one pass over a table whose dtype has to be widened."""
_TIES = 16
"""Scores among which ties are put in order, where fewer are asked for."""
SEVERAL_STREAMS = "its blocks pass on more than one vector per token"
"""Why nothing can be read or written between blocks that do."""


@dataclass(frozen=True)
class Parameter:
    """One tensor of a model."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    identity: int
    """Equal for names that share one tensor (tied weights)."""


class LoadedModel:
    """A causal LM whose anatomy is known. `network` may be on the meta device: then only `parameters` has meaning."""

    def __init__(self, network: Network, anatomy: Anatomy, batch: int = 1) -> None:
        self.network = network
        self.anatomy = anatomy
        self.batch = batch
        """Copies of a prompt that pass together; the first is looked at."""
        self.attention = "eager"
        """The implementation of its attention; eager alone shows its patterns."""
        self.reasons_against: dict[tuple[Site, tuple[int, ...] | None], str] = {}
        """Sites, in all blocks or in some, that were proven when first asked for, each with what differed; empty where
        nothing did."""
        self.no_sum: dict[int, str] | None = None
        """Blocks of which what they add is no sum of what parts write -> why; None where nobody has asked."""
        self.no_routes: dict[int, str] = {}
        """Blocks with experts whose routes cannot be seen -> why."""
        self.no_pattern: dict[int, str] = {}
        """Blocks in which something looked like attention and was found to be none -> what it does."""
        self.rotations: dict[int, Rotation] | None = None
        """Block -> how it turns queries and keys by their positions; None where nobody has asked."""
        self.head_counts: dict[int, int] = {}
        """Block with attention -> heads that were seen when it was proven."""
        self.keeps_cache = True
        """Whether a step that reads the cache gives what the whole text gives; else every step reads the whole."""
        self.cache_apart: float | None = None
        """By how much such a step is apart from the whole text, as a share of it, where that is too much."""
        self.joins_midway: bool | None = None
        """Whether rows can join a batch between two blocks; None where nobody has tried."""
        self.begins_once: bool | None = None
        """Whether passes can go on from a beginning that passed before them; None where nobody has tried."""

    @property
    def device(self) -> torch.device:
        """Where the unembedding lies."""
        return self.anatomy.unembedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the unembedding, and of whatever is not quantised."""
        return self.anatomy.unembedding.weight.dtype

    @property
    def number_format(self) -> str:
        """The number format of the weights: int8 where those of the blocks are."""
        formats = {stored_dtype(parameter) for parameter in self.anatomy.blocks[0].parameters()}
        plain = str(self.dtype).removeprefix("torch.")
        return describe_quantisation(self.network.config) or (INT8 if INT8 in formats else plain)

    @property
    def rounds(self) -> bool:
        """Whether weights, and what they multiply, may be rounded in steps that are larger than those of the dtype."""
        return self.number_format == INT8 or bool(describe_quantisation(self.network.config))

    @property
    def layers(self) -> int:
        """Number of blocks; the residual stream has one row more."""
        return len(self.anatomy.blocks)

    @property
    def attention_blocks(self) -> tuple[int, ...]:
        """The blocks whose attention pattern can be seen, ascending."""
        return tuple(block for block, attention in enumerate(self.anatomy.attentions) if attention is not None)

    @property
    def attention_coordinates(self) -> dict[str, tuple[int, ...]]:
        """Numbers of the blocks in an array over those with attention; empty where all have it, and count from 0."""
        blocks = self.attention_blocks
        return {} if len(blocks) == self.layers else {"block": blocks}

    def reason_without_attention(self, block: int) -> str:
        """Why a block has no attention pattern; empty where it has one."""
        if self.anatomy.attentions[block] is not None:
            return ""
        return self.no_pattern.get(block, f"block {block} has no attention")

    def parameters(self) -> list[Parameter]:
        """Every named parameter, shared ones under each of their names; of packed ones the matrix that they are."""
        packed = packed_tensors(self.network)
        matrices = [
            Parameter(name, (module.out_features, module.in_features), self.number_format, id(module))
            for name, module in packed.items()
            if name.endswith(".weight")
        ]
        plain = {name: weight for name, weight in named_weights(self.network).items() if name not in packed}
        plain |= {name: module.bias for name, module in packed.items() if name.endswith(".bias")}
        return matrices + [Parameter(name, tuple(p.shape), stored_dtype(p), id(p)) for name, p in plain.items()]

    @property
    def embedding_table(self) -> torch.Tensor:
        """(vocabulary x width) the input embedding as stored, without an architecture's run-time scale."""
        return self.anatomy.embedding.weight.detach()

    def embedding_scores(self, rows: torch.Tensor) -> torch.Tensor:
        """(row x vocabulary) dot products, in float32, of (row x width) float32 vectors with the embedding table."""
        scores = []
        for held, chunk in _pad_chunks(rows, FINAL_CHUNK):
            parts = [chunk @ part.float().T for part in torch.split(self.embedding_table, _VOCABULARY_SLICE)]
            scores.append(torch.cat(parts, dim=-1)[: held.stop - held.start])
        return torch.cat(scores)

    def unembedding_scores(self, rows: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """(row x vocabulary) dot products, in float32, of (row x width) vectors with the unembedding's rows: neither
        norm nor bias, softcap or scale; some rows at a time, with the slice that they belong to.
        """
        for held, chunk in _pad_chunks(self._pad_to_width(rows).float(), FINAL_CHUNK):
            parts = [chunk @ part.float().T for part in torch.split(self.anatomy.unembedding.weight, _VOCABULARY_SLICE)]
            yield held, torch.cat(parts, dim=-1)[: held.stop - held.start]

    @cached_property
    def embedding_norms(self) -> torch.Tensor:
        """(vocabulary) norms of the table's rows, in float32."""
        norms: torch.Tensor = torch.linalg.vector_norm(self.embedding_table, dim=1, dtype=torch.float32)
        return norms

    @cached_property
    def norm_in_float32(self) -> nn.Module:
        """The final norm, its weights in float32: what the lens reads a residual stream through."""
        own = self.final_norm
        here = all(one.device == self.device and one.dtype == torch.float32 for one in own.parameters())
        return own if here else copy_in_float32(own, self.device)

    @property
    def final_norm(self) -> nn.Module:
        """From the last block's output to what the unembedding reads.

        Raises:
            Unmeasurable: no modules lead there: the stream cannot be read.
        """
        if self.anatomy.final_norm is None:
            told = "what the unembedding reads is not made of the last block's output by its modules alone"
            raise Unmeasurable(self.say_not_measurable(told))
        return self.anatomy.final_norm

    def say_not_measurable(self, reason: str) -> str:
        """The reason, and what it is about."""
        return f"not measurable in {type(self.network).__name__}: {reason}"

    def _pad_to_width(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows that are as wide as those that the unembedding reads."""
        read = self.anatomy.unembedding.weight.shape[1]
        if rows.shape[-1] != read:
            told = f"a row of its stream has {rows.shape[-1]} numbers, what the unembedding reads {read}"
            raise Unmeasurable(self.say_not_measurable(told))
        return rows

    @property
    def read_together(self) -> int:
        """Rows that `final_logits` and `lens_logits` hand out at a time; the last of them may be padding."""
        return READ_TOGETHER if self.device.type == "cpu" else FINAL_CHUNK

    def final_logits(self, normed: torch.Tensor, chunk: int = FINAL_CHUNK) -> Iterator[tuple[slice, torch.Tensor]]:
        """(read_together x vocabulary) the model's own logits of rows that left its final norm, in its own dtype
        until they are read as float32; with the slice of rows that they belong to, the rest being padding.

        `chunk` rows go through the unembedding together: many at once cost less each, few are not to be filled up.
        """
        for rows, chunk_of_rows in _pad_chunks(normed, chunk):
            # Some architectures (Mamba) keep a float32 stream with weights of another dtype.
            logits = self._unembed(chunk_of_rows.to(self.device, self.dtype))
            for some, part in self._parts(rows, logits):
                yield some, self._scale_logits(part).float()

    def lens_logits(self, residual: torch.Tensor, *, norm: bool = True) -> Iterator[tuple[slice, torch.Tensor]]:
        """(read_together x vocabulary) scale(softcap(lm_head(final_norm(residual)))) in float32, with the slice of
        rows that they belong to, the rest being padding. Their memory is used again for the next ones.
        """
        together = CHUNK * (1 if self.dtype == torch.float32 else _CHUNKS_A_WIDENING)
        held = torch.empty(together, self.anatomy.unembedding.weight.shape[0], device=self.device)
        for start in range(0, len(residual), together):
            chunks = list(_pad_chunks(residual[start : start + together].float(), CHUNK))
            logits = held[: len(chunks) * CHUNK].view(len(chunks), CHUNK, -1)
            self._unembed_in_float32(
                [self.norm_in_float32(rows) if norm else self._pad_to_width(rows) for _, rows in chunks], logits
            )
            for (rows, _), of_chunk in zip(chunks, logits, strict=True):
                for place, part in self._parts(rows, of_chunk):
                    yield slice(start + place.start, start + place.stop), self._scale_logits(part)

    def _parts(self, rows: slice, logits: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """A few rows at a time of a chunk's logits, leaving out those that are padding alone."""
        step = self.read_together
        for start in range(0, rows.stop - rows.start, step):
            yield slice(rows.start + start, min(rows.start + start + step, rows.stop)), logits[start : start + step]

    def _scale_logits(self, logits: torch.Tensor) -> torch.Tensor:
        if self.anatomy.logit_scale != 1.0:
            logits = logits * self.anatomy.logit_scale
        capped: torch.Tensor = softcap(logits, self.anatomy.softcap)
        return capped

    def _unembed(self, normed: torch.Tensor) -> torch.Tensor:
        """(row x vocabulary) what the unembedding itself gives, in the model's own dtype."""
        head = self.anatomy.unembedding
        plain = type(head) is nn.Linear and head.bias is None and not head._forward_hooks
        on_cpu = self.device.type == "cpu" and self.dtype == torch.float32
        if not plain or not on_cpu or torch.is_grad_enabled():
            whole: torch.Tensor = head(normed)
            return whole
        logits = torch.empty(len(normed), len(head.weight))
        for part in self._slices(head.weight):
            torch.mm(normed, head.weight[part].T, out=logits[:, part])
        return logits

    def _slices(self, table: torch.Tensor) -> Iterator[slice]:
        step = _SLICE_IN_CACHE if self.device.type == "cpu" else _VOCABULARY_SLICE
        for start in range(0, len(table), step):
            yield slice(start, min(start + step, len(table)))

    def _unembed_in_float32(self, chunks: Sequence[torch.Tensor], out: torch.Tensor) -> None:
        """(chunk x row x vocabulary) logits of (row x width) chunks, written into `out`."""
        head = self.anatomy.unembedding
        for part, table in self._table_in_float32():
            for chunk, logits in zip(chunks, out, strict=True):
                torch.mm(chunk, table.T, out=logits[:, part])
        if head.bias is not None:
            out.add_(head.bias.float())

    def _table_in_float32(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """The unembedding's rows in float32, part by part in the same memory: a copy of it all would cost more than
        the model.
        """
        table = self.anatomy.unembedding.weight
        if self.dtype == torch.float32:
            parts = self._slices(table) if self.device.type == "cpu" else (slice(0, len(table)),)
            yield from ((part, table[part]) for part in parts)
            return
        held = torch.empty(min(_VOCABULARY_SLICE, len(table)), table.shape[1], device=self.device)
        for part in self._slices(table):
            rows = table[part]
            yield part, held[: len(rows)].copy_(rows)


def select_likeliest(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(row x k) the largest of (row x vocabulary) scores and their ids, equal ones by ascending id.

    In bfloat16 logits often tie: the table, the answer and the greedy step must choose alike.
    """
    best = scores.topk(min(max(k, _TIES), scores.shape[-1]))
    ids, by_id = best.indices.sort(dim=-1)
    values, by_value = best.values.gather(-1, by_id).sort(dim=-1, descending=True, stable=True)
    return values[:, :k], ids.gather(-1, by_value)[:, :k]


def _pad_chunks(rows: torch.Tensor, size: int) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, len(rows), size):
        chunk = rows[start : start + size]
        held = slice(start, start + len(chunk))
        if len(chunk) < size:
            chunk = torch.cat([chunk, chunk[-1:].expand(size - len(chunk), -1)])
        yield held, chunk
