"""What a stored bundle holds of it, as its figures and its sentence read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.probing.probe import prompt_labels
from reportgen.probing.view import SubjectView

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rows_of_head(view: SubjectView, prompt: int, block: int, head: int) -> list[dict[str, Any]]:
    """The rows of `keys` of one head; none where the model does not have it."""
    items = [r["item"] for r in view.rows("heads") if (r["block"], r["head"]) == (block, head)]
    return [r for r in view.rows("keys") if r["prompt"] == prompt and r["item"] in items]


@dataclass(frozen=True)
class PairAtHead:
    """The scores of one pair of words in one head."""

    query: str
    key: str
    """The words, as the battery names them."""
    prompt: str
    """What figures call it."""
    distance: int
    without_positions: float
    with_positions: float | None
    """None where the block does not see so far."""
    window: int | None
    curve: NDArray[Any]
    """(distance)"""


def pairs_of_head(view: SubjectView, block: int, head: int) -> list[PairAtHead]:
    """Each pair; none in bundles that hold none, and where the head's block turns nothing."""
    if "pair_scores" not in view.outcome.tables:
        return []
    places, labels = view.rows("pairs"), prompt_labels(view.outcome)
    found = []
    for row in view.rows("pair_scores"):
        if (row["block"], row["head"]) == (block, head):
            place = places[row["pair"]]
            found.append(
                PairAtHead(
                    query=str(place["from"]),
                    key=str(place["to"]),
                    prompt=labels[place["prompt"]],
                    distance=place["distance"],
                    without_positions=row["without_positions"],
                    with_positions=row["with_positions"],
                    window=row["window"],
                    curve=view.values(f"distance_scores/{row['pair']}")[row["item"]],
                )
            )
    return found
