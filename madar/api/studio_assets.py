"""What the studio is made of, read once, packed once, under one digest of it all."""

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import orjson

from madar import i18n
from madar.domain.colors import COLORS
from madar.settings import ROOT

OWN = ROOT / "madar" / "studio"
# npm puts them there at set-up (frontend/package.json); they are no part of this repository.
PARTS = ROOT / "frontend" / "node_modules"
_FONT = "@fontsource/ibm-plex-sans-arabic/files/ibm-plex-sans-arabic-{}-normal.woff2"
_OF_NPM = MappingProxyType(
    {
        "parts/preact.mjs": "preact/dist/preact.mjs",
        "parts/hooks.mjs": "preact/hooks/dist/hooks.mjs",
        "parts/htm.mjs": "htm/dist/htm.module.js",
        "parts/client-zip.mjs": "client-zip/index.js",
        **{
            f"fonts/{script}-{weight}.woff2": _FONT.format(f"{script}-{weight}")
            for script in ("latin", "arabic")
            for weight in (400, 600)
        },
    }
)
_IMPORTS = {
    "preact": "preact",
    "preact/hooks": "hooks",
    "htm": "htm",
    "client-zip": "client-zip",
}
# What the page imports only once somebody wants to see it (madar/studio/app.js) or to have it.
_LATER = {
    *("account.js", "drawer.js", "help.js", "snippets.js", "viewer.js"),
    *("zip.js", "parts/client-zip.mjs"),
}
# A fifth of what is served, for those who read the repository; what is left keeps its lines.
_COMMENT = re.compile(r"/\*.*?\*/|^[ \t]*//.*?$", re.DOTALL | re.MULTILINE)
_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# What the page's own texts are, and what pictures that failed say.
_TEXTS = ("studio.", "failure.")


@dataclass(frozen=True)
class Asset:
    """`packed` is the same gzipped, where that is worth it."""

    content: bytes
    media_type: str
    packed: bytes | None
    tag: str


@dataclass(frozen=True)
class Assets:
    by_name: Mapping[str, Asset]
    is_complete: bool
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        tags = "\n".join(f"{name} {asset.tag}" for name, asset in sorted(self.by_name.items()))
        object.__setattr__(self, "digest", sha256(tags.encode()).hexdigest()[:16])

    @property
    def base(self) -> str:
        return f"/studio/assets/{self.digest}"

    @property
    def import_map(self) -> dict[str, str]:
        return {name: f"{self.base}/parts/{file}.mjs" for name, file in _IMPORTS.items()}

    @property
    def modules(self) -> list[str]:
        """Those of the first load."""
        modules = {name for name in self.by_name if name.endswith((".js", ".mjs"))}
        return sorted(modules - _LATER)


def assets() -> Assets:
    """As the files are at this moment: looking is cheap, and whoever changes one sees it."""
    looked = ((name, path, path.stat()) for name, path in _files())
    return _read(tuple((name, path, at.st_mtime_ns, at.st_size) for name, path, at in looked))


def _files() -> Iterator[tuple[str, Path]]:
    for path in sorted(OWN.iterdir()):
        if path.suffix in _MEDIA_TYPES:
            yield path.name, path
    for name, place in _OF_NPM.items():
        if (PARTS / place).is_file():
            yield name, PARTS / place


@lru_cache(maxsize=2)
def _read(files: tuple[tuple[str, Path, int, int], ...]) -> Assets:
    contents = {name: _content(path) for name, path, *_ in files}
    is_complete = contents.keys() >= _OF_NPM.keys()
    # One sheet is one request; layers, not their order, say which rule wins.
    sheets = [name for name in contents if name.endswith(".css")]
    contents["studio.css"] = b"".join(contents.pop(name) for name in sheets)
    contents |= {f"texts/{language}.json": _texts(language) for language in i18n.LANGUAGES}
    contents["colors.json"] = orjson.dumps([(c.hex, c.english, c.arabic) for c in COLORS])
    by_name = {name: _asset(name, content) for name, content in contents.items()}
    return Assets(by_name, is_complete)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.parent != OWN or path.suffix == ".svg":
        return content
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), content.decode()).encode()


def _texts(language: i18n.Language) -> bytes:
    return orjson.dumps(
        {
            key.removeprefix("studio."): entry
            for key, entry in i18n.catalogue(language).items()
            if key.startswith(_TEXTS)
        }
    )


def _asset(name: str, content: bytes) -> Asset:
    suffix = Path(name).suffix
    packed = None if suffix == ".woff2" else gzip.compress(content, 9, mtime=0)
    tag = f'"{sha256(content).hexdigest()[:24]}"'
    return Asset(content, _MEDIA_TYPES[suffix], packed, tag)
