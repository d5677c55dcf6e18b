"""Where an attention head of a known kind would look, and how much of its weight a head puts there.

The score is a share of all of a head's weight, sum(A · pattern) / sum(A); the mean over queries that have such a key
would read higher, and could not be compared between kinds that different numbers of queries have. What the best head
could reach (`most_possible`) is told with it instead. Cost: one sum over (query x key) a head and kind.
"""

from typing import Any

from array_api_compat import array_namespace, device

Patterns = Any
"""(… x query x key) numpy array or torch tensor of weights after the softmax."""
Tokens = Any
"""(position) token ids, as a numpy array or torch tensor."""


def previous_token(tokens: Tokens) -> Any:
    """(query x key) true where the key is the token just before the query."""
    xp = array_namespace(tokens)
    places = xp.arange(tokens.shape[0], device=device(tokens))
    return places[None, :] == places[:, None] - 1


def duplicate_token(tokens: Tokens) -> Any:
    """(query x key) true where the key is an earlier copy of the query's own token."""
    xp = array_namespace(tokens)
    places = xp.arange(tokens.shape[0], device=device(tokens))
    return (tokens[None, :] == tokens[:, None]) & (places[None, :] < places[:, None])


def induction(tokens: Tokens) -> Any:
    """(query x key) true where the key is what followed an earlier copy of the query's token (Olsson et al. 2022)."""
    xp = array_namespace(tokens)
    copies = duplicate_token(tokens)
    none = xp.zeros_like(copies[:, :1])
    return xp.concat([none, copies[:, :-1]], axis=1)


def head_score(patterns: Patterns, wanted: Any) -> Any:
    """(…) sum(A * pattern) / sum(A): the share of all of a head's weight that lies where `wanted` is true."""
    xp = array_namespace(patterns)
    on_it = xp.sum(xp.where(wanted, patterns, xp.zeros_like(patterns)), axis=(-2, -1))
    return on_it / xp.sum(patterns, axis=(-2, -1))


def most_possible(wanted: Any) -> float:
    """The score of a head that always looks there where it can: the share of queries that have such a key."""
    xp = array_namespace(wanted)
    return float(xp.mean(xp.astype(xp.any(wanted, axis=-1), xp.float32)))
