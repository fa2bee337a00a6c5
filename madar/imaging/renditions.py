"""What is made of a decoded picture: master, full size, thumbnail. Runs in the child only.

libvips works on one thread and the encoders are deterministic: same bytes in, same bytes out.
Figures: `python bench/finalize.py`, 1024 × 1024, glass.
"""

from madar.domain.transparency import defects_of
from madar.imaging.alpha import is_all_black, measure
from madar.imaging.decode import Image, decode
from madar.imaging.limits import RESULT_SIDES, UPLOAD_SIDES
from madar.imaging.protocol import AcceptedUpload, Finalized, PictureRefused

THUMBNAIL_SIDE_PX = 400
FULL_QUALITY = 90
THUMBNAIL_QUALITY = 80
# Effort 4 makes 15 % smaller files for 60 % more processor time; 6 takes ten seconds.
_EFFORT = 2
_LOSSLESS_ALPHA = 100
# 6 makes a master 5 % smaller for half as much time again. A source picture lives some days only,
# and 3 halves the time that a noisy photo takes.
_MASTER_COMPRESSION = 5
_UPLOAD_COMPRESSION = 3


def finalize(picture: bytes) -> Finalized:
    """Measure first, then encode. Raises PictureRefused."""
    image = decode(picture, RESULT_SIDES)
    if is_all_black(image):
        raise PictureRefused("all_black")
    transparency = measure(image)
    if defects := defects_of(transparency):
        raise PictureRefused("not_transparent", f"{', '.join(defects)}: {transparency}")
    return Finalized(
        master_png=_png(image, compression=_MASTER_COMPRESSION),
        full_webp=_webp(image, quality=FULL_QUALITY),
        thumbnail_webp=_thumbnail(image),
        width_px=image.width,
        height_px=image.height,
        transparency=transparency,
    )


def accept_upload(picture: bytes) -> AcceptedUpload:
    """Raises PictureRefused. The bytes that came in are never kept."""
    image = decode(picture, UPLOAD_SIDES)
    return AcceptedUpload(
        png=_png(image, compression=_UPLOAD_COMPRESSION),
        thumbnail_webp=_thumbnail(image),
        width_px=image.width,
        height_px=image.height,
    )


def _png(image: Image, *, compression: int) -> bytes:
    return bytes(image.pngsave_buffer(compression=compression, filter="sub", keep="none"))


def _webp(image: Image, *, quality: int) -> bytes:
    return bytes(
        image.webpsave_buffer(Q=quality, alpha_q=_LOSSLESS_ALPHA, effort=_EFFORT, keep="none")
    )


def _thumbnail(image: Image) -> bytes:
    """Fit it inside, never enlarge it. `thumbnail_image` weighs colours by alpha: no dark rims."""
    side_px = THUMBNAIL_SIDE_PX
    small = image.thumbnail_image(side_px, height=side_px, size="down")
    return _webp(small.copy_memory(), quality=THUMBNAIL_QUALITY)
