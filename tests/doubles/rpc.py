"""What the doubles of Google's services share: a real gRPC server, accounts that sign, statuses in place of errors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

KEY = "vendor-key"
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED"}
STATUS |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def service_account(directory: Any) -> tuple[str, Any]:
    """A key file as Google writes it, and the public key that belongs to it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    info = {
        "type": "service_account",
        "project_id": "shop",
        "private_key_id": "k1",
        "private_key": private,
        "client_email": "bridge@shop.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path = directory / "account.json"
    path.write_text(json.dumps(info))
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return str(path), pem


async def let_in(context: Any, public_key: bytes | None, audience: str, refuses: int | None) -> dict[str, str]:
    """The call's metadata. Ends the call that has no right to be here."""
    import grpc

    told = {name: str(value) for name, value in context.invocation_metadata()}
    if refuses is not None:
        said = "This API method requires billing to be enabled." if refuses == 402 else "no"
        await context.abort(getattr(grpc.StatusCode, STATUS[refuses]), said)
    token = told.get("authorization", "").removeprefix("Bearer ")
    if public_key is None:
        known = token == KEY
    else:
        import jwt

        try:
            claims = jwt.decode(token, public_key, algorithms=["RS256"], audience=audience)
            known = claims["iss"] == claims["sub"] == "bridge@shop.iam.gserviceaccount.com"
        except jwt.PyJWTError:
            known = False
    if not known:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials.")
    return told


@contextlib.asynccontextmanager
async def served(service: str, method: str, handle: Callable[..., Any], keep: list[Any]) -> AsyncIterator[str]:
    """A gRPC server with one method, whose messages stay raw; it is kept in `keep` for whoever must kill it."""
    grpc = pytest.importorskip("grpc")
    aio = pytest.importorskip("grpc.aio")
    server = aio.server()
    method_handler = grpc.stream_stream_rpc_method_handler(handle)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: method_handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    keep[:] = [server]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)
