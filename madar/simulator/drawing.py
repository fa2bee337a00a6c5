"""Pictures: what a drawing process does with the renderer and with libvips.

These functions run in other processes: they take and give back bytes and numbers only.
"""

from dataclasses import dataclass

import pyvips

from madar.simulator.renderer import Style, on_ground, reference_render, render, to_png

_STYLE_WORDS: dict[str, Style] = {
    "voxel": "voxel-3d",
    "minimal": "minimal-icon",
    "glass": "glass-morphism",
    "neon": "neon-glow",
    "toy": "toy-figurine",
}
_DEFAULT_STYLE: Style = "toy-figurine"

# How far a pixel may be from the corner's colour and still be ground, 0 to 255 for each band.
_GROUND_TOLERANCE = 24
_GROUND, _UNVISITED, _SUBJECT = 128, 0, 255
_MAX_SOURCE_SIDE_PX = 8192
_MAX_SOURCE_PIXELS = 40_000_000
# FLUX wants sides that are multiples of its patch.
_PATCH_PX = 16
_REFERENCE_SIDE_PX = 1024


class UnreadableImage(ValueError):
    """The bytes are not an image this service reads."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A finished picture; `twin` is the same with a transparent ground, as PNG."""

    content: bytes
    content_type: str
    width_px: int
    height_px: int
    twin: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to draw. With a source the size is the source's, as Fal has no default there."""

    prompt: str
    seed: int
    size_px: tuple[int, int] | None
    max_side_px: int
    output_format: str
    source: bytes | None = None
    is_blacked_out: bool = False


def style_of(prompt: str) -> Style:
    """The pipeline's prompts begin with their style, so the first style word decides."""
    lowered = prompt.lower()
    found = [(lowered.find(word), word) for word in _STYLE_WORDS if word in lowered]
    return _STYLE_WORDS[min(found)[1]] if found else _DEFAULT_STYLE


def draw(order: Order) -> Drawing:
    """One opaque picture on a plain ground, as a diffusion model gives it."""
    width_px, height_px = _fitted(order.size_px or _size_like(order.source), order.max_side_px)
    if order.is_blacked_out:
        black = pyvips.Image.black(width_px, height_px, bands=3)
        return _encoded(black.copy(interpretation="srgb"), order.output_format)
    style = style_of(order.prompt)
    if order.source is None:
        picture = render(
            order.prompt, style=style, seed=order.seed, width_px=width_px, height_px=height_px
        )
    else:
        picture = reference_render(
            order.source,
            order.prompt,
            style=style,
            seed=order.seed,
            width_px=width_px,
            height_px=height_px,
        )
    opaque = pyvips.Image.new_from_array(on_ground(picture), interpretation="srgb")
    return _encoded(opaque, order.output_format, twin=to_png(picture.rgba))


def cut_out(source: bytes) -> Drawing:
    """Make what has the corners' colour and touches the frame transparent."""
    image = _decoded(source)
    colour = image.extract_band(0, n=3)
    near_ground = (colour - colour(0, 0)).abs().bandmean() <= _GROUND_TOLERANCE
    # One more pixel all round joins the four corners, so that one flood reaches every edge.
    mask = near_ground.ifthenelse(_UNVISITED, _SUBJECT).cast("uchar")
    framed = mask.embed(
        1, 1, mask.width + 2, mask.height + 2, extend="background", background=[_UNVISITED]
    )
    flooded = framed.draw_flood([_GROUND], 0, 0, equal=True)
    inner = flooded.crop(1, 1, mask.width, mask.height)
    alpha = inner.relational_const("noteq", [_GROUND]).gaussblur(0.6)
    if image.hasalpha():
        alpha = (alpha * image.extract_band(3) / 255).cast("uchar")
    return _encoded(colour.bandjoin(alpha).copy(interpretation="srgb"), "png")


def made_opaque(source: bytes) -> Drawing:
    """The failed cut-out: a PNG with an alpha channel that hides nothing."""
    image = _decoded(source)
    return _encoded(image.extract_band(0, n=3).bandjoin(255), "png")


def unchanged_png(content: bytes) -> Drawing:
    """A PNG of ours as it is."""
    return _encoded(_decoded(content), "png", content=content)


def _decoded(source: bytes) -> pyvips.Image:
    try:
        header = pyvips.Image.new_from_buffer(source, "")
        is_too_large = (
            max(header.width, header.height) > _MAX_SOURCE_SIDE_PX
            or header.width * header.height > _MAX_SOURCE_PIXELS
        )
        if is_too_large:
            raise UnreadableImage("too many pixels")
        return header.autorot().colourspace("srgb").cast("uchar").copy_memory()
    except pyvips.Error as error:
        raise UnreadableImage(str(error)) from error


def _size_like(source: bytes | None) -> tuple[int, int]:
    assert source is not None
    image = _decoded(source)
    width_px, height_px = _fitted((image.width, image.height), _REFERENCE_SIDE_PX)
    return _on_patches(width_px), _on_patches(height_px)


def _fitted(size_px: tuple[int, int], max_side_px: int) -> tuple[int, int]:
    width_px, height_px = size_px
    scale = min(1.0, max_side_px / max(size_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _on_patches(side_px: int) -> int:
    return max(_PATCH_PX, side_px // _PATCH_PX * _PATCH_PX)


def _encoded(
    image: pyvips.Image,
    output_format: str,
    *,
    content: bytes | None = None,
    twin: bytes | None = None,
) -> Drawing:
    is_jpeg = output_format == "jpeg"
    if content is None:
        encode = image.jpegsave_buffer if is_jpeg else image.pngsave_buffer
        content = bytes(encode())
    return Drawing(
        content=content,
        content_type="image/jpeg" if is_jpeg else "image/png",
        width_px=image.width,
        height_px=image.height,
        twin=twin,
    )
