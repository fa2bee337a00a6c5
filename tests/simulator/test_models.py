"""What the endpoints make: pictures, cut-outs and translations."""

import base64

import pytest
import pyvips

from tests.simulator.harness import (
    CUT_OUT,
    DRAW,
    REDRAW,
    TRANSLATE,
    Fal,
    Json,
    decoded,
    picture_at,
)


@pytest.fixture(scope="module")
def drawn(shared_fal: Fal) -> Json:
    submitted = shared_fal.submit(
        DRAW, prompt="voxel red rocket", seed=2**60 + 1, image_size="portrait_4_3"
    )
    return shared_fal.result(submitted).json()


def test_draws_an_opaque_picture_in_the_asked_shape(fal: Fal, drawn: Json) -> None:
    (image,) = drawn["images"]

    picture = picture_at(fal, image["url"])

    assert (picture.width, picture.height, picture.bands) == (72, 96, 3)
    assert (image["width"], image["height"]) == (72, 96)
    assert image["content_type"] == "image/png"
    assert drawn["seed"] == 2**60 + 1
    assert drawn["has_nsfw_concepts"] == [False]
    assert drawn["prompt"] == "voxel red rocket"
    assert drawn["timings"]["inference"] > 0


def test_the_cut_out_of_an_own_picture_is_what_the_renderer_meant(fal: Fal, drawn: Json) -> None:
    submitted = fal.submit(CUT_OUT, image_url=drawn["images"][0]["url"])

    output = fal.result(submitted).json()

    picture = picture_at(fal, output["image"]["url"])
    assert (picture.width, picture.height, picture.bands) == (72, 96, 4)
    assert picture.getpoint(0, 0)[3] == 0
    assert picture.extract_band(3).max() > 200
    assert "images" not in output


def test_the_cut_out_of_a_foreign_picture_removes_the_ground(fal: Fal) -> None:
    ground = (200, 210, 220)
    # The patch of the ground's colour inside the subject does not touch the frame, so it stays.
    subject = _plain(20, 20, (200, 30, 30)).insert(_plain(6, 6, ground), 7, 7)
    whole = _plain(64, 48, ground).insert(subject, 22, 14)

    submitted = fal.submit(CUT_OUT, image_url=_data_uri(whole))

    picture = picture_at(fal, fal.result(submitted).json()["image"]["url"])
    assert [picture.getpoint(*at)[3] for at in ((0, 0), (63, 47), (32, 30), (32, 24))] == [
        *(0, 0, 255, 255)
    ]


def test_redraws_a_source_in_its_shape(fal: Fal) -> None:
    submitted = fal.submit(
        REDRAW,
        prompt="neon cup",
        image_url=_data_uri(_plain(640, 320, (30, 160, 90))),
        output_format="jpeg",
        num_images=2,
    )

    output = fal.result(submitted).json()
    assert [(image["width"], image["height"]) for image in output["images"]] == [(96, 48)] * 2
    assert fal.http.get(output["images"][0]["url"]).headers["content-type"] == "image/jpeg"
    assert output["has_nsfw_concepts"] == [False, False]
    assert output["seed"] >= 0


def test_the_same_seed_gives_the_same_picture(fal: Fal) -> None:
    first, again, other = (
        fal.result(fal.submit(DRAW, prompt="toy cat", seed=seed, image_size="square")).json()
        for seed in (7, 7, 8)
    )

    pictures = [fal.http.get(one["images"][0]["url"]).content for one in (first, again, other)]
    assert pictures[0] == pictures[1]
    assert decoded(pictures[0]).width == 96


def test_translates_and_leaves_english_alone(fal: Fal) -> None:
    arabic, english = (
        fal.result(fal.submit(TRANSLATE, model="google/gemini-2.5-flash", prompt=text)).json()
        for text in ("صاروخ أحمر", "a red rocket")
    )

    assert "rocket" in arabic["output"].lower()
    assert english["output"] == "a red rocket"
    assert arabic["error"] is None


def test_a_file_nobody_made_is_not_found(fal: Fal) -> None:
    assert fal.http.get("/files/none.png").status_code == 404


def _plain(width_px: int, height_px: int, colour: tuple[int, int, int]) -> pyvips.Image:
    image = pyvips.Image.black(width_px, height_px, bands=3).linear([1, 1, 1], list(colour))
    return image.cast("uchar").copy(interpretation="srgb")


def _data_uri(image: pyvips.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(bytes(image.pngsave_buffer())).decode()}"
