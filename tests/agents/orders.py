"""Functions that tests offer to chat models, and an MCP server with the same ones: `python -m tests.agents.orders`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from bridge.agents.tools.functions import reads

ORDERS = {"123456": "on its way", "654321": "ready"}


class Shop:
    """What the functions did, how long they take, and what was given up."""

    booked: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []
    given_up: ClassVar[list[str]] = []
    takes_s: ClassVar[float] = 0.0

    @classmethod
    def reset(cls) -> None:
        cls.booked, cls.asked, cls.given_up, cls.takes_s = [], [], [], 0.0


class Order(msgspec.Struct):
    """What is known of an order."""

    number: str
    state: str


@reads
async def find_order(number: Annotated[str, msgspec.Meta(description="Six digits.", pattern="^[0-9]{6}$")]) -> Order:
    """Find out where an order is."""
    Shop.asked.append(number)
    try:
        await asyncio.sleep(Shop.takes_s)
    except asyncio.CancelledError:
        Shop.given_up.append(number)
        raise
    return Order(number, ORDERS.get(number, "unknown"))


async def book_visit(day: str, time: Literal["morning", "afternoon"] = "morning", guests: int = 1) -> str:
    """Book a visit."""
    await asyncio.sleep(Shop.takes_s)
    Shop.booked.append(f"{day} {time} {guests}")
    return f"visit {len(Shop.booked)}"


@reads
def huge() -> str:
    """Say far too much."""
    return "x" * 1_000_000


@reads
def broken() -> Any:
    """Fail."""
    raise RuntimeError("the secret of the database")


@reads
def strange() -> Any:
    """Give what is no JSON."""
    loop: list[Any] = []
    loop.append(loop)
    return loop


def no_types(number) -> str:  # type: ignore[no-untyped-def]
    """Lack a type."""
    return str(number)


def no_docstring(number: str) -> str:
    return number


def serve() -> Any:
    """An MCP server of these functions, made with the package itself."""
    from mcp.server.mcpserver import MCPServer
    from mcp_types import ToolAnnotations

    server = MCPServer("orders")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def find_order(number: str) -> dict[str, str]:
        """Find out where an order is."""
        if number not in ORDERS:
            raise ValueError(f"there is no order {number}")
        return {"number": number, "state": ORDERS[number]}

    @server.tool()
    async def book_visit(day: str) -> str:
        """Book a visit."""
        Shop.booked.append(day)
        return f"booked {day}"

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def slow() -> str:
        """Take long."""
        await asyncio.sleep(60)
        return "done"

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    async def die() -> str:
        """End the server's process."""
        import os

        os._exit(1)

    return server


if __name__ == "__main__":
    serve().run()
