"""What to look at when a caller never came through, from what the carrier could not use."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp

from bridge.simulator.carriers.base import Carrier, CarrierError

_LOCAL = ("127.0.0.1", "localhost", "::1")


def remedy(error: CarrierError | None, carrier: Carrier, url: str, connect_to: str, ended: str) -> str:
    """A sentence or two, never empty; `ended` is how the call ended, for one that nothing was wrong with."""
    if error is None:
        return _turned_away(ended)
    match error.problem, error.status:
        case "retrieval", 401 | 403:
            return _signature(carrier, url, connect_to)
        case "retrieval", 404:
            return (
                f"Nothing answers at {_path(url)}: is this the webhook's path? Ours is "
                f"/{carrier.name}/{carrier.dial_path}, after whatever path the public address has, and is there when "
                "that carrier is configured."
            )
        case "retrieval", 405:
            return f"The server does not take {carrier.dial_method} there: is this the voice webhook?"
        case "retrieval", 0:
            return _unreached(error.__cause__, url, connect_to)
        case "retrieval", 429:
            return "The server takes no more requests from here for now: wait, or raise its limit."
        case "retrieval", _:
            return "The server failed over this request: its own log says why."
        case "redirects", _:
            return "The server redirects in circles: is there a proxy that sends http to https and back?"
        case "content type", _:
            return (
                f"The document must come as {carrier.document_types[0]}: is this a page, or another service's answer?"
            )
        case "too large", _:
            return "A carrier reads no document that long: did a page, or a file, answer in its place?"
        case "document", _:
            return "The server answered with something that is no document for this carrier; it is quoted above."
        case "handshake", 401 | 403:
            return (
                f"The media socket was refused: {_signature(carrier, url, connect_to)} A proxy must pass the upgrade's "
                "headers on."
            )
        case "handshake", _:
            return "The media socket was not opened: do the path of the stream's URL and a proxy in between allow it?"
        case "timeout" | "refused", _:
            return (
                "The document names a media address where nobody can be reached: is the public address right, and does "
                "--connect-to name where the server is?"
            )
        case "url", _:
            return "The document names something that is no address; it is quoted above."
        case _:
            return "A carrier opens wss:// addresses alone: is the public address an https:// one?"


def _unreached(why: BaseException | None, url: str, connect_to: str) -> str:
    where = connect_to or _origin(url)
    match why:
        case aiohttp.ClientConnectorDNSError():
            return f"No name server knows the host of {where}: is it written right, and published?"
        case aiohttp.ClientConnectorCertificateError():
            return f"A carrier would refuse it, too: {where} needs a certificate that is valid, with its whole chain."
        case aiohttp.ClientSSLError():
            return f"What listens at {where} does not speak TLS: is the address http://, or the port another one?"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return (
                f"Something listens at {where}, and does not answer as a web server does: is this the service's port, "
                "and is the address rather https:// than http://?"
            )
        case aiohttp.NonHttpUrlClientError() | ValueError():  # aiohttp.InvalidURL is one, too
            return f"The server, or a proxy, redirects {where} to something that is no address."
        case _:
            return _nobody_there(url, connect_to)


def _turned_away(ended: str) -> str:
    if ended.startswith("transferred"):
        return (
            "The document dialled on, and opened no media stream: nobody of the server's heard this caller. Is that "
            "meant (a full line's overflow_number, a number that only forwards)? Then expect `transferred_to`."
        )
    if ended.startswith("rejected"):
        return (
            "The server turned the call away: it is full, draining, or does not take this number; its log says which."
        )
    if ended.startswith("patience"):
        return "The document opened no media stream while the caller waited: it pauses, or talks, for longer than that."
    return "The document opened no media stream: was the call refused as busy, or does the document lack one?"


def _signature(carrier: Carrier, url: str, connect_to: str) -> str:
    told = (
        f"The signature was refused: is {carrier.secret_variable} what the server has, and is {_origin(url)} its "
        "public address (PUBLIC_URL), letter by letter?"
    )
    if urlsplit(url).hostname in _LOCAL and not connect_to:
        told += (
            f" Signatures are made over the public name: ring https://<public name>{_path(url)} with "
            f"--connect-to {_origin(url)}."
        )
    return told


def _nobody_there(url: str, connect_to: str) -> str:
    where = connect_to or _origin(url)
    return f"Nobody answers at {where}: does the server run, on this host and port, and is it ready?"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _path(url: str) -> str:
    return urlsplit(url).path or "/"
