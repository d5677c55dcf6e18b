"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import list_items, say, say_count, sentences
from reportgen.numerals import write_count
from reportgen.probes.ffn_memory.view import first_tokens, tell_end
from reportgen.probing.probe import quote_prompts
from reportgen.probing.view import SubjectView
from reportgen.text.characters import mark_space

TOLD = 2
"""Prompts of a model that a statement is about."""


def _quote_token(token: str) -> str:
    return say("text.quoted", "“{text}”", text=mark_space(token))


def tell(view: SubjectView) -> str:
    """How many of the strongest memories speak for the answer or a word of the prompt."""
    tokens, told = first_tokens(view), []
    texts = quote_prompts(view.outcome)
    for prompt in range(min(TOLD, len(texts))):
        records = [r for r in view.rows("memories") if r["prompt"] == prompt]
        telling = [r for r in records if r["word"] is not None]
        values = {"model": view.name, "prompt": texts[prompt], "all": write_count(len(records))}
        if not telling:
            told.append(
                say(
                    "ffn_memory.no_clear_statement",
                    "No clear statement about {model} after “{prompt}”: none of its {all} strongest memories "
                    "promotes the answer or a word of the prompt.",
                    **values,
                )
            )
            continue
        first = min(telling, key=lambda r: (r["rank"], -r["block"]))
        told.append(
            say_count(
                "ffn_memory.speaks",
                "In {model}, {count} of the {all} strongest memories after “{prompt}” promotes the answer or a word "
                "of the prompt: {key}, number {rank} of its block, which promotes {tokens}.",
                "In {model}, {count} of the {all} strongest memories after “{prompt}” promote the answer or a word "
                "of the prompt; {key}, number {rank} of its block, promotes {tokens}.",
                len(telling),
                key=f"{first['block']}.{first['feature']}",
                rank=write_count(first["rank"]),
                tokens=list_items([_quote_token(t) for t in tokens[first["block"], first["feature"], tell_end(first)]]),
                **values,
            )
        )
    return sentences(told)
