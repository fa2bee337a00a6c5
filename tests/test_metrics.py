"""What happens to pictures is counted where it happens."""

from madar.metrics import REGISTRY
from tests.product import Json, Person, Product

STYLE = {"style": "voxel-3d"}


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"madar_{name}", labels) or 0


def numbers() -> Json:
    return {
        "started": counted("generations_started_total", input_type="text", **STYLE),
        "completed": counted("generations_completed_total", **STYLE),
        "times": counted("generation_seconds_count", **STYLE),
        "cancelled": counted("generations_failed_total", code="cancelled"),
        "refused": counted("generations_failed_total", code="content_policy"),
    }


def test_pictures_are_counted_once_from_start_to_end(product: Product, amal: Person) -> None:
    before = numbers()

    cancelled = amal.create()["id"]
    for _ in range(2):
        assert amal.post(f"/api/generations/{cancelled}/cancel").status_code == 200
    key = {"Idempotency-Key": "the same twice"}
    wish = {"style": "voxel-3d", "inputType": "text", "textPrompt": "a red rocket"}
    asked = [amal.post("/api/generations", json=wish, headers=key).json() for _ in range(2)]
    with product.working():
        assert amal.finished(asked[0]["id"])["status"] == "completed"
        refused = amal.create(textPrompt="a red rocket [sim:refuse]")["id"]
        assert amal.finished(refused)["errorCode"] == "content_policy"

    after = numbers()
    assert {name: after[name] - before[name] for name in before} == {
        "started": 3,
        "completed": 1,
        "times": 1,
        "cancelled": 1,
        "refused": 1,
    }
