"""The whole URL surface, one list."""

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from madar.api import (
    auth,
    errors,
    files,
    gallery,
    generations,
    live,
    openapi,
    reference,
    socketio,
    streams,
    studio,
    styles,
    system,
    tickets,
    trash,
    uploads,
    users,
    webhooks,
)
from madar.api.operations import Resource
from madar.settings import ROOT

resources: list[Resource] = [
    Resource("/api/auth/google/url", get=auth.get_google_url),
    Resource(
        "/api/auth/google/callback", get=auth.get_google_callback, post=auth.post_google_callback
    ),
    Resource("/api/auth/user", get=auth.get_user),
    Resource("/api/auth/logout", post=auth.post_logout),
    Resource("/api/auth/sessions", get=auth.list_sessions, delete=auth.delete_sessions),
    Resource("/api/auth/sessions/{id}", delete=auth.delete_session),
    Resource("/api/generations", get=gallery.list_generations, post=generations.post_generation),
    Resource(
        "/api/generations/{id}",
        get=generations.get_generation,
        patch=generations.patch_generation,
        delete=generations.delete_generation,
    ),
    Resource("/api/generations/{id}/download", get=generations.get_download),
    Resource("/api/generations/{id}/events", get=streams.get_events),
    Resource("/api/generations/{id}/cancel", post=generations.post_cancel),
    Resource("/api/generations/{id}/retry", post=generations.post_retry),
    Resource("/api/generations/{id}/restore", post=trash.post_restore),
    Resource("/api/live/ticket", post=tickets.post_ticket),
    Resource("/api/trash", get=trash.get_trash, delete=trash.delete_trash),
    Resource("/api/trash/{id}", delete=trash.delete_from_trash),
    Resource("/api/user", delete=users.delete_user),
    Resource("/api/user/profile", get=users.get_profile, patch=users.patch_profile),
    Resource("/api/user/stats", get=users.get_stats),
    Resource("/api/user/export", get=users.get_export),
    Resource("/api/uploads/image", post=uploads.post_image),
    Resource("/api/styles", get=styles.list_styles),
    Resource("/api/health", get=system.get_health),
    Resource("/api/webhooks/fal", post=webhooks.post_fal),
]

routes: list[BaseRoute] = [
    *resources,
    WebSocketRoute("/ws", live.live),
    Mount("/socket.io", socketio.door),
    Route("/files/{token}", files.get_file, methods=["GET"]),
    Mount("/previews", StaticFiles(directory=ROOT / "madar" / "api" / "previews")),
    Route("/livez", system.get_livez, methods=["GET"]),
    Route("/readyz", system.get_readyz, methods=["GET"]),
    Route("/api/openapi.json", openapi.get_openapi, methods=["GET"]),
    Route("/studio", studio.get_studio, methods=["GET"]),
    Route("/studio/gallery", studio.get_studio, methods=["GET"]),
    Route("/studio/account", studio.get_studio, methods=["GET"]),
    Route("/studio/assets/{digest}/{name:path}", studio.get_studio_asset, methods=["GET"]),
    Route("/docs", reference.get_reference, methods=["GET"]),
    Route("/docs/assets/{name}", reference.get_asset, methods=["GET"]),
    Route("/docs/errors", errors.list_errors, methods=["GET"]),
    Route("/docs/errors/{code}", errors.get_error, methods=["GET"]),
    Route("/", system.get_home, methods=["GET"]),
]
