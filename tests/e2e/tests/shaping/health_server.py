"""A server of HTTP that says whether it is well, as the story has it."""

import http.server, os, threading

well, checks = True, []


def become(state):
    global well
    well = state


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        is_check = self.path == "/healthz"
        if is_check:
            checks.append([self.headers["host"], self.headers["user-agent"]])
        body = os.environ["POD_NAME"].encode()
        self.send_response(503 if is_check and not well else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("", 8080), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
