import http, socket, threading
import websockets.exceptions
import websockets.sync.client, websockets.sync.server


def talk(connection):
    for message in connection:
        if message == "close":
            return connection.close(4001, "as told")
        connection.send(message[::-1])


def screen(connection, request):
    """The server's own answer instead of a WebSocket."""
    if request.path == "/plain":
        return connection.respond(http.HTTPStatus.OK, "plain\n")


def serve(port):
    server = websockets.sync.server.serve(talk, "0.0.0.0", port, process_request=screen, max_size=None)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def dial(path):
    return websockets.sync.client.connect("ws://socket.shop" + path, open_timeout=20, max_size=None, proxy=None)


def echo(path, count, size):
    """How many of `count` messages came back reversed; text and bytes by turns."""
    good = 0
    with dial(path) as connection:
        for index in range(count):
            message = chr(65 + index % 26) * size + "."
            message = message if index % 2 else message.encode()
            connection.send(message)
            good += connection.recv(20) == message[::-1]
    return good


def closed_by_peer():
    with dial("/") as connection:
        connection.send("close")
        try:
            connection.recv(20)
        except websockets.exceptions.ConnectionClosed as closed:
            return [closed.rcvd.code, closed.rcvd.reason]


def status(path):
    """Of an answer that is no switch of protocols."""
    try:
        dial(path).close()
    except websockets.exceptions.InvalidStatus as refused:
        return refused.response.status_code
