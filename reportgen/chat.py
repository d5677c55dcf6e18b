"""A chat as one text, by the model's own template."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


class ChatUnavailable(Exception):
    """A prompt is given as chat messages, and the model has no chat template (or its template refuses them)."""


def render_chat(template: str, messages: Sequence[Mapping[str, str]], settings: Mapping[str, Any]) -> str:
    """The text of a chat, ending where the assistant is to begin.

    A template is a stranger's program: it runs in jinja2's sandbox, with the names that transformers gives it.
    `settings` is the content of tokenizer_config.json, from which templates take `bos_token` and its like.

    Raises:
        ChatUnavailable: the template refuses the messages.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    tokens = {name: _token_text(value) for name, value in settings.items() if name.endswith("_token")}
    try:
        return environment.from_string(template).render(messages=messages, add_generation_prompt=True, **tokens)
    except TemplateError as error:
        raise ChatUnavailable(f"the model's chat template refuses the prompt: {error}") from error


def _token_text(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value
