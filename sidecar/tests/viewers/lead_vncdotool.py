"""vncdotool, led by lines of JSON, [method, arguments...], each of which is answered by a line."""

import json
import sys

from vncdotool import api, client, rfb

copied = []


class Viewer(client.VNCDoToolClient):
    encoding = rfb.Encoding[sys.argv[2]]

    def copy_text(self, text):
        copied.append(text)


class Factory(client.VNCDoToolFactory):
    protocol = Viewer


with api.connect(f"127.0.0.1::{sys.argv[1]}", factory_class=Factory, timeout=20) as viewer:
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        if method == "save":
            viewer.screen.save(*arguments)
        elif method != "copied":
            getattr(viewer, method)(*arguments)
        print(json.dumps(copied), flush=True)
api.shutdown()
