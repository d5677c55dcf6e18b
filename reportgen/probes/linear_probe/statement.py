"""The rule of its sentence."""

from __future__ import annotations

from reportgen.language import say, say_count, sentences
from reportgen.numerals import write_count, write_depth, write_share, write_signed
from reportgen.probes.linear_probe.view import SAME, View
from reportgen.probing.word_fits import refuse_verdict, tell_parts, tell_refusal_briefly


def tell(view: View) -> str:
    """From which layer on the label can be read, how well and where best, and whether by the words alone."""
    if refusal := refuse_verdict(view):
        return refusal
    return sentences(
        [
            _tell_layers(view),
            _tell_best(view),
            _tell_course(view),
            _tell_coordinates(view),
            _tell_twin(view),
            tell_parts(view),
        ]
    )


def _tell_layers(view: View) -> str:
    """At which layers the accuracy is clearly above what saying one label, or learning random ones, would give."""
    readable, first = view.readable, view.readable_from
    values = {
        "model": view.name,
        "prompts": _count_prompts(view),
        "majority": write_share(view.metric("majority")),
        "last": view.last_layer,
    }
    if not readable.any():
        return say(
            "linear_probe.no_clear_statement",
            "No clear statement about {model}: at no layer is the accuracy on {prompts} clearly (95 % "
            "interval) above the most frequent label ({majority}) and random labels.",
            **values,
        )
    if not view.is_known:
        return say(
            "linear_probe.by_chance",
            "No clear statement about {model}: accuracy on {prompts} is above the most frequent label "
            "({majority}) at {some} of {all} layers, but not where the layer is chosen without the prompts that are "
            "tested.",
            some=int(readable.sum()),
            all=len(view.layers),
            **values,
        )
    if first == 0:
        return say(
            "linear_probe.everywhere",
            "In {model} the label can be read at every layer, from the first that was tried (layer {layer} of {last}) "
            "on: accuracy on {prompts} is clearly (95 % interval) above the most frequent label "
            "({majority}) and random labels.",
            layer=view.layers[0],
            **values,
        )
    places = readable.nonzero()[0]
    if first is not None and places[0] < first:
        return say(
            "linear_probe.from_with_gaps",
            "In {model} the label can be read at {some} of {all} layers, first at layer {low} of {last}, without a gap "
            "from layer {layer} on: accuracy on {prompts} is clearly (95 % interval) above the most "
            "frequent label ({majority}) and random labels.",
            some=len(places),
            all=len(view.layers),
            low=view.layers[places[0]],
            layer=view.layers[first],
            **values,
        )
    if first is not None:
        return say(
            "linear_probe.from",
            "In {model} the label can be read from layer {layer} of {last} on: accuracy on {prompts} is "
            "clearly (95 % interval) above the most frequent label ({majority}) and random labels.",
            layer=view.layers[first],
            **values,
        )
    return say(
        "linear_probe.between",
        "In {model} the label can be read at {some} of {all} layers, between layers {low} and {high} of {last}, and "
        "not at the end: there accuracy on {prompts} is not clearly (95 % interval) above the most frequent label "
        "({majority}) and random labels.",
        some=len(places),
        all=len(view.layers),
        low=view.layers[places[0]],
        high=view.layers[places[-1]],
        **values,
    )


def _count_prompts(view: View) -> str:
    """How many there are, and of how many groups where some belong together."""
    groups = max(view.units) + 1
    if groups == view.count:
        return say_count("linear_probe.prompts", "{count} held-out prompt", "{count} held-out prompts", view.count)
    return say(
        "linear_probe.grouped_prompts",
        "{count} held-out prompts ({groups} groups)",
        count=write_count(view.count),
        groups=write_count(groups),
    )


