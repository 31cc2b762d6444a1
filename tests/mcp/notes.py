"""An MCP server of the tests' own, for a desktop that has nothing but Python: it keeps notes while it runs.

`notes.py` speaks over its standard input and output, `notes.py PORT` over streamable HTTP.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOTES = []
ADD = {
    "name": "add",
    "description": "Adds a note and tells all of them.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
DIE = {"name": "die", "description": "Ends the server.", "inputSchema": {"type": "object"}}


def answer(asked):
    method = asked.get("method")
    if method == "initialize":
        version = asked["params"]["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "notes", "version": "1"}}
    if method == "tools/list":
        return {"tools": [ADD, DIE]}
    if method == "tools/call":
        if asked["params"]["name"] == "die":
            print("it was asked to die", file=sys.stderr, flush=True)
            os._exit(7)
        NOTES.append(asked["params"]["arguments"]["text"])
        said = f"{os.environ.get('NOTES_OF', 'nobody')}: {', '.join(NOTES)}"
        print(f"{len(NOTES)} notes", file=sys.stderr, flush=True)
        return {"content": [{"type": "text", "text": said}]}
    return {}


def response(asked):
    return {"jsonrpc": "2.0", "id": asked["id"], "result": answer(asked)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get("authorization") != "Bearer let-me-in":
            return self.say(401, b"")
        if "id" not in asked:
            return self.say(202, b"")
        return self.say(200, json.dumps(response(asked)).encode())

    def do_GET(self):
        self.say(405, b"")

    def say(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    if len(sys.argv) > 1:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            print(json.dumps(response(asked)), flush=True)


if __name__ == "__main__":
    main()
