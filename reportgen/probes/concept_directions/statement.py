"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_number, write_share, write_signed
from reportgen.probes.concept_directions.view import View
from reportgen.text.characters import mark_space


def tell(view: View) -> str:
    """How well the direction separates, where the texts stand on average, and which token is furthest out."""
    if view.from_file:
        return sentences([_tell_file(view), _tell_furthest(view) if view.stands_out else ""])
    if not view.separates:
        return _tell_no_direction(view)
    return sentences([_tell_separation(view), _tell_texts(view), _tell_furthest(view)])


def _tell_file(view: View) -> str:
    """Whether the direction of a file is more than any other for these texts, and that nothing tests what it is."""
    share, drawn = view.metric("standing_out"), view.metric("random_standing_out")
    values = {
        "model": view.name,
        "file": view.file,
        "layer": int(view.metric("layer") or 0),
        "last": view.last_layer,
        "tokens": say_count(
            "concept_directions.tokens", "{count} token of the texts", "{count} tokens of the texts",
            len(view.all_tokens()),
        ),
    }  # fmt: skip
    if share is None or drawn is None:
        return say(
            "concept_directions.file_unknown",
            "No clear statement about {model}: along the direction of {file} no two tokens of the texts differ.",
            **values,
        )
    values |= {"share": write_share(share), "random": write_share(drawn)}
    if not view.stands_out:
        return say(
            "concept_directions.file_as_random",
            "No clear statement about {model}: along the direction of {file}, at layer {layer} of {last}, {share} of "
            "the {tokens} are further out than 95 % of random directions put them, no more than along random "
            "directions themselves (95 % within {random}). As the direction comes from a file, there is no held-out "
            "AUC.",
            **values,
        )
    return say(
        "concept_directions.file_beyond_random",
        "In {model} {share} of the {tokens} are further out along the direction of {file}, at layer {layer} of {last}, "
        "than 95 % of random directions put them, more than along random directions themselves (95 % within {random}). "
        "As the direction comes from a file, there is no held-out AUC: what it "
        "stands for is not tested here.",
        **values,
    )


def _tell_no_direction(view: View) -> str:
    towards, away = view.names
    return say(
        "concept_directions.no_clear_statement",
        "No clear statement about {model}: no direction separates “{towards}” from “{away}”; the best of {layers} "
        "layers reaches a held-out AUC of {auc}, shuffled sets {shuffled}.",
        model=view.name,
        towards=towards,
        away=away,
        layers=len(view.along("layer_auc", "layer")),
        auc=write_number(view.metric("auc"), 2),
        shuffled=write_number(view.metric("shuffled_auc"), 2),
    )


def _tell_separation(view: View) -> str:
    towards, away = view.names
    return say(
        "concept_directions.separates",
        "In {model} a direction separates “{towards}” from “{away}” best at layer {layer} of {last}: held-out AUC "
        "{auc}, the highest of {layers} layers on the same prompts (shuffled sets at their best {shuffled}).",
        model=view.name,
        towards=towards,
        away=away,
        layer=int(view.metric("layer") or 0),
        last=view.last_layer,
        auc=write_number(view.metric("auc"), 2),
        layers=len(view.along("layer_auc", "layer")),
        shuffled=write_number(view.metric("shuffled_auc"), 2),
    )


def _tell_texts(view: View) -> str:
    """Where the tokens are on average, and whether random directions put them as far out; empty where none counts."""
    value, random = view.metric("projection"), view.metric("random_projection")
    tokens = view.all_tokens()
    if value is None or random is None or not tokens:
        return ""
    towards, away = view.names
    values = {
        "value": write_signed(value, 2),
        "random": write_number(random, 2),
        "side": towards if value > 0 else away,
        "tokens": say_count(
            "concept_directions.tokens", "{count} token of the texts", "{count} tokens of the texts", len(tokens)
        ),
    }
    if abs(value) <= random:
        return say(
            "concept_directions.as_random",
            "On average the {tokens} are at {value} spreads, no further out than random directions put them (95 % "
            "within {random}).",
            **values,
        )
    return say(
        "concept_directions.beyond_random",
        "On average the {tokens} are at {value} spreads, towards “{side}” and further out than random directions put "
        "them (95 % within {random}).",
        **values,
    )


def _tell_furthest(view: View) -> str:
    """How many tokens stand out by themselves, and which the furthest is."""
    tokens = view.all_tokens()
    out = [token for token in tokens if token.stands_out]
    if not tokens:
        return ""
    if not out:
        return say(
            "concept_directions.none_out", "No single token is further out than 95 % of random directions put it."
        )
    furthest = max(out, key=lambda token: abs(token.value or 0))
    towards, away = view.names
    return say_count(
        "concept_directions.out",
        "{count} token ({share}) is further out than 95 % of random directions put it: “{token}” ({value}, towards "
        "“{side}”).",
        "{count} tokens ({share}) are further out than 95 % of random directions put them, furthest “{token}” "
        "({value}, towards “{side}”).",
        len(out),
        count=write_count(len(out)),
        share=write_share(len(out) / len(tokens)),
        token=mark_space(furthest.text),
        value=write_signed(furthest.value, 2),
        side=towards if (furthest.value or 0) > 0 else away,
    )


def tell_briefly(view: View) -> str:
    """AUC and mean value; of a direction from a file, how many tokens are far out."""
    if view.from_file:
        share = view.metric("standing_out")
        if share is None or not view.stands_out:
            return say("concept_directions.brief_file_none", "as along random directions")
        return say(
            "concept_directions.brief_file",
            "{share} of tokens beyond random directions at layer {layer}",
            share=write_share(share),
            layer=int(view.metric("layer") or 0),
        )
    if not view.separates:
        return say("concept_directions.brief_none", "no direction separates the sets")
    return say(
        "concept_directions.brief",
        "AUC {auc} at layer {layer}; texts at {value} spreads",
        auc=write_number(view.metric("auc"), 2),
        layer=int(view.metric("layer") or 0),
        value=write_signed(view.metric("projection"), 2),
    )
