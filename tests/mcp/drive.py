"""Drives a desktop over MCP with the official Python client, and prints what it got as lines of JSON.

Usage: CLOUDBOT_TOKEN=... drive.py URL [--mode auto|legacy] [--pictures FOLDER] [--call TOOL ARGUMENTS]...

Without a --call it takes a screenshot and says hello in the shell. ARGUMENTS are a JSON object. Needs the package
`mcp` of PyPI, 2.3 or later. Each line has a `step`; the last one is `{"step": "done"}`, or `{"step": "failed"}` when
the client gave up.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
from pathlib import Path

from mcp import Client, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

CALLS = [("screenshot", "{}"), ("bash", '{"command": "echo hello"}')]


def tell(step, **facts):
    print(json.dumps({"step": step, **facts}), flush=True)


class Shown:
    """What a tool answered, as it may be printed: pictures go to files."""

    def __init__(self, folder):
        self.folder = folder
        self.pictures = 0

    def __call__(self, block):
        if block.type != "image":
            return {"type": block.type, "text": block.text}
        picture = base64.b64decode(block.data, validate=True)
        shown = {"type": "image", "mime_type": block.mime_type, "bytes": len(picture)}
        if self.folder:
            self.pictures += 1
            shown["file"] = str(self.folder / f"{self.pictures}.{block.mime_type.rpartition('/')[2]}")
            Path(shown["file"]).write_bytes(picture)
        return shown


async def call(client, show, tool, arguments):
    try:
        result = await client.call_tool(tool, json.loads(arguments))
    except MCPError as error:
        tell("refused", tool=tool, error=str(error))
        return
    tell("called", tool=tool, is_error=bool(result.is_error), content=[show(block) for block in result.content])


async def drive(arguments):
    headers = {"authorization": f"Bearer {os.environ['CLOUDBOT_TOKEN']}"}
    show = Shown(arguments.pictures)
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(arguments.url, http_client=http)
        async with Client(transport, mode=arguments.mode) as client:
            server = client.server_info.name if client.server_info else None
            tell("connected", protocol=client.protocol_version, server=server)
            tools = (await client.list_tools()).tools
            tell("tools", names=[tool.name for tool in tools])
            for tool, given in arguments.call or CALLS:
                await call(client, show, tool, given)
    tell("done")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--mode", default="auto", choices=["auto", "legacy"])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--call", nargs=2, action="append")
    try:
        asyncio.run(drive(parser.parse_args()))
    except Exception as error:
        tell("failed", error=repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
