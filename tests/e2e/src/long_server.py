import http.server, json, socketserver, threading, time

over, lost = threading.Event(), []


class Answers(http.server.BaseHTTPRequestHandler):
    """Below /long: goes on until it is told to end. Below /long/bare, only the end of the connection says that it has."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/long"):
            return self.long("/bare" not in self.path)
        body = json.dumps({"name": "long", "path": self.path}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def long(self, chunked):
        self.send_response(200)
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()
        try:
            while not over.is_set():
                self.wfile.write(b"6\r\npiece\n\r\n" if chunked else b"piece\n")
                time.sleep(0.02)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            lost.append(self.path)
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


threading.Thread(target=Server(("0.0.0.0", 8080), Answers).serve_forever, daemon=True).start()
