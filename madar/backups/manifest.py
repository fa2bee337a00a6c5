"""What a backup says of itself: at its head where it comes from, at its end what is in it."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from madar.backups.archive import MANIFEST, SUMMARY, Damaged, Json
from madar.db.copying import Table

FORMAT = "madar-backup"
FORMAT_VERSION = 1


class NotABackup(Exception):
    """The file is something else, or of a release that this one cannot read; the message says."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`migrations`: the hash of each by its version. `tables` stand in the order of loading."""

    madar: str
    postgres: str
    taken_at: datetime
    migrations: dict[str, str]
    tables: list[Table]

    def as_json(self) -> Json:
        return {
            "format": FORMAT,
            "formatVersion": FORMAT_VERSION,
            "madar": self.madar,
            "postgres": self.postgres,
            "takenAt": self.taken_at.isoformat(),
            "migrations": self.migrations,
            "tables": [asdict(table) for table in self.tables],
        }

    @classmethod
    def of(cls, written: Json) -> "Manifest":
        """Raises NotABackup, Damaged."""
        if written.get("format") != FORMAT:
            raise NotABackup("It is no backup of Madar.")
        if written.get("formatVersion") != FORMAT_VERSION:
            text = f"It is from Madar {written.get('madar')}, in a format that this one cannot read"
            raise NotABackup(f"{text}. Install that version or a later one first.")
        try:
            return cls(
                madar=str(written["madar"]),
                postgres=str(written["postgres"]),
                taken_at=datetime.fromisoformat(written["takenAt"]),
                migrations=_texts(written["migrations"]),
                tables=[
                    Table(name=str(one["name"]), columns=tuple(map(str, one["columns"])))
                    for one in written["tables"]
                ],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"{MANIFEST} is not what a backup holds") from error


@dataclass(kw_only=True)
class Summary:
    """Counts; `lost` objects were named by rows and were nowhere, `deleted` ones went meanwhile."""

    rows: dict[str, int] = field(default_factory=dict[str, int])
    objects: int = 0
    object_bytes: int = 0
    lost: int = 0
    deleted: int = 0

    @property
    def all_rows(self) -> int:
        return sum(self.rows.values())

    def as_json(self) -> Json:
        return {
            "rows": self.rows,
            "objects": self.objects,
            "objectBytes": self.object_bytes,
            "missing": {"lost": self.lost, "deletedMeanwhile": self.deleted},
        }

    def compare(self, told: Json) -> None:
        """With what the file tells at its end. Raises Damaged."""
        if told != self.as_json():
            raise Damaged(f"there is something else in it than {SUMMARY} tells")


def _texts(written: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in written.items()}
