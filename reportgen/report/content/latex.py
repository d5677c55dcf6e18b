"""Texts that LaTeX sets as they are."""

import re

from reportgen.spelling import spell_text

_LATEX = str.maketrans(
    {mark: f"\\{mark}" for mark in "#$%&_"}
    # No brace of a text stays one: BibTeX counts them, whatever stands before.
    | {"{": r"\textbraceleft{}", "}": r"\textbraceright{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\textasciigrave{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    # After the end of a row these would be taken for its argument.
    | {mark: f"{{{mark}}}" for mark in "[]*"}
    | {"−": "$-$", "×": r"$\times$"}
)
_JOINED = re.compile("(?<=[-',])(?=[-',])")
"""Between marks of which LaTeX makes one: -- is a dash."""


def escape_latex(text: str) -> str:
    """A stranger's text that LaTeX sets as it is, on one line."""
    return _JOINED.sub("{}", spell_text(text, longest=None).translate(_LATEX))
