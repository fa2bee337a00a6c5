"""The contract as the fuzzer reads it: the served document, and stricter about answers."""

from typing import Any

import schemathesis

from tests.product import Json, Product


def contract_of(product: Product) -> Any:
    """Schemathesis' schema; its types are generic beyond what a reader of types can follow."""
    with product.anonymous() as http:
        document: Json = http.get("/api/openapi.json").json()
    return schemathesis.openapi.from_dict(strict(document))


def strict(document: Json) -> Json:
    """A reader has to bear new fields, so answers are open there; here an unknown one is found."""
    schemas: Json = {name: _closed(one) for name, one in document["components"]["schemas"].items()}
    return {**document, "components": {**document["components"], "schemas": schemas}}


def _closed(schema: Json) -> Json:
    is_open: Any = "properties" in schema and "additionalProperties" not in schema
    return {**schema, "additionalProperties": False} if is_open else schema
