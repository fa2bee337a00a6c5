"""sql/queries/generations.sql, for the person: what they asked for, see, keep and throw away."""

import json
import math
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from madar.db import generations
from madar.db.generations import Download, Ending, QuotaUse
from madar.db.sessions import Credential
from madar.domain.generations import PUBLIC, GenerationRequest
from tests.sql import pictures, strategies
from tests.sql.dice import Dice, dices
from tests.sql.harness import Session, Sql
from tests.sql.register import holds
from tests.sql.scenes import s, scene
from tests.sql.seeding import Owner, several
from tests.sql.strategies import LIVE, Row

FILES = ("master_key", "result_image_key", "thumbnail_key")
two_people = several(most=2, pictures=3)


def seeded(db: Session, owners: list[Owner]) -> tuple[list[Owner], list[Row]]:
    added = [owner.add(db) for owner in owners]
    return added, [row for owner in added for row in owner.generations]


def is_there(owner: Owner, row: Row) -> bool:
    return row in owner.generations and row["deleted_at"] is None


def files_of(*pictures: Row) -> set[str]:
    return {row[name] for row in pictures for name in FILES if row[name]}


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    rest = draw(strategies.rests)
    return GenerationRequest(
        style=draw(st.sampled_from((*strategies.STYLES, "no-such-style", "hidden"))),
        prompt=draw(st.none() | strategies.prompts),
        input_type="text",
        aspect_ratio=rest.one_of(("1:1", "16:9")),
        custom_colors=rest.one_of(((), ("#ff0000",))),
        source_upload_id=None,
        source_key=None,
        seed=None,
    )


@holds("generations.insert_generation", share=2)
@given(strategies.people(), requests(), strategies.languages, st.data())
def test_a_wish_becomes_a_generation_an_attempt_and_a_wake_up(
    sql: Sql, person: Row, request: GenerationRequest, language: str, data: st.DataObject
) -> None:
    new, attempt, parent = UUID(int=1), UUID(int=2), UUID(int=3)
    has_left = data.draw(st.integers(0, 4)) == 0
    with sql.example() as db:
        db.add(
            "users", person | {"deleted_at": timedelta() if has_left else None}, *pictures.users()
        )
        db.add("generations", strategies.generation(parent, strategies.Rest(0), state="failed")
               | {"user_id": person["id"]})  # fmt: skip
        db.execute("UPDATE generation_styles SET id = 'hidden', is_active = false"
                   " WHERE id = 'glass-morphism'")  # fmt: skip
        rest: Row = {
            "prompt_english": data.draw(st.sampled_from((None, "a cat"))),
            "translation": None,
        }
        parent_id = data.draw(st.sampled_from((None, parent)))
        tables = ("generations", "attempts", "procrastinate_jobs")
        with db.changes(*tables) as seen:
            body = db.call(
                generations.insert_generation,
                id=new,
                owner_id=person["id"],
                request=request,
                source_upload_id=None,
                seed=7,
                first_step="draw",
                attempt_id=attempt,
                deadline_s=90,
                language=language,
                parent_id=parent_id,
                **rest,
            )

        if has_left or request.style not in strategies.STYLES:
            assert body is None
            assert all(change.is_none for change in seen.values())
            return
        style = db.row("generation_styles", id=request.style)
        told = {"id": str(new), "status": "queued", "progress": 0, "jobId": str(attempt)}
        assert json.loads(body or b"") == told | ({"parentId": str(parent)} if parent_id else {})
        row, made = seen["generations"].added[new], seen["attempts"].added[attempt]
        default = style["default_prompt_ar" if language == "ar" else "default_prompt"]
        english = style["default_prompt"] if request.prompt is None else rest["prompt_english"]
        expected = {
            "user_id": person["id"],
            "prompt": default if request.prompt is None else request.prompt,
            "prompt_english": english,
            "style": request.style,
            "aspect_ratio": request.aspect_ratio,
            "custom_colors": list(request.custom_colors),
            "state": "queued",
            "step": "draw",
            "seed": 7,
            "version": 1,
            "fal_progress": 0,
            "parent_id": parent_id,
            "next_action_at": db.now,
            "deadline_at": db.now + timedelta(seconds=90),
        }
        assert {name: row[name] for name in expected} == expected
        assert (made["generation_id"], made["n"], made["state"]) == (new, 1, "prepared")
        [job] = seen["procrastinate_jobs"].added.values()
        assert (job["queue_name"], job["task_name"]) == ("generations", "generations.advance")
        assert job["args"] == {"generation_id": str(new)}
        assert job["queueing_lock"] == str(new)


