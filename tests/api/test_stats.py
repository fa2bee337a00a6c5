"""GET /api/user/stats."""

import pytest

from tests.api.looking import finish, is_arabic, problem_in
from tests.product import Json, Person, Product
from tests.simulator.harness import eventually

pytestmark = pytest.mark.standing

URL = "/api/user/stats"


def stats(person: Person) -> Json:
    answer = person.get(URL)
    assert answer.status_code == 200
    return answer.json()


def like(person: Person, generation_id: str, *, is_liked: bool = True) -> None:
    answer = person.http.patch(f"/api/generations/{generation_id}", json={"isLiked": is_liked})
    assert answer.status_code == 200


def test_at_first_there_is_nothing_to_count(amal: Person) -> None:
    joined = amal.get("/api/user/profile").json()["createdAt"]

    assert stats(amal) == {
        "totalGenerations": 0,
        "totalLikes": 0,
        "totalDownloads": 0,
        "favoriteStyle": "",
        "joinedAt": joined,
    }


def test_pictures_and_likes_are_counted_as_they_come_and_go(amal: Person, badr: Person) -> None:
    mine = [amal.create()["id"] for _ in range(3)]
    theirs = badr.create()["id"]
    like(badr, theirs)

    def numbers() -> tuple[int, int]:
        told = stats(amal)
        return told["totalGenerations"], told["totalLikes"]

    assert numbers() == (3, 0)
    like(amal, mine[0])
    like(amal, mine[1])
    like(amal, mine[1])
    assert numbers() == (3, 2)
    like(amal, mine[1], is_liked=False)
    assert numbers() == (3, 1)
    amal.http.delete(f"/api/generations/{mine[0]}")
    assert numbers() == (2, 0)
    assert (stats(badr)["totalGenerations"], stats(badr)["totalLikes"]) == (1, 1)


def test_downloads_are_those_whose_bytes_were_served(product: Product, amal: Person) -> None:
    ids = [amal.create()["id"] for _ in range(2)]
    for one in ids:
        finish(product, one)
        link = amal.get(f"/api/generations/{one}/download").json()["downloadUrl"]
        with product.anonymous() as http:
            assert http.get(link).status_code == 200
    eventually(lambda: stats(amal)["totalDownloads"] == 2 or None)

    amal.http.delete(f"/api/generations/{ids[0]}")

    assert stats(amal)["totalDownloads"] == 1


def test_the_favourite_is_used_most_and_of_equals_the_latest(amal: Person) -> None:
    styles = ("voxel-3d", "neon-glow", "voxel-3d", "neon-glow", "minimal-icon")
    ids = [amal.create(style=style)["id"] for style in styles]

    assert stats(amal)["favoriteStyle"] == "neon-glow"
    amal.http.delete(f"/api/generations/{ids[1]}")
    assert stats(amal)["favoriteStyle"] == "voxel-3d"


def test_who_knows_the_numbers_is_told_so_until_they_change(amal: Person) -> None:
    created = amal.create()["id"]
    tag = amal.get(URL).headers["etag"]

    again = amal.get(URL, headers={"If-None-Match": tag})
    like(amal, created)
    later = amal.get(URL, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert (later.status_code, later.json()["totalLikes"]) == (200, 1)


def test_nobody_has_numbers_without_a_session(product: Product) -> None:
    with product.anonymous(**{"Accept-Language": "ar"}) as http:
        answer = http.get(URL)

    assert is_arabic(problem_in(answer, 401, "not_signed_in")["detail"])
