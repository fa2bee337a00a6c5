"""One guard with its children for a file's tests, on a loop of their own."""

import asyncio
from collections.abc import Generator
from contextlib import AsyncExitStack

import pytest

from madar.imaging.guard import AcceptedUpload, Finalized, Imaging, PictureRefused, open_imaging
from madar.imaging.protocol import Reason


class Guarded:
    """The guard, for tests that wait for one answer."""

    def __init__(self, runner: asyncio.Runner, imaging: Imaging) -> None:
        self.runner = runner
        self.imaging = imaging

    def finalize(self, picture: bytes) -> Finalized:
        return self.runner.run(self.imaging.finalize(picture))

    def accept_upload(self, picture: bytes) -> AcceptedUpload:
        return self.runner.run(self.imaging.accept_upload(picture))

    def finalize_refusal(self, picture: bytes) -> tuple[Reason, str]:
        with pytest.raises(PictureRefused) as caught:
            self.finalize(picture)
        return caught.value.reason, caught.value.detail

    def upload_refusal(self, picture: bytes) -> Reason:
        with pytest.raises(PictureRefused) as caught:
            self.accept_upload(picture)
        return caught.value.reason


@pytest.fixture(scope="module")
def guarded() -> Generator[Guarded]:
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        imaging = runner.run(stack.enter_async_context(open_imaging()))
        yield Guarded(runner, imaging)
        runner.run(stack.aclose())
