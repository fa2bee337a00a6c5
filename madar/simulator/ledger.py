"""The simulator's memory: one SQLite file that survives `kill -9`.

Every call is a few local page writes, well under a millisecond, so they run on the event loop.
WAL with `synchronous = NORMAL` loses nothing when the process dies; only a power cut could.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from madar.simulator.config import JsonObject
from madar.simulator.records import (
    Delivery,
    NewDelivery,
    NewSubmission,
    Outcome,
    StoredFile,
    Submission,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
  number           INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id       TEXT NOT NULL UNIQUE,
  endpoint_id      TEXT NOT NULL,
  arguments        TEXT,
  markers          TEXT NOT NULL,
  fingerprint      TEXT NOT NULL,
  webhook_url      TEXT,
  received_at      REAL NOT NULL,
  start_by         REAL,
  keeps_payloads   INTEGER NOT NULL,
  state            TEXT NOT NULL DEFAULT 'IN_QUEUE',
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  started_at       REAL,
  duration_s       REAL NOT NULL DEFAULT 0,
  ended_at         REAL,
  status_code      INTEGER,
  output           TEXT,
  error            TEXT,
  error_type       TEXT,
  CONSTRAINT requests_state_known CHECK (state IN ('IN_QUEUE', 'IN_PROGRESS', 'COMPLETED'))
);
CREATE INDEX IF NOT EXISTS requests_open ON requests (state, number) WHERE state <> 'COMPLETED';
CREATE INDEX IF NOT EXISTS requests_fingerprint ON requests (fingerprint);

CREATE TABLE IF NOT EXISTS files (
  name         TEXT PRIMARY KEY,
  request_id   TEXT NOT NULL,
  content_type TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS files_request ON files (request_id);

CREATE TABLE IF NOT EXISTS deliveries (
  number     INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id TEXT NOT NULL,
  url        TEXT NOT NULL,
  body       BLOB NOT NULL,
  due_at     REAL NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  is_open    INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (due_at) WHERE is_open;
"""

_INSERT_REQUEST = """
INSERT INTO requests (request_id, endpoint_id, arguments, markers, fingerprint, webhook_url,
                      received_at, start_by, keeps_payloads)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_FINISH_REQUEST = """
UPDATE requests
   SET state = 'COMPLETED', ended_at = ?, status_code = ?, output = ?, error = ?, error_type = ?
 WHERE request_id = ?
   AND state <> 'COMPLETED'
"""

# Newest first. An absent filter is null; the endpoints come as one JSON list.
_HISTORY = """
SELECT *
  FROM requests
 WHERE endpoint_id IN (SELECT value FROM json_each(:endpoint_ids))
   AND received_at >= :start_at
   AND received_at < :end_at
   AND (:request_id IS NULL OR request_id = :request_id)
   AND (:least_code IS NULL OR status_code BETWEEN :least_code AND :most_code)
 ORDER BY received_at DESC, number DESC
 LIMIT :n OFFSET :skipped
