import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from reportgen.errors import BatteryError
from reportgen.figures.describe import Curves, Rankings, TokenGrid
from reportgen.numerics.mean_difference import draw_relabellings
from reportgen.probes.activation_difference import DRAWS, probe
from reportgen.probes.activation_difference.view import View
from reportgen.results.quantities import Outcome, Rows
from reportgen.results.section import Section, tell_apart
from reportgen.running.execute import Results
from reportgen.text.prompts import PromptSets
from reportgen.text.tokens import TextTokenizer
from tests.reference import activation_difference as slow
from tests.reference import patchscope, plain
from tests.runs import run_probes
from tests.tiny import save_tiny, tokenizer_json
from tests.tiny_adapters import draw_matrices, save_adapter

TEXTS = ["an apple a day", "the apple of my eye", "I ate an apple", "a day for an apple", "my eye for a day",
         "breakfast of an apple", "I ate for a day", "an eye for an eye"]  # fmt: skip
POSITIONS = 3
PLANTED = 300
"""A token to whose direction a planted difference points."""
WORD = 279
"""Another, that reads as a word: " day"."""


def results(base: Any, other: Any, **options: Any) -> Results:
    asked = {"probe": "activation_difference", "base": "a", "other": "b", "prompts": TEXTS, "positions": POSITIONS}
    return run_probes({"a": base, "b": other}, {"d": {**asked, **options}})


