"""docs/contract/events.schema.json, held against the frames of a running socket."""

import contextlib
import json
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator, ValidationError
from websockets.sync.client import ClientConnection

from madar.local.contract import EVENTS
from tests.conftest import Start
from tests.product import AMAL, Json, Person, Product

WAIT_S = 30
SCHEMA: Json = json.loads(EVENTS.read_text(encoding="utf-8"))
FINAL = {"generation:completed", "generation:failed"}


def strict(schema: Any) -> Any:
    """A reader bears unknown fields; here they are found."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    inside: Json = {name: strict(one) for name, one in schema.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    is_open = "properties" in inside and inside.get("type") == "object"
    return {"additionalProperties": False, **inside} if is_open else inside


def validator(definition: str) -> Any:
    definitions: Json = {name: strict(one) for name, one in SCHEMA["$defs"].items()}
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": definitions})


FROM_CLIENT, FROM_SERVER = validator("FromClient"), validator("FromServer")
WHOLE: Any = Draft202012Validator(SCHEMA)


class Checked:
    """A socket whose frames are held against the schema, both ways; remembers what it heard."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.heard: list[Json] = []

    def say(self, **message: Any) -> None:
        FROM_CLIENT.validate(message)
        self._socket.send(json.dumps(message))

    def hear(self) -> Json:
        message: Json = json.loads(self._socket.recv(timeout=WAIT_S))
        FROM_SERVER.validate(message)
        self.heard.append(message)
        return message

    def until_final(self) -> Json:
        while (message := self.hear())["type"] not in FINAL:
            pass
        return message


@contextlib.contextmanager
def checked(product: Product, person: Person) -> Generator[Checked]:
    with product.socket() as socket:
        line = Checked(socket)
        line.say(type="auth", token=person.token)
        yield line


def test_the_schema_is_one_and_its_examples_fit() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    named = {name: one for name, one in SCHEMA["$defs"].items() if "const" in _type_of(one)}
    assert len(named) == 15
    for name, one in named.items():
        assert one["examples"], name
        for example in one["examples"]:
            validator(name).validate(example)
            WHOLE.validate(example)


def test_every_frame_of_a_picture_that_succeeds_fits(product: Product, amal: Person) -> None:
    created = amal.create(customColors=["#ff0000"])["id"]

    with checked(product, amal) as line:
        line.say(type="join:generation", generationId=created)
        assert line.hear()["type"] == "joined"
        with product.working():
            assert line.until_final()["type"] == "generation:completed"
        line.say(type="join:generation", generationId=created)
        assert line.hear()["snapshot"]["status"] == "completed"

    assert {message["type"] for message in line.heard} == {
        *("joined", "generation:progress", "generation:completed"),
    }


def test_every_frame_of_a_picture_that_fails_fits(product: Product, amal: Person) -> None:
    created = amal.create(textPrompt="a red rocket [sim:refuse]")["id"]

    with checked(product, amal) as line:
        line.say(type="join:generation", generationId=created)
        with product.working():
            assert line.until_final()["type"] == "generation:failed"
        line.say(type="join:generation", generationId=created)
        assert line.hear()["snapshot"]["status"] == "failed"


def test_every_frame_about_all_that_is_mine_fits(start: Start) -> None:
    product = start(trash_days=30)
    amal = product.sign_in(AMAL)

    with checked(product, amal) as line:
        line.say(type="join:mine")
        cursor = line.hear()["cursor"]
        created = amal.create()["id"]
        assert line.hear()["type"] == "generation:progress"
        amal.http.delete(f"/api/generations/{created}")
        assert line.hear()["type"] == "generation:deleted"
        amal.create()
        assert line.hear()["type"] == "generation:progress"
        line.say(type="join:mine", since=cursor)
        missed = line.hear()
        line.say(type="join:mine", since="yesterday")
        assert line.hear()["code"] == "cursor_invalid"
        line.say(type="leave:mine")

    assert (len(missed["generations"]), missed["deleted"]) == (1, [created])


def test_what_answers_at_once_fits(product: Product, amal: Person) -> None:
    created = amal.create()["id"]

    with checked(product, amal) as line:
        line.say(type="ping")
        assert line.hear()["type"] == "pong"
        line.say(type="auth", token=amal.token)
        assert line.hear()["type"] == "authenticated"
        line.say(type="join:generation", generationId=str(uuid4()))
        assert line.hear()["code"] == "not_found"
        line.say(type="join:generation", generationId=created)
        assert line.hear()["type"] == "joined"
        line.say(type="leave:generation", generationId=created)
        line.say(type="ping")
        assert line.hear()["type"] == "pong"


def test_what_the_socket_does_not_know_the_schema_does_not_know(
    product: Product, amal: Person
) -> None:
    unknown: tuple[Any, ...] = ({}, [], None, {"type": "shout"}, {"type": 5}, {"type": "pong"})

    with product.socket(Authorization=f"Bearer {amal.token}") as socket:
        for message in unknown:
            with pytest.raises(ValidationError):
                FROM_CLIENT.validate(message)
            socket.send(json.dumps(message))
            answer: Json = json.loads(socket.recv(timeout=WAIT_S))
            FROM_SERVER.validate(answer)
            assert answer["code"] == "message_unknown"


def _type_of(definition: Json) -> Json:
    return definition.get("properties", {}).get("type", {})
