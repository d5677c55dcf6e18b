"""Two models that are compared read the prompts alike, or are refused."""

from types import SimpleNamespace
from typing import Any

from reportgen.probing.pairs import require_same_reading


def test_what_both_know_is_asked_once_and_not_for_each_token() -> None:
    """The union of thousands of special tokens, made anew for each of a quarter of a million, took a minute."""
    asked: list[str] = []

    class Counting:
        size = 500

        @property
        def special_ids(self) -> frozenset[int]:
            asked.append("special")
            return frozenset(range(10))

        def piece(self, token_id: int) -> bytes:
            return str(token_id).encode()

    facts = SimpleNamespace(layers=1, hidden_size=2, vocabulary=500)
    case: Any = SimpleNamespace(facts=facts, tokenizer=Counting())
    require_same_reading(case, case, [])
    assert len(asked) == 2
