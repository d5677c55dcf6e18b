"""What probes of dictionaries are told about a long text, and how it is found before any pass."""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from reportgen.features.options import DictionaryOptions
from reportgen.features.text_options import TextOptions, documents_of
from reportgen.probing.case import Case, Unusable
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.windows import Windows, split_documents


class WindowOptions(TextOptions, DictionaryOptions):
    """Which dictionaries, and the text."""

    tokens: Annotated[int, Field(ge=2)] = 2_000
    """The text ends after the window in which this many tokens are reached."""
    context: Annotated[int, Field(ge=8, le=8192)] = 128
    """Tokens of a window, BOS included; what is left of a document makes a shorter one."""


def windows_of(case: Case[Any]) -> Windows:
    """The windows of a case's text.

    Raises:
        Unusable: they exceed the model's context, or there is no text.
    """
    options: WindowOptions = case.options
    most = case.facts.context_length
    if most is not None and options.context > most:
        raise Unusable(f"windows of {options.context} tokens exceed the context of {most}")
    documents = documents_of(options)
    try:
        windows = _split(case.tokenizer, tuple(documents), options.context, options.tokens)
    except ValueError as error:
        raise Unusable(str(error)) from error
    if not len(windows):
        raise Unusable("the texts have no window of two tokens")
    return windows


@lru_cache(maxsize=4)
def _split(tokenizer: TextTokenizer, documents: tuple[Prompt, ...], context: int, most: int) -> Windows:
    return split_documents(tokenizer, documents, context, most)
