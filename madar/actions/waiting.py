"""Who is next in the line for a turn at Fal, and when each picture is to be done."""

from madar.db import generations
from madar.db.pool import connection
from madar.realtime.bell import ring
from madar.resources import Resources

TOLD = 100  # a number further back says nothing that a person could use


async def renumber(resources: Resources) -> None:
    """Safe at any time, in any number of processes; once a second is often enough."""
    async with connection(resources.pool) as conn:
        moved = await generations.renumber_line(conn, n=TOLD)
    await ring(resources.pool, moved)
