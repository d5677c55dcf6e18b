"""The fonts that ship with our dependencies, and in which order they are asked for a character."""

from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.fingerprints import folder_of, version_of

REGULAR, BOLD = 400, 700


@dataclass(frozen=True)
class Source:
    """An installed font file, and the family name its cut-down copies take."""

    family: str
    distribution: str
    package: str
    file: str
    number: int = -1
    """Index in a font collection."""

    @property
    def path(self) -> Path:
        """Where the file is installed; the package itself is not imported."""
        return folder_of(self.package) / self.file

    @property
    def identity(self) -> str:
        """Changes when the installed font does."""
        known = version_of(self.distribution)
        return f"{self.distribution} {known} {self.file} {self.number} {self.path.stat().st_size}"


@dataclass(frozen=True)
class OwnFont(Source):
    """A font file of a theme of one's own, which stands before all others."""

    sha256: str = ""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.file)

    @property
    def identity(self) -> str:
        """Its contents."""
        return self.sha256


def own_font(file: str, sha256: str) -> OwnFont:
    """The font of a theme of one's own, by its path and the hash of its contents."""
    return OwnFont("reportgen Own", "", "", file, sha256=sha256)


def _noto(name: str) -> Source:
    return Source(f"reportgen {name}", "manimgx-fonts", "manimgx_fonts", f"Noto{name}[wght].ttf".replace(" ", ""))


def _dejavu(family: str, file: str) -> Source:
    return Source(family, "matplotlib", "matplotlib", f"mpl-data/fonts/ttf/{file}")


SCRIPTS = tuple(
    _noto(f"Sans {script}")
    for script in (
        "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Hebrew",
        "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai",
    )
)  # fmt: skip
TEXT = _noto("Sans")
EMOJI = _noto("Emoji")
REST = _dejavu("reportgen Rest", "DejaVuSans.ttf")
MONO = _dejavu("reportgen Mono", "DejaVuSansMono.ttf")
CJK = Source(
    "reportgen CJK", "manimgx-fonts-cjk", "manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc", number=3
)  # the Traditional Chinese face
SIMPLIFIED = replace(CJK, number=2)
"""The Simplified Chinese face of the same collection: the same characters, some (such as 骨) in another shape."""

CHAIN = (TEXT, *SCRIPTS, _noto("Sans Symbols"), EMOJI, REST, CJK)
"""The order in which fonts are asked for a character; CJK stands last because it covers much Latin badly."""
