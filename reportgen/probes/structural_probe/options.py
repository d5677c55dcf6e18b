"""What is asked: which sentences, and of what rank the maps are."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, computed_field, model_validator

from reportgen.documents.beside import PathOption, path_of
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.probes.structural_probe.treebanks import BUILT_IN, check_treebanks
from reportgen.probing.options import Layers, ProbeOptions

Rank = Annotated[int, Field(ge=1, le=1024)]


class Options(ProbeOptions):
    """Which sentences, and of what rank the maps are."""

    treebank: PathOption = BUILT_IN
    """A file in CoNLL-U, its path taken from the battery's folder, or `built-in`: English sentences that a grammar
    writes by the seed, no two alike."""
    test: PathOption | None = None
    """A second file, from which all test sentences are taken; else they are taken from `treebank` at random, by the
    seed."""
    sentences: Annotated[int, Field(ge=40, le=100_000)] = 1000
    """Sentences that the maps are trained on, at most."""
    test_sentences: Annotated[int, Field(ge=20, le=100_000)] = 200
    """Sentences on which everything is counted, at most."""
    rank: Rank = 32
    """Rows of each map: dimensions of the space in which distances are those of the tree."""
    ranks: tuple[Rank, ...] = ()
    """Further ranks that are tried, at the best layer alone."""
    layers: Layers = "all"
    """Layers that are measured; layer 0 is, too, since it is what they are compared with."""
    twin: bool = True
    """Whether the same is done with random weights, which takes as long again."""
    show: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=8)] | None = None
    """Sentences whose trees are drawn, by their `sent_id` or their text: they are among the test sentences. By default
    the two of at most 12 words whose edges span most words in all."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def treebanks_sha256(self) -> list[str]:
        """Numbers depend on what the files hold."""
        named = [one for one in (self.treebank, self.test) if one not in (None, BUILT_IN)]
        return [sha256_of(path_of(one)) for one in named if one is not None]

    @model_validator(mode="after")
    def _check_sentences(self) -> Self:
        check_treebanks(self.treebank, self.test, self.seed, self.show, (self.sentences, self.test_sentences))
        return self