def _tell_best(view: View) -> str:
    """The best layer, and what is left of it where it is chosen without the prompts that it is tested on."""
    (low, high), (least, most) = view.interval, view.selectivity_interval
    layer = int(view.metric("best_layer") or 0)
    return say(
        "linear_probe.best",
        "The best layer is {layer} ({best} right, the highest of {layers} layers on the same prompts); at "
        "layers chosen without the prompts that are tested, {share} are right (95 % interval {low} to {high}), "
        "selectivity {selectivity} ({least} to {most}).",
        layer=layer,
        best=write_share(float(view.values("accuracy")[view.layers.index(layer)])),
        layers=len(view.layers),
        share=write_share(view.metric("accuracy")),
        low=write_share(low),
        high=write_share(high),
        selectivity=write_signed(view.metric("selectivity"), 2),
        least=write_signed(least, 2),
        most=write_signed(most, 2),
    )


def _tell_course(view: View) -> str:
    """Whether the middle layers know it better than the first and the last; nothing where nothing is known."""
    course = view.judge_course()
    if course is None or not view.is_known:
        return ""
    values = {
        "first": write_share(course.first),
        "middle": write_share(course.middle),
        "last": write_share(course.last),
        "from": course.layers[0],
        "to": course.layers[1],
    }
    if course.shape == "hump":
        return say(
            "linear_probe.hump",
            "There is a hump in the middle: {first} at layer 0, {middle} on average over layers {from} to {to}, {last} "
            "at the last.",
            **values,
        )
    if course.shape == "falls":
        return say(
            "linear_probe.falls",
            "There is no hump: the middle (layers {from} to {to}, {middle}) is above the last layer ({last}), but not "
            "clearly above layer 0 ({first}).",
            **values,
        )
    if course.shape == "rises":
        return say(
            "linear_probe.rises",
            "There is no hump: the last layer ({last}) is above the middle (layers {from} to {to}, {middle}).",
            **values,
        )
    if course.shape == "stays":
        return say(
            "linear_probe.stays",
            "No hump is seen: the last layer ({last}) is as good as the middle (layers {from} to {to}, {middle}), to "
            "within {margin}.",
            margin=write_share(SAME),
            **values,
        )
    return say(
        "linear_probe.open",
        "No hump is shown, nor that there is none: layer 0 {first}, layers {from} to {to} {middle}, the last {last}.",
        **values,
    )


def _tell_coordinates(view: View) -> str:
    """What can be learned by heart; nothing where nothing can be read at all."""
    if not view.is_known:
        return ""
    values = {"share": write_share(view.random_coordinates)}
    if view.random_coordinates >= view.interval[0]:
        return say(
            "linear_probe.coordinates_alike",
            "With random numbers in the place of the model's {share} are right, within the interval: the label may be "
            "known by heart for each word, not read.",
            **values,
        )
    return say(
        "linear_probe.coordinates_below", "With random numbers in the place of the model's {share} are right.", **values
    )


def _tell_twin(view: View) -> str:
    """How much the words alone give; nothing where no twin was read, or nothing can be read at all."""
    twin = view.twin
    if twin is None or not view.is_known:
        return ""
    values = {"share": write_share(float(twin.max()))}
    if float(twin.max()) >= view.interval[0]:
        return say(
            "linear_probe.twin_alike",
            "With random weights {share} are right at the best layer, within the interval: the words themselves may be "
            "what is read, not what the model made of them.",
            **values,
        )
    return say("linear_probe.twin_below", "With random weights at most {share} are right.", **values)


def tell_briefly(view: View) -> str:
    """The accuracy, and from which layer on the label can be read."""
    if refuse_verdict(view):
        return tell_refusal_briefly()
    share, readable = write_share(view.metric("accuracy")), view.readable.nonzero()[0]
    if not view.is_known:
        return say("linear_probe.brief_none", "{share} right, not clearly above chance", share=share)
    depth = write_depth(view.layers[readable[0]], view.last_layer)
    return say("linear_probe.brief", "{share} right, first readable at layer {depth}", share=share, depth=depth)
