"""What the tensors of a model are called, from its files alone."""

from fnmatch import fnmatchcase

from reportgen.model.files.sources import ModelFiles
from reportgen.model.files.weights import stored_names


def matches(name: str, pattern: str) -> bool:
    """Whether a tensor is meant by an exact name or a glob (`*`, `?`, `[…]`)."""
    return name == pattern or fnmatchcase(name, pattern)


def find_unmatched(located: ModelFiles, patterns: list[str]) -> tuple[list[str], list[str]]:
    """The patterns that no tensor of the model has the name of, and where there are any, all names it has.

    Most files call their tensors as the model does. Where a pattern matches none in the file, the model itself is
    built without weights and asked, which imports torch: it names tied tensors twice, and experts otherwise.
    """
    stored = stored_names(located.folder)
    left = [pattern for pattern in patterns if not any(matches(name, pattern) for name in stored)]
    if not left:
        return [], []
    from reportgen.model.load import load_shape

    own = [parameter.name for parameter in load_shape(located.config).parameters()]
    return [pattern for pattern in patterns if not any(matches(name, pattern) for name in own)], own
