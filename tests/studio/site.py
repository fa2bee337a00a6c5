"""The running product with sign-in that comes back to it, and pictures put into any state."""

import contextlib
import json
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from madar.domain.progress import SPANS
from madar.imaging.protocol import Finalized
from madar.imaging.renditions import finalize
from madar.settings import Settings
from madar.simulator.config import GoogleClient
from madar.simulator.renderer import Style, render, to_png
from tests.product import AMAL, Json, Person, Product, running_web, settings_for
from tests.simulator.harness import serving

LANTERN = "فانوس ذهبي"
STEPS = 28  # of a drawing


@dataclass(frozen=True, kw_only=True)
class Site(Product):
    """A product whose web process may go and come back."""

    web: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def up(self, listener: socket.socket | None = None) -> None:
        address = ("127.0.0.1", self.settings.port)
        listener = listener or socket.create_server(address)
        self.web.enter_context(running_web(self.settings, listener))

    def down(self) -> None:
        """As a deployment ends it: sockets hear 1012."""
        self.web.close()

    @contextlib.contextmanager
    def beside(self, **overrides: Any) -> Generator["Site"]:
        """A second web process with other settings, on the same database and pictures."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            changes = {"port": port, "app_url": url, "frontend_url": url, **overrides}
            settings = Settings.model_validate(dict(self.settings) | changes)
            site = Site(settings=settings, fal=self.fal)
            with site.open, site.web:
                site.up(listener)
                yield site


@contextlib.contextmanager
def opened_site(
    *, dsn: str, folder: Path, speed: float = 0, max_side_px: int = 96, **overrides: Any
) -> Generator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        callback = f"{url}/api/auth/google/callback"
        google = GoogleClient(
            client_id="madar-test", client_secret="made-up-secret", redirect_uris=(callback,)
        )
        with serving(
            folder / "simulator", google=google, speed=speed, max_side_px=max_side_px
        ) as fal:
            settings = settings_for(
                dsn=dsn,
                fal=fal,
                port=port,
                storage=str(folder / "files"),
                google_redirect_uri=callback,
                frontend_url=url,
                **{"trash_days": 30, "submit_unknown_after_s": 10, **overrides},
            )
            site = Site(settings=settings, fal=fal)
            with site.open, site.web:
                site.up(listener)
                yield site


def newcomer(site: Site) -> Person:
    """Amal, whom the page knows by sight, as if she had never been here."""
    site.sign_in(AMAL).http.delete("/api/user").raise_for_status()
    return site.sign_in(AMAL)


# Pictures in any state, without the minute of work that leads there


def put(product: Product, generation_id: str, **columns: Any) -> None:
    """Change the row as a worker would, and ring."""
    words = ", ".join(f"{name} = %s" for name in columns)
    product.execute(
        f"UPDATE generations SET {words}, version = version + 1, updated_at = now() WHERE id = %s",
        *columns.values(),
        generation_id,
    )
    ring(product, generation_id)


def ring(product: Product, generation_id: str) -> None:
    product.execute(
        "SELECT pg_notify('madar_generations', id || ' ' || version || ' ' || user_id)"
        " FROM generations WHERE id = %s",
        generation_id,
    )


def wait_in_line(product: Product, generation_id: str, *, place: int, seconds: int) -> None:
    product.execute(
        "UPDATE generations SET expected_at = now() + make_interval(secs => %s) WHERE id = %s",
        seconds,
        generation_id,
    )
    put(product, generation_id, queue_position=place)


def draw(product: Product, generation_id: str, *, progress: int, seconds: int = 6) -> None:
    product.execute(
        "UPDATE generations SET expected_at = now() + make_interval(secs => %s) WHERE id = %s",
        seconds,
        generation_id,
    )
    begin, end = SPANS["draw"]
    drawn = {"draw_step": round((progress - begin) / (end - begin) * STEPS), "draw_steps": STEPS}
    put(product, generation_id, state="processing", step="draw", fal_progress=progress, **drawn)


def save(product: Product, generation_id: str) -> None:
    put(product, generation_id, state="finalizing", step="finalize", fal_progress=95)


def fail(product: Product, generation_id: str, code: str) -> None:
    put(
        product,
        generation_id,
        state="failed",
        fal_progress=0,
        error_code=code,
        next_action_at=None,
        queue_position=None,
    )


def complete(product: Product, generation_id: str, style: Style = "voxel-3d") -> None:
    keys = _stored(product, style)
    put(
        product,
        generation_id,
        state="completed",
        fal_progress=100,
        next_action_at=None,
        queue_position=None,
        error_code=None,
        **keys,
    )
    product.execute("UPDATE generations SET completed_at = now() WHERE id = %s", generation_id)


def add_pictures(person: Person, product: Product, prompts: list[str], **wishes: Any) -> list[str]:
    """Completed ones, oldest first."""
    ids: list[str] = []
    for prompt in prompts:
        made: Json = person.create(textPrompt=prompt, **wishes)
        complete(product, made["id"], wishes.get("style", "voxel-3d"))
        ids.append(made["id"])
    return ids


def _stored(product: Product, style: Style) -> dict[str, Any]:
    """Under keys of its own: what is deleted takes its files along."""
    made = _made(style)
    name = uuid4().hex
    files = {
        "master_key": (f"aa/{name}m.png", made.master_png),
        "result_image_key": (f"aa/{name}f.webp", made.full_webp),
        "thumbnail_key": (f"aa/{name}s.webp", made.thumbnail_webp),
    }
    for key, content in files.values():
        path = product.settings.storage_dir / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {
        **{column: key for column, (key, _) in files.items()},
        "file_size_bytes": len(made.master_png),
        "image_dimensions": json.dumps({"width": 256, "height": 256}),
        "completed_at": product.began_at,
    }


@cache
def _made(style: Style) -> Finalized:
    picture = render("a red rocket", style=style, seed=1, width_px=256, height_px=256)
    return finalize(to_png(picture.rgba))
