"""What differs between two tokenizers of a model, as far as their bundles say: size, merges, added tokens, parts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reportgen.numerals import write_count

TOLD = 3
"""Added tokens that are told by name."""
LONGEST = 30
"""Characters of such a name."""
PARTS = {
    "normalizer": "normaliser",
    "pre_tokenizer": "pre-tokeniser",
    "post_processor": "post-processor (what it adds, such as BOS)",
    "decoder": "decoder",
    "model": "settings of its model",
    "chat_template": "chat template",
}
"""By their names in a bundle."""


def tell_tokenizer_change(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    """What differs, in one line: "vocabulary 49,152 → 49,153, merges the same, added token “<x>” new"; empty where one
    of the two bundles does not say what its tokenizer is made of.
    """
    if not was or not now:
        return ""
    told = [_tell_size(was, now), _tell_merges(was, now), *_tell_added(was, now)]
    others = [name for part, name in PARTS.items() if was.get(part) != now.get(part)]
    return ", ".join([one for one in told if one] + [f"another {name}" for name in others])


def _tell_size(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if was.get("tokens") != now.get("tokens"):
        return f"vocabulary {_count(was.get('tokens'))} → {_count(now.get('tokens'))}"
    same = was.get("tokens_sha256") == now.get("tokens_sha256")
    return "vocabulary the same" if same else f"vocabulary of {_count(now.get('tokens'))} other tokens"


def _tell_merges(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "merges" not in was or "merges" not in now:
        return ""
    if was["merges"] != now["merges"]:
        return f"merges {_count(was['merges'])} → {_count(now['merges'])}"
    return "merges the same" if was.get("merges_sha256") == now.get("merges_sha256") else "other merges"


def _tell_added(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Which added tokens are new or gone: of those that bundles list by name, else how many there are."""
    if was.get("added_sha256") == now.get("added_sha256"):
        return
    listed = [_list_names(one) for one in (was, now)]
    gone = [name for name in listed[0] if name not in listed[1]]
    new = [name for name in listed[1] if name not in listed[0]]
    # A list may be cut short: one token more at its beginning then takes the last from it.
    if was.get("added", 0) < now.get("added", 0):
        gone = []
    if was.get("added", 0) > now.get("added", 0):
        new = []
    for names, end in ((new, "new"), (gone, "gone")):
        if names:
            yield f"added token{'s' if len(names) > 1 else ''} {_tell_names(names)} {end}"
    if not new and not gone:
        counts = [_count(one.get("added")) for one in (was, now)]
        yield f"added tokens {counts[0]} → {counts[1]}" if counts[0] != counts[1] else "added tokens in another order"


def _list_names(made_of: Mapping[str, Any]) -> list[str]:
    found = made_of.get("added_tokens")
    return [str(name) for name in found] if isinstance(found, list) else []


def _tell_names(names: Sequence[str]) -> str:
    told = [f"“{name if len(name) <= LONGEST else f'{name[: LONGEST - 1]}…'}”" for name in names[:TOLD]]
    more = [f"{write_count(len(names) - TOLD)} more"] if len(names) > TOLD else []
    return ", ".join([*told, *more])


def _count(value: Any) -> str:
    return write_count(value) if isinstance(value, int) else "?"
