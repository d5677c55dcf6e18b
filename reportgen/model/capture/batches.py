"""Which passes go through the model together, and how much of their beginning passes once for all of them.

Who passes beside a prompt moves its last bits. So it is decided by what one probe asks for, never by what others do: a
pass that changes nothing is a batch of its own; edited passes, which no other probe can share, and the prompts of a
pack go together.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reportgen.model.capture.edit import start_of
from reportgen.model.needs import SEEN_ALONE, Draw, Edit, Need, Pass, Path, Site
from reportgen.model.network.loaded import CHUNK, FINAL_CHUNK

TOGETHER = 4_096
"""Tokens of edited passes, or of a pack, that go through the model together, at most."""
LEAST = 4
"""Tokens of a shared beginning from which it is worth a pass of its own."""
_OF_KEYS = frozenset({Site.ATTENTION, *SEEN_ALONE})
"""Sites with an axis over all tokens before: they are whole in a whole pass alone."""


@dataclass(frozen=True)
class JoinedPass:
    """What several passes of one prompt want of it."""

    tokens: tuple[int, ...]
    wants: tuple[tuple[Need, int], ...]
    """(need, steps): a need sees only the steps that its own pass asked for."""
    steps: int
    """The most steps that any of them asked for."""
    draw: Draw | None = None
    edits: tuple[Edit, ...] = ()
    pack: str = ""

    @property
    def path(self) -> Path:
        """What its passes have in common."""
        return Path(self.tokens, self.draw, self.edits, self.pack)

    @property
    def first_edited(self) -> int:
        """The first position that an edit touches; the prompt's length where none does."""
        return min((_first_of(edit, len(self.tokens)) for edit in self.edits), default=len(self.tokens))

    @property
    def first_wanted(self) -> int:
        """The first position at which something is looked at: at the last one the next token is read."""
        last = len(self.tokens) - 1
        firsts = (0 if need.site in _OF_KEYS else _first_at(need.positions, last) for need, _ in self.wants)
        return min(firsts, default=last)


@dataclass(frozen=True)
class Batch:
    """Passes of prompts of one length that go through the model together."""

    rows: tuple[JoinedPass, ...]
    kind: str
    """Batches of one kind wait for each other's next tokens."""
    begun: int = 0
    """Tokens at the beginning that are the same in all rows."""
    edited: bool = False
    """Whether the edits touch them: then each row has a beginning of its own, which rows of another prompt with the
    same edits share. Else they are one row's."""

    @property
    def steps(self) -> int:
        """The most steps of a row."""
        return max(joined.steps for joined in self.rows)

    @property
    def edits(self) -> tuple[tuple[Edit, ...], ...]:
        """(row) what is changed in it."""
        return tuple(joined.edits for joined in self.rows)


def join(passes: Iterable[Pass]) -> list[JoinedPass]:
    """One pass a prompt (and a draw after it, what is changed, and the pack), in order of first appearance."""
    by_path: dict[Path, list[Pass]] = {}
    for single in passes:
        by_path.setdefault(single.path, []).append(single)
    return [
        JoinedPass(
            path.tokens,
            tuple(dict.fromkeys((need, single.steps) for single in together for need in single.needs)),
            max(single.steps for single in together),
            path.draw,
            path.edits,
            path.pack,
        )
        for path, together in by_path.items()
    ]


def make_batches(together: Sequence[JoinedPass], *, begins_once: bool) -> Iterator[Batch]:
    """What passes at once; a beginning passes once where the model can be continued from one (`begins_once`)."""
    families: dict[Hashable, list[JoinedPass]] = {}
    for joined in together:
        families.setdefault(_family(joined), []).append(joined)
    for family in families.values():
        if family[0].edits and family[0].steps == 1:
            yield from _sweep(family, begins_once=begins_once)
        elif family[0].edits or family[0].pack:
            yield from _pack(family, begins_once=begins_once)
        else:
            yield Batch(tuple(family), "")


def group_in_step(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Batches that wait for each other's next tokens: as many rows as go through the unembedding together."""
    for kind, of_kind in groupby(batches, key=lambda batch: batch.kind):
        some: list[Batch] = []
        for batch in of_kind:
            if some and sum(len(one.rows) for one in some) + len(batch.rows) > (CHUNK if kind else FINAL_CHUNK):
                yield some
                some = []
            some.append(batch)
        yield some


def _family(joined: JoinedPass) -> Hashable:
    """Equal for passes that may go together."""
    if joined.edits:
        return (
            ("edited", joined.steps, joined.first_edited, joined.first_wanted, len(joined.tokens))
            if (joined.steps > 1)
            else ("edited", joined.first_edited)
        )
    return ("pack", joined.pack) if joined.pack else joined.path


def _sweep(family: Sequence[JoinedPass], *, begins_once: bool) -> Iterator[Batch]:
    """Edited passes that write nothing, prompt by prompt, the rows of a prompt in the order in which they differ from
    it. What is below their edits is what the prompt has there; so is what is before them, and what is not they share
    with the same edits of other prompts.
    """
    by_prompt: dict[tuple[int, ...], list[JoinedPass]] = {}
    for joined in family:
        by_prompt.setdefault(joined.tokens, []).append(joined)
    for of_prompt in by_prompt.values():
        of_prompt.sort(key=lambda joined: start_of(joined.edits))
    most = max(1, TOGETHER // max(map(len, by_prompt)))
    parts = [[of[start : start + most] for start in range(0, len(of), most)] for of in by_prompt.values()]
    alike: dict[Hashable, list[list[JoinedPass]]] = {}
    for part in (part for of_prompt in parts for part in of_prompt):
        # Edits are equal to themselves alone, so that this key says which ones they are.
        alike.setdefault(tuple(joined.edits for joined in part), []).append(part)
    for some in alike.values():
        shared = _shared_beginning([joined for part in some for joined in part]) if len(some) > 1 else 0
        for part in some:
            own = min(_shared_beginning(part), part[0].first_edited)
            begun = max(own, shared) if begins_once else 0
            if begun < LEAST:
                yield Batch(tuple(part), "edited")
            else:
                yield Batch(tuple(part), "edited", begun, edited=own < begun)


def _pack(family: Sequence[JoinedPass], *, begins_once: bool) -> Iterator[Batch]:
    """Prompts of a pack, or edited ones after which something is written: those of one length together."""
    kind = family[0].pack or "edited"
    begun = min(_shared_beginning(family), *(joined.first_edited for joined in family)) if begins_once else 0
    by_length: dict[int, list[JoinedPass]] = {}
    for joined in family:
        by_length.setdefault(len(joined.tokens), []).append(joined)
    for length, rows in by_length.items():
        most = max(1, TOGETHER // length)
        for start in range(0, len(rows), most):
            yield Batch(tuple(rows[start : start + most]), kind, begun if begun >= LEAST and len(family) > 1 else 0)


def _shared_beginning(rows: Sequence[JoinedPass]) -> int:
    """Tokens at the beginning that all have in common, and at which nothing is looked."""
    most = min(joined.first_wanted for joined in rows)
    first = rows[0].tokens[:most]
    for joined in rows:
        differing = (at for at, (one, other) in enumerate(zip(first, joined.tokens, strict=False)) if one != other)
        first = first[: next(differing, len(first))]
    return len(first)


def _first_of(edit: Edit, length: int) -> int:
    if edit.during == "generation":
        return length
    return _first_at(edit.positions, length - 1) if edit.positions else length


def _first_at(positions: str | tuple[int, ...], last: int) -> int:
    if isinstance(positions, tuple):
        return min((*positions, last))
    return last if positions == "last" else 0
