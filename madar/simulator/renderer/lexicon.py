"""The words the simulator understands, in English and Arabic: subjects, colours, and a few more."""

from dataclasses import dataclass
from typing import Literal

from madar.simulator.renderer.words import folded, readings

Kind = Literal["noun", "adjective", "other"]

# English words for each subject; the first is the subject's own name.
SUBJECT_WORDS = {
    "rocket": "rocket spaceship spacecraft starship shuttle missile",
    "heart": "heart love",
    "tree": "tree pine fir oak palm",
    "house": "house home cottage hut cabin villa",
    "mushroom": "mushroom toadstool fungus",
    "robot": "robot android droid bot",
    "cat": "cat kitten kitty",
    "lantern": "lantern lamp fanous fanoos",
    "crescent": "crescent moon hilal",
    "cup": "cup mug coffee tea cappuccino latte",
    "planet": "planet saturn jupiter mars",
    "star": "star",
}

COLOURS = {
    "red": "#e0282e",
    "crimson": "#c2185b",
    "maroon": "#7f1d2b",
    "coral": "#ff7f5c",
    "orange": "#f57c1f",
    "gold": "#e6a817",
    "golden": "#e6a817",
    "yellow": "#fbd02c",
    "beige": "#e2cfa8",
    "cream": "#f6e8c8",
    "brown": "#80502f",
    "lime": "#9bd62f",
    "olive": "#7c8a35",
    "green": "#34a853",
    "emerald": "#0e9f6e",
    "mint": "#86e0bb",
    "teal": "#0f8b8d",
    "turquoise": "#23c4b8",
    "cyan": "#22c7e6",
    "azure": "#2f9bf0",
    "blue": "#2b6de8",
    "navy": "#1d3270",
    "indigo": "#4b3fc4",
    "purple": "#8444d6",
    "violet": "#8a55f0",
    "lavender": "#b7a3ee",
    "magenta": "#d925b4",
    "pink": "#f26fa7",
    "silver": "#b9c0c9",
    "grey": "#868d96",
    "gray": "#868d96",
    "black": "#25232b",
    "white": "#f4f4f2",
}

# Arabic by English, each with its feminine, its plurals and other common spellings.
_NOUNS = {
    "rocket": "صاروخ صواريخ",
    "spaceship": "مركبة مكوك سفينة",
    "heart": "قلب قلوب",
    "love": "حب",
    "tree": "شجرة شجر أشجار",
    "palm": "نخلة نخل نخيل",
    "house": "بيت بيوت منزل منازل دار",
    "hut": "كوخ أكواخ",
    "mushroom": "فطر مشروم",
    "robot": "روبوت إنسالة",
    "cat": "قطة قط قطط هرة هر بسة",
    "lantern": "فانوس فوانيس قنديل قناديل",
    "lamp": "مصباح مصابيح",
    "crescent": "هلال أهلة",
    "moon": "قمر أقمار",
    "cup": "كوب أكواب فنجان فناجين كأس",
    "coffee": "قهوة",
    "tea": "شاي",
    "planet": "كوكب كواكب",
    "Saturn": "زحل",
    "star": "نجمة نجم نجوم",
    "Ramadan": "رمضان",
    "Eid": "عيد",
    "space": "فضاء",
    "sky": "سماء",
    "night": "ليل ليلة",
    "sun": "شمس",
    "sea": "بحر",
    "flower": "زهرة وردة زهور ورود",
    "dog": "كلب كلاب",
    "car": "سيارة",
    "bird": "طائر طيور عصفور",
    "child": "طفل أطفال",
    "toy": "لعبة ألعاب",
    "gift": "هدية هدايا",
    "background": "خلفية",
}

_ADJECTIVES = {
    "red": "أحمر حمراء حمر",
    "blue": "أزرق زرقاء زرق",
    "green": "أخضر خضراء خضر",
    "yellow": "أصفر صفراء صفر",
    "black": "أسود سوداء سود",
    "white": "أبيض بيضاء بيض",
    "orange": "برتقالي برتقالية",
    "purple": "بنفسجي بنفسجية أرجواني أرجوانية",
    "pink": "وردي وردية زهري زهرية",
    "golden": "ذهبي ذهبية ذهب",
    "silver": "فضي فضية",
    "brown": "بني بنية",
    "grey": "رمادي رمادية",
    "turquoise": "تركوازي تركوازية فيروزي فيروزية",
    "azure": "سماوي سماوية",
    "navy": "كحلي كحلية",
    "beige": "بيج",
    "big": "كبير كبيرة",
    "small": "صغير صغيرة",
    "beautiful": "جميل جميلة",
    "cute": "لطيف لطيفة ظريف ظريفة",
    "happy": "سعيد سعيدة",
    "old": "قديم قديمة",
    "new": "جديد جديدة",
    "shiny": "لامع لامعة",
    "glowing": "مضيء مضيئة متوهج متوهجة",
    "fast": "سريع سريعة",
    "wooden": "خشبي خشبية",
    "light": "فاتح فاتحة",
    "dark": "غامق غامقة داكن داكنة",
}

_OTHERS = {
    "in": "في",
    "on": "على",
    "under": "تحت",
    "above": "فوق",
    "with": "مع",
    "from": "من",
    "to": "إلى",
    "beside": "بجانب",
    "and": "و",
    "in front of": "أمام",
    "behind": "خلف وراء",
    "very": "جدا",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a word means: its English, its part of speech, and what was attached before it."""

    english: str
    kind: Kind
    attached: str = ""


def _by_spelling() -> dict[str, Entry]:
    tables: tuple[tuple[dict[str, str], Kind], ...] = (
        (_NOUNS, "noun"),
        (_ADJECTIVES, "adjective"),
        (_OTHERS, "other"),
    )
    return {
        folded(spelling): Entry(english=english, kind=kind)
        for table, kind in tables
        for english, spellings in table.items()
        for spelling in spellings.split()
    }


_ARABIC = _by_spelling()
_SUBJECTS = {word: name for name, words in SUBJECT_WORDS.items() for word in words.split()}


def entry_of(word: str) -> Entry | None:
    """Look an Arabic word up, with and without what may be attached to it."""
    for stem, attached in readings(word):
        found = _ARABIC.get(stem)
        if found:
            return Entry(english=found.english, kind=found.kind, attached=attached)
    return None


def subject_of(word: str) -> str | None:
    found = entry_of(word)
    english = found.english.casefold() if found else word
    return next((_SUBJECTS[stem] for stem, _ in readings(english) if stem in _SUBJECTS), None)


def colour_of(word: str) -> str | None:
    found = entry_of(word)
    return COLOURS.get(found.english if found else folded(word))


def english_of(word: str) -> str:
    found = entry_of(word)
    return found.english if found else folded(word)
