"""A client of gRPC-Web, and what it is like in base64."""

import base64, sys, urllib.request

import grpc, sonora.client

URL = "http://127.0.0.1"
same = lambda data: data


def unary(method, request):
    """The answer to a call, or its code and message."""
    with sonora.client.insecure_web_channel(URL) as channel:
        try:
            return channel.unary_unary("/shop.Calls/" + method, same, same)(request, timeout=20)
        except grpc.RpcError as error:
            return error.code().name, error.details()


def stream(method, request):
    with sonora.client.insecure_web_channel(URL) as channel:
        return list(channel.unary_stream("/shop.Calls/" + method, same, same)(request, timeout=20))


def ask(method, request, kind, accept=None, cut=None):
    """A call by hand, in base64 if `kind` says so; as two texts of it behind each other if they are `cut`."""
    body = len(request).to_bytes(5, "big") + request
    if "-text" in kind:
        body = base64.b64encode(body[:cut]) + base64.b64encode(body[cut:] if cut else b"")
    headers = {"Content-Type": kind, "X-Grpc-Web": "1"} | ({"Accept": accept} if accept else {})
    call = urllib.request.Request(f"{URL}/shop.Calls/{method}", body, headers)
    return urllib.request.urlopen(call, timeout=20)


def kind(kind):
    answer = ask("Unary", b"abc", kind, kind)
    return answer.status, answer.headers["Content-Type"]


def text(method, request, accept=None, cut=None):
    """The frames of an answer: flag and message, or status."""
    answer = ask(method, request, "application/grpc-web-text", accept, cut)
    data = answer.read()
    if "-text" in answer.headers["Content-Type"]:
        data = b"".join(base64.b64decode(data[at : at + 4], validate=True) for at in range(0, len(data), 4))
    frames = []
    while data:
        flag, length = data[0], int.from_bytes(data[1:5], "big")
        message, data = data[5 : 5 + length], data[5 + length :]
        if flag == 128:
            fields = dict(line.split(b": ", 1) for line in message.split(b"\r\n")[:-1])
            message = int(fields[b"grpc-status"])
        frames.append((flag, message))
    return frames


def at_once(method, request):
    """The status of a call that is answered by its head alone, and the body."""
    answer = ask(method, request, "application/grpc-web-text")
    return answer.headers["grpc-status"], answer.read()


print(eval(sys.argv[1]))
