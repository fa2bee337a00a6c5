"""JSON Schemas of the wire's models, for the two documents of the contract."""

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaMode,
    JsonSchemaValue,
    models_json_schema,
)
from pydantic_core.core_schema import ModelSchema, WithDefaultSchema

from madar.api.request import WireModel

Json = dict[str, Any]


class Writer(GenerateJsonSchema):
    """As our wire has it: what an answer may lack is absent, never null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        written = super().model_schema(schema)
        written.pop("title", None)
        if self.mode == "serialization":
            # A reader must bear fields that a later version adds.
            written.pop("additionalProperties", None)
        return written

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        inner: Any = schema["schema"]
        if schema.get("default") is None and self.mode == "serialization":
            return self.generate_inner(inner["schema"] if inner["type"] == "nullable" else inner)
        written = self.generate_inner(inner)
        if schema.get("default") is None or "default" in written:
            return written
        return super().default_schema(schema)


def schemas_of(models: Iterable[type[WireModel]], *, mode: JsonSchemaMode, place: str) -> Json:
    """By name, those inside them too; `place` is where a reference finds `{model}`."""
    pairs: list[tuple[type[WireModel], JsonSchemaMode]] = [
        (model, mode) for model in sorted(models, key=lambda model: model.__name__)
    ]
    return models_json_schema(pairs, ref_template=place, schema_generator=Writer)[1]["$defs"]


def without_null(schema: Json) -> Json:
    """Of a query or a form, where a field is there or is not."""
    properties = {name: _not_null(one) for name, one in schema.get("properties", {}).items()}
    return {**schema, "properties": properties}


def _not_null(schema: Json) -> Json:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if len(kinds) == 1:
        return {**kinds[0], **rest}
    return {**rest, "anyOf": kinds} if kinds else schema