@holds("generations.get_quota_use", share=2)
@given(dices())
def test_a_quota_counts_what_was_made_or_sent(sql: Sql, dice: Dice) -> None:
    rows = pictures.pictures(dice, alive=False)
    window_s = dice.one(60, 3600, 86400)
    for row in rows["generations"]:
        row["error_code"] = row["error_code"] and dice.one("cancelled", "content_policy", "timeout")
    sent = {one["generation_id"] for one in rows["attempts"] if one["sent_at"] is not None}
    with scene(sql, **rows) as played:
        for person in pictures.PEOPLE:
            counted = [
                row["created_at"]
                for row in rows["generations"]
                if row["user_id"] == person
                and row["created_at"] > -s(window_s)
                and _counts(row, is_sent=row["id"] in sent)
            ]
            found = played.session.call(
                generations.get_quota_use, owner_id=person, window_s=window_s
            )
            wait = (min(counted) + s(window_s)).total_seconds() if counted else None
            assert found == QuotaUse(used=len(counted), seconds_to_next=wait)


def _counts(row: Row, *, is_sent: bool) -> bool:
    """Not what failed without the person's doing; what they took back only if it was sent."""
    has_failed = row["state"] in {"failed", "reviving"}
    if row["deleted_at"] is not None:
        is_theirs = not has_failed or row["error_code"] in {"content_policy", "cancelled"}
        return is_sent and is_theirs
    if row["error_code"] == "cancelled":
        return is_sent
    return not has_failed or row["error_code"] == "content_policy"


@holds("generations.get_seen_generation", "generations.get_generation_document")
@given(several(most=2, pictures=2), st.data())
def test_one_sees_ones_own_and_nobody_sees_anything(
    sql: Sql, owners: list[Owner], data: st.DataObject
) -> None:
    is_paused = data.draw(st.booleans())
    with sql.example() as db:
        owners, everything = seeded(db, owners)
        if is_paused:
            db.execute("UPDATE fal_gate SET paused_at = now(), pause_reason = 'rest',"
                       " pause_reason_ar = 'راحة'")  # fmt: skip
        for owner in owners:
            credential = Credential(token_hash=b"token of " + owner.id.bytes)
            later = timedelta(hours=1)
            db.add(
                "user_sessions",
                {"id": owner.id, "user_id": owner.id, "session_token": credential.token_hash}
                | {"expires_at": later, "ends_at": later},
            )
            unknown: Row = {"id": UUID(int=0), "deleted_at": None}
            for row in [*everything, unknown]:
                given: dict[str, Any] = {"owner_id": owner.id, "id": row["id"]}
                document = db.call(generations.get_generation_document, **given)
                seen = db.call(generations.get_seen_generation, credential, id=row["id"])

                assert (seen is not None) == owner.person["is_active"]
                if seen:
                    assert (seen.user_id, seen.session_id) == (owner.id, owner.id)
                    assert seen.document == (document and document.decode())
                if not is_there(owner, row):
                    assert document is None
                else:
                    waits = any(
                        one["generation_id"] == row["id"] and one["state"] == "prepared"
                        for one in owner.attempts
                    )
                    told = _timed(json.loads(document or b""))
                    assert told == _document(row, owner.uploads, is_held=is_paused and waits)


def _steps(row: Row) -> Row | None:
    if row["draw_steps"] is None:
        return None
    return {"done": row["draw_step"], "total": row["draw_steps"]}


