"""Reading JSON that others wrote."""

from hypothesis import given
from hypothesis import strategies as st

from madar.domain.answers import dig, text_at

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
)
PATHS = st.lists(st.text(max_size=2) | st.integers(-3, 3), max_size=5)


def test_what_is_there_is_found() -> None:
    answer = {"images": [{"url": "x", "width": 5}]}

    assert text_at(answer, "images", 0, "url") == "x"
    assert dig(answer, "images", 0, "width") == 5
    assert text_at(answer, "images", 0, "width") is None
    assert dig(answer) is answer


@given(JSON, PATHS)
def test_whatever_the_shape_there_is_no_surprise(answer: object, path: list[str | int]) -> None:
    dig(answer, *path)

    assert isinstance(text_at(answer, *path), str | None)
