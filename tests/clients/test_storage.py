"""What storage promises, wherever the objects are: the same on disk and in a bucket."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from madar.clients.storage import Storage
from madar.errors import NotFound
from madar.settings import Settings
from tests.buckets import S3
from tests.clients.storing import storage_settings

KEY = "aa/0123456789abcdef0123456789abcdef.png"
OTHER = "ab/0123456789abcdef0123456789abcdef.webp"
LARGE = bytes(range(256)) * 28_672  # 7 MiB: more than the library sends in one part by itself


@pytest.fixture(params=["local", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    given = {}
    if request.param == "bucket":
        s3: S3 = request.getfixturevalue("s3")
        given = s3.settings
    return storage_settings(tmp_path / "files", **given)


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(settings)


def test_what_is_put_is_there(storage: Storage) -> None:
    async def main() -> tuple[bytes, bytes]:
        await storage.put(KEY, b"content")
        await storage.put(OTHER, LARGE)
        await storage.check(KEY)
        return await storage.read(KEY), await storage.read(OTHER)

    assert asyncio.run(main()) == (b"content", LARGE)


def test_putting_it_again_is_harmless(storage: Storage) -> None:
    async def main() -> bytes:
        await storage.put(KEY, b"content")
        await storage.put(KEY, b"content")
        return await storage.read(KEY)

    assert asyncio.run(main()) == b"content"


def test_what_is_not_there_is_not_found(storage: Storage) -> None:
    async def main() -> None:
        with pytest.raises(NotFound):
            await storage.read(KEY)
        with pytest.raises(NotFound):
            await storage.check(KEY)

    asyncio.run(main())


def test_what_is_deleted_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    async def main() -> None:
        await storage.put(KEY, b"content")
        await storage.put(OTHER, b"other")
        await storage.delete(KEY)
        await storage.delete(KEY)
        with pytest.raises(NotFound):
            await storage.read(KEY)
        assert await storage.read(OTHER) == b"other"

    asyncio.run(main())


def test_a_folder_tells_what_is_in_it_and_since_when(storage: Storage) -> None:
    keys = {f"aa/{n:032x}.png" for n in range(3)}

    async def main() -> None:
        assert await storage.list_folder("aa") == []
        for key in (*keys, OTHER):
            await storage.put(key, b"x")
        found = await storage.list_folder("aa")
        assert {one.key for one in found} == keys
        assert {one.key for one in await storage.list_folder("ab")} == {OTHER}
        assert all(abs(datetime.now(UTC) - one.at) < timedelta(minutes=5) for one in found)

    asyncio.run(main())


def test_the_same_content_of_the_same_things_has_the_same_key(settings: Settings) -> None:
    first, again = Storage(settings), Storage(settings)
    other = Storage(settings.model_copy(update={"jwt_secret": "another secret"}))

    key = first.key_for("attempt", "full", content=b"x", suffix=".webp")

    assert again.key_for("attempt", "full", content=b"x", suffix=".webp") == key
    others = {
        key,
        first.key_for("attempt", "full", content=b"y", suffix=".webp"),
        first.key_for("attempt", "master", content=b"x", suffix=".webp"),
        other.key_for("attempt", "full", content=b"x", suffix=".webp"),
    }
    assert len(others) == 4


def test_a_link_of_ours_says_nothing_of_where_the_object_is(storage: Storage) -> None:
    url = storage.sign(KEY, filename="red.png")

    assert url.startswith("http://localhost:8000/files/")
    assert storage.key_in(url) == KEY
    assert "X-Amz" not in url
