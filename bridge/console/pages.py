"""`/calls`: the pages themselves, behind a login. What they show comes from `live`, `directory` and `past`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from bridge.console.directory import CallDirectory
from bridge.console.live import CallOrder
from bridge.console.login import COOKIE, Logins
from bridge.console.past import PastCalls
from bridge.gateway.spending import SeenAllowance

logger = logging.getLogger(__name__)

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_LIST_EVERY_S = 1.0
_MOST_QUEUED = 200
_TRANSCRIPT_S = 60.0
_order = msgspec.json.Decoder(CallOrder)

Allowances = Callable[[], list[SeenAllowance]]
"""How the allowances stand, as this process has seen them."""
Target = Callable[[str], str]
"""A transfer's target as it is dialled. Raises ValueError for what may not be."""


class Console:
    """The pages, to be added to the service's routes. `start` and `close` the directory beside them."""

    def __init__(
        self,
        logins: Logins,
        directory: CallDirectory,
        past: PastCalls,
        *,
        phone: bool,
        secure: bool,
        target: Target,
        address: Callable[[web.Request], str],
        allowances: Allowances,
    ) -> None:
        self._logins = logins
        self._directory = directory
        self._past = past
        self._phone = phone
        self._secure = secure
        self._target = target
        self._address = address
        self._allowances = allowances
        self._sockets: set[web.WebSocketResponse[bool]] = set()

    def add_to(self, app: web.Application) -> None:
        """Register the pages' routes with the application."""
        add = app.router
        add.add_get("/calls", self._page("calls.html"))
        add.add_post("/calls/login", self._login)
        add.add_post("/calls/logout", self._logout)
        add.add_get("/calls/static/{file}", self._static)
        add.add_get("/calls/live", self._behind_login(self._live))
        add.add_post("/calls/order", self._behind_login(self._order))
        add.add_get("/calls/past", self._behind_login(self._search))
        add.add_get("/calls/past/{name}", self._behind_login(self._transcript))
        add.add_get("/calls/past/{name}/sound", self._behind_login(self._sound))
        if self._phone:
            add.add_get("/calls/phone", self._page("phone.html"))

    async def start(self) -> None:
        """Begin to tell of this process's calls."""
        self._directory.start()

    async def close(self) -> None:
        """Close the pages' sockets, and tell of no calls any more."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        await self._directory.close()

    # ---- who may see it ---------------------------------------------------------------------------------------

    def _logged_in(self, request: web.Request) -> bool:
        return self._logins.logged_in(request.headers.get("Cookie", ""), time.time())

    def _page(self, file: str) -> Callable[[web.Request], Any]:
        """A page for those who are logged in; all others are asked for the password."""

        async def handle(request: web.Request) -> web.Response:
            return _file(file if self._logged_in(request) else "login.html")

        return handle

    def _behind_login(self, handle: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        async def checked(request: web.Request) -> web.StreamResponse:
            if not self._logged_in(request):
                return web.json_response({"error": "not logged in"}, status=401)
            answer: web.StreamResponse = await handle(request)
            return answer

        return checked

    async def _login(self, request: web.Request) -> web.Response:
        address, now = self._address(request), time.time()
        if not self._logins.may_try(address, now):
            return _json({"error": "too many attempts: wait a minute"}, 429)
        form = await request.post()
        cookie = self._logins.try_password(str(form.get("password", ""))[:1000], address, now)
        if not cookie:
            logger.warning("a console login failed, from %s", address)
            return _json({"error": "wrong password"}, 403)
        answer = _json({"ok": True})
        answer.set_cookie(
            COOKIE, cookie, max_age=self._logins.lifetime_s, httponly=True, samesite="Strict", path="/",
            secure=self._secure and not request.host.startswith(("localhost", "127.0.0.1")),
        )  # fmt: skip
        return answer

    async def _logout(self, _request: web.Request) -> web.Response:
        answer = _json({"ok": True})
        answer.del_cookie(COOKIE, path="/")
        return answer

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["file"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        return _file(name)

    # ---- calls in progress ------------------------------------------------------------------------------------

    async def _order(self, request: web.Request) -> web.Response:
        """Hang up a call, or send it on."""
        if request.headers.get("X-Bridge-Console") != "1":  # no form of another site can send it
            return _json({"error": "not from our page"}, 403)
        try:
            wanted = _order.decode(await request.read())
            if wanted.do == "follow":
                raise ValueError("a call is followed over the live socket")
            if wanted.do == "transfer":
                wanted = msgspec.structs.replace(wanted, target=self._target(wanted.target))
        except ValueError as error:  # MsgspecError is one
            return _json({"error": str(error)}, 400)
        if not self._directory.order(wanted):
            return _json({"error": "there is no such call any more"}, 404)
        logger.info("a console user asked to %s call %s", wanted.do.replace("_", " "), wanted.key)
        return _json({"ok": True})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """The list of calls once a second, and one call that is followed, until the page goes."""
        socket = web.WebSocketResponse(compress=False, max_msg_size=4096, heartbeat=20.0)
        if not socket.can_prepare(request):
            return _json({"error": "this address speaks WebSocket only"}, 400)
        await socket.prepare(request)
        self._sockets.add(socket)
        viewer = _Viewer(socket, self._directory, self._allowances)
        try:
            await viewer.run()
        finally:
            self._sockets.discard(socket)
        return socket

    # ---- past calls -------------------------------------------------------------------------------------------

    async def _search(self, request: web.Request) -> web.Response:
        try:
            slower = float(request.query.get("slower_than_ms", "") or 0)
        except ValueError:
            return _json({"error": "slower_than_ms is a number of milliseconds"}, 400)
        text = request.query.get("text", "")[:200]
        found = await asyncio.to_thread(self._past.search, text, slower_than_ms=slower)
        return web.Response(body=msgspec.json.encode(found), content_type="application/json", headers=_HEADERS)

    async def _transcript(self, request: web.Request) -> web.Response:
        """A past call as a conversation; read by a process of its own, since it costs the calls too much here."""
        path = await asyncio.to_thread(self._past.record, request.match_info["name"])
        if path is None:
            return _json({"error": "there is no record of such a call"}, 404)
        command = (sys.executable, "-m", "bridge.cli", "transcript", "--json", "--decisions", str(path))
        reader = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(_TRANSCRIPT_S):
                told, complaint = await reader.communicate()
        except TimeoutError:
            return _json({"error": "the record is too long to be read here: use bridge transcript"}, 503)
        finally:
            if reader.returncode is None:
                reader.kill()
                await reader.wait()
        if reader.returncode:
            return _json({"error": complaint.decode(errors="replace").strip()[-500:]}, 500)
        return web.Response(body=told, content_type="application/json", headers=_HEADERS)

    async def _sound(self, request: web.Request) -> web.StreamResponse:
        path = await asyncio.to_thread(self._past.recording, request.match_info["name"])
        if path is None:
            return _json({"error": "there is no recording of this call"}, 404)
        return web.FileResponse(path, headers={"Content-Type": "audio/wav", "Cache-Control": "no-store"})


class _Viewer:
    """One open page: what it wants to see comes in, what there is to see goes out."""

    def __init__(self, socket: web.WebSocketResponse[bool], directory: CallDirectory, allowances: Allowances) -> None:
        self._socket = socket
        self._directory = directory
        self._allowances = allowances
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue(_MOST_QUEUED)

    async def run(self) -> None:
        """Serve until the page goes."""
        with self._directory.looking():
            sending = [asyncio.create_task(self._send_calls()), asyncio.create_task(self._send_blocks())]
            try:
                await self._read()
            finally:
                for task in sending:
                    task.cancel()
                await asyncio.gather(*sending, return_exceptions=True)

    async def _read(self) -> None:
        with contextlib.ExitStack() as following:
            async for message in self._socket:
                following.close()
                wanted = _wanted(message.data) if message.type is WSMsgType.TEXT else None
                if wanted is not None and wanted.do == "follow" and wanted.key:
                    following.enter_context(self._directory.following(wanted, self._deliver))

    def _deliver(self, block: bytes) -> None:
        if not self._blocks.full():  # a page that does not keep up misses some
            self._blocks.put_nowait(block)

    async def _send_blocks(self) -> None:
        while True:
            block = await self._blocks.get()
            await self._socket.send_bytes(block)

    async def _send_calls(self) -> None:
        while True:
            told = {"calls": self._directory.calls(), "allowances": self._allowances()}
            await self._socket.send_str(msgspec.json.encode(told).decode())
            await asyncio.sleep(_LIST_EVERY_S)


def _wanted(data: str) -> CallOrder | None:
    try:
        return _order.decode(data.encode())
    except msgspec.MsgspecError:
        return None


def _json(told: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(told, status=status, headers=_HEADERS)


def _file(name: str) -> web.Response:
    suffix = name[name.rindex(".") :]
    return web.Response(body=_STATIC[name], content_type=_TYPES[suffix], charset="utf-8", headers=_HEADERS)


_STATIC = {
    entry.name: entry.read_bytes()
    for entry in files("bridge.console").joinpath("static").iterdir()
    if entry.name.endswith(tuple(_TYPES))
}
