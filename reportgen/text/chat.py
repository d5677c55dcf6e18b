"""A chat as one text, by the model's own template: what transformers' `apply_chat_template` gives."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

_NO_PART = re.compile("""['"]type['"]: ['"]text['"]""")
Messages = Sequence[Mapping[str, str]]


class ChatUnavailable(Exception):
    """A prompt is given as chat messages, and the model has no chat template (or its template refuses them)."""


class ChatTemplate:
    """A model's chat template with the special tokens that it may name."""

    def __init__(self, text: str = "", tokens: Mapping[str, str] | None = None, missing: str = "") -> None:
        self.text = text
        self.tokens = tokens or {}
        self.missing = missing or "the model has no chat template"
        """Why there is no text, where there is none."""
        self._written: dict[tuple[tuple[str, str], ...], str] = {}
        self._spent = ""
        """Why it is not tried again: it took too much once."""

    def render(self, messages: Messages) -> str:
        """The text of a chat, ending where the assistant is to begin.

        A template is a stranger's program: it runs in a sandbox within steps, bytes and seconds. What the messages say
        is given to it as text and, where that fails or loses their words, as parts (a list of one `text`).

        Raises:
            ChatUnavailable: there is no template; it refuses the messages, takes too much, or loses their words.
        """
        key = tuple((one["role"], one["content"]) for one in messages)
        if key not in self._written:
            self._written[key] = self._render_text_or_parts(messages)
        return self._written[key]

    def _render_text_or_parts(self, messages: Messages) -> str:
        if not self.text:
            raise ChatUnavailable(f"the prompt is a chat, and {self.missing}")
        try:
            return self._require_all_words(messages, messages)
        except ChatUnavailable as refused:
            in_parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in messages]
            try:
                written = self._require_all_words(messages, in_parts)
            except ChatUnavailable:
                raise refused from None
            if _NO_PART.search(written):  # it wrote the list out, as it stands in a program
                raise refused from None
            return written

    def _require_all_words(self, messages: Messages, given: Sequence[Mapping[str, Any]]) -> str:
        written = self._render(given)
        for message in messages:
            lost = _lost_word(message["content"], written)
            if lost:
                raise ChatUnavailable(
                    f"the model's chat template leaves out what the {message['role']} says: "
                    f"{_shorten(lost, 40)!r} is not in the prompt"
                )
        return written

    def _render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        from reportgen.documents.bounded_templates import Exceeded, render_within
        from reportgen.text.chat_sandbox import LIMITS

        if self._spent:
            raise ChatUnavailable(self._spent)
        given = {**self.tokens, "messages": messages, "tools": None, "documents": None, "add_generation_prompt": True}
        try:
            written = render_within(self._compiled, given, LIMITS)
            written.encode()
        except Exceeded as error:
            self._spent = f"the model's chat template computes more than a prompt can need: {error}"
            raise ChatUnavailable(self._spent) from error
        except MemoryError as error:
            self._spent = "the model's chat template takes too much memory"
            raise ChatUnavailable(self._spent) from error
        except RecursionError as error:
            raise ChatUnavailable("the model's chat template is nested too deeply, or without end") from error
        except UnicodeEncodeError as error:
            raise ChatUnavailable("the model's chat template writes half a character, which is not text") from error
        except Exception as error:  # a stranger's template may divide by zero
            told = " ".join(str(error).split()) or "it gives no reason"
            raise ChatUnavailable(f"the model's chat template refuses the prompt: {_shorten(told, 300)}") from error
        return written

    @cached_property
    def _compiled(self) -> "Template":
        from reportgen.documents.bounded_templates import limit_work
        from reportgen.text.chat_sandbox import LIMITS

        with limit_work(LIMITS):
            compiled: Template = _environment().from_string(self.text)
        return compiled


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


@lru_cache(maxsize=1)
def _environment() -> Any:
    from reportgen.text.chat_sandbox import ChatSandbox

    return ChatSandbox()


def _lost_word(said: str, written: str) -> str:
    """The first word of a message that does not stand in the prompt after those before it; empty where all do."""
    for form in _forms(said):
        if " ".join(form.split()) in " ".join(written.split()):
            return ""
    at = 0
    for word in said.split():
        found = written.find(word, at)
        if found < 0:
            return word
        at = found + len(word)
    return ""


def _forms(said: str) -> Iterator[str]:
    """A text as it is, and as it stands in JSON."""
    yield said
    yield json.dumps(said, ensure_ascii=False)[1:-1]
    yield json.dumps(said)[1:-1]
