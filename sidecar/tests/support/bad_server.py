"""An MCP server that goes wrong in one way, which its first argument names; its tool `act` does it, `echo` never does."""

import json
import os
import signal
import subprocess
import sys


def log(text):
    print(text, file=sys.stderr, flush=True)


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(id, text, is_error=False):
    send({"id": id, "result": {"content": [{"type": "text", "text": text}], "isError": is_error}})


def tell(id, by, key):
    if by == "text":
        text(id, "it is " + key)
    elif by == "json":
        text(id, json.dumps({"key": key}))
    elif by == "error":
        # Half of it stands before the bound of an error.
        send({"id": id, "error": {"code": -32000, "message": "x" * 9_995 + key}})
    elif by == "notice":
        send({"method": "notifications/message", "params": {"level": "info", "data": key}})
        text(id, "logged")


def act(how, id, arguments):
    if how == "dies_in_call":
        log("the disk has caught fire")
        os._exit(3)
    elif how == "hangs_in_call":
        log("acting")
    elif how == "floods":
        block = "x" * (1 << 20)
        sys.stdout.write('{"jsonrpc": "2.0", "id": %d, "result": {"content": [{"type": "text", "text": "' % id)
        for _ in range(100):
            sys.stdout.write(block)
        sys.stdout.write('"}]}}\n')
        sys.stdout.flush()
        log("sent it all")
    elif how == "tells":
        tell(id, arguments.get("by", "text"), os.environ.get("KEY", "not there"))
    elif how == "changes":
        names.append("new.tool")
        text(id, "changed")
        send({"method": "notifications/tools/list_changed"})
    elif how == "fails":
        text(id, "the moon is not full", is_error=True)
    else:
        text(id, "done")


how, names = sys.argv[1], ["echo", "act"]
if how == "dies_at_start":
    log("cannot read the settings")
    sys.exit(3)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hidden = ["setsid", sys.executable, "-c", "import time, signal; signal.signal(15, 1)\nwhile True: time.sleep(1)", sys.argv[2]]
    subprocess.Popen(["env", "-i"] + hidden, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
log("up, with " + os.environ.get("KEY", "nothing"))
while True:
    line = sys.stdin.readline()
    if not line:
        if how != "stubborn":
            break
        signal.pause()
    message = json.loads(line)
    method, id, params = message["method"], message.get("id"), message.get("params", {})
    if method == "initialize" and how != "hangs_in_initialize":
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": how, "version": "1"}
        version = params["protocolVersion"]
        send({"id": id, "result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}})
    elif method == "tools/list":
        tools = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in names]
        page = {"tools": tools}
        if how == "boasts":
            tools.append({**tools[1], "name": "with." + os.environ["KEY"]})
            tools[0]["description"] = "with " + os.environ["KEY"]
        elif how == "lists_much":
            log("lists")
            page = {"tools": [{**tools[1], "description": "x" * (1 << 20)}], "nextCursor": "on"}
        send({"id": id, "result": page})
    elif method == "notifications/cancelled":
        log("cancelled")
    elif method == "tools/call" and params["name"] == "echo":
        text(id, json.dumps(params.get("arguments")))
    elif method == "tools/call":
        act(how, id, params.get("arguments", {}))
