"""The long form: `python -m tests.container`, or `make image-test`.

Builds the image, looks into it, lets production refuse the stand-ins, and makes a picture with the
container while PostgreSQL and the simulator run outside of it. Needs root, and Debian's buildah and
debootstrap, which it installs if it may. Exit code 1 when anything was not as it must be; where
nothing can be built, it says so loudly and ends with 0.
"""
# ruff: noqa: T201 - what was seen is printed

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyvips

from madar.commands.terminal import NOT_CONFIGURED
from madar.local import postgres
from madar.supervision import DRAIN_S
from tests.container import building, contents
from tests.container.running import run_once, started, variables_of
from tests.local.processes import free_port
from tests.processes.proxy import proxied
from tests.product import Json, Product, settings_for
from tests.simulator.harness import Fal, serving
from tests.test_settings import BUCKET, PRODUCTION

PROMPT, STYLE = "صاروخ أحمر", "glass-morphism"


@dataclass(frozen=True, kw_only=True)
class World:
    """All that stands outside of the container."""

    folder: Path
    dsn: str
    fal: Fal


def main() -> int:
    if lacking := building.missing():
        print(f"\nNOT BUILT, NOTHING TESTED: {', '.join(lacking)} is missing.\n", file=sys.stderr)
        return 0
    building.FOLDER.mkdir(parents=True, exist_ok=True)
    with _timed("built the base"):
        base = building.build_base()
    with _timed("built the image"):
        building.build_image(base)
    with building.container() as container, _world() as world:
        look_inside(container)
        refuse_stand_ins(container, world)
        migrate(container, world)
        make_a_picture(container, world)
        serve_in_production(container, world)
    print("all is as it must be")
    return 0


def look_inside(container: str) -> None:
    root = Path(building.buildah("mount", container))
    faults = list(contents.faults(root))
    assert not faults, "\n".join(faults)
    size = contents.size()
    print(f"the image has {size / 1e6:.0f} MB, {contents.size_of(root / 'app') / 1e6:.0f} ours")
    assert size < contents.MAX_BYTES, size


def refuse_stand_ins(container: str, world: World) -> None:
    """Production knows neither simulator nor local issuer, and does not start with their names."""
    settings = settings_for(dsn=world.dsn, fal=world.fal, port=free_port(), storage="/tmp/none")
    variables = variables_of(settings, APP_ENV="production")
    code, said = run_once(container, "madar", "start", variables=variables)
    assert code == NOT_CONFIGURED, said
    for name in (
        "FAL_QUEUE_URL",
        "FAL_API_URL",
        "FAL_JWKS_URL",
        "FAL_MEDIA_HOSTS",
        "GOOGLE_ISSUER",
    ):
        assert name in said, said
    code, said = run_once(container, "madar", "dev")
    assert code == NOT_CONFIGURED, said
    for environment in ("production", "development"):
        code, said = run_once(
            container,
            *("python", "-c", "import madar.simulator"),
            variables={"APP_ENV": environment},
        )
        assert code == 1, said
        assert "No module named 'madar.simulator'" in said, said
    print("production refuses the simulator and the local issuer; neither is in the image")


def migrate(container: str, world: World) -> None:
    """As fly.toml's release_command does, twice; the second time there is nothing to do."""
    variables = {**PRODUCTION, **BUCKET, "DATABASE_URL": world.dsn}
    for said_then in ("applied", "Nothing was pending"):
        code, said = run_once(container, "madar", "migrate", "up", variables=variables)
        assert code == 0, said
        assert said_then in said, said
    print("migrated")


def make_a_picture(container: str, world: World) -> None:
    """Sign in, ask, wait, look at the picture; then a SIGTERM."""
    settings = settings_for(
        dsn=world.dsn,
        fal=world.fal,
        port=free_port(),
        storage="/var/lib/madar/files",
        metrics_port=free_port(),
        frontend_url="http://localhost:8000",  # where this issuer leads back to (REDIRECT_URI)
    )
    variables = variables_of(settings, APP_ENV="development")
    product = Product(settings=settings, fal=world.fal)
    with product.open, started(container, variables, world.folder / "container.log") as running:
        ready_s = running.wait_until_healthy(product.url)
        print(f"healthy after {ready_s:.1f} s")
        owners = {one.uids().effective for one in running.family() if "python" in one.name()}
        assert owners == {contents.UID}, owners
        amal = product.sign_in()
        done = amal.finished(amal.create(style=STYLE, textPrompt=PROMPT)["id"])
        assert done["status"] == "completed", done
        link = amal.get(f"/api/generations/{done['id']}/download").json()["downloadUrl"]
        _assert_transparent(httpx.get(link, trust_env=False).content)
        _assert_served(product)
        check = contents.configuration()["Healthcheck"]["Test"][1:]
        code, said = run_once(container, *check, variables={"PORT": str(settings.port)})
        assert code == 0, said
        code, said = run_once(container, "madar", "doctor", variables=variables)
        assert code == 0, said
        code, took_s = running.end()
        assert code == 0, running.said
        assert took_s < DRAIN_S, took_s
        print(f"made a transparent picture; ended {took_s:.1f} s after SIGTERM")


def serve_in_production(container: str, world: World) -> None:
    """With everything as docs/deploy.md asks for it; nobody outside is spoken to."""
    port = free_port()
    variables = {**PRODUCTION, **BUCKET, "DATABASE_URL": world.dsn, "PORT": str(port)}
    variables["METRICS_PORT"] = str(free_port())
    with started(container, variables, world.folder / "production.log") as running:
        running.wait_until_healthy(f"http://127.0.0.1:{port}")
        code, took_s = running.end()
    assert code == 0, running.said
    assert took_s < DRAIN_S, took_s
    print(f"healthy in production too; ended {took_s:.1f} s after SIGTERM")


def _assert_transparent(picture: bytes) -> None:
    image: Any = pyvips.Image.new_from_buffer(picture, "")
    assert image.bands == 4
    alpha = image.extract_band(3)
    corners = [alpha.getpoint(x, y)[0] for x in (0, alpha.width - 1) for y in (0, alpha.height - 1)]
    assert corners == [0, 0, 0, 0]
    assert 0.03 < (alpha > 64).avg() / 255 < 0.9


def _assert_served(product: Product) -> None:
    """What lies beside the code: parts of the pages, sentences in Arabic, numbers."""
    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        assert http.get("/docs/assets/swagger-ui-bundle.js").status_code == 200
        assert "importmap" in http.get("/studio").text
        refused: Json = http.get("/api/auth/user").json()
        assert refused["title"].isascii() is False
        metrics = f"http://127.0.0.1:{product.settings.metrics_port}/metrics"
        assert "madar_loop_age_seconds" in http.get(metrics).text


@contextlib.contextmanager
def _world() -> Generator[World]:
    folder = Path(tempfile.mkdtemp(prefix="madar-container-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "pg")
    try:
        with (
            proxied(server.create_database("container")) as (_, dsn),
            serving(folder / "simulator") as fal,
        ):
            yield World(folder=folder, dsn=dsn, fal=fal)
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextlib.contextmanager
def _timed(what: str) -> Generator[None]:
    started_at = time.monotonic()
    yield
    print(f"{what} in {time.monotonic() - started_at:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
