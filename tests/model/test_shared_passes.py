"""A prompt passes the model once, whoever asks; each asks gets its own part of it, and nobody loses another's."""

from collections.abc import Sequence

import pytest
import torch

from reportgen.model.capture import shared_passes
from reportgen.model.capture.batches import JoinedPass, join
from reportgen.model.capture.shared_passes import SharedPasses, run_all
from reportgen.model.needs import Draw, Need, Pass, Site, Unmeasurable
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from tests.tiny import random_model

IDS, OTHER = (0, 40, 41, 55), (0, 7, 7)
STREAM, LAST, ATTENTION = Need(Site.RESIDUAL), Need(Site.FINAL, "last"), Need(Site.ATTENTION)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    network = random_model("llama")
    return LoadedModel(network, anatomy_of(network))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[JoinedPass]:
    """The joined passes that ran."""
    found: list[JoinedPass] = []
    run = shared_passes.run

    def watched(model: LoadedModel, together: Sequence[JoinedPass]) -> object:
        found.extend(together)
        return run(model, together)

    monkeypatch.setattr(shared_passes, "run", watched)
    return found


def test_passes_of_one_prompt_are_joined_in_order_of_first_appearance() -> None:
    passes = [Pass(OTHER, (STREAM,)), Pass(IDS, (STREAM,)), Pass(OTHER, (STREAM, LAST), steps=3), Pass(IDS, (LAST,))]
    first, second = join(passes)
    assert (first.tokens, first.steps, first.wants) == (OTHER, 3, ((STREAM, 1), (STREAM, 3), (LAST, 3)))
    assert (second.tokens, second.steps, second.wants) == (IDS, 1, ((STREAM, 1), (LAST, 1)))


def test_what_is_drawn_after_a_prompt_is_a_path_of_its_own() -> None:
    drawn = Draw(temperature=1.0, top_k=None, top_p=None, seed=0, attempt=0)
    assert len(join([Pass(IDS, (STREAM,)), Pass(IDS, (STREAM,), draw=drawn)])) == 2


def test_a_prompt_that_two_probes_ask_for_runs_once(model: LoadedModel, ran: list[JoinedPass]) -> None:
    one, two = [Pass(IDS, (STREAM,))], [Pass(IDS, (ATTENTION, STREAM)), Pass(OTHER, (STREAM,))]
    shared = SharedPasses(model, [*one, *two])
    (first,), (second, _) = shared.run(one), shared.run(two)
    assert [joined.tokens for joined in ran] == [IDS, OTHER]
    assert first.values[STREAM].keys() == second.values[STREAM].keys()
    assert torch.equal(first.values[STREAM][2, 0], second.values[STREAM][2, 0])
    assert set(second.values) == {ATTENTION, STREAM}


def test_a_pass_is_dropped_after_the_last_that_wants_it(model: LoadedModel) -> None:
    single = Pass(IDS, (STREAM,))
    shared = SharedPasses(model, [single, single])
    shared.run([single])
    assert len(shared._taken) == 1
    shared.run([single])
    assert not shared._taken


def test_numbers_do_not_depend_on_who_else_asks(model: LoadedModel) -> None:
    alone = run_all(model, [Pass(IDS, (STREAM,), steps=2)])[0]
    among = run_all(model, [Pass(OTHER, (STREAM,)), Pass(IDS, (STREAM,), steps=4), Pass(IDS, (STREAM,), steps=2)])[2]
    assert alone.tokens == among.tokens
    assert alone.values[STREAM].keys() == among.values[STREAM].keys()
    assert all(torch.equal(value, among.values[STREAM][key]) for key, value in alone.values[STREAM].items())


def test_who_asks_for_what_is_not_there_takes_nothing_from_the_others() -> None:
    network = random_model("mamba")
    model = LoadedModel(network, anatomy_of(network))
    possible, impossible = Pass(IDS, (STREAM,)), Pass(IDS, (ATTENTION,))
    shared = SharedPasses(model, [possible, impossible])
    with pytest.raises(Unmeasurable, match="no block has an attention pattern"):
        shared.run([impossible])
    assert STREAM in shared.run([possible])[0].values


def test_a_pass_that_can_do_without_is_given_the_rest() -> None:
    network = random_model("mamba")
    model = LoadedModel(network, anatomy_of(network))
    (captured,) = run_all(model, [Pass(IDS, (STREAM, ATTENTION), partial=True)])
    assert set(captured.values) == {STREAM}