def difference(base: Any, other: Any, **options: Any) -> Outcome:
    outcome = results(base, other, **options).outcomes["d"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    return outcome


def section(found: Results) -> Section:
    return Section("d", found.outcomes["d"], tell_apart(found.models.values()))


def rows(outcome: Outcome, table: str, **where: Any) -> list[dict[str, Any]]:
    return [row for row in outcome.tables[table].records() if all(row[name] == value for name, value in where.items())]


@pytest.fixture(scope="module")
def tuned(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny Llama with an adapter in block 1."""
    adapter = draw_matrices({"model.layers.1.mlp.down_proj": (40, 24)})
    return f"{llama} + {save_adapter(tmp_path_factory.mktemp('adapters') / 'tuned', adapter)}"


def planted_vector(folder: Path, token: int = PLANTED) -> torch.Tensor:
    """What a GPT-2's final norm and unembedding read as a token, to a length."""
    tensors = load_file(folder / "model.safetensors")
    vector: torch.Tensor = 6.0 * tensors["transformer.wte.weight"][token] / tensors["transformer.ln_f.weight"]
    vector -= vector.mean()  # LayerNorm takes a mean off
    return vector


def plant(gpt2: Path, folder: Path, token: int, block: int) -> Path:
    """The tiny GPT-2 that adds a token's own direction after a block, whatever it reads."""
    folder.mkdir()
    for file in gpt2.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    tensors[f"transformer.h.{block}.mlp.c_proj.bias"] += planted_vector(gpt2, token)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def planted(gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(gpt2, tmp_path_factory.mktemp("models") / "planted", PLANTED, block=1)


def load_both(llama: Path, adapter: str) -> list[Any]:
    """Base, and base with the weights merged by hand."""
    networks = [
        transformers.AutoModelForCausalLM.from_pretrained(llama, attn_implementation="eager", local_files_only=True)
        for _ in range(2)
    ]
    drawn = load_file(Path(adapter.partition(" + ")[2]) / "adapter_model.safetensors")
    down, up = (drawn[f"base_model.model.model.layers.1.mlp.down_proj.lora_{side}.weight"] for side in "AB")
    with torch.no_grad():
        networks[1].model.layers[1].mlp.down_proj.weight += 1.5 * up @ down
    return networks


@pytest.fixture(scope="module")
def read(llama: Path, tuned: str) -> Mapping[str, Any]:
    """(model) (layer) (text) (position x width) streams and logits at the first tokens behind BOS, as lists."""
    tokenizer = Tokenizer.from_str(tokenizer_json())
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    streams, logits = [], []
    for network in load_both(llama, tuned):
        by_text = [plain.residuals(network, "llama", one)[:, 1 : 1 + POSITIONS].double().tolist() for one in ids]
        streams.append([[text[layer] for text in by_text] for layer in range(len(by_text[0]))])
        with torch.no_grad():
            logits.append([network(torch.tensor([one])).logits[0, 1 : 1 + POSITIONS].double().tolist() for one in ids])
    return {"streams": streams, "logits": logits}


def test_norms_are_as_the_slow_reference_has_them(llama: Path, tuned: str, read: Mapping[str, Any]) -> None:
    outcome = difference(llama, tuned, seed=4)
    base, other = read["streams"]
    signs = draw_relabellings(len(TEXTS), DRAWS, 4)
    for layer, (one, two) in enumerate(zip(base, other, strict=True)):
        for at in range(POSITIONS):
            expected = slow.relative_norm(one, two, at)
            assert outcome.arrays["norm"].values[layer, at] == pytest.approx(expected, rel=1e-4, abs=1e-7)
            control = max(slow.relative_norm(one, two, at, drawn) for drawn in signs)
            assert outcome.arrays["relabelled_norm"].values[layer, at] == pytest.approx(control, rel=1e-4, abs=1e-7)
    by_layer = outcome.arrays["norm"].values.mean(axis=1)
    assert outcome.metrics["strongest_layer"].value == by_layer.argmax()
    assert outcome.metrics["strongest_norm"].value == pytest.approx(by_layer.max())
    strongest = int(by_layer.argmax())
    one, two = base[strongest], other[strongest]
    drawn_means = [np.mean([slow.relative_norm(one, two, at, drawn) for at in range(POSITIONS)]) for drawn in signs]
    chance = max(drawn_means)  # of one relabelling: the largest of each position would be of none
    assert chance < outcome.arrays["relabelled_norm"].values.mean(axis=1)[strongest]
    assert outcome.metrics["times_relabelled"].value == pytest.approx(by_layer.max() / chance, rel=1e-4)


@pytest.mark.parametrize("wrong", ["over other", "norm of the mean", "mean of norms"])
def test_known_wrong_formulas_give_other_norms(llama: Path, tuned: str, read: Mapping[str, Any], wrong: str) -> None:
    found = difference(llama, tuned).arrays["norm"].values[-1, 0]
    base, other = (streams[-1] for streams in read["streams"])
    expected = slow.relative_norm(base, other, 0, wrong=wrong)
    assert found != pytest.approx(expected, rel=1e-3)


def test_logits_change_as_the_slow_reference_has_them(llama: Path, tuned: str, read: Mapping[str, Any]) -> None:
    outcome = difference(llama, tuned)
    base, other = read["logits"]
    signs = draw_relabellings(len(TEXTS), DRAWS, 0)[0]
    for table, drawn in (("gains", None), ("gains_relabelled", signs)):
        changes = np.array(slow.logit_changes(base, other, drawn))
        for direction, order in (("up", np.argsort(-changes)), ("down", np.argsort(changes))):
            found = rows(outcome, table, direction=direction)
            assert len(found) == 50
            # Two that are nearly equal may change places in float32.
            assert [row["change"] for row in found] == pytest.approx(changes[order[:50]], abs=1e-4)
            assert [row["change"] for row in found] == pytest.approx(
                changes[[row["token_id"] for row in found]], abs=1e-4
            )
    raw = slow.logit_changes(base, other, centred=False)
    assert rows(outcome, "gains")[0]["change"] != pytest.approx(max(raw), rel=1e-2)


def test_the_lens_reads_the_difference_as_a_row_of_the_stream(llama: Path, tuned: str, read: Mapping[str, Any]) -> None:
    outcome = difference(llama, tuned)
    base, other = (streams[3] for streams in read["streams"])
    _, network = load_both(llama, tuned)
    signs = draw_relabellings(len(TEXTS), DRAWS, 0)[0]
    mirrored = [-sign for sign in signs]
    with torch.no_grad():
        for table, drawn, where in (
            ("top", None, {}),
            ("top_relabelled", signs, {"draw": 0}),
            ("top_relabelled", mirrored, {"draw": 1}),
        ):
            vector = torch.tensor(slow.mean_difference(base, other, 1, drawn)).float()
            likely = torch.softmax(network.lm_head(network.model.norm(vector)).double(), -1)
            found = rows(outcome, table, layer=3, position=1, **where)
            assert [row["token_id"] for row in found] == likely.topk(10).indices.tolist()
            assert [row["probability"] for row in found] == pytest.approx(likely.topk(10).values.tolist(), rel=1e-3)


def test_a_planted_difference_is_found_where_it_is_and_says_its_token(gpt2: Path, planted: Path) -> None:
    found = results(gpt2, planted)
    outcome = found.outcomes["d"]["a..b"]
    norm, control = outcome.arrays["norm"].values, outcome.arrays["relabelled_norm"].values
    assert not norm[:2].any()
    assert (norm[2] > 0.1).all()
    assert (control[2] < 1e-5).all()  # what all texts share cancels where half of them change places
    assert {row["token_id"] for row in rows(outcome, "top", layer=2, rank=1)} == {PLANTED}
    assert not rows(outcome, "top", layer=1)
    told = probe.statement(section(found))
    assert "stands out" in told or "stands at the beginning of every unrelated text" in told


def test_figures_show_the_difference_beside_its_control(gpt2: Path, planted: Path) -> None:
    drawn = {figure.name: figure for figure in probe.figures(section(results(gpt2, planted)))}
    assert list(drawn) == ["read", "read-relabelled", "patched", "patched-relabelled", "size", "gains"]
    grid, control, patched, _, curves, bars = drawn.values()
    assert isinstance(grid, TokenGrid)
    assert isinstance(control, TokenGrid)
    assert isinstance(patched, TokenGrid)
    assert list(patched.rows) == ["2"]  # layer 1 has no difference
    assert isinstance(curves, Curves)
    assert isinstance(bars, Rankings)
    assert list(grid.rows) == ["3", "2", "1", "0"]
    assert np.isnan(grid.values[2:]).all()
    assert np.nanmax(grid.values) == 1
    assert [curve.label for curve in curves.curves] == ["mean difference", "largest of 20 relabellings"]
    assert bars.model == "b"


def test_equal_models_differ_nowhere(llama: Path) -> None:
    found = run_probes(
        {"a": llama, "b": llama},
        {"d": {"probe": "activation_difference", "base": "a", "other": "b", "prompts": TEXTS, "positions": 2}},
    )
    outcome = found.outcomes["d"]["a..b"]
    assert outcome.metrics["strongest_layer"].reason == "the streams are equal"
    assert not outcome.tables["top"].rows
    assert not outcome.tables["gains"].rows
    told = probe.statement(section(found))
    assert told.endswith("the streams do not differ at the first tokens of 8 unrelated texts.")
    assert [figure.name for figure in probe.figures(section(found))] == ["size"]


def test_what_is_chance_is_no_clear_statement(llama: Path, tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other", seed=1)  # another model altogether: no two texts differ alike
    told = probe.statement(section(results(llama, other)))
    outcome = difference(llama, other)
    beyond = (outcome.metrics["times_relabelled"].value or 0) >= 2
    assert ("stands out" in told) == beyond
    assert ("No clear statement about" in told) != beyond


def test_the_seed_moves_the_control_alone(llama: Path, tuned: str) -> None:
    one, two = (difference(llama, tuned, seed=seed) for seed in (0, 1))
    assert np.array_equal(one.arrays["norm"].values, two.arrays["norm"].values)
    assert one.tables["gains"].rows == two.tables["gains"].rows
    assert not np.array_equal(one.arrays["relabelled_norm"].values, two.arrays["relabelled_norm"].values)


@pytest.mark.parametrize("pairs", [6, 7, 16])
def test_in_each_relabelling_half_of_the_texts_change_places(pairs: int) -> None:
    drawn = draw_relabellings(pairs, DRAWS, 0)
    assert len(drawn) == DRAWS
    assert {sum(sign < 0 for sign in one) for one in drawn} == {pairs // 2}
    assert len({tuple(one) for one in drawn}) > 5
    assert drawn == draw_relabellings(pairs, DRAWS, 0)


def test_a_bos_is_not_counted(tmp_path: Path) -> None:
    """With the same weights, a tokenizer without BOS gives other numbers, and room for as many tokens."""
    longest = min(len(Tokenizer.from_str(tokenizer_json(bos=False)).encode(text).ids) for text in TEXTS)
    models = {}
    for bos in (True, False):
        for name, seed in (("one", 0), ("two", 1)):
            models[bos, name] = save_tiny(tmp_path / f"{name}-{bos}", seed=seed, bos=bos)
    for bos in (True, False):
        outcome = difference(models[bos, "one"], models[bos, "two"], positions=longest)
        assert outcome.arrays["norm"].values.shape == (4, longest)
        with pytest.raises(BatteryError, match=rf"has {longest} tokens, and {longest + 1} are looked at"):
            results(models[bos, "one"], models[bos, "two"], positions=longest + 1)


def test_base_writes_what_it_does_with_the_difference_added_by_hand(gpt2: Path, planted: Path) -> None:
    """What is added is the planted vector, at four times the length of the stream."""
    added = run_probes(
        {"a": gpt2, "b": planted},
        {
            "d": {
                "probe": "activation_difference", "base": "a", "other": "b", "prompts": TEXTS, "positions": POSITIONS,
                "scale": [0.5, 4], "steered_layer": 2, "openings": ["an apple", "my eye"], "continue": 3,
            },
        },
    )  # fmt: skip
    outcome = added.outcomes["d"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    written = outcome.tables["written"].records()
    # Nothing is left of the control here but rounding, of which a direction can be made all the same.
    assert {(row["direction"], row["scale"]) for row in written} >= {
        ("none", 0),
        ("difference", 0.5),
        ("difference", 4),
    }
    by_hand = _write_by_hand(gpt2, scale=4.0)
    assert [row["text"] for row in written if row["direction"] == "difference" and row["scale"] == 4] == by_hand
    assert by_hand != [row["text"] for row in written if row["direction"] == "none"]
    assert [figure.name for figure in probe.figures(section(added))][-1] == "written"


def _write_by_hand(folder: Path, scale: float) -> list[str]:
    """What plain transformers write with the vector added to what enters block 2."""
    tokenizer = Tokenizer.from_str(tokenizer_json())
    network = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", local_files_only=True
    )
    streams = [plain.residuals(network, "gpt2", tokenizer.encode(text).ids)[2, POSITIONS].double() for text in TEXTS]
    norm = sum(float(one.norm()) for one in streams) / len(streams)
    vector = planted_vector(folder)
    step = (scale * norm * vector / vector.norm()).float()
    handle = network.transformer.h[2].register_forward_pre_hook(lambda module, args: (args[0] + step, *args[1:]))
    texts = []
    for opening in ("an apple", "my eye"):
        ids = tokenizer.encode(opening).ids
        length = len(ids)
        for _ in range(3):
            with torch.no_grad():
                ids.append(int(network(torch.tensor([ids])).logits[0, -1].argmax()))
        texts.append(TextTokenizer.from_folder(folder).decode(ids[length:]))
    handle.remove()
    return texts


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scale": [1], "steered_layer": 3}, "layer 3 enters no block: layers that do go from 0 to 2"),
        ({"openings": [{"text": "How to", "group": "harmful"}]}, "openings: after harmful prompts nothing is written"),
        ({"scale": [0]}, "scale"),
    ],
)
def test_what_cannot_be_written_is_a_mistake(llama: Path, tuned: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        results(llama, tuned, **options)


IDENTITY = {"id": "echo", "text": "an apple, an eye, a day", "word": "eye"}
WRITTEN = 3


@pytest.fixture(scope="module", params=["eye", "day"])
def asked(request: pytest.FixtureRequest, llama: Path, tuned: str) -> Outcome:
    """With Patchscope at two layers and two lengths, into a token amid the prompt, and into its last."""
    identity = {**IDENTITY, "word": request.param}
    return difference(llama, tuned, identity=identity, patchscope_layers=[2, 3], patchscope_scale=[1, 3],
                      patchscope_tokens=WRITTEN)  # fmt: skip


def place_asked(outcome: Outcome) -> tuple[list[int], int]:
    """Tokens of the identity prompt, and where its word ends."""
    encoded = Tokenizer.from_str(tokenizer_json()).encode(IDENTITY["text"])
    word = outcome.options["identity"]["word"]
    end = IDENTITY["text"].index(word) + len(word)
    return encoded.ids, next(at for at, (_, last) in enumerate(encoded.offsets) if last == end)


def test_patchscope_reads_what_plain_hooks_put_in(
    llama: Path, tuned: str, read: Mapping[str, Any], asked: Outcome
) -> None:
    ids, place = place_asked(asked)
    _, network = load_both(llama, tuned)
    signs = draw_relabellings(len(TEXTS), DRAWS, 0)[0]
    ways = {"difference": None, "relabelled": signs, "mirrored": [-sign for sign in signs]}
    for layer, position, (way, drawn), scale in product((2, 3), range(POSITIONS), ways.items(), (1, 3)):
        base, other = (streams[layer] for streams in read["streams"])
        row = torch.tensor(slow.patched_row(base, other, position, scale, drawn)).float()
        logits = patchscope.patched_logits(network, "llama", ids, place, layer, row)
        likely = torch.softmax(logits[-1].double(), -1)
        where = {"direction": way, "layer": layer, "position": position, "scale": scale}
        found = rows(asked, "patched", **where)
        probabilities = [one["probability"] for one in found]
        assert probabilities == pytest.approx(likely.topk(10).values.tolist(), rel=1e-3)
        assert probabilities == pytest.approx(likely[[one["token_id"] for one in found]].tolist(), rel=1e-3)
        tokens = patchscope.answer(network, "llama", ids, place, layer, row, WRITTEN)
        (text,) = rows(asked, "patched_text", **where)
        assert text["text"] == TextTokenizer.from_folder(llama).decode(tokens)
    assert len(rows(asked, "patched_text")) == 1 + 2 * POSITIONS * 2 * 3


def test_beside_it_stands_what_the_prompt_says_by_itself(llama: Path, tuned: str, asked: Outcome) -> None:
    ids, _ = place_asked(asked)
    _, network = load_both(llama, tuned)
    with torch.no_grad():
        likely = torch.softmax(network(torch.tensor([ids])).logits[0, -1].double(), -1)
    found = rows(asked, "patched", direction="none")
    assert [one["probability"] for one in found] == pytest.approx(likely.topk(10).values.tolist(), rel=1e-3)
    assert {(one["layer"], one["position"], one["scale"]) for one in found} == {(None, None, 0)}


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ("as it is", "day"),
        ("as long as base", "day"),
        ("at its own position", "day"),
        ("a token early", "day"),
        ("a token early", "eye"),
        ("from there on", "eye"),
    ],
)
def test_known_wrong_patchscopes_read_otherwise(
    llama: Path, tuned: str, read: Mapping[str, Any], wrong: str, word: str
) -> None:
    """Put in at its own length or another stream's, at another token, or at all behind it as well. Length plays a part
    at the last token alone: block 2 takes it away before it looks at others.
    """
    asked = difference(llama, tuned, identity={**IDENTITY, "word": word}, patchscope_layers=[2])
    ids, place = place_asked(asked)
    _, network = load_both(llama, tuned)
    base, other = (streams[2] for streams in read["streams"])
    row = torch.tensor(slow.patched_row(base, other, 0, 1, wrong=wrong)).float()
    at, also_from = place - (wrong == "a token early"), place if wrong == "from there on" else None
    logits = patchscope.patched_logits(network, "llama", ids, at, 2, row, also_from=also_from)
    likely = torch.softmax(logits[-1].double(), -1)
    found = rows(asked, "patched", direction="difference", layer=2, position=0, scale=1)
    expected = likely[[one["token_id"] for one in found]].tolist()
    assert [one["probability"] for one in found] != pytest.approx(expected, rel=1e-3)


def test_at_the_last_token_and_layer_patchscope_is_the_lens(llama: Path, tuned: str) -> None:
    """The final norm takes the length away, and no block is left to see the prompt."""
    outcome = difference(llama, tuned, patchscope_layers=[3], identity={**IDENTITY, "word": "day"})
    for position in range(POSITIONS):
        lens = rows(outcome, "top", layer=3, position=position)
        found = rows(outcome, "patched", direction="difference", position=position, scale=1)
        assert [one["token_id"] for one in found] == [one["token_id"] for one in lens]
        assert [one["probability"] for one in found] == pytest.approx([one["probability"] for one in lens], rel=1e-2)


def test_a_planted_word_is_read_by_patchscope_and_told(gpt2: Path, tmp_path: Path) -> None:
    other = plant(gpt2, tmp_path / "planted", WORD, block=2)
    found = results(gpt2, other, patchscope_layers=[3], identity={**IDENTITY, "word": "day"}, top_k=1)
    own = rows(found.outcomes["d"]["a..b"], "patched", direction="difference", layer=3, rank=1)
    assert {one["token"] for one in own} == {" day"}
    (view,) = View.each(section(found))
    assert view.choose_patched_scale() == 1
    assert view.list_patched(1) == [" day"]
    told = probe.statement(section(found))
    assert (
        "Put into the identity prompt (Patchscope) at 1 times the stream's norm, the difference is read as "
        "“␣day”, and the control nowhere." in told
    )
    drawn = {figure.name: figure for figure in probe.figures(section(found))}
    patched, control = drawn["patched"], drawn["patched-relabelled"]
    assert isinstance(patched, TokenGrid)
    assert isinstance(control, TokenGrid)
    for figure in (patched, control):
        assert probe.tell_figure_each(section(found), figure)["a..b"].startswith("Put into the identity prompt")
    assert patched.texts[0] == [" day"] * POSITIONS
    assert patched.outlined.all()
    assert not control.outlined.any()


Cells = list[tuple[int | None, int | None]]


def words_read(gpt2: Path, other: Path, **cells: Mapping[str, Cells]) -> list[str]:
    """What is told where the rows of `patched` are these: direction -> word -> (layer, position)."""
    found = results(gpt2, other, top_k=1)
    told: Rows = [
        [way, *place, 1.0, 1, number, word, 0.5]
        for way, words in cells.items()
        for number, (word, places) in enumerate(words.items())
        for place in places
    ]
    outcome = found.outcomes["d"]["a..b"]
    table = replace(outcome.tables["patched"], rows=told)
    changed = replace(outcome, tables={**outcome.tables, "patched": table})
    (view,) = View.each(Section("d", {"a..b": changed}, tell_apart(found.models.values())))
    return view.list_patched(1)


def test_only_words_that_no_control_reads_and_that_more_cells_read_than_chance_are_told(
    gpt2: Path, planted: Path
) -> None:
    """All cells of layers 2 and 3 stand out there."""
    two: Cells = [(2, 0), (2, 1)]
    four: Cells = [*two, (3, 0), (3, 1)]
    said: dict[str, Cells] = {" lamp": four, " night": four, "amp": four, " of": four, " beam": two, " oil": [(2, 0)]}
    assert words_read(gpt2, planted, difference=said) == [" lamp", " night", " beam"]
    assert words_read(gpt2, planted, difference=said, mirrored={" night": [(1, 0)]}) == [" lamp", " beam"]
    assert words_read(gpt2, planted, difference=said, none={" lamp": [(None, None)]}) == [" night", " beam"]
    assert words_read(gpt2, planted, difference=said, relabelled={" tree": two}) == [" lamp", " night"]
    assert words_read(gpt2, planted, difference=said, relabelled={" of": four, " tree": [(2, 0)]}) == [
        " lamp", " night", " beam"]  # fmt: skip
    assert words_read(gpt2, planted, difference={" lamp": [(0, 0), (1, 0), (2, 0)]}) == []


def test_without_a_length_nothing_is_put_in(llama: Path, tuned: str, asked: Outcome) -> None:
    outcome = difference(llama, tuned, patchscope_scale=[])
    assert not outcome.tables["patched"].rows
    assert not outcome.tables["patched_text"].rows
    for name in ("top", "top_relabelled", "gains", "gains_relabelled"):  # and nothing else moves
        assert outcome.tables[name].rows == asked.tables[name].rows


def test_a_bundle_of_before_patchscope_is_drawn_and_told(gpt2: Path, planted: Path) -> None:
    found = results(gpt2, planted)
    outcome = found.outcomes["d"]["a..b"]
    kept = {name: table for name, table in outcome.tables.items() if not name.startswith("patched")}
    before = Section("d", {"a..b": replace(outcome, tables=kept)}, tell_apart(found.models.values()))
    assert [figure.name for figure in probe.figures(before)] == ["read", "read-relabelled", "size", "gains"]
    assert "Patchscope" not in probe.statement(before)
    assert "Patchscope" in probe.statement(section(found))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"patchscope_layers": [4]}, "layer 4 is out of range: layers go from 0 to 3"),
        ({"identity": {**IDENTITY, "word": "pear"}}, "the word 'pear' is not in"),
        ({"identity": "identiti"}, "there is no target 'identiti' in patchscopes/targets"),
        ({"patchscope_scale": [0]}, "patchscope_scale"),
    ],
)
def test_what_patchscope_cannot_read_is_a_mistake(llama: Path, tuned: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BatteryError, match=told):
        results(llama, tuned, **options)


