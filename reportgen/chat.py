"""A chat as one text, by the model's own template."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

_NO_DAY = datetime.date(2000, 1, 1)
"""What a template that writes today's date is told: the same prompt has the same tokens tomorrow."""


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
    environment.filters["tojson"] = _json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = _NO_DAY.strftime
    tokens = {name: _token_text(value) for name, value in settings.items() if name.endswith("_token")}
    try:
        return environment.from_string(template).render(messages=messages, add_generation_prompt=True, **tokens)
    except Exception as error:  # a stranger's template may divide by zero
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ChatUnavailable(f"the model's chat template refuses the prompt: {told}") from error


def _json(value: Any, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _token_text(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value
