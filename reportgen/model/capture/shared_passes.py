"""The passes that probes ask for, joined by prompt: each prompt passes the model once, for all that want it.

What a site is worth is proven when somebody first asks for it; who asks for one that is not there is told why, and
takes nothing from the others.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reportgen.model.capture.batches import JoinedPass, join
from reportgen.model.capture.check_routes import settle_routers
from reportgen.model.capture.check_writes import PROVEN_LATER, reason_against, settle_writers
from reportgen.model.capture.passes import JoinedResult, run
from reportgen.model.needs import SEEN_ALONE, Pass, PassResult, Path, Site, Unmeasurable
from reportgen.model.network.loaded import SEVERAL_STREAMS, LoadedModel
from reportgen.model.network.routers import ROUTING


class SharedPasses:
    """The joined passes of all probes of a battery: a prompt runs when it is first wanted, and is dropped after the
    last probe that wants it has taken its part.
    """

    def __init__(self, model: LoadedModel, passes: Sequence[Pass]) -> None:
        self._model = model
        passes = [_drop_unmeasurable_needs(model, single) for single in passes]
        self._joined = {joined.path: joined for joined in join(passes)}
        self._waiting = Counter(single.path for single in passes)
        self._taken: dict[Path, JoinedResult] = {}

    def run(self, passes: Sequence[Pass]) -> list[PassResult]:
        """The answers to some of the passes, in their order.

        Raises:
            Unmeasurable: a site of their needs is not in this model, or not what it looks like. What other probes want
                of the same prompts is not touched by that.
        """
        passes = [_drop_unmeasurable_needs(self._model, single) for single in passes]
        reasons = [reason for single in passes if (reason := reason_against_pass(self._model, single))]
        if reasons:
            for single in passes:
                self._release(single.path)
            raise Unmeasurable(reasons[0])
        missing = list(dict.fromkeys(single.path for single in passes if single.path not in self._taken))
        joined = [self._joined[path] for path in missing]
        try:
            _settle(self._model, joined)
            ran = run(self._model, joined)
        except BaseException:  # one that several share may break for what only one of them wants
            for single in passes:
                self._release(single.path)
            raise
        self._taken |= dict(zip(missing, ran, strict=True))
        return [self._answer(single) for single in passes]

    def _answer(self, single: Pass) -> PassResult:
        answer = self._taken[single.path].part(single)
        self._release(single.path)
        return answer

    def _release(self, path: Path) -> None:
        self._waiting[path] -= 1
        if not self._waiting[path]:
            self._taken.pop(path, None)


def _drop_unmeasurable_needs(model: LoadedModel, single: Pass) -> Pass:
    """A pass without the needs that it can do without."""
    if not single.partial:
        return single
    met = (need for need in single.needs if not reason_against_pass(model, replace(single, needs=(need,))))
    return replace(single, needs=tuple(met))


def reason_against_pass(model: LoadedModel, single: Pass) -> str:
    """Why the model cannot give what a pass wants of it; empty where it can."""
    if reason := _reason_against_patterns(model, single):
        return reason
    needed = [(need.site, need.indices) for need in single.needs]
    asked = dict.fromkeys([*needed, *((edit.site, (edit.index,)) for edit in single.edits)])
    if model.anatomy.several_streams and any(site is Site.RESIDUAL for site, _ in asked):
        return model.say_not_measurable(SEVERAL_STREAMS)
    proven = ((site, blocks) for site, blocks in asked if site in PROVEN_LATER)
    return next((reason for site, blocks in proven if (reason := reason_against(model, site, blocks))), "")


def _settle(model: LoadedModel, together: Sequence[JoinedPass]) -> None:
    """Finds what writes, and what routes, before a pass of which another probe will ask it: it is not run again."""
    asked = {need.site for joined in together for need, _ in joined.wants}
    if asked & PROVEN_LATER:
        settle_writers(model)
    if asked & ROUTING:
        settle_routers(model)


def _reason_against_patterns(model: LoadedModel, single: Pass) -> str:
    """Why the model has no attention patterns to be seen, or none that fit into one array."""
    inside = (Site.ATTENTION, *SEEN_ALONE)
    if model.attention != "eager" and any(need.site in inside for need in single.needs):
        return model.say_not_measurable(
            f"attention: {model.attention} shows no patterns; leave out that key to see them"
        )
    asked = [need for need in single.needs if need.site is Site.ATTENTION]
    if asked and not model.attention_blocks:
        return "no block has an attention pattern that can be seen"
    counts = sorted(set(model.head_counts.values()))
    if len(counts) > 1 and any(need.indices is None for need in asked):
        return f"its blocks have {' and '.join(map(str, counts))} heads, which fit into no one array"
    return ""


def run_all(model: LoadedModel, passes: Sequence[Pass]) -> list[PassResult]:
    """The answers to passes, in their order, each prompt run once."""
    return SharedPasses(model, passes).run(passes)
