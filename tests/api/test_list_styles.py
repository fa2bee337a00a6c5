"""GET /api/styles."""

from tests.api.looking import is_arabic
from tests.product import Product

FIVE = ["voxel-3d", "minimal-icon", "glass-morphism", "neon-glow", "toy-figurine"]


def test_everybody_may_see_the_five_styles(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/styles")
        previews = [http.get(style["previewImageUrl"]) for style in answer.json()["styles"]]

    styles = answer.json()["styles"]
    assert [style["id"] for style in styles] == FIVE
    for style in styles:
        assert style.keys() == {
            *("id", "title", "description", "previewImageUrl", "defaultPrompt", "isActive"),
        }
        assert style["isActive"] is True
        assert style["previewImageUrl"] == f"{product.url}/previews/{style['id']}.webp"
        assert not is_arabic("".join(str(text) for text in style.values()))
    assert [preview.status_code for preview in previews] == [200] * 5


def test_titles_and_prompts_come_in_the_readers_language(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "ar-EG, en;q=0.5"}) as http:
        answer = http.get("/api/styles")

    assert answer.headers["content-language"] == "ar"
    for style in answer.json()["styles"]:
        assert all(is_arabic(style[name]) for name in ("title", "description", "defaultPrompt"))


def test_caches_keep_the_languages_apart(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get("/api/styles")

    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert "Accept-Language" in answer.headers["vary"]
    assert answer.headers["content-language"] == "en"


def test_a_style_that_is_switched_off_is_not_offered(product: Product) -> None:
    product.execute("UPDATE generation_styles SET is_active = false WHERE id = 'neon-glow'")

    with product.anonymous() as http:
        styles = http.get("/api/styles").json()["styles"]

    assert [style["id"] for style in styles] == [name for name in FIVE if name != "neon-glow"]
