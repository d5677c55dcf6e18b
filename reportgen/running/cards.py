"""What a report tells of a model: what it is, and how it ran."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reportgen.errors import ModelError
from reportgen.results.section import ModelCard
from reportgen.running.outcome_key import Conditions
from reportgen.running.planned import PlannedModel
from reportgen.text.tokens import TextTokenizer

if TYPE_CHECKING:
    from reportgen.model.network.loaded import LoadedModel


def describe_model(planned: PlannedModel, as_run: Mapping[str, Any]) -> ModelCard:
    """What the report says of a model; of one that failed, only what was asked for."""
    source = {"source": planned.entry.asked_for}
    if planned.readied is None:
        return ModelCard(planned.id, planned.name, "", 0, {**source, **as_run})
    located, facts = planned.readied.located, planned.readied.facts
    known = {
        "revision": located.revision,
        "model_type": facts.model_type,
        "hidden_size": facts.hidden_size,
        "heads": facts.heads,
        "kv_heads": facts.kv_heads,
        "vocabulary": facts.vocabulary,
        "context_length": facts.context_length,
    }
    return ModelCard(planned.id, planned.name, facts.architecture, facts.layers or 0, {**source, **known, **as_run})


def describe_tokenizer(planned: PlannedModel, *, kept: bool) -> dict[str, Any]:
    """What a model's tokenizer is made of, whether any probe asks it something or not: what a card says of a model
    does not depend on its probes. Nothing where there is none, or it cannot be read.
    """
    readied = planned.readied
    if readied is None or not readied.located.weights:
        return {}
    try:
        tokenizer = readied.tokenizer or TextTokenizer.from_folder(readied.located.tokenizer_folder, kept=kept)
    except ModelError:
        return {}
    return tokenizer.facts()


def describe_run(model: "LoadedModel", known: Conditions, tokenizer: Mapping[str, Any]) -> dict[str, Any]:
    """How a model ran, and what its tokenizer is made of: what results.json says of that."""
    apart = model.cache_apart
    told = "" if apart is None else f"without its cache: a step that reads it differs by {apart:.0%} from a full pass"
    return {
        "dtype": model.number_format,
        "device": str(model.device),
        "attention": known.attention,
        "threads": known.threads,
        "batch": known.batch,
        "together": known.together,
        "weights_sha256": known.weights or None,
        "tokenizer_sha256": known.tokenizer if known.weights else None,
        "tokenizer": dict(tokenizer),
        **({"continued": told} if told else {}),
    }
