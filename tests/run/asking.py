"""Requests to the admin address of a proxy that runs."""

import asyncio

from proxy.run.supervisor import Running


async def ask(running: Running, request: str) -> str:
    """Send a request, such as ``GET /metrics``; return the answer, head and body."""
    reader, writer = await asyncio.open_connection(running.admin_address.host, running.admin_address.port)
    writer.write(f"{request} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()
