"""How much a person may keep of source pictures."""

from madar.errors import InvalidInput

MAX_FILES = 200
MAX_BYTES = 200 * 2**20
UNUSED_LIFE_S = 7 * 24 * 3600


def check_room(*, files: int, kept_bytes: int, new_bytes: int, pointer: str) -> None:
    """Raises InvalidInput: what is not used leaves after a week by itself."""
    if files >= MAX_FILES or kept_bytes + new_bytes > MAX_BYTES:
        raise InvalidInput.at(
            pointer, "upload_quota_exceeded", files=MAX_FILES, limit_mb=MAX_BYTES // 2**20
        )
