"""What is swept away now and then."""

from madar.db.sql import Connection, Queries

_sql = Queries("maintenance")


async def delete_dead_jobs(conn: Connection) -> int:
    return await _sql.exec(conn, "delete_dead_jobs")
