"""GET and POST /api/auth/google/callback."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.api.looking import is_arabic, places_in, problem_in, written
from tests.api.signing_in import Returned, come_back, go_to_google, spoil_next_token
from tests.conftest import Start
from tests.product import AMAL, BADR, Person, Product

pytestmark = pytest.mark.standing

URL = "/api/auth/google/callback"


def test_the_page_gets_user_token_and_cookie(product: Product) -> None:
    returned = go_to_google(product)

    answer = come_back(product, returned)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.keys() == {"user", "token", "expiresAt"}
    assert told["user"].keys() == {"id", "email", "displayName", "avatarUrl", "language"}
    assert told["user"]["email"] == AMAL
    assert told["expiresAt"].endswith("+00:00")
    [session] = product.rows("SELECT session_token FROM user_sessions")
    token = answer.cookies["madar"]
    assert session["session_token"] == hashlib.sha256(token.encode()).digest()
    assert written(product)["sign_ins"] == 0


def test_a_browser_is_sent_home_signed_in(product: Product) -> None:
    returned = go_to_google(product)

    with product.anonymous(Cookie=f"madar-sign-in={returned.cookie}") as http:
        answer = http.get(URL, params=returned.body)

    assert answer.status_code == 303
    assert answer.headers["location"] == product.url
    [session] = answer.headers.get_list("set-cookie")
    assert session.lower().startswith("madar=")
    for attribute in ("HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=2592000"):
        assert attribute in session
    with product.anonymous(Cookie=session.partition(";")[0]) as http:
        assert http.get("/api/auth/user").json()["email"] == AMAL


def test_a_browser_goes_on_where_it_wanted_to(start: Start) -> None:
    product = start(frontend_url="https://madar.ai/")
    wished = {"/gallery?page=2#top": "https://madar.ai/gallery?page=2#top", "": "https://madar.ai/"}

    for path, address in wished.items():
        returned = go_to_google(product, return_to=path)
        with product.anonymous(Cookie=f"madar-sign-in={returned.cookie}") as http:
            answer = http.get(URL, params=returned.body)

        assert answer.headers["location"] == address


def test_what_google_adds_of_its_own_is_no_mistake(product: Product) -> None:
    returned = go_to_google(product)
    added = {"scope": "email openid", "authuser": "0", "hd": "madar.test", "prompt": "consent"}

    with product.anonymous(Cookie=f"madar-sign-in={returned.cookie}") as http:
        answer = http.get(URL, params={**returned.body, **added, "iss": "https://x.test"})

    assert answer.status_code == 303
    assert written(product)["user_sessions"] == 1


def test_a_browser_whose_person_said_no_is_told_so(product: Product) -> None:
    with product.anonymous() as http:
        answer = http.get(URL, params={"error": "access_denied", "state": "x"})

    problem_in(answer, 401, "sign_in_refused")


def test_a_person_who_said_no_comes_home_instead_of_reading_json(product: Product) -> None:
    with product.anonymous(**{"Accept": "text/html", "Accept-Language": "ar"}) as http:
        answer = http.get(URL, params={"error": "access_denied", "state": "x"})
        home = http.get(answer.headers["location"], headers={"Accept": "*/*"})

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{product.url}?error=sign_in_refused"
    assert "لم تؤكد Google هذا الدخول" in home.text


def test_two_tabs_of_a_browser_both_come_back(product: Product) -> None:
    with product.anonymous() as http:
        urls = [http.get("/api/auth/google/url").json()["url"] for _ in range(2)]
        for url in urls:
            sent_back = httpx.get(f"{url}&login_hint={AMAL}", trust_env=False, verify=False)
            query = parse_qs(urlsplit(sent_back.headers["location"]).query)

            answer = http.post(URL, json={"code": query["code"][0], "state": query["state"][0]})

            assert answer.status_code == 200
    assert written(product)["users"] == 1
    assert written(product)["user_sessions"] == 1, "the first one ended with the second"


def test_a_state_works_once(product: Product) -> None:
    returned = go_to_google(product)

    answers = [come_back(product, returned) for _ in range(2)]

    assert answers[0].status_code == 200
    problem_in(answers[1], 401, "sign_in_expired")
    assert written(product)["user_sessions"] == 1


def test_another_browser_cannot_finish_it_and_uses_it_up(product: Product) -> None:
    returned = go_to_google(product)
    of_another = go_to_google(product, BADR).cookie

    stolen = come_back(product, returned, cookie=of_another)
    without = come_back(product, go_to_google(product), cookie="")
    late = come_back(product, returned)

    for answer in (stolen, without, late):
        problem_in(answer, 401, "sign_in_expired")
        assert "set-cookie" not in answer.headers
    assert written(product)["user_sessions"] == 0


def test_after_ten_minutes_it_has_ended(product: Product) -> None:
    returned = go_to_google(product)
    product.execute("UPDATE sign_ins SET expires_at = now()")

    answer = come_back(product, returned)

    problem_in(answer, 401, "sign_in_expired")
    assert written(product)["users"] == 0


def test_states_and_codes_nobody_gave_out_are_refused(product: Product) -> None:
    good = go_to_google(product)
    for state in ("", "x", "حالة"):
        other = Returned(code=good.code, state=state, cookie=good.cookie)
        problem_in(come_back(product, other), 401, "sign_in_expired")
    unreadable = Returned(code=good.code, state="\0", cookie=good.cookie)
    problem_in(come_back(product, unreadable), 422, "text_unreadable")
    forged = Returned(code="4/forged", state=good.state, cookie=good.cookie)

    answer = come_back(product, forged)

    problem_in(answer, 401, "sign_in_refused")
    assert written(product)["users"] == 0


def test_half_a_letter_is_no_state_and_no_code(product: Product) -> None:
    good = go_to_google(product)
    headers = {"Content-Type": "application/json", "Cookie": f"madar-sign-in={good.cookie}"}
    with product.anonymous(**headers) as http:
        bad_state = http.post(URL, content=b'{"code": "x", "state": "\\ud800"}')
        bad_code = http.post(
            URL, content=b'{"code": "\\ud800", "state": "' + good.state.encode() + b'"}'
        )

    assert places_in(problem_in(bad_state, 422, "text_unreadable"))[0][0] == "/state"
    assert places_in(problem_in(bad_code, 422, "text_unreadable"))[0][0] == "/code"


TOKENS: tuple[tuple[dict[str, object], str], ...] = (
    ({"email_verified": False}, "email_not_verified"),
    ({"email_verified": "true"}, "email_not_verified"),
    ({"email": None}, "email_not_verified"),
    ({"nonce": "another"}, "sign_in_refused"),
    ({"nonce": None}, "sign_in_refused"),
    ({"aud": "another"}, "sign_in_refused"),
    ({"aud": ["madar-test", "another"]}, "sign_in_refused"),
    ({"azp": "another"}, "sign_in_refused"),
    ({"iss": "https://accounts.google.com"}, "sign_in_refused"),
    ({"iss": None}, "sign_in_refused"),
    ({"exp": 1}, "sign_in_refused"),
    ({"exp": None}, "sign_in_refused"),
    ({"sub": None}, "sign_in_refused"),
)


def test_a_token_that_says_something_else_signs_nobody_in(product: Product) -> None:
    answers: list[tuple[dict[str, object], str]] = []
    for claims, _ in TOKENS:
        returned = go_to_google(product)
        spoil_next_token(product, **claims)
        answer = come_back(product, returned)
        assert answer.status_code == 401
        answers.append((claims, answer.json()["code"]))

    assert answers == list(TOKENS)
    counts = written(product)
    assert (counts["users"], counts["user_sessions"]) == (0, 0)


def test_googles_subject_is_the_person(product: Product) -> None:
    first = product.sign_in(AMAL)
    me = first.get("/api/auth/user").json()
    subject = product.rows("SELECT google_id FROM users")[0]["google_id"]

    moved = go_to_google(product, "new@madar.test")
    spoil_next_token(product, sub=subject, name="Amal N.")
    same = come_back(product, moved).json()["user"]
    squatter = go_to_google(product, AMAL)
    spoil_next_token(product, sub="42")
    other = come_back(product, squatter).json()["user"]

    assert same == {**me, "email": "new@madar.test", "displayName": "Amal N."}
    assert (other["id"] != me["id"], other["email"]) == (True, AMAL)
    assert first.get("/api/auth/user").json() == same


def test_only_a_usable_picture_of_the_person_is_kept(product: Product) -> None:
    shown: list[str] = []
    for picture in ("https://x.test/a.png", "javascript:alert(1)", "https://x.test/" + "a" * 2048):
        returned = go_to_google(product)
        spoil_next_token(product, picture=picture)
        shown.append(come_back(product, returned).json()["user"]["avatarUrl"])

    assert shown == ["https://x.test/a.png", "", ""]


def test_the_first_sign_in_sets_the_language_and_later_ones_leave_it(product: Product) -> None:
    arabic, english = {"Accept-Language": "ar"}, {"Accept-Language": "en"}

    first = come_back(product, go_to_google(product), **arabic)
    later = come_back(product, go_to_google(product), **english)

    assert first.json()["user"]["language"] == "ar"
    assert later.json()["user"]["language"] == "ar"


def test_a_disabled_account_stays_out(product: Product) -> None:
    amal = product.sign_in(AMAL)
    product.execute("UPDATE users SET is_active = false")

    answer = come_back(product, go_to_google(product))

    problem_in(answer, 403, "account_disabled")
    problem_in(amal.get("/api/auth/user"), 401, "not_signed_in")
    assert written(product)["user_sessions"] == 1


def test_the_first_sign_in_of_two_browsers_at_once_makes_one_person(product: Product) -> None:
    returned = [go_to_google(product) for _ in range(6)]

    with ThreadPoolExecutor(len(returned)) as pool:
        answers = list(pool.map(partial(come_back, product), returned))

    assert [answer.status_code for answer in answers] == [200] * len(returned)
    assert len({answer.json()["user"]["id"] for answer in answers}) == 1
    assert written(product)["users"] == 1
    assert written(product)["user_sessions"] == len(returned)


def test_a_code_works_once_whatever_brings_it(product: Product) -> None:
    first, second = go_to_google(product), go_to_google(product)
    assert come_back(product, first).status_code == 200
    replayed = Returned(code=first.code, state=second.state, cookie=second.cookie)

    answer = come_back(product, replayed)

    problem_in(answer, 401, "sign_in_refused")
    assert written(product)["user_sessions"] == 1


def test_a_code_for_another_state_fails_at_its_verifier(product: Product) -> None:
    mine, theirs = go_to_google(product), go_to_google(product, BADR)

    answer = come_back(product, Returned(code=theirs.code, state=mine.state, cookie=mine.cookie))

    problem_in(answer, 401, "sign_in_refused")
    assert written(product)["users"] == 0


def test_a_page_of_another_site_cannot_sign_a_visitor_in(product: Product) -> None:
    foreign = (
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": f"{product.url}.evil.test"},
        {"Sec-Fetch-Site": "cross-site"},
    )
    returned = go_to_google(product)

    for headers in foreign:
        problem_in(come_back(product, returned, **headers), 403, "origin_refused")

    assert written(product)["user_sessions"] == 0
    assert come_back(product, returned, Origin=product.url).status_code == 200


def test_no_token_that_the_browser_brings_becomes_its_session(product: Product) -> None:
    returned, made_up = go_to_google(product), "f" * 43
    cookies = f"madar-sign-in={returned.cookie}; madar={made_up}"

    with product.anonymous(Cookie=cookies) as http:
        signed_in = http.post(URL, json=returned.body)
    with product.anonymous(Cookie=f"madar={made_up}") as http:
        fixed = http.get("/api/auth/user")
    with product.anonymous(Cookie=f"madar={returned.cookie}") as http:
        pre_auth = http.get("/api/auth/user")

    assert signed_in.status_code == 200
    assert signed_in.cookies["madar"] not in {made_up, returned.cookie}
    for answer in (fixed, pre_auth):
        problem_in(answer, 401, "not_signed_in")


def test_the_session_that_the_browser_had_ends(product: Product, amal: Person) -> None:
    returned = go_to_google(product, BADR)
    cookies = f"madar-sign-in={returned.cookie}; madar={amal.cookie}"

    with product.anonymous(Cookie=cookies) as http:
        assert http.post(URL, json=returned.body).status_code == 200

    problem_in(amal.get("/api/auth/user"), 401, "not_signed_in")


def test_a_person_keeps_the_twenty_sessions_used_last(product: Product) -> None:
    people = [product.sign_in(AMAL) for _ in range(21)]
    product.execute("UPDATE user_sessions SET last_seen_at = created_at")
    people.append(product.sign_in(AMAL))

    statuses = [person.get("/api/auth/user").status_code for person in people]

    assert statuses == [401, 401, *[200] * 20]


def test_without_google_a_sign_in_is_told_to_wait_and_leaves_nothing(
    start: Start, product: Product
) -> None:
    returned = go_to_google(product)
    without = start(google_issuer="http://127.0.0.1:1/google")

    answer = come_back(without, returned)

    problem_in(answer, 503, "google_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (written(product)["users"], written(product)["user_sessions"]) == (0, 0)


def test_a_new_address_shows_in_the_profile_at_once(product: Product, amal: Person) -> None:
    assert amal.get("/api/user/profile").json()["email"] == AMAL
    subject = product.rows("SELECT google_id FROM users")[0]["google_id"]
    moved = go_to_google(product, "new@madar.test")
    spoil_next_token(product, sub=subject)

    come_back(product, moved)

    assert amal.get("/api/user/profile").json()["email"] == "new@madar.test"


def test_unknown_and_missing_fields_are_refused(product: Product) -> None:
    with product.anonymous() as http:
        missing = http.post(URL, json={"code": "x"})
        unknown = http.post(URL, json={"code": "x", "state": "y", "next": "https://evil.test"})

    problem_in(missing, 422, "field_missing")
    problem_in(unknown, 422, "field_unknown")


def test_a_refusal_speaks_arabic(product: Product) -> None:
    returned = go_to_google(product)

    answer = come_back(product, returned, cookie="x", **{"Accept-Language": "ar"})

    assert is_arabic(problem_in(answer, 401, "sign_in_expired")["detail"])


def test_over_https_the_cookies_are_bound_to_the_host(start: Start) -> None:
    product = start(app_url="https://madar.test")
    with httpx.Client(
        base_url=f"http://127.0.0.1:{product.settings.port}", trust_env=False
    ) as http:
        cookie = http.get("/api/auth/google/url").headers["set-cookie"]

    assert cookie.startswith("__Host-madar-sign-in=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
