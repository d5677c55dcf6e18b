"""The words of a slide: what is seen in what it shows, what is expected of it, and what its author says."""

import re
from collections.abc import Callable, Iterator, Sequence

from reportgen.figures.describe import Figure
from reportgen.language import QUOTED, list_quotes, say, sentences
from reportgen.probing.probe import prompt_labels, prompt_texts, quote_prompts
from reportgen.report.content import sections
from reportgen.report.slides.figures import find_subjects
from reportgen.report.slides.layout import DESK
from reportgen.results.section import Section
from reportgen.text.scripts import script_of

SHORT_NOTE = 140
"""Characters up to which what an author says stands on the slide; what is longer only the speaker has."""
LONGEST = 40
"""Characters of a prompt by which it is known where a sentence quotes it: long ones are cut."""


def tell_seen(
    section: Section, view: sections.SectionView, alone: Callable[[str], str], figures: Sequence[Figure], most: int
) -> str:
    """What the numbers say of the models and the prompts that are shown; where they say nothing, what figures show."""
    ok = section.ok()
    subjects = dict.fromkeys(s for figure in figures for s in find_subjects(section, figure) if s in ok)
    told = [_begin_with_own(_keep_own(section, alone(subject), figures), figures) for subject in subjects]
    seen = sentences(first_of(statement, most // len(told)) for statement in told if statement)
    return seen or first_of(view.explanation.shows, most)


def tell_expected(view: sections.SectionView, most: int = SHORT_NOTE) -> str:
    """What the author of a prompt set expects of it; nothing that a listener could not read."""
    told = [prompt_set["what_to_see"] for prompt_set in view.prompt_sets if prompt_set.get("what_to_see")]
    if not told or script_of(told[0]) not in (None, script_of(say("page.contents", "Contents"))):
        return ""
    return say("deck.expected", "Expected: {text}", text=first_of(told[0], most))


def note_prompts(section: Section, view: sections.SectionView, figures: Sequence[Figure]) -> list[str]:
    """What an author says of the prompts that the figures' titles name."""
    prompts = _list_prompts(section)
    known = {names[0] for names in prompts}
    named = {prompts[at][0] for at in _find_named(prompts, figures)}
    return [
        name_prompt(called, note)
        for called, note in view.prompt_notes.items()
        if called in named or (called not in known and _is_named(called, figures))
    ]


def name_prompt(called: str, note: str) -> str:
    """What an author says of a prompt, behind what it is called."""
    return say("deck.prompt_note", "{prompt}: {note}", prompt=called, note=note)


def stay_short(text: str) -> str:
    """A text on one line, its start where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT_NOTE else f"{line[: SHORT_NOTE - 1]}…"


def join_short(said: Sequence[str]) -> str:
    """Those of an author's notes that are short, on one line."""
    return " ".join(" ".join(note.split()) for note in said if note and len(note) <= SHORT_NOTE)


def first_of(text: str, most: int = DESK.glance) -> str:
    """A text's first sentence, and those after it that a listener still takes in at a glance."""
    taken = ""
    for sentence in _split(text):
        if taken and len((taken + sentence).rstrip()) > most:
            break
        taken += sentence
    return taken.rstrip()


def _split(text: str) -> Iterator[str]:
    """The sentences of a text, each with the space behind it. A full stop within quotes is a stranger's, and one
    between a number and a small letter makes an ordinal of it, as in Hungarian: "a 18. rétegben".
    """
    quoted = {at for found in QUOTED.finditer(text) for at in range(found.start(), found.end())}
    start = 0
    for found in re.finditer(r"(?<=[.!?])\s+|(?<=[。！？؟])|$", text):
        before, after = text[max(found.start() - 2, 0) : found.start()], text[found.end() : found.end() + 1]
        ordinal = before[:1].isdigit() and before.endswith(".") and after.islower()
        if found.start() not in quoted and found.end() > start and not ordinal:
            yield text[start : found.end()]
            start = found.end()
    if start < len(text):
        yield text[start:]


def _keep_own(section: Section, statement: str, figures: Sequence[Figure]) -> str:
    """What a statement says of the prompts that the figures' titles name, and of none in particular."""
    prompts = _list_prompts(section)
    named = _find_named(prompts, figures)
    if not named:
        return statement
    kept, keep = [], True
    for sentence in _split(statement):
        told = list_quotes(sentence)
        quoted = [
            at for at, names in enumerate(prompts)
            if any(quote.startswith(name[:LONGEST]) for name in names for quote in told)
        ]  # fmt: skip
        # A sentence that quotes none goes on about what the one before it told of.
        keep = any(at in named for at in quoted) if quoted else keep
        if keep:
            kept.append(sentence)
    return "".join(kept).rstrip()


def _begin_with_own(statement: str, figures: Sequence[Figure]) -> str:
    """The statement from the sentence on that quotes the words of a title, where the first is about other words."""
    shown = {quote for figure in figures for quote in QUOTED.findall(figure.title)}
    told = list(_split(statement))
    for at, sentence in enumerate(told):
        quoted = set(QUOTED.findall(sentence))
        if len(quoted) > 1 and quoted <= shown:
            return "".join(told[at:])
    return statement


Names = tuple[str, str, str]
"""What a figure calls a prompt: its label, its text, and what stands between quotation marks."""


def _list_prompts(section: Section) -> list[Names]:
    """(prompt) its names; nothing where a probe has no prompts of its own."""
    outcome = next(iter(section.ok().values()), None)
    prompts = outcome.options.get("prompts") if outcome is not None else None
    if outcome is None or not isinstance(prompts, list) or not all(isinstance(one, dict) for one in prompts):
        return []
    return list(zip(prompt_labels(outcome), prompt_texts(outcome), quote_prompts(outcome), strict=True))


def _find_named(prompts: Sequence[Names], figures: Sequence[Figure]) -> list[int]:
    """The prompts that the figures' titles quote, else those that they name: a text may hold the name of another."""
    told = {quote for figure in figures for quote in list_quotes(figure.title)}
    quoted = [at for at, names in enumerate(prompts) if names[-1] in told]
    return quoted or [at for at, names in enumerate(prompts) if any(_is_named(name, figures) for name in names)]


def _is_named(called: str, figures: Sequence[Figure]) -> bool:
    start = re.escape(called[:LONGEST])
    end = "" if len(called) > LONGEST else r"(?!\w)"
    return any(re.search(rf"(?<!\w){start}{end}", figure.title) for figure in figures)
