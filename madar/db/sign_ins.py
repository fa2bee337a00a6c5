"""Sign-ins under way at Google, each good for one return of the browser."""

from dataclasses import dataclass

from madar.db.sql import Connection, Queries

_sql = Queries("sign_ins")


@dataclass(frozen=True, kw_only=True)
class SignIn:
    browser_hash: bytes
    nonce: str
    code_verifier: str
    return_to: str
    is_fresh: bool


async def insert_sign_in(
    conn: Connection,
    *,
    state_hash: bytes,
    browser_hash: bytes,
    nonce: str,
    code_verifier: str,
    return_to: str,
    ttl_s: float,
) -> None:
    await _sql.exec(
        conn,
        "insert_sign_in",
        state_hash=state_hash,
        browser_hash=browser_hash,
        nonce=nonce,
        code_verifier=code_verifier,
        return_to=return_to,
        ttl_s=ttl_s,
    )


async def take_sign_in(conn: Connection, *, state_hash: bytes) -> SignIn | None:
    return await _sql.maybe(conn, "take_sign_in", SignIn, state_hash=state_hash)


async def delete_ended_sign_ins(conn: Connection) -> None:
    await _sql.exec(conn, "delete_ended_sign_ins")
