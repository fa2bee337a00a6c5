"""Fal's own client, pointed at the simulator (facts/fal.md, 1.6)."""

import asyncio
from typing import Any

import fal_client
import fal_client.client
import pytest

from tests.simulator.harness import DRAW, TRANSLATE, Fal


@pytest.fixture(autouse=True)
def pointed_here(fal: Fal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{fal.url}/")
    monkeypatch.setattr(fal_client.client, "MAX_ATTEMPTS", 1)


def test_submits_follows_and_fetches() -> None:
    async def use(client: fal_client.AsyncClient) -> tuple[list[fal_client.Status], dict[str, Any]]:
        handle = await client.submit(DRAW, {"prompt": "voxel star", "seed": 9}, start_timeout=30)
        seen = [status async for status in handle.iter_events(with_logs=True)]
        return seen, await client.result(DRAW, handle.request_id)

    seen, output = asyncio.run(_with_client(use))

    assert isinstance(seen[-1], fal_client.Completed)
    assert seen[-1].logs
    assert output["seed"] == 9
    assert output["images"][0]["url"].endswith(".png")


def test_a_failure_is_an_error_of_the_result() -> None:
    async def use(client: fal_client.AsyncClient) -> tuple[fal_client.Status, int, Any]:
        handle = await client.submit(TRANSLATE, {"prompt": "cup"})
        with pytest.raises(fal_client.FalClientHTTPError) as caught:
            await handle.get()
        return await handle.status(), caught.value.status_code, caught.value.message

    status, status_code, message = asyncio.run(_with_client(use))

    assert isinstance(status, fal_client.Completed)
    assert (status.error_type, status_code) == ("missing", 422)
    assert message[0]["loc"] == ["body", "model"]


def test_cancelling_too_late_is_an_error() -> None:
    async def use(client: fal_client.AsyncClient) -> int:
        handle = await client.submit(TRANSLATE, {"prompt": "cup", "model": "m"})
        await handle.get()
        with pytest.raises(fal_client.FalClientHTTPError) as caught:
            await handle.cancel()
        return caught.value.status_code

    assert asyncio.run(_with_client(use)) == 400


async def _with_client(use: Any) -> Any:
    """The client has no way to be closed, so its inner one is closed for it."""
    client = fal_client.AsyncClient(key="id:secret", default_timeout=10)
    try:
        return await use(client)
    finally:
        inner = await client._client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        await inner.aclose()
