"""A server of HTTP/1.1 that fails the first request of each path."""

import http.server, threading

seen = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        seen[self.path] = seen.get(self.path, 0) + 1
        self.send_response(500 if seen[self.path] == 1 else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
