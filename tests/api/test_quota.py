"""How many pictures a person may ask for and keep, whoever asks at the same time."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.api.looking import is_arabic, places_in, problem_in, written
from tests.imaging.pictures import photo, png
from tests.product import BADR, ROCKET, Person, Product

URL, UPLOADS = "/api/generations", "/api/uploads/image"
PICTURE = png(photo(60, 40))
Start = Callable[..., Product]


def asking(person: Person, n: int) -> Counter[int]:
    """The statuses of so many wishes at once."""
    with ThreadPoolExecutor(n) as pool:
        sent = [pool.submit(person.post, URL, json=ROCKET) for _ in range(n)]
        answers = [one.result() for one in sent]
    return Counter(answer.status_code for answer in answers)


def used_up(person: Person) -> httpx.Response:
    answer = person.post(URL, json=ROCKET)
    problem_in(answer, 429, "quota_exceeded")
    return answer


def test_over_the_quota_one_is_told_until_when(start: Start) -> None:
    product = start(quota_generations="2/1d")
    amal, badr = product.sign_in(), product.sign_in(BADR)
    first = amal.create()
    amal.create()
    product.execute(
        "UPDATE generations SET created_at = now() - interval '23 h' WHERE id = %s", first["id"]
    )

    answer = amal.post(URL, json=ROCKET, headers={"Accept-Language": "ar"})

    body = problem_in(answer, 429, "quota_exceeded")
    assert 3500 < int(answer.headers["retry-after"]) <= 3600
    assert body["params"]["limit"] == 2
    assert is_arabic(body["detail"])
    assert badr.create()
    product.execute("UPDATE generations SET created_at = created_at - interval '61 min'")
    assert amal.create()


def test_never_more_than_the_quota_however_many_ask_at_once(start: Start) -> None:
    """Rounds of parallel wishes; each round gives back what the one before took."""
    product = start(quota_generations="3/1d")
    amal = product.sign_in()

    for _ in range(10):
        assert asking(amal, 12) == {201: 3, 429: 9}
        product.execute("UPDATE generations SET deleted_at = now() WHERE deleted_at IS NULL")

    assert written(product)["generations"] == 30


def test_two_processes_share_the_quota(start: Start) -> None:
    first, second = start(quota_generations="5/1d"), start(quota_generations="5/1d")
    amal = first.sign_in()
    there = Person(second.url, amal.token, amal.cookie)

    with there.http, ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(asking, person, 10) for person in (amal, there)]
        answers = sent[0].result() + sent[1].result()

    assert answers == {201: 5, 429: 15}


def test_what_failed_without_ones_fault_is_given_back_once(start: Start) -> None:
    product = start(quota_generations="2/1d")
    amal = product.sign_in()
    amal.create()
    unlucky = amal.create()
    used_up(amal)

    _fail(product, unlucky["id"], "provider_unavailable")
    amal.http.delete(f"{URL}/{unlucky['id']}")

    assert asking(amal, 6) == {201: 1, 429: 5}


def test_deleting_what_failed_does_not_take_back_what_was_given_back(start: Start) -> None:
    product = start(quota_generations="2/1d")
    amal = product.sign_in()
    amal.create()
    unlucky = amal.create()
    _send(product, unlucky["id"])
    _fail(product, unlucky["id"], "provider_unavailable")

    assert amal.http.delete(f"{URL}/{unlucky['id']}").status_code == 204

    assert asking(amal, 6) == {201: 1, 429: 5}


def test_what_was_refused_for_its_content_is_not_given_back(start: Start) -> None:
    product = start(quota_generations="1/1d")
    amal = product.sign_in()
    created = amal.create()

    _fail(product, created["id"], "content_policy")
    used_up(amal)


def test_what_was_deleted_before_it_was_sent_is_given_back_and_after_it_not(start: Start) -> None:
    product = start(quota_generations="2/1d")
    amal = product.sign_in()
    sent, unsent = amal.create(), amal.create()
    _send(product, sent["id"])

    for one in (sent, unsent):
        assert amal.http.delete(f"{URL}/{one['id']}").status_code == 204
        assert amal.http.delete(f"{URL}/{one['id']}").status_code == 404

    assert asking(amal, 6) == {201: 1, 429: 5}


def test_a_refused_quota_gives_the_turn_back(start: Start) -> None:
    product = start(quota_generations="1/1d", rate_limit_generations="2/1h")
    amal = product.sign_in()
    created = amal.create()
    for _ in range(4):
        used_up(amal)

    amal.http.delete(f"{URL}/{created['id']}")

    assert amal.post(URL, json=ROCKET).status_code == 201
    problem_in(amal.post(URL, json=ROCKET), 429, "rate_limited")


def test_two_hundred_uploads_are_kept_and_no_more_at_once(product: Product, amal: Person) -> None:
    _fill(product, files=197, bytes_each=1)

    with ThreadPoolExecutor(10) as pool:
        sent = [pool.submit(amal.post, UPLOADS, files={"image": PICTURE}) for _ in range(10)]
        answers = [one.result() for one in sent]

    assert Counter(answer.status_code for answer in answers) == {201: 3, 422: 7}
    for answer in answers:
        if answer.status_code == 422:
            body = problem_in(answer, 422, "upload_quota_exceeded")
            assert places_in(body) == [("/image", "upload_quota_exceeded")]
    assert written(product)["uploads"] == 200
    assert len(product.rows("SELECT object_key FROM purges")) == 14


def test_two_hundred_megabytes_are_kept(product: Product, amal: Person, badr: Person) -> None:
    _fill(product, files=2, bytes_each=100 * 2**20 - 1)

    answer = amal.post(UPLOADS, files={"image": PICTURE}, headers={"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 422, "upload_quota_exceeded")["detail"])
    assert badr.post(UPLOADS, files={"image": PICTURE}).status_code == 201


def _send(product: Product, generation_id: str) -> None:
    product.execute(
        "UPDATE attempts SET state = 'sent', sent_at = now(), endpoint = 'fal-ai/flux-lora',"
        " arguments = '{}' WHERE generation_id = %s",
        generation_id,
    )


def _fail(product: Product, generation_id: str, code: str) -> None:
    product.execute(
        "UPDATE generations SET state = 'failed', error_code = %s, next_action_at = NULL,"
        " completed_at = now() WHERE id = %s",
        *(code, generation_id),
    )


def _fill(product: Product, *, files: int, bytes_each: int) -> None:
    """Amal's."""
    product.execute(
        "INSERT INTO uploads (id, user_id, object_key, thumbnail_key, file_size, width, height)"
        " SELECT gen_random_uuid(), u.id, 'aa/' || n || '.png', 'aa/' || n || '.webp', %s, 1, 1"
        "   FROM users u, generate_series(1, %s) n WHERE email = 'amal@madar.test'",
        *(bytes_each, files),
    )
