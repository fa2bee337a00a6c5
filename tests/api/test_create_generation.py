"""POST /api/generations."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.looking import is_arabic, places_in, problem_in, written
from tests.product import ROCKET, Json, Person, Product
from tests.simulator.harness import CUT_OUT, DRAW

pytestmark = pytest.mark.standing

URL = "/api/generations"
JSON = {"Content-Type": "application/json"}


def test_a_sentence_becomes_a_picture(product: Product, amal: Person) -> None:
    with product.working():
        created = amal.create()
        done = amal.finished(created["id"])

    assert done["status"] == "completed", done
    assert done["progress"] == 100
    assert [one["endpointId"] for one in product.submissions()] == [DRAW, CUT_OUT]


def test_generation_attempt_and_wake_up_are_there_before_the_answer(
    product: Product, amal: Person
) -> None:
    answer = amal.post(URL, json=ROCKET)

    assert answer.status_code == 201
    created = answer.json()
    assert answer.headers["location"] == f"/api/generations/{created['id']}"
    assert (created["status"], created["progress"]) == ("queued", 0)
    [generation] = product.rows("SELECT id::text, user_id::text, state, step FROM generations")
    owner = amal.get("/api/auth/user").json()["id"]
    assert generation == {
        "id": created["id"],
        "user_id": owner,
        "state": "queued",
        "step": "draw",
    }
    [attempt] = product.rows("SELECT id::text, generation_id::text, n, state, seed FROM attempts")
    assert attempt == {
        "id": created["jobId"],
        "generation_id": created["id"],
        "n": 1,
        "state": "prepared",
        "seed": 7,
    }
    [job] = product.rows("SELECT queue_name, task_name, args, status FROM procrastinate_jobs")
    assert job == {
        "queue_name": "generations",
        "task_name": "generations.advance",
        "args": {"generation_id": created["id"]},
        "status": "todo",
    }


def test_without_a_prompt_the_style_speaks_the_persons_language(
    product: Product, amal: Person
) -> None:
    wish = {"style": "toy-figurine"}
    in_arabic = product.sign_in("huda@madar.test", **{"Accept-Language": "ar"})

    created = [
        amal.post(URL, json=wish),
        in_arabic.post(URL, json=wish),
        amal.post(URL, json=wish, headers={"Accept-Language": "ar"}),
    ]

    shown = [
        person.status(answer.json()["id"])["prompt"]
        for person, answer in zip((amal, in_arabic, amal), created, strict=True)
    ]
    assert shown == ["an orange cat", "قطة برتقالية", "قطة برتقالية"]
    rows = product.rows("SELECT DISTINCT prompt_english, step FROM generations")
    assert rows == [{"prompt_english": "an orange cat", "step": "draw"}]


PROMPTS = (
    "  صاروخ أحمر،\tبثلاثة محرّكات!\nوذيلٍ من نار  ",
    "é e\u0301 \u200f\u2067ﷺ\u2069 \U0001f680 \\u0041 \"'%s{0}$1",
    '","error":"timeout","imageUrl":"aa/b.png',
    "x" * 1000,
    "\U0001f680" * 1000,
    "a",
)


def test_a_prompt_is_kept_as_written(product: Product, amal: Person) -> None:
    created = [amal.create(textPrompt=prompt) for prompt in PROMPTS]

    rows = product.rows("SELECT convert_to(prompt, 'UTF8') AS stored FROM generations")
    assert {row["stored"] for row in rows} == {prompt.encode() for prompt in PROMPTS}
    assert [amal.status(one["id"])["prompt"] for one in created] == list(PROMPTS)


def test_an_arabic_prompt_is_translated_before_it_is_drawn(product: Product, amal: Person) -> None:
    created = amal.create(textPrompt="صاروخ أحمر")

    assert product.rows("SELECT step FROM attempts") == [{"step": "translate"}]
    with product.working():
        done = amal.finished(created["id"])
    assert done["status"] == "completed"
    assert done["prompt"] == "صاروخ أحمر"
    drawn = next(one["input"] for one in product.submissions() if one["endpointId"] == DRAW)
    assert "rocket" in drawn["prompt"]
    assert not is_arabic(drawn["prompt"])


def test_colours_shape_and_seed_reach_fal(product: Product, amal: Person) -> None:
    sizes = {
        "1:1": "square_hd",
        "16:9": "landscape_16_9",
        "9:16": "portrait_16_9",
        "4:3": "landscape_4_3",
    }
    created = {
        ratio: amal.create(aspectRatio=ratio, customColors=["#FF0000", "#3e7bfa"], seed=n)
        for n, ratio in enumerate(sizes, start=2**31 - len(sizes))
    }

    with product.working():
        for one in created.values():
            assert amal.finished(one["id"])["status"] == "completed"

    drawn = {
        one["input"]["seed"]: one["input"]
        for one in product.submissions()
        if one["endpointId"] == DRAW
    }
    shapes = {ratio: drawn[2**31 - 4 + n]["image_size"] for n, ratio in enumerate(sizes)}
    assert shapes == sizes
    for asked in drawn.values():
        assert "a red rocket using colors: " in asked["prompt"]
        named = asked["prompt"].partition("using colors: ")[2]
        assert named.count("#ff0000") == named.count("#3e7bfa") == 1
        assert named.count("(") == 2, "each shade has a name before its number"
        assert "aspect_ratio" not in asked
    assert amal.status(created["16:9"]["id"])["customColors"] == ["#ff0000", "#3e7bfa"]
    assert amal.status(created["9:16"]["id"])["seed"] == str(2**31 - 2)


def test_without_a_seed_one_is_drawn_and_kept(product: Product, amal: Person) -> None:
    for _ in range(3):
        amal.create(seed=None)

    rows = product.rows("SELECT DISTINCT g.seed, a.seed = g.seed AS same FROM generations g "
                        "JOIN attempts a ON a.generation_id = g.id")  # fmt: skip
    assert len(rows) == 3
    assert all(row["same"] and 0 <= row["seed"] < 2**31 for row in rows)


def test_the_same_key_answers_the_same_again(product: Product, amal: Person) -> None:
    headers = {"Idempotency-Key": "key 1"}
    first = amal.post(URL, json=ROCKET, headers=headers)
    before = written(product)

    again = amal.post(URL, json=ROCKET, headers=headers)

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert written(product) == before


def test_the_same_key_with_another_body_is_refused(product: Product, amal: Person) -> None:
    headers = {"Idempotency-Key": "key 1", "Accept-Language": "ar"}
    amal.post(URL, json=ROCKET, headers=headers)
    before = written(product)

    answer = amal.post(URL, json={**ROCKET, "seed": 8}, headers=headers)

    body = problem_in(answer, 422, "idempotency_mismatch")
    assert is_arabic(body["detail"])
    assert written(product) == before


def test_a_key_belongs_to_its_person(product: Product, amal: Person, badr: Person) -> None:
    headers = {"Idempotency-Key": "key 1"}

    answers = [person.post(URL, json=ROCKET, headers=headers) for person in (amal, badr)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert written(product)["generations"] == 2


def test_twenty_posts_at_once_with_one_key_make_one_generation(
    product: Product, amal: Person
) -> None:
    def post(_: int) -> httpx.Response:
        return amal.post(URL, json=ROCKET, headers={"Idempotency-Key": "one"})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    counts = written(product)
    assert counts["generations"] == counts["attempts"] == counts["procrastinate_jobs"] == 1


def test_a_bad_key_is_refused(product: Product, amal: Person) -> None:
    for key in ("", "x" * 256, "ключ".encode()):
        answer = amal.post(URL, json=ROCKET, headers={"Idempotency-Key": key})
        problem_in(answer, 422, "idempotency_key_invalid")
    assert written(product)["generations"] == 0


Refusal = tuple[int, str, list[tuple[str, str]]]

WISHES: dict[str, tuple[Json, str, str]] = {
    "an unknown style": ({"style": "oil"}, "/style", "style_unknown"),
    "an impossible style": ({"style": "../x"}, "/style", "style_unknown"),
    "a switched-off style": ({"style": "neon-glow"}, "/style", "style_unknown"),
    "a colour by name": ({"customColors": ["red"]}, "/customColors/0", "color_not_hex"),
    "a short colour": ({"customColors": ["#ff0000", "#f00"]}, "/customColors/1", "color_not_hex"),
    "arabic digits": ({"customColors": ["#٣٣٣٣٣٣"]}, "/customColors/0", "color_not_hex"),
    "too many colours": ({"customColors": ["#ff0000"] * 9}, "/customColors", "too_many_colors"),
    "an unknown ratio": ({"aspectRatio": "3:2"}, "/aspectRatio", "aspect_ratio_unknown"),
    "an unknown input": ({"inputType": "voice"}, "/inputType", "input_type_unknown"),
    "no words": ({"textPrompt": ""}, "/textPrompt", "prompt_empty"),
    "blank": ({"textPrompt": " \n\t\u00a0"}, "/textPrompt", "prompt_empty"),
    "zero width": ({"textPrompt": "\u200b\u200f\ufeff"}, "/textPrompt", "prompt_empty"),
    "too long": ({"textPrompt": "x" * 1001}, "/textPrompt", "prompt_too_long"),
    "a NUL": ({"textPrompt": "a\0b"}, "/textPrompt", "prompt_unreadable"),
    "half a letter": ({"textPrompt": "a \ud800 b"}, "/textPrompt", "prompt_unreadable"),
    "half a letter as style": ({"style": "\ud800"}, "/style", "style_unknown"),
    "a negative seed": ({"seed": -1}, "/seed", "seed_out_of_range"),
    "a huge seed": ({"seed": 2**31}, "/seed", "seed_out_of_range"),
    "an endless seed": ({"seed": 10**400}, "/seed", "seed_out_of_range"),
    "half a seed": ({"seed": 1.5}, "/seed", "not_number"),
    "a truth for a seed": ({"seed": True}, "/seed", "not_number"),
    "a number for words": ({"textPrompt": 5}, "/textPrompt", "not_text"),
    "a word for colours": ({"customColors": "#ff0000"}, "/customColors", "not_list"),
    "a list as style": ({"style": ["voxel-3d"]}, "/style", "not_text"),
    "null as style": ({"style": None}, "/style", "not_text"),
    "no picture": ({"inputType": "image"}, "/sourceImage", "source_missing"),
    "a picture too many": (
        {"sourceUploadId": str(uuid4())}, "/sourceUploadId", "source_unexpected",
    ),
    "a bad upload id": (
        {"inputType": "image", "sourceUploadId": "1"}, "/sourceUploadId", "not_id",
    ),
    "an unknown upload": (
        {"inputType": "image", "sourceUploadId": str(uuid4())}, "/sourceUploadId", "source_unknown",
    ),
    "an unknown field": ({"colour": "red"}, "/colour", "field_unknown"),
    "a field in Python's spelling": ({"text_prompt": "x"}, "/text_prompt", "field_unknown"),
    "a field with a slash": ({"a/b~c": 1}, "/a~1b~0c", "field_unknown"),
}  # fmt: skip


@pytest.mark.alone
def test_each_bad_wish_has_its_code_and_place_and_writes_nothing(
    product: Product, amal: Person
) -> None:
    product.execute("UPDATE generation_styles SET is_active = false WHERE id = 'neon-glow'")
    before = written(product)

    answers = {
        name: amal.post(URL, content=json.dumps({**ROCKET, **wish}), headers=JSON)
        for name, (wish, _, _) in WISHES.items()
    }

    told = {name: _told(answer) for name, answer in answers.items()}
    assert told == {name: (422, code, [(place, code)]) for name, (_, place, code) in WISHES.items()}
    assert written(product) == before


def _told(answer: httpx.Response) -> Refusal:
    body = answer.json()
    problem_in(answer, answer.status_code, body["code"])
    return answer.status_code, body["code"], places_in(body)


def test_all_faults_are_told_at_once(amal: Person) -> None:
    wish = {**ROCKET, "style": "?", "textPrompt": "", "customColors": ["red"], "seed": -1}

    answer = amal.post(URL, json=wish)

    body = problem_in(answer, 422, "style_unknown")
    assert places_in(body) == [
        ("/style", "style_unknown"),
        ("/textPrompt", "prompt_empty"),
        ("/customColors/0", "color_not_hex"),
        ("/seed", "seed_out_of_range"),
    ]


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "not_json"),
    "a broken object": (b'{"style": "voxel-3d"', 400, "not_json"),
    "two objects": (b"{} {}", 400, "not_json"),
    "NaN": (b'{"style": "voxel-3d", "seed": NaN}', 400, "not_json"),
    "infinity": (b'{"style": "voxel-3d", "seed": -Infinity}', 400, "not_json"),
    "a number of 5000 digits": (b'{"seed": ' + b"9" * 5000 + b"}", 400, "not_json"),
    "30,000 deep": (b'{"style":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, "not_json"),
    "Latin-1": ('{"style": "é"}'.encode("latin-1"), 400, "not_json"),
    "UTF-16": ('{"style": "voxel-3d"}'.encode("utf-16"), 400, "not_json"),
    "a surrogate in UTF-8": (b'{"style": "\xed\xa0\x80"}', 400, "not_json"),
    "a list": (b"[]", 400, "body_not_object"),
    "a word": (b'"voxel-3d"', 400, "body_not_object"),
    "null": (b"null", 400, "body_not_object"),
    "no style": (b"{}", 422, "field_missing"),
    "half a letter as name": (b'{"style": "voxel-3d", "\\ud800": 1}', 422, "text_unreadable"),
    "64 KiB and one": (b'{"style": "' + b"x" * (65_537 - 13) + b'"}', 413, "body_too_large"),
}


def test_each_unreadable_body_has_its_code_and_writes_nothing(
    product: Product, amal: Person
) -> None:
    before = written(product)

    answers = {
        name: amal.post(URL, content=body, headers=JSON) for name, (body, _, _) in BODIES.items()
    }

    told = {name: _told(answer)[:2] for name, answer in answers.items()}
    assert told == {name: (status, code) for name, (_, status, code) in BODIES.items()}
    assert written(product) == before


def test_a_body_that_does_not_say_its_length_is_limited_too(product: Product, amal: Person) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"style": "'
        for _ in range(70):
            yield b"x" * 1024
        yield b'"}'

    answer = amal.post(URL, content=parts(), headers=JSON)

    body = problem_in(answer, 413, "body_too_large")
    assert body["params"] == {"limit_kb": 64}
    assert written(product)["generations"] == 0


def test_only_json_is_taken(product: Product, amal: Person) -> None:
    for content_type in ("text/plain", "", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": content_type, "Accept-Language": "ar"}

        answer = amal.post(URL, content=json.dumps(ROCKET), headers=headers)

        code = "wrong_content_type" if content_type else "content_type_missing"
        body = problem_in(answer, 415, code)
        assert "\u2068application/json\u2069" in body["detail"]
    assert written(product)["generations"] == 0


def test_nobody_creates_without_a_session(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.post(URL, json=ROCKET)

    problem_in(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert written(product)["generations"] == 0


def test_a_strangers_upload_is_as_unknown_as_none(
    product: Product, amal: Person, badr: Person
) -> None:
    upload_id = str(uuid4())
    product.execute(
        "INSERT INTO uploads (id, user_id, object_key, thumbnail_key, file_size, width, height)"
        " SELECT %s, id, 'aa/a.png', 'aa/b.webp', 1, 1, 1 FROM users WHERE email = %s",
        *(upload_id, "amal@madar.test"),
    )
    wish: dict[str, Any] = {**ROCKET, "inputType": "image"}

    answers = [
        badr.post(URL, json={**wish, "sourceUploadId": upload})
        for upload in (upload_id, str(uuid4()))
    ]

    for answer in answers:
        body = problem_in(answer, 422, "source_unknown")
        assert places_in(body) == [("/sourceUploadId", "source_unknown")]
    assert written(product)["generations"] == 0
    assert amal.create(inputType="image", sourceUploadId=upload_id)


def test_a_refusal_speaks_arabic(amal: Person) -> None:
    wish = {**ROCKET, "textPrompt": "", "aspectRatio": "3:2"}

    answer = amal.post(URL, json=wish, headers={"Accept-Language": "ar"})

    body = problem_in(answer, 422, "prompt_empty")
    assert answer.headers["content-language"] == "ar"
    assert is_arabic(body["title"])
    assert all(is_arabic(fault["detail"]) for fault in body["errors"])
    assert "\u20681:1, 16:9, 9:16, 4:3\u2069" in body["errors"][1]["detail"]
