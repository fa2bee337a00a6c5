"""Who sends: nobody, or somebody with things of their own."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from tests.api.looking import finish
from tests.imaging.pictures import photo, png
from tests.product import Person, Product

Who = Literal["nobody", "somebody"]

# These end the session that they are asked with, so each is asked with one of its own.
ENDS_SESSION = {"POST /api/auth/logout", "DELETE /api/auth/sessions", "DELETE /api/user"}
STREAM = "GET /api/generations/{id}/events"
_PICTURE = png(photo(32, 24))
_numbers = count()


@dataclass
class Somebody:
    """One account; every other valid request is about something that is there."""

    product: Product
    email: str
    person: Person = field(init=False)
    generation_id: str = ""
    upload_id: str = field(init=False)
    _made: int = 0

    def __post_init__(self) -> None:
        self.person = self.product.sign_in(self.email)
        answer = self.person.post("/api/uploads/image", files={"image": _PICTURE})
        assert answer.status_code == 201, answer.text
        self.upload_id = answer.json()["id"]

    def headers(self, label: str) -> dict[str, str]:
        if label not in ENDS_SESSION:
            return _bearer(self.person)
        leaving = self.product.sign_in(f"gone-{next(_numbers)}-{self.email}")
        leaving.http.close()
        return _bearer(leaving)

    def make_generation(self) -> None:
        """Another one, since the last may have been thrown away; every second is completed."""
        self._made += 1
        self.generation_id = self.person.create()["id"]
        if self._made % 2:
            finish(self.product, self.generation_id)

    def make_real(self, case: Any) -> None:
        """The same valid request, about a thing that exists."""
        if case.operation.label == STREAM:
            # Of what is not finished there would be no end.
            finish(self.product, self.generation_id)
        if "id" in (case.path_parameters or {}):
            case.path_parameters = {**case.path_parameters, "id": self.generation_id}
        if case.operation.label == "GET /api/generations":
            # A cursor that nobody made hides everything else.
            query: dict[str, Any] = case.query or {}
            case.query = {name: one for name, one in query.items() if name != "cursor"}
        body: Any = case.body
        if not hasattr(body, "items"):
            return
        if case.operation.label == "POST /api/uploads/image":
            case.body = {**body, "image": _PICTURE}
        elif case.operation.label == "POST /api/generations":
            sources = {"sourceImage", "sourceImageUrl", "sourceUploadId"}
            wish = {name: value for name, value in body.items() if name not in sources}
            wish["style"] = "voxel-3d"
            if wish.get("inputType") == "image":
                wish["sourceUploadId"] = self.upload_id
            case.body = wish


def _bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}
