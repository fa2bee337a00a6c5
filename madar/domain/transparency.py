"""When a measured picture counts as cut out: the thresholds and the verdict, without pixels.

Alpha runs from 0 (nothing) to 1 (solid). What is measured has to let real pictures through: glass
bodies stand at 0.46 to 0.94, neon glow makes up to 60 % of a subject soft, a ground shadow fades
out below 0.45. What is refused is a background that stayed.
"""

from dataclasses import dataclass
from typing import Literal

Defect = Literal["opaque", "corners", "empty", "full", "halo"]

# A pixel belongs to the subject above this: below glass, above most of a glow and a shadow.
COVERED_ALPHA = 0.25
# A pixel can be seen on any page above this: 5 % black on white is the faintest grey one notices.
VISIBLE_ALPHA = 0.05

# Each corner is looked at as a square of this part of the shorter side.
CORNER_PART = 0.02
CORNER_ALPHA_MAX = 0.05

COVERAGE_MIN = 0.005
COVERAGE_MAX = 0.95

# A halo is what is left of a background that was removed badly. It shows in one of two ways.
# (1) Along the frame: the outermost 1 % of the picture is visible for more than half its length. A
#     subject cut off by one edge, a bust for instance, is at most a third of it in a wide picture.
FRAME_PART = 0.01
FRAME_SHARE_MAX = 0.5
# (2) As a haze: more than a quarter of all pixels have nearly the same faint alpha, that is, lie
#     within eight neighbouring steps of 255. A glow or a shadow fades, so it spreads over many
#     steps: the widest among 120 pictures of the simulator has 9 % in any eight.
HAZE_ALPHA_MIN = 0.03
HAZE_ALPHA_MAX = 0.40
HAZE_STEPS = 8
HAZE_SHARE_MAX = 0.25


@dataclass(frozen=True, kw_only=True)
class Transparency:
    """What was measured, each from 0 to 1.

    `coverage`, `opaque_share` and `haze_share` are parts of all pixels, `soft_share` of those that
    are not empty, `frame_share` of those along the frame.
    """

    corner_alpha: float
    coverage: float
    opaque_share: float
    soft_share: float
    frame_share: float
    haze_share: float

    def document(self) -> dict[str, float]:
        """As the wire shows it."""
        return {
            "cornerAlpha": self.corner_alpha,
            "coverage": self.coverage,
            "opaqueShare": self.opaque_share,
            "softShare": self.soft_share,
            "frameShare": self.frame_share,
            "hazeShare": self.haze_share,
        }


def defects_of(measured: Transparency) -> tuple[Defect, ...]:
    """Everything that is wrong, worst first; nothing for a picture that is cut out."""
    if measured.opaque_share == 1:
        return ("opaque",)
    has_halo = measured.frame_share > FRAME_SHARE_MAX or measured.haze_share > HAZE_SHARE_MAX
    found: tuple[tuple[Defect, bool], ...] = (
        ("corners", measured.corner_alpha > CORNER_ALPHA_MAX),
        ("empty", measured.coverage < COVERAGE_MIN),
        ("full", measured.coverage > COVERAGE_MAX),
        ("halo", has_halo),
    )
    return tuple(defect for defect, is_there in found if is_there)
