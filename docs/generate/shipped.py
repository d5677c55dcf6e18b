"""Pages of what ships beside the program: prompt sets, and batteries."""

from collections.abc import Iterator

from docs.generate.markdown import escape, join_blocks, write_block
from docs.generate.places import ROOT
from reportgen.battery.prompt_sets import list_prompt_sets
from reportgen.numerals import count_items
from reportgen.text.prompts import PromptSet

SHOWN = 4
"""Prompts of a set that the page shows."""


def prompt_sets_page() -> str:
    """Every prompt set that ships, with its first prompts."""
    blocks = [
        "# Shipped prompt sets",
        "Each is named `FILE/SET` in a battery. `reportgen prompts` lists them, `reportgen prompts FILE/SET` prints "
        "one. How a set of your own is written: [prompt sets](prompt-sets.md).",
    ]
    return join_blocks([*blocks, *_describe_sets()])


def batteries_page() -> str:
    """The batteries of reports/, as they stand."""
    blocks = [
        "# Shipped batteries",
        "They lie in `reports/` of the repository; each runs on the two demo models, with "
        "`reportgen run reports/NAME.yaml`. What some of them make: [gallery](../gallery/index.md).",
    ]
    for file in sorted((ROOT / "reports").glob("*.yaml")):
        blocks += [f"## {file.stem}", write_block(file.read_text(), "yaml")]
    return join_blocks(blocks)


def _describe_sets() -> Iterator[str]:
    last = ""
    for name, found in list_prompt_sets(None).items():
        file = name.partition("/")[0]
        if file != last:
            yield f"## {file}"
            last = file
        yield from _describe_set(name, found)


def _describe_set(name: str, found: PromptSet) -> Iterator[str]:
    yield f"### {escape(name)}"
    yield f"{escape(found.title)}. {count_items(len(found.prompts), 'prompt')}."
    yield escape(found.what_to_see)
    yield escape(f"Source: {found.source}" if found.source else "")
    yield "\n".join(f"- {escape(prompt.called)}" for prompt in found.prompts[:SHOWN])
    left = len(found.prompts) - SHOWN
    yield f"and {left} more." if left > 0 else ""
