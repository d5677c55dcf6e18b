"""Labels that features are given by rule: from the tokens they promote.

Every label says where it comes from, and its score. Labels of ours are English, as all cells of tables are. What sets
a feature off is a pattern of tokens (`text.token_patterns`).
"""

from collections.abc import Sequence

import numpy as np

from reportgen.features.labels import PROMOTED, Label
from reportgen.text.characters import mark_space
from reportgen.text.spellings import word_of
from reportgen.text.token_patterns import kind_name, kind_of, most_common, stem_of

AGREE = 0.5
"""Share of the promoted tokens that must agree; else the first three are named."""
NAMED = 3


def label_promoted_tokens(tokens: Sequence[str]) -> Label:
    """A label from the tokens that a feature promotes, the most promoted first; the score is the share that agrees."""
    words = [word_of(token) for token in tokens]
    needed = int(np.ceil(AGREE * len(tokens)))
    word, count = most_common([word for word in words if word])
    if word and count >= needed:
        return Label(f"says “{word}”", PROMOTED, count / len(tokens))
    stem = stem_of(words, needed)
    if stem:
        return Label(f"says “{stem}…”", PROMOTED, sum(one.startswith(stem) for one in words) / len(tokens))
    kind, alike = most_common([kind for kind in map(kind_of, tokens) if kind and kind != "latin"])
    if kind and alike >= needed:
        return Label(f"says {kind_name(kind)}", PROMOTED, alike / len(tokens))
    first = " · ".join(mark_space(token) for token in tokens[:NAMED])
    return Label(f"says {first}", PROMOTED, max(count, 1 if tokens else 0) / max(len(tokens), 1))
