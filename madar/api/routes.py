"""The whole URL surface, one list."""

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from madar.api import auth, errors, files, generations, live, styles, system, uploads, webhooks
from madar.settings import ROOT

routes: list[BaseRoute] = [
    Route("/api/auth/google/url", auth.get_google_url, methods=["GET"]),
    Route("/api/auth/google/callback", auth.google_callback, methods=["GET", "POST"]),
    Route("/api/auth/user", auth.get_user, methods=["GET"]),
    Route("/api/auth/logout", auth.post_logout, methods=["POST"]),
    Route("/api/generations", generations.collection, methods=["GET", "POST"]),
    Route("/api/generations/{id}", generations.get_generation, methods=["GET"]),
    Route("/api/generations/{id}/download", generations.get_download, methods=["GET"]),
    Route("/api/uploads/image", uploads.post_image, methods=["POST"]),
    Route("/api/styles", styles.list_styles, methods=["GET"]),
    Route("/api/health", system.get_health, methods=["GET"]),
    Route("/api/webhooks/fal", webhooks.post_fal, methods=["POST"]),
    WebSocketRoute("/ws", live.live),
    Route("/files/{token}", files.get_file, methods=["GET"]),
    Mount("/previews", StaticFiles(directory=ROOT / "madar" / "api" / "previews")),
    Route("/docs/errors", errors.list_errors, methods=["GET"]),
    Route("/", system.get_home, methods=["GET"]),
]
