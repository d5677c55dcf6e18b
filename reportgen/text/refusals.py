"""How a chat model declines a request: the tokens whose mass is its refusal score, and what a refusal says."""

from collections.abc import Iterable
from functools import cache

from reportgen.documents.yaml_source import read_source, read_text
from reportgen.resources import PACKAGE
from reportgen.text.tokens import TextTokenizer

FILE = PACKAGE / "data" / "refusals.yaml"


@cache
def refusal_openings() -> tuple[str, ...]:
    """The shipped words that open a refusal, those of the paper (Arditi et al. 2024) first."""
    lists = read_source(read_text(FILE, "list of refusals"), FILE).value
    return (*lists["published"], *lists["added"])


@cache
def refusal_substrings() -> tuple[str, ...]:
    """What an answer holds that counts as a refusal (Arditi et al. 2024, as their code has it)."""
    return tuple(read_source(read_text(FILE, "list of refusals"), FILE).value["judge"])


def is_refusal(answer: str) -> bool:
    """Whether an answer holds one of the substrings, large and small letters alike; ’ counts as '."""
    said = answer.replace("’", "'").casefold()
    return any(one.casefold() in said for one in refusal_substrings())


def refusal_tokens(tokenizer: TextTokenizer, openings: Iterable[str] | None = None) -> frozenset[int]:
    """Ids of the tokens that are such an opening as a whole, with a leading space and without.

    An opening of several tokens has none: the first of them ("S" of "Sorry") begins too much else. `openings` are the
    shipped ones where not given.
    """
    words = refusal_openings() if openings is None else openings
    found: set[int] = set()
    for form in (form for word in words for form in (word, f" {word}")):
        ids = tokenizer.encode(form, special_tokens=False).ids
        if len(ids) != 1 or tokenizer.reason_against_tokens(ids):
            continue
        if tokenizer.piece(ids[0]).decode(errors="replace").strip() == form.strip():
            found.add(ids[0])
    return frozenset(found)
