"""Whether a linear map of the representations shows the tree of a sentence, and at which layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.model.needs import Pass
from reportgen.probes.structural_probe.options import Options
from reportgen.probes.structural_probe.readings import group_layers, measure_layer, readings_of
from reportgen.probing.case import Case, Unusable
from reportgen.probing.probe import Probe
from reportgen.probing.source import Source
from reportgen.results.quantities import Findings, Rows, array, arrays, metric, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Structure(Findings):
    """How much of the trees the layers give back. All of it is counted on sentences that no map was trained on."""

    uuas: float | str = metric("share", "higher")
    """Undirected unlabelled attachment: the share of the edges between words of the trees that are in the minimum
    spanning tree of the distances d under the map. Edges of all test sentences are pooled; punctuation is neither in
    the trees nor counted. The metric is that of the best layer, the array has one of every layer."""
    dspr: float | str = metric("correlation", "higher")
    """Spearman's rank correlation of the distances from a word to all words of its sentence under the map with those in
    the tree: mean over the words of all sentences of one length, then over the lengths from 5 to 50 words. The metric
    is that of the best layer, the array has one of every layer."""
    best_layer: int | str = metric("layer")
    """The layer of the highest attachment on the test sentences, the first of equals. The twin's best is chosen in the
    same way, so that neither has an advantage by it."""
    uuas_embedding: float | str = metric("share")
    """The attachment at layer 0, where a word is its last token alone."""
    uuas_twin: float | str | None = metric("share", optional=True)
    """The attachment at the best layer of the twin: the same architecture with random weights."""
    uuas_chain: float = metric("share")
    """The attachment of the linear chain, which joins each word to the next."""
    dspr_chain: float | str = metric("correlation")
    """The correlation of how many words lie between two words with their distance in the tree, averaged in the same
    way."""
    trained_sentences: int = metric("sentences")
    """Sentences that the maps are trained on."""
    test_sentences: int = metric("sentences")
    """Sentences that everything is counted on; none of their texts is among those trained on."""
    edges: int = metric("edges")
    """Edges of the trees of the test sentences that are counted."""
    left_out: int = metric("sentences")
    """Chosen sentences that are left out of both, since in this model a token reaches over the end of a word."""
    unfit: int = metric("sentences")
    """Sentences of a treebank file that no model is asked of: those of one word or more than 50, those without an edge
    between words, and those with a multi-word token that its words do not spell."""
    uuas_by_layer: NDArray[np.float64] = array("layer", unit="share", stored="uuas")
    """The attachment at every layer."""
    dspr_by_layer: NDArray[np.float64] = array("layer", unit="correlation", stored="dspr")
    """The correlation at every layer."""
    uuas_random: NDArray[np.float64] | None = array("layer", unit="share", optional=True)
    """The attachment at every layer of the twin."""
    dspr_random: NDArray[np.float64] | None = array("layer", unit="correlation", optional=True)
    """The correlation at every layer of the twin."""
    distances: list[NDArray[np.float64]] = arrays("layer", "query", "key", unit="edges")
    """Of each sentence that is drawn, the squared distances d² of its words under the map, which stand for edges of the
    tree; both dims are words."""
    points: list[NDArray[np.float64]] = arrays("layer", "item", "component")
    """Of each sentence that is drawn, its words under the map, on the plane of their first two principal components;
    punctuation is not on it."""
    explained_variance: list[NDArray[np.float64]] = arrays("layer", "component", unit="share")
    """Of each sentence that is drawn, the share of its words' variance on either axis of that plane."""
    shown: Rows = table("sentence", "id", "text", "right", "edges")
    """The sentences that are drawn, counted from 0; how many of their edges the best layer gives back."""
    parses: Rows = table("sentence", "place", "word", "head", "counted")
    """Their words, the place of the word that each depends on in the treebank, empty for the root, and whether it is
    counted, as all words but punctuation are."""
    recovered: Rows = table("sentence", "first", "second", "gold")
    """The edges of the minimum spanning tree of these sentences at the best layer, and whether each is one of the
    treebank's."""
    sweep: Rows = table("rank", "uuas", "dspr")
    """Both numbers at the best layer with maps of other ranks, if they were asked for."""
    skipped: Rows = table("sentence", "reason")
    """Sentences that the battery names to be drawn and that this model's tokens do not fit, and why."""


class StructuralProbe(Probe[Options, Structure]):
    """Shows: whether the words of a sentence lie, under one linear map, as far apart as in its syntactic tree, and at
    which layers.

    Read: the attachment is the share of the tree's edges that are found from distances alone: 1 is the whole tree.
    It means something only above its controls, which are in the same figure: the chain, which knows the order of the
    words and nothing else; layer 0, which knows the words and not their order; and the same architecture with random
    weights, which knows both. What a trained model has more is what training brought about. Arcs above a sentence are
    its tree in the treebank, those below the tree that was found. On the plane, lines join words that the treebank
    joins: where the tree is seen, joined words are next to each other. That a map can find trees does not show that the
    model uses them.

    Computed: as in Hewitt and Manning (2019). At each layer a map B of `rank` rows is trained so that d² = ‖B(h_i −
    h_j)‖² is the number of edges between words i and j in the tree; h is the residual stream at a word's last token,
    standardised per layer on the training sentences. Loss: |d² − edges|, summed over the pairs of a sentence and
    divided by its squared length, mean over sentences; Adam with rate 0.001, which falls to 0 as half a cosine over 60
    epochs of batches of 10 sentences of one length. The built-in treebank is written by a grammar in the conventions of
    Universal Dependencies; training and test share its words and constructions, and no sentence: compare its numbers
    with each other, and not with those of natural treebanks. The twin reads the same tokens with weights as its code
    draws them before training. Where the rows of all layers would take more than 1 GiB, layers are trained in groups,
    and the texts pass once more for each.
    """

    name = "structural_probe"
    version = 2
    question = "Are syntactic trees in the representations?"
    options = Options
    findings = Structure
    libraries = ("scipy.stats", "sklearn.decomposition")
    sources = (
        Source(
            "hewitt2019structural",
            ("John Hewitt", "Christopher D. Manning"),
            "A Structural Probe for Finding Syntax in Word Representations",
            2019,
            "NAACL-HLT 2019",
            "https://aclanthology.org/N19-1419/",
            "inproceedings",
        ),
    )

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: sentences pass in packs. What can be wrong is looked at here."""
        readings_of(case)
        case.named_layers(case.options.layers)
        width, most = case.facts.hidden_size, max(case.options.rank, *case.options.ranks, 1)
        if width is not None and most > width:
            raise Unusable(f"a map of rank {most} has more rows than the model is wide ({width})")
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Each sentence once for every group of layers, and as often through the twin."""
        readings = readings_of(case)
        return len(readings.all) * len(group_layers(case, readings.words)) * (2 if case.options.twin else 1)

    def wants_twin(self, case: Case[Options]) -> bool:
        """If it is not switched off."""
        return case.options.twin

    def held_bytes(self, case: Case[Options]) -> int:
        """Rows of the words at the layers of a group."""
        words = readings_of(case).words
        return len(group_layers(case, words)[0]) * measure_layer(case, words)

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Sentences that are to be drawn and of which this model's tokens are not those of the words."""
        return {one.text: "a token reaches over the end of a word" for one in readings_of(case).undrawn}


probe = StructuralProbe()
