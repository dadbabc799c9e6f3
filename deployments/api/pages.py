"""The pages that show the OpenAPI document. All they ask for is named beside them, so they work under any prefix."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi_offline import FastAPIOffline
from starlette.responses import HTMLResponse

_STATIC = "static-offline-docs"
_DOCUMENT = "openapi.json"


def application(title: str, version: str, description: str) -> FastAPI:
    """Return an application with its pages, which a proxy may put below a path of its own."""
    # "." is where the document is. Redirects of slashes would lead past the prefix.
    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        title=title,
        version=version,
        description=description,
        servers=[{"url": "."}],
        redirect_slashes=False,
    )
    icon = f"{_STATIC}/favicon.png"

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=_DOCUMENT,
            title=f"{title} - Swagger UI",
            swagger_js_url=f"{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{_STATIC}/swagger-ui.css",
            swagger_favicon_url=icon,
        )

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url=_DOCUMENT,
            title=f"{title} - ReDoc",
            redoc_js_url=f"{_STATIC}/redoc.standalone.js",
            redoc_favicon_url=icon,
            with_google_fonts=False,
        )

    return app
