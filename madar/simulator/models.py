"""What the models answer: one method for each kind of endpoint."""

import asyncio
import time

from madar.simulator.config import JsonObject, SimulatorConfig
from madar.simulator.drawing import (
    Drawing,
    Order,
    UnreadableImage,
    cut_out,
    draw,
    made_opaque,
    unchanged_png,
)
from madar.simulator.drawing_pool import DrawingPool
from madar.simulator.faults import markers_in, without_markers
from madar.simulator.files import FileStore
from madar.simulator.inputs import ENDPOINTS, problem, problems_of, seed_of, size_px
from madar.simulator.records import Outcome, StoredFile, Submission
from madar.simulator.renderer import translate
from madar.simulator.sources import Refused, Sources

_HTTP_UNPROCESSABLE = 422
_CHECKER_MESSAGE = (
    "The content could not be processed because it contained material flagged by a content checker."
)


class Models:
    """Answers a submission whose time has come; `faults` are those in force for it."""

    def __init__(
        self, config: SimulatorConfig, files: FileStore, sources: Sources, pool: DrawingPool
    ) -> None:
        self._config = config
        self._files = files
        self._sources = sources
        self._pool = pool

    async def answer(self, submission: Submission, faults: frozenset[str]) -> Outcome:
        endpoint = ENDPOINTS[submission.endpoint_id]
        arguments = submission.arguments or {}
        if problems := problems_of(endpoint, arguments):
            return _refused(problems)
        try:
            match endpoint.kind:
                case "draw":
                    return await self._draw(
                        submission.request_id,
                        arguments,
                        faults,
                        takes_source="image_url" in endpoint.required,
                    )
                case "cutout":
                    return await self._cut_out(arguments, faults)
                case "translate":
                    return _translate(arguments)
        except Refused as refusal:
            return _refused([refusal.detail])
        except UnreadableImage:
            message = "Could not load the image. It may be corrupted or in an unknown format."
            given = arguments.get("image_url")
            return _refused([problem("image_url", "image_load_error", message, given=given)])

    async def _draw(
        self,
        request_id: str,
        arguments: JsonObject,
        faults: frozenset[str],
        *,
        takes_source: bool,
    ) -> Outcome:
        if "refuse" in faults:
            given = arguments["prompt"]
            return _refused(
                [problem("prompt", "content_policy_violation", _CHECKER_MESSAGE, given=given)]
            )
        began = time.monotonic()
        # An `image_url` is unknown to the endpoint without a source, and so ignored.
        source = (
            (await self._sources.read(arguments["image_url"])).content if takes_source else None
        )
        orders = self._orders(request_id, arguments, faults, source=source)
        drawings = await asyncio.gather(*(self._pool.run(draw, order) for order in orders))
        stored = [self._keep(drawing) for drawing in drawings]
        output: JsonObject = {
            "images": [
                self._image_of(file, drawing)
                for file, drawing in zip(stored, drawings, strict=True)
            ],
            "timings": {"inference": round(time.monotonic() - began, 3)},
            "seed": seed_of(request_id, arguments),
            "has_nsfw_concepts": [order.is_blacked_out for order in orders],
            "prompt": arguments["prompt"],
        }
        return Outcome(status_code=200, output=output, files=tuple(stored))

    def _orders(
        self,
        request_id: str,
        arguments: JsonObject,
        faults: frozenset[str],
        *,
        source: bytes | None,
    ) -> list[Order]:
        has_own_size = source is None or arguments.get("image_size") is not None
        return [
            Order(
                prompt=without_markers(arguments["prompt"]),
                seed=seed_of(request_id, arguments) + index,
                size_px=size_px(arguments) if has_own_size else None,
                max_side_px=self._config.max_side_px,
                output_format=arguments.get("output_format") or "png",
                source=source,
                is_blacked_out="nsfw" in faults,
            )
            for index in range(int(arguments.get("num_images") or 1))
        ]

    async def _cut_out(self, arguments: JsonObject, faults: frozenset[str]) -> Outcome:
        source = await self._sources.read(arguments["image_url"])
        if "opaque" in faults:
            drawing = await self._pool.run(made_opaque, source.content)
        elif source.twin is not None:
            drawing = await self._pool.run(unchanged_png, source.twin)
        else:
            drawing = await self._pool.run(cut_out, source.content)
        stored = self._keep(drawing)
        output: JsonObject = {"image": self._image_of(stored, drawing)}
        return Outcome(status_code=200, output=output, files=(stored,))

    def _keep(self, drawing: Drawing) -> StoredFile:
        name = self._files.put(drawing.content, drawing.content_type, twin=drawing.twin)
        return StoredFile(name=name, content_type=drawing.content_type)

    def _image_of(self, file: StoredFile, drawing: Drawing) -> JsonObject:
        return {
            "url": self._files.url_of(file.name),
            "content_type": drawing.content_type,
            "file_name": file.name,
            "file_size": len(drawing.content),
            "width": drawing.width_px,
            "height": drawing.height_px,
        }


def _translate(arguments: JsonObject) -> Outcome:
    """The markers go along, so that they reach the drawing."""
    prompt: str = arguments["prompt"]
    english = translate(without_markers(prompt))
    marked = " ".join([english, *(f"[sim:{name}]" for name in sorted(markers_in(prompt)))])
    usage = {
        "prompt_tokens": len(prompt.split()),
        "completion_tokens": len(english.split()),
        "total_tokens": len(prompt.split()) + len(english.split()),
        "cost": 0.0,
    }
    output: JsonObject = {"output": marked, "reasoning": None, "partial": False, "error": None}
    return Outcome(status_code=200, output={**output, "usage": usage})


def _refused(details: list[JsonObject]) -> Outcome:
    return Outcome(
        status_code=_HTTP_UNPROCESSABLE,
        output={"detail": details},
        error="Unprocessable Entity",
        error_type=str(details[0]["type"]),
    )
