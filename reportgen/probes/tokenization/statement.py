"""The rule of its sentence."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.figures.describe import Figure
from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_share
from reportgen.probes.tokenization.view import kind_label
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.results.section import Section

APART = 1.25
"""Times the tokens from which one tokenizer is said to need more than another."""
CUT = 0.05
"""Share of tokens that are fragments of characters from which that is said."""


def statement(section: Section) -> str:
    """What each tokenizer needs for the texts, where two differ most, and what is cut into bytes."""
    views = SubjectView.each(section)
    return sentences([*map(_tell_tokenizer, views), _compare_tokenizers(views)])


def tell_figure(view: SubjectView, figure: Figure) -> str:
    """What a tokenizer makes of the text of a figure."""
    kind, *numbers = figure.name.split("-")  # a prompt's; of a part of a figure, the part's behind it
    if kind != "strip":
        return ""
    prompt = numbers[0]
    row = view.rows("texts")[int(prompt)]
    return say_count(
        "tokenization.text_seen",
        "{model} reads “{text}” as {count} token: {characters} characters per token.",
        "{model} reads “{text}” as {count} tokens: {characters} characters per token.",
        int(row["token_count"]) - int(row["added"]),
        model=view.name,
        text=quote_prompts(view.outcome)[int(prompt)],
        characters=write_number(row["characters_per_token"], 2),
    )


def _tell_tokenizer(view: SubjectView) -> str:
    """What one tokenizer needs, and what it cuts into bytes."""
    known = {metric: view.metric(metric) or 0 for metric in ("characters_per_token", "fragments", "added")}
    largest = view.rows("make_up")[0]
    first = say(
        "tokenization.seen",
        "{model} writes {characters} characters per token on these texts; {share} of its {vocabulary} tokens are "
        "{kind}.",
        model=view.name,
        characters=write_number(known["characters_per_token"], 2),
        vocabulary=write_count(int(view.metric("vocabulary") or 0)),
        share=write_share(largest["share"]),
        kind=kind_label(str(largest["kind"])),
    )
    cut = ""
    if known["fragments"] >= CUT:
        cut = say(
            "tokenization.cut",
            "{share} of the tokens of the texts are only fragments of a character.",
            share=write_share(known["fragments"]),
        )
    return sentences([first, cut])


def _compare_tokenizers(views: Sequence[SubjectView]) -> str:
    """The text for which two tokenizers need the most different numbers of tokens; nothing of one alone."""
    if len(views) < 2:
        return ""
    counts = {view.name: [row["token_count"] - row["added"] for row in view.rows("texts")] for view in views}
    texts = quote_prompts(views[0].outcome)
    found = []
    for prompt in range(min(map(len, counts.values()))):
        of_prompt = sorted((many[prompt], name) for name, many in counts.items())
        found.append((of_prompt[-1][0] / max(of_prompt[0][0], 1), prompt, of_prompt[0], of_prompt[-1]))
    times, prompt, (few, short), (many, long) = max(found, key=lambda one: (one[0], -one[1]))
    if times < APART:
        return say(
            "tokenization.no_clear_statement", "No clear difference: all need about as many tokens for each text."
        )
    return say(
        "tokenization.compared",
        "They differ most on “{text}”: {few} tokens in {short}, {many} in {long}.",
        text=texts[prompt],
        few=few,
        short=short,
        many=many,
        long=long,
    )


def tell_briefly(view: SubjectView) -> str:
    """How many characters a token holds, and how many tokens are fragments of characters."""
    return say(
        "tokenization.brief",
        "{characters} characters per token, {fragments} fragments",
        characters=write_number(view.metric("characters_per_token")),
        fragments=write_share(view.metric("fragments")),
    )