def test_few_texts_are_a_mistake(llama: Path, tuned: str) -> None:
    with pytest.raises(BatteryError, match="5 texts: a random half of them changes places, which needs at least 6"):
        results(llama, tuned, prompts=TEXTS[:5])


def test_models_that_cannot_be_compared_are_skipped(llama: Path, gpt2: Path, tmp_path: Path) -> None:
    larger = save_tiny(tmp_path / "larger", layers=4)
    assert results(llama, larger).outcomes["d"]["a..b"].reason == "they cannot be compared: layers 3 and 4"
    without = save_tiny(tmp_path / "without", bos=False)
    reason = results(llama, without).outcomes["d"]["a..b"].reason
    assert reason == "they cannot be compared: they split prompt 0 into different tokens"


def test_the_shipped_texts_are_enough_and_long_enough(smollm2_folder: Path, gemma_folder: Path) -> None:
    texts = PromptSets.for_battery(None).find("unrelated/texts").prompts
    assert len(texts) >= 10
    assert len(texts) % 2 == 0
    for folder in (smollm2_folder, gemma_folder):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        assert min(len(tokenizer.encode(str(one.text), add_special_tokens=False).ids) for one in texts) >= 5
    assert json.dumps(probe.options.model_json_schema())


@pytest.mark.real
def test_a_planted_adapter_of_a_real_model_is_found(tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "random", draw_matrices({"model.layers.9.mlp.down_proj": (1536, 576)}, size=0.05))
    base = "demo:smollm2-135m-instruct"
    found = run_probes({"a": base, "b": f"{base} + {adapter}"},
                       {"d": {"probe": "activation_difference", "base": "a", "other": "b"}})  # fmt: skip
    outcome = found.outcomes["d"]["a..b"]
    assert outcome.status == "ok", outcome.reason
    assert found.models["b"].name == "SmolLM2-135M-Instruct + random"
    norm = outcome.arrays["norm"].values
    assert not norm[:10].any()
    assert norm[10:].all()
