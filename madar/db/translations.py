"""Translations that were paid for, by the hash of the prompt and the model that made them."""

from madar.db.sql import Connection, Queries
from madar.domain.prompts import prompt_hash

_sql = Queries("translations")


async def use_translation(conn: Connection, *, prompt: str, model: str) -> str | None:
    return await _sql.value(conn, "use_translation", prompt_hash=prompt_hash(prompt), model=model)


async def keep_translation(conn: Connection, *, prompt: str, model: str, english: str) -> None:
    await _sql.exec(
        conn, "keep_translation", prompt_hash=prompt_hash(prompt), model=model, english=english
    )


async def delete_unused_translations(conn: Connection) -> int:
    return await _sql.exec(conn, "delete_unused_translations")
