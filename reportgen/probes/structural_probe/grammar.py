"""The treebank that needs no file: English sentences that a grammar writes, each with the tree by which it was written.

The trees follow Universal Dependencies, version 2: content words are heads. An article, an adjective and a preposition
depend on their noun; an auxiliary, a copula, `that` and `when` on the verb or adjective of their clause; of what is
joined by `and` the first is the head, and `and` depends on the next; a relative clause hangs on its noun by its verb,
and `that` within it on that verb; punctuation depends on the head of its clause.

What makes trees and not chains: relative clauses on subject and object, with and without `that` (those on the object
stand between a noun and its verb: centre embedding), coordination of nouns, verbs and clauses, subordinate clauses
before and after, and phrases that hang on a noun (of, from, with: the girl with the hat) or on the verb (in, near,
behind, after, before). Which of the two they hang on is told by the preposition, so that a tree is right whatever the
words mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from reportgen.probes.structural_probe.trees import ROOT, Sentence

PERSONS = (
    "teacher", "doctor", "farmer", "boy", "girl", "king", "queen", "child", "man", "woman", "writer", "driver",
    "student", "lawyer", "neighbour", "soldier", "singer", "baker", "judge", "nurse", "uncle", "sister", "brother",
    "guest", "painter", "sailor", "pilot", "dog", "cat", "horse",
)  # fmt: skip
NAMES = ("Anna", "Peter", "Maria", "Tom", "Julia", "David", "Sarah", "Paul", "Emma", "Daniel", "Laura", "Martin")
THINGS = (
    "book", "letter", "picture", "box", "key", "hat", "coat", "ring", "knife", "chair", "table", "lamp", "map", "bag",
    "bottle", "cake", "ball", "clock", "cup", "basket", "piano", "boat", "car", "door", "window", "phone", "gift",
)  # fmt: skip
PLACES = (
    "garden", "house", "river", "school", "church", "market", "forest", "kitchen", "station", "village", "city",
    "bridge", "office", "field", "library", "hotel", "shop", "park", "castle", "harbour",
)  # fmt: skip
TIMES = ("storm", "war", "party", "meeting", "concert", "wedding", "lesson", "game", "dinner", "winter", "summer")
ADJECTIVES = (
    "old", "young", "small", "tall", "happy", "tired", "angry", "quiet", "famous", "rich", "poor", "strange", "clever",
    "new", "black", "red", "green", "heavy", "beautiful", "dark", "little", "big", "kind", "brave",
)  # fmt: skip
MOODS = ("happy", "tired", "angry", "quiet", "famous", "rich", "poor", "clever", "kind", "brave", "sick", "late")
STAND = ("slept", "laughed", "waited", "arrived", "smiled", "left", "cried", "worked", "stopped", "sang", "danced")
MEET = ("saw", "followed", "helped", "knew", "met", "called", "thanked", "visited", "watched", "liked", "trusted")
TAKE = ("found", "carried", "bought", "sold", "painted", "opened", "cleaned", "broke", "lost", "hid", "repaired")
SEEN = ("seen", "followed", "helped", "met", "called", "thanked", "visited", "watched", "found", "left", "trusted")
GIVE = ("gave", "sent", "showed", "brought", "offered", "handed")
SAY = ("said", "thought", "believed", "heard", "hoped", "knew", "remembered", "wrote")
ADVERBS = ("often", "quietly", "quickly", "never", "slowly", "always", "suddenly", "soon", "rarely", "finally")
ARTICLES = ("the", "the", "the", "a", "this", "every", "one")
WHEN = ("when", "because", "while", "although", "before", "after")
DEEPEST = 3
"""Phrases within phrases."""
LONGEST = 18
"""Words of a sentence."""


@dataclass
class _Node:
    """A word with what depends on it, before it and behind it."""

    word: str
    before: list[_Node] = field(default_factory=list)
    behind: list[_Node] = field(default_factory=list)
    plural: bool = False

    def walk(self) -> Iterator[_Node]:
        """Itself and all below it, in the order in which they are read."""
        for one in self.before:
            yield from one.walk()
        yield self
        for one in self.behind:
            yield from one.walk()


def write_sentences(count: int, seed: int) -> tuple[Sentence, ...]:
    """So many sentences, no two alike."""
    random = Random(seed)
    found: dict[str, Sentence] = {}
    while len(found) < count:
        sentence = _spell(_write_sentence(random), f"grammar-{len(found)}")
        if len(sentence.words) <= LONGEST:
            found.setdefault(sentence.text, sentence)
    return tuple(found.values())


def _spell(root: _Node, called: str) -> Sentence:
    nodes = list(root.walk())
    at = {id(node): place for place, node in enumerate(nodes)}
    heads = [ROOT] * len(nodes)
    for node in nodes:
        for child in (*node.before, *node.behind):
            heads[at[id(child)]] = at[id(node)]
    words = [node.word for node in nodes]
    for place, following in enumerate(words[1:]):
        if words[place] == "a" and following[0] in "aeiou":
            words[place] = "an"
    words[0] = words[0][0].upper() + words[0][1:]
    marks = tuple(word in ",." for word in words)
    return Sentence(called, tuple(words), tuple(heads), marks, tuple(not mark for mark in (*marks[1:], True)))


def _write_sentence(random: Random) -> _Node:
    """One clause, or two of which one is within the other or next to it."""
    main = _write_clause(random, 0)
    kind = random.random()
    if kind < 0.15:
        first = _write_clause(random, 2)
        first.before.insert(0, _Node(random.choice(WHEN)))
        first.behind.append(_Node(","))
        main.before.insert(0, first)
    elif kind < 0.3:
        other = _write_clause(random, 2)
        other.before.insert(0, _Node(random.choice(WHEN)))
        main.behind.append(other)
    elif kind < 0.4:
        other = _write_clause(random, 2)
        other.before[:0] = [_Node(","), _Node(random.choice(("and", "but")))]
        main.behind.append(other)
    main.behind.append(_Node("."))
    return main


def _write_clause(random: Random, depth: int) -> _Node:
    """A clause with its subject: its verb, or the adjective that is said of it."""
    subject = _write_noun_phrase(random, depth, PERSONS)
    kind = random.random()
    if kind < 0.12:
        head = _Node(random.choice(MOODS), [subject, _Node("were" if subject.plural else "was")])
    elif kind < 0.22:
        head = _Node(random.choice(SEEN), [subject, _Node("were" if subject.plural else "was")])
        head.behind.append(_with_case("by", _write_noun_phrase(random, depth + 1, PERSONS)))
    elif kind < 0.34 and depth < 2:
        head = _Node(random.choice(SAY), [subject])
        told = _write_clause(random, depth + 1)
        told.before.insert(0, _Node("that"))
        head.behind.append(told)
        return head
    else:
        head = _write_action(random, depth)
        head.before.insert(0, subject)
        if random.random() < 0.12 and depth < 2:
            joined = _write_action(random, depth + 1)
            joined.before.insert(0, _Node("and"))
            head.behind.append(joined)
    return head


def _write_action(random: Random, depth: int) -> _Node:
    """A verb with its objects and what is told of when and where, and no subject."""
    kind = random.random()
    if kind < 0.3:
        verb = _Node(random.choice(STAND))
    elif kind < 0.55:
        verb = _Node(random.choice(MEET), behind=[_write_noun_phrase(random, depth + 1, PERSONS)])
    elif kind < 0.8:
        verb = _Node(random.choice(TAKE), behind=[_write_noun_phrase(random, depth + 1, THINGS)])
    else:
        person = _with_case("to", _write_noun_phrase(random, depth + 2, PERSONS))
        verb = _Node(random.choice(GIVE), behind=[_write_noun_phrase(random, depth + 1, THINGS), person])
    if random.random() < 0.2:
        verb.before.append(_Node(random.choice(ADVERBS)))
    if random.random() < 0.3:
        verb.behind.append(_write_place(random, depth + 2))
    return verb


def _write_place(random: Random, depth: int) -> _Node:
    """Where or when: it hangs on the verb."""
    if random.random() < 0.3:
        return _with_case(random.choice(("after", "before", "during")), _write_noun_phrase(random, depth, TIMES))
    return _with_case(random.choice(("in", "near", "behind", "at")), _write_noun_phrase(random, depth, PLACES))


def _write_noun_phrase(random: Random, depth: int, nouns: tuple[str, ...]) -> _Node:
    if nouns is PERSONS and random.random() < 0.15:
        head = _Node(random.choice(NAMES))
    else:
        head = _Node(random.choice(nouns), [_Node(random.choice(ARTICLES))])
        if random.random() < 0.3:
            head.before.append(_Node(random.choice(ADJECTIVES)))
        if depth < DEEPEST and random.random() < 0.4:
            head.behind.append(_write_modifier(random, depth, nouns))
    if depth < 2 and random.random() < 0.1:
        other = _write_noun_phrase(random, DEEPEST, nouns)
        other.before.insert(0, _Node("and"))
        head.behind.append(other)
        head.plural = True
    return head


def _write_modifier(random: Random, depth: int, nouns: tuple[str, ...]) -> _Node:
    """What hangs on a noun: a phrase, or a relative clause of which it is the subject or the object."""
    kind = random.random()
    if kind < 0.35:
        return _write_attribute(random, depth, nouns)
    if kind < 0.6 and nouns is PERSONS:
        verb = _write_action(random, depth + 1)
        verb.before.insert(0, _Node("that"))
        return verb
    verb = _Node(random.choice(MEET if nouns is PERSONS else TAKE), [_write_noun_phrase(random, depth + 1, PERSONS)])
    if random.random() < 0.7:
        verb.before.insert(0, _Node("that"))
    return verb


def _write_attribute(random: Random, depth: int, nouns: tuple[str, ...]) -> _Node:
    if nouns is PERSONS and random.random() < 0.5:
        return _with_case("from", _write_noun_phrase(random, depth + 1, PLACES))
    if nouns is PERSONS:
        return _with_case("with", _write_noun_phrase(random, depth + 1, THINGS))
    return _with_case("of", _write_noun_phrase(random, depth + 1, PERSONS))


def _with_case(preposition: str, noun: _Node) -> _Node:
    noun.before.insert(0, _Node(preposition))
    return noun