def _document(row: Row, uploads: list[Row], *, is_held: bool) -> Row:
    state, has_ended = row["state"], row["state"] in {"completed", "failed", "reviving"}
    stages = {"draw": "generating", "translate": "processing"}
    stage = "queued" if state == "queued" else stages.get(row["step"], "finalizing")
    keys = {one["id"]: one["object_key"] for one in uploads}
    code = row["error_code"]
    told = {
        "id": str(row["id"]),
        "status": PUBLIC[state],
        "progress": row["fal_progress"],
        "stage": None if has_ended else stage,
        "steps": _steps(row) if state == "processing" and row["step"] == "draw" else None,
        "queuePosition": row["queue_position"] if state == "queued" else None,
        "version": row["version"],
        "prompt": row["prompt"],
        "promptEnglish": row["prompt_english"] if row["translation"] == "done" else None,
        "translation": row["translation"],
        "style": row["style"],
        "aspectRatio": row["aspect_ratio"],
        "inputType": row["input_type"],
        "sourceUploadId": row["source_upload_id"] and str(row["source_upload_id"]),
        "sourceImageUrl": keys.get(row["source_upload_id"]),
        "customColors": row["custom_colors"],
        "seed": str(row["seed"]),
        "isLiked": row["is_liked"],
        "error": code,
        "errorCode": code,
        "createdAt": row["created_at"],
        "completedAt": row.get("completed_at"),
    }
    if is_held and state in {"queued", "processing"}:
        told["pauseReason"] = {"en": "rest", "ar": "راحة"}
    if code:
        final = {"content_policy", "invalid_request"}
        told["retryable"] = state == "failed" and code not in final
    if state == "completed":
        told["result"] = {
            "imageUrl": row["result_image_key"],
            "thumbnailUrl": row["thumbnail_key"],
            "downloadUrl": row["master_key"],
            "masterUrl": row["master_key"],
            "dimensions": row["image_dimensions"],
            "fileSize": row["file_size_bytes"],
            "transparency": row["transparency"],
        }
    return {name: value for name, value in told.items() if value is not None}


def _timed(document: Row) -> Row:
    times = {name: document[name] for name in ("createdAt", "completedAt") if name in document}
    return document | {name: datetime.fromisoformat(text) for name, text in times.items()}


@holds("generations.get_seen_generation", share=0.5)
@given(
    strategies.people(is_active=True), strategies.generations(state="queued"), st.integers(-9, 9)
)
def test_the_estimate_is_told_in_whole_seconds_and_never_of_the_past(
    sql: Sql, person: Row, row: Row, tenths: int
) -> None:
    with sql.example() as db:
        db.add("users", person)
        later = timedelta(hours=1)
        db.add("user_sessions", {"user_id": person["id"], "session_token": b"t", "ends_at": later,
                                 "expires_at": later})  # fmt: skip
        expected_at = timedelta(seconds=tenths / 10)
        db.add("generations", row | {"user_id": person["id"], "expected_at": expected_at})
        seen = db.call(generations.get_seen_generation, Credential(token_hash=b"t"), id=row["id"])
        assert seen
        told = json.loads(seen.document or "").get("estimatedTimeSeconds")
        assert told == (math.ceil(tenths / 10) if tenths > 0 else None)


