"""The verdict on a measured picture."""

from dataclasses import replace

import pytest

from madar.domain.transparency import Defect, Transparency, defects_of

CUT_OUT = Transparency(
    corner_alpha=0,
    coverage=0.35,
    opaque_share=0.3,
    soft_share=0.2,
    frame_share=0,
    haze_share=0.02,
)


def test_a_subject_on_nothing_has_no_defect() -> None:
    assert defects_of(CUT_OUT) == ()


@pytest.mark.parametrize(
    "picture",
    [
        replace(CUT_OUT, opaque_share=0, soft_share=1),
        replace(CUT_OUT, soft_share=0.6, haze_share=0.09),
        replace(CUT_OUT, frame_share=0.33),
        replace(CUT_OUT, coverage=0.005),
        replace(CUT_OUT, coverage=0.95),
    ],
    ids=["glass", "neon glow", "bust cut off by the lower edge", "tiny", "filling"],
)
def test_real_pictures_pass(picture: Transparency) -> None:
    assert defects_of(picture) == ()


@pytest.mark.parametrize(
    ("picture", "defect"),
    [
        (replace(CUT_OUT, corner_alpha=0.06), "corners"),
        (replace(CUT_OUT, coverage=0.004), "empty"),
        (replace(CUT_OUT, coverage=0.96), "full"),
        (replace(CUT_OUT, frame_share=0.6), "halo"),
        (replace(CUT_OUT, haze_share=0.3), "halo"),
    ],
)
def test_names_what_is_wrong(picture: Transparency, defect: Defect) -> None:
    assert defects_of(picture) == (defect,)


def test_an_opaque_picture_has_one_defect_only() -> None:
    opaque = replace(CUT_OUT, opaque_share=1, corner_alpha=1, coverage=1, frame_share=1)

    assert defects_of(opaque) == ("opaque",)


def test_several_defects_are_all_named() -> None:
    boxed = replace(CUT_OUT, corner_alpha=1, frame_share=1)

    assert defects_of(boxed) == ("corners", "halo")
