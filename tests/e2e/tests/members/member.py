"""A server of HTTP/1.1 that answers with its name, and says whether it is well."""

import http.server, os, threading

well, probed = True, None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global probed
        is_probe = self.path == "/healthz"
        if is_probe:
            probed = self.headers["X-Probe"]
        body = os.environ["POD_NAME"].encode() + b"\n"
        self.send_response(503 if is_probe and not well else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def become(is_well):
    global well
    well = is_well


server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