@holds("generations.get_download", "generations.lock_generation", "generations.lock_wish", share=2)
@given(two_people)
def test_what_is_asked_about_ones_own_is_answered(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners, everything = seeded(db, owners)
        for owner in owners:
            for row in everything:
                given = {"owner_id": owner.id, "id": row["id"]}
                is_own = is_there(owner, row)
                download = db.call(generations.get_download, **given)
                ending = db.call(generations.lock_generation, **given)
                wish = db.call(generations.lock_wish, **given)

                names = ("master_key", "prompt", "style")
                can = is_own and row["state"] == "completed"
                assert download == (Download(**{one: row[one] for one in names}) if can else None)
                known = Ending(state=row["state"], error_code=row["error_code"])
                assert ending == (known if is_own else None)
                assert (wish is not None) == is_own
                if wish:
                    assert {one: row[one] for one in vars(wish)} == vars(wish)


@holds("generations.update_generation")
@given(two_people, st.booleans())
def test_liking_says_nothing_of_the_making(
    sql: Sql,
    owners: list[Owner],
    is_liked: bool,  # noqa: FBT001
) -> None:
    with sql.example() as db:
        owners, everything = seeded(db, owners)
        for owner in owners:
            for row in everything:
                given: dict[str, Any] = {"owner_id": owner.id, "id": row["id"]}
                with db.savepoint(), db.changes("generations") as seen:
                    can = db.call(generations.update_generation, **given, is_liked=is_liked)
                assert can == is_there(owner, row)
                after = row | {"is_liked": is_liked, "updated_at": db.now}
                assert seen["generations"].changed == (difference(row, after) if can else {})


def difference(row: Row, after: Row) -> dict[Any, Row]:
    """What `changes` tells of it."""
    differing = {name: value for name, value in after.items() if row.get(name) != value}
    return {row["id"]: differing} if differing else {}


def gone(row: Row, now: datetime) -> Row:
    at_rest = {"next_action_at": None, "lease_until": None, "gone_at": None}
    return row | at_rest | {"deleted_at": now, "updated_at": now, "version": row["version"] + 1}


@holds("generations.delete_generation")
@given(two_people, st.sampled_from((0, 60)), st.booleans())
def test_a_deleted_one_lies_in_the_trash_or_its_objects_go(
    sql: Sql,
    owners: list[Owner],
    trash_s: float,
    is_due: bool,  # noqa: FBT001
) -> None:
    with sql.example() as db:
        owners, everything = seeded(db, owners)
        due = sorted(files_of(*everything))[: int(is_due)]
        for object_key in due:
            db.add("purges", {"object_key": object_key})
        for owner in owners:
            for row in everything:
                can = is_there(owner, row)
                in_trash = row["state"] == "completed" and trash_s > 0
                given = {"owner_id": owner.id, "id": row["id"]}
                with db.savepoint(), db.changes("generations", "purges") as seen:
                    answer = db.call(generations.delete_generation, **given, trash_s=trash_s)

                assert answer == (in_trash if can else None)
                after = gone(row, db.now)
                if in_trash:
                    after["gone_at"] = db.now + timedelta(seconds=trash_s)
                assert seen["generations"].changed == (difference(row, after) if can else {})
                purged = {one["object_key"] for one in seen["purges"].added.values()}
                is_purged = can and not in_trash
                assert purged == (files_of(row) - {*due} if is_purged else set())


@holds("generations.delete_generations")
@given(two_people)
def test_all_of_a_persons_goes_with_their_account(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners, _ = seeded(db, owners)
        for owner in owners:
            left = [row for row in owner.generations if not row["deleted_at"] or row["gone_at"]]
            with db.savepoint(), db.changes("generations", "purges") as seen:
                db.call(generations.delete_generations, owner_id=owner.id)

            expected: dict[Any, Row] = {}
            for row in left:
                expected |= difference(row, gone(row, db.now))
            assert seen["generations"].changed == expected
            purged = {one["object_key"] for one in seen["purges"].added.values()}
            assert purged == files_of(*left)


@holds("generations.cancel_generation")
@given(two_people)
def test_cancelling_gives_up_what_is_at_fal(sql: Sql, owners: list[Owner]) -> None:
    with sql.example() as db:
        owners, everything = seeded(db, owners)
        attempts = [one for owner in owners for one in owner.attempts]
        for owner in owners:
            for row in everything:
                if not strategies.is_unfinished(row) and row in owner.generations:
                    continue  # the action looked behind its lock, and does not cancel those
                given = {"owner_id": owner.id, "id": row["id"]}
                with db.savepoint(), db.changes("generations", "attempts", "purges") as seen:
                    db.call(generations.cancel_generation, **given)

                if row not in owner.generations:
                    assert all(change.is_none for change in seen.values())
                    continue
                live = [
                    one
                    for one in attempts
                    if one["generation_id"] == row["id"] and one["state"] in LIVE
                ]
                assert seen["attempts"].changed == {
                    one["id"]: {
                        "state": "failed" if one["state"] == "prepared" else "abandoned",
                        "error_type": "cancelled",
                        "resolved_at": db.now,
                    }
                    for one in live
                }
                assert seen["generations"].changed == difference(row, _cancelled(row, db.now))
                due = max(row["lease_until"] or db.now, db.now)
                purged = {one["object_key"]: one["due_at"] for one in seen["purges"].added.values()}
                assert purged == dict.fromkeys(files_of(row), due)


def _cancelled(row: Row, now: datetime) -> Row:
    return row | {
        "state": "failed",
        "error_code": "cancelled",
        "translation": "failed" if row["translation"] == "pending" else row["translation"],
        "lease_until": None,
        "next_action_at": None,
        "queue_position": None,
        "version": row["version"] + 1,
        "updated_at": now,
    }
