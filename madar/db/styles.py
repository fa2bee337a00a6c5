"""Styles: the looks a person may choose, rows of data."""

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from madar.db.sql import Connection, Queries

_sql = Queries("styles")


@dataclass(frozen=True, kw_only=True)
class Style:
    id: str
    title: str
    title_ar: str
    description: str
    description_ar: str
    preview_image_url: str
    default_prompt: str
    default_prompt_ar: str
    fal_model_params: dict[str, Any]
    is_active: bool
    sort_order: int
    typical_seconds: float | None


async def list_style_documents(conn: Connection, *, language: str, base_url: str) -> bytes:
    """The wire's answer as JSON; relative preview addresses are put under `base_url`."""
    body = await _sql.json(conn, "list_style_documents", language=language, base_url=base_url)
    assert body is not None
    return body


async def list_styles(conn: Connection) -> list[Style]:
    return await _sql.many(conn, "list_styles", Style)


async def get_style(conn: Connection, *, id: str) -> Style | None:
    return await _sql.maybe(conn, "get_style", Style, id=id)


async def update_style(
    conn: Connection,
    *,
    id: str,
    title: str | None = None,
    title_ar: str | None = None,
    description: str | None = None,
    description_ar: str | None = None,
    default_prompt: str | None = None,
    default_prompt_ar: str | None = None,
    fal_model_params: dict[str, Any] | None = None,
    is_active: bool | None = None,
) -> Style | None:
    """None leaves a column as it is."""
    return await _sql.maybe(
        conn,
        "update_style",
        Style,
        id=id,
        title=title,
        title_ar=title_ar,
        description=description,
        description_ar=description_ar,
        default_prompt=default_prompt,
        default_prompt_ar=default_prompt_ar,
        fal_model_params=None if fal_model_params is None else Jsonb(fal_model_params),
        is_active=is_active,
    )


async def update_typical_seconds(conn: Connection, *, style: str) -> None:
    await _sql.exec(conn, "update_typical_seconds", style=style)
