"""Drives a desktop over MCP with the official Python client, and prints what it got as lines of JSON.

Usage: CLOUDBOT_TOKEN=... drive.py URL [--mode auto|legacy] [--type TEXT] [--bash COMMAND]

Needs the package `mcp` of PyPI, 2.3 or later. Each line has a `step`; the last one is `{"step": "done"}`.
"""

import argparse
import asyncio
import base64
import json
import os
import sys

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}), flush=True)


def shown(block):
    if block.type == "image":
        size = len(base64.b64decode(block.data, validate=True))
        return {"type": "image", "mime_type": block.mime_type, "bytes": size}
    return {"type": block.type, "text": block.text}


async def use(client, step, name, arguments):
    result = await client.call_tool(name, arguments)
    tell(step, is_error=bool(result.is_error), content=[shown(block) for block in result.content])


async def drive(arguments):
    headers = {"authorization": f"Bearer {os.environ['CLOUDBOT_TOKEN']}"}
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(arguments.url, http_client=http)
        async with Client(transport, mode=arguments.mode) as client:
            server = client.server_info.name if client.server_info else None
            tell("connected", protocol=client.protocol_version, server=server)
            tools = (await client.list_tools()).tools
            tell("tools", names=[tool.name for tool in tools])
            await use(client, "screenshot", "screenshot", {})
            await use(client, "type", "type", {"text": arguments.type})
            await use(client, "bash", "bash", {"command": arguments.bash})
    tell("done")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--mode", default="auto", choices=["auto", "legacy"])
    parser.add_argument("--type", default="hello")
    parser.add_argument("--bash", default="echo hello")
    try:
        asyncio.run(drive(parser.parse_args()))
    except Exception as error:
        tell("failed", error=repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