"""


class Ledger:
    """All reads and writes; one instance, used from one thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    # Requests

    def record(self, new: NewSubmission) -> None:
        with self._db:
            self._db.execute(
                _INSERT_REQUEST,
                (
                    new.request_id,
                    new.endpoint_id,
                    _dump(new.arguments),
                    " ".join(sorted(new.markers)),
                    new.fingerprint,
                    new.webhook_url,
                    new.received_at,
                    new.start_by,
                    new.keeps_payloads,
                ),
            )

    def get(self, request_id: str) -> Submission | None:
        row = self._db.execute(
            "SELECT * FROM requests WHERE request_id = ?", (request_id,)
        ).fetchone()
        return _submission(row) if row is not None else None

    def was_submitted_before(self, fingerprint: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM requests WHERE fingerprint = ? LIMIT 1", (fingerprint,)
        ).fetchone()
        return row is not None

    def list_all(self) -> list[Submission]:
        return self._many("SELECT * FROM requests ORDER BY number")

    def list_next(self, n: int) -> list[Submission]:
        """Whose turn it is: the longest waiting."""
        return self._many(
            "SELECT * FROM requests WHERE state = 'IN_QUEUE' ORDER BY number LIMIT :n", {"n": n}
        )

    def list_overdue(self, now: float) -> list[Submission]:
        """Who waits although they should have started by now."""
        return self._many(
            "SELECT * FROM requests WHERE state = 'IN_QUEUE' AND start_by <= :now", {"now": now}
        )

    def next_start_by(self) -> float | None:
        row = self._db.execute(
            "SELECT min(start_by) FROM requests WHERE state = 'IN_QUEUE'"
        ).fetchone()
        return row[0]

    def list_running(self) -> list[Submission]:
        return self._many("SELECT * FROM requests WHERE state = 'IN_PROGRESS' ORDER BY number")

    def count_ahead(self, number: int) -> int:
        """How many requests wait in front of this one."""
        row = self._db.execute(
            "SELECT count(*) FROM requests WHERE state = 'IN_QUEUE' AND number < ?", (number,)
        ).fetchone()
        return int(row[0])

    def count_queued(self, endpoint_id: str | None = None) -> int:
        row = self._db.execute(
            "SELECT count(*) FROM requests WHERE state = 'IN_QUEUE'"
            " AND (:endpoint_id IS NULL OR endpoint_id = :endpoint_id)",
            {"endpoint_id": endpoint_id},
        ).fetchone()
        return int(row[0])

    def mark_started(self, request_id: str, *, started_at: float, duration_s: float) -> None:
        with self._db:
            self._db.execute(
                "UPDATE requests SET state = 'IN_PROGRESS', started_at = ?, duration_s = ?"
                " WHERE request_id = ? AND state = 'IN_QUEUE'",
                (started_at, duration_s, request_id),
            )

    def mark_cancel_requested(self, request_id: str) -> None:
        with self._db:
            self._db.execute(
                "UPDATE requests SET cancel_requested = 1 WHERE request_id = ?", (request_id,)
            )

    def finish(
        self,
        request_id: str,
        outcome: Outcome,
        *,
        ended_at: float,
        deliveries: Iterable[NewDelivery] = (),
    ) -> None:
        """Record the outcome with its files and the webhooks it causes, all or nothing."""
        with self._db:
            self._db.execute(
                _FINISH_REQUEST,
                (
                    ended_at,
                    outcome.status_code,
                    _dump(outcome.output),
                    outcome.error,
                    outcome.error_type,
                    request_id,
                ),
            )
            self._db.executemany(
                "INSERT INTO files (name, request_id, content_type) VALUES (?, ?, ?)",
                [(file.name, request_id, file.content_type) for file in outcome.files],
            )
            self._db.executemany(
                "INSERT INTO deliveries (request_id, url, body, due_at) VALUES (?, ?, ?, ?)",
                [(request_id, new.url, new.body, new.due_at) for new in deliveries],
            )

    def history(
        self,
        *,
        endpoint_ids: list[str],
        start_at: float,
        end_at: float,
        request_id: str | None,
        status_codes: tuple[int, int] | None,
        n: int,
        skipped: int,
    ) -> list[Submission]:
        least_code, most_code = status_codes or (None, None)
        return self._many(
            _HISTORY,
            {
                "endpoint_ids": orjson.dumps(endpoint_ids).decode(),
                "start_at": start_at,
                "end_at": end_at,
                "request_id": request_id,
                "least_code": least_code,
                "most_code": most_code,
                "n": n,
                "skipped": skipped,
            },
        )

    # Files

    def get_file(self, name: str) -> tuple[StoredFile, str] | None:
        """The file and the id of the request that made it."""
        row = self._db.execute("SELECT * FROM files WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        stored = StoredFile(name=row["name"], content_type=row["content_type"])
        return stored, str(row["request_id"])

    def delete_payloads(self, request_id: str) -> list[str]:
        """Forget what went in and came out; gives back the names of the files to remove."""
        with self._db:
            self._db.execute(
                "UPDATE requests SET arguments = NULL, output = NULL WHERE request_id = ?",
                (request_id,),
            )
            rows = self._db.execute(
                "DELETE FROM files WHERE request_id = ? RETURNING name", (request_id,)
            ).fetchall()
        return [str(row["name"]) for row in rows]

    # Webhooks

    def list_due_deliveries(self, now: float) -> list[Delivery]:
        rows = self._db.execute(
            "SELECT number, request_id, url, body, due_at, attempts"
            " FROM deliveries WHERE is_open AND due_at <= ? ORDER BY due_at, number",
            (now,),
        ).fetchall()
        return [Delivery(**dict(row)) for row in rows]

    def next_due_at(self, now: float) -> float | None:
        """When the first delivery that is not due yet will be."""
        row = self._db.execute(
            "SELECT min(due_at) FROM deliveries WHERE is_open AND due_at > ?", (now,)
        ).fetchone()
        return row[0]

    def count_open_deliveries(self) -> int:
        row = self._db.execute("SELECT count(*) FROM deliveries WHERE is_open").fetchone()
        return int(row[0])

    def close_delivery(self, number: int) -> None:
        with self._db:
            self._db.execute(
                "UPDATE deliveries SET is_open = 0, attempts = attempts + 1 WHERE number = ?",
                (number,),
            )

    def postpone_delivery(self, number: int, *, due_at: float) -> None:
        with self._db:
            self._db.execute(
                "UPDATE deliveries SET due_at = ?, attempts = attempts + 1 WHERE number = ?",
                (due_at, number),
            )

    def _many(self, sql: str, values: JsonObject | None = None) -> list[Submission]:
        rows = self._db.execute(sql, values or {}).fetchall()
        return [_submission(row) for row in rows]


def _submission(row: sqlite3.Row) -> Submission:
    values: dict[str, Any] = dict(row)
    del values["fingerprint"]
    values["arguments"] = _load(values["arguments"])
    values["output"] = _load(values["output"])
    values["markers"] = frozenset(str(values["markers"]).split())
    values["keeps_payloads"] = bool(values["keeps_payloads"])
    values["cancel_requested"] = bool(values["cancel_requested"])
    return Submission(**values)


def _dump(value: JsonObject) -> str:
    return orjson.dumps(value).decode()


def _load(text: str | None) -> JsonObject | None:
    return orjson.loads(text) if text is not None else None
