"""Cloudinary as tests want it: raw files, signed uploads, downloads and deletions, and trouble."""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

KINDS = ("500", "420", "403", "404", "garbage", "null", "other", "hang", "reset", "short", "stall")

STRANGE = {
    "garbage": Response("<h1>It works!</h1>", media_type="text/html"),
    "null": JSONResponse(None),
    "other": JSONResponse({"public_id": "other", "result": "other"}),
}
"""Answers that are not Cloudinary's, or not to this question."""


class LocalCloudinary:
    """`files` are the bytes it holds by public id. Without `ranges` a part is answered with the whole."""

    def __init__(self, cloud_name: str = "souk", api_key: str = "1234", api_secret: str = "shh") -> None:
        self.cloud_name, self.api_key, self.api_secret = cloud_name, api_key, api_secret
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.ranges = True

    def fault(self, kind: str, times: int = 1) -> None:
        """Trouble the next requests. `hang` never answers, `reset` drops the connection, `short` breaks off half way
        through a download, `stall` stops there; the others are answers."""
        assert kind in KINDS, f"{kind} is none of {KINDS}"
        self.faults += [kind] * times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request, fault = Request(scope, receive), self.faults.pop(0) if self.faults else ""
        self.requests.append((request.method, request.url.path))
        await request.body()
        if fault == "reset":
            send.__self__.transport.abort()  # type: ignore[attr-defined]  # ASGI has no word for it: uvicorn's own
        if fault in ("reset", "hang"):
            return await gone(receive)
        if fault in STRANGE:
            answer: Response = STRANGE[fault]
        else:
            answer = refused(int(fault)) if fault.isdigit() else await self.answer(request)
        if fault in ("short", "stall"):
            answer = Broken(bytes(answer.body), stall=fault == "stall")
        await answer(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        start = f"/v1_1/{self.cloud_name}/"
        if not request.url.path.startswith(start):
            return refused(401, "cloud_name mismatch")
        path = (request.method, request.url.path.removeprefix(start))
        if path not in self.signed_calls:
            return refused(404, "no such call")
        async with request.form() as form:
            params = {**request.query_params, **{name: value for name, value in form.items() if name != "file"}}
            file = await form["file"].read() if "file" in form else None  # type: ignore[union-attr]
        if wrong := self.misled(params):
            return wrong
        return self.signed_calls[path](self, request, params, file)

    def misled(self, params: dict[str, Any]) -> Response | None:
        if params.get("api_key") != self.api_key:
            return refused(401, "Unknown API key")
        signed = {name: value for name, value in params.items() if name not in ("api_key", "signature", "file")}
        told = "&".join(f"{name}={value.replace('&', '%26')}" for name, value in sorted(signed.items()))
        if params.get("signature") != hashlib.sha1((told + self.api_secret).encode()).hexdigest():
            return refused(401, "Invalid Signature")
        if abs(time.time() - int(params["timestamp"])) > 3600:
            return refused(401, "Stale request")
        if params.get("type") != "authenticated":
            return refused(404, "Resource not found")
        return None

    def upload(self, request: Request, params: dict[str, Any], file: bytes | None) -> Response:
        if not file:
            return refused(400, "Empty file")
        key = params["public_id"]
        self.files[key] = file
        return JSONResponse(self.resource(key))

    def destroy(self, request: Request, params: dict[str, Any], file: bytes | None) -> Response:
        found = self.files.pop(params["public_id"], None)
        return JSONResponse({"result": "not found" if found is None else "ok"})

    def download(self, request: Request, params: dict[str, Any], file: bytes | None) -> Response:
        if time.time() > int(params.get("expires_at", time.time() + 1)):
            return refused(401, "Link expired")
        found = self.files.get(params["public_id"])
        if found is None:
            return refused(404, "Resource not found")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")) if self.ranges else None
        if not wanted:
            return Response(found, media_type="application/octet-stream")
        start, stop = int(wanted[1]), min(int(wanted[2] or len(found)) + 1, len(found))
        if start >= len(found):
            return refused(416, "Range Not Satisfiable")
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(found)}"}
        return Response(found[start:stop], 206, headers, "application/octet-stream")

    def resource(self, key: str) -> dict[str, Any]:
        return {
            "public_id": key,
            "bytes": len(self.files[key]),
            "resource_type": "raw",
            "type": "authenticated",
            "secure_url": f"https://res.cloudinary.com/{self.cloud_name}/raw/authenticated/{quote(key)}",
        }

    signed_calls: ClassVar[dict[tuple[str, str], Callable[..., Response]]] = {
        ("POST", "raw/upload"): upload,
        ("POST", "raw/destroy"): destroy,
        ("GET", "raw/download"): download,
    }


class Broken(StreamingResponse):
    """Half of the body, and then the connection drops, or nothing more comes."""

    def __init__(self, body: bytes, stall: bool) -> None:
        super().__init__(iter(()), headers={"Content-Length": str(len(body))})
        self.whole, self.stall = body, stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        half = self.whole[: len(self.whole) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        if not self.stall:
            send.__self__.transport.close()  # type: ignore[attr-defined]
        await gone(receive)


def refused(status: int, message: str = "Something went wrong") -> Response:
    return JSONResponse({"error": {"message": message}}, status, {"X-Cld-Error": message})


async def gone(receive: Receive) -> None:
    """Until the caller is."""
    while (await receive())["type"] != "http.disconnect":
        pass
