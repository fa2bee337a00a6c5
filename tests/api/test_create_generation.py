"""POST /api/generations."""

from tests.product import Person, Product


def test_a_sentence_becomes_a_picture(product: Product, amal: Person) -> None:
    with product.working():
        created = amal.create()
        done = amal.finished(created["id"])

    assert done["status"] == "completed", done
    assert done["progress"] == 100
