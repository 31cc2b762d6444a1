"""Serves a page with a text area, and keeps what its browser says stands in it in the file `typed`."""
import http.server
import os

PAGE = b"""<!doctype html><meta charset="utf-8"><title>page</title>
<textarea style="width:95vw;height:90vh;font-size:16px" autofocus></textarea><script>
const area = document.querySelector("textarea");
let said = null, busy = false;
async function say() {
  if (busy || (said === null && !document.hasFocus())) return;
  busy = true;
  while (said !== area.value) {
    const text = area.value;
    await fetch("/", { method: "POST", body: text });
    said = text;
  }
  busy = false;
}
area.addEventListener("input", say);
setInterval(say, 50);
</script>"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        with open("typed.new", "wb") as file:
            file.write(text)
        os.rename("typed.new", "typed")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Page)
with open("port.new", "w") as file:
    file.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
