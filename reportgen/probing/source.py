"""A work that a probe is taken from, as a person cites it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Source:
    """One work. `authors` are written "First Last", in the work's order; a last one "others" stands for the rest."""

    key: str
    """What BibTeX calls it."""
    authors: tuple[str, ...]
    title: str
    year: int
    where: str = ""
    """The journal, the proceedings, or else how it was published."""
    url: str = ""
    kind: Literal["article", "inproceedings", "misc"] = "misc"

    @property
    def names(self) -> tuple[str, ...]:
        """The last names of the authors that are known."""
        return tuple(author.split()[-1] for author in self.authors if author != "others")
