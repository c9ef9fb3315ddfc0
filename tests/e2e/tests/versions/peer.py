"""Both ends of HTTP/1.0, HTTP/1.1 and HTTP/2, which share no code with the mesh.

    peer.py serve            HTTP/1 on port 8080, HTTP/2 on port 8081
    peer.py ask JSON         one request; prints what came of it

Whoever asks sends a body with a trailer and gets one with another; or has bytes echoed by what a WebSocket begins with.
"""

import base64, hashlib, json, os, socket, sys, threading

import h2.config, h2.connection, h2.events
from h2.settings import SettingCodes

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# ---- HTTP/1


def head(reader):
    """The first line, and fields in lower case."""
    first = reader.readline().decode().strip()
    fields = {}
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    return first, fields


def body(reader, fields):
    """The body of a message, and its trailers."""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        content, trailers = b"", {}
        while size := int(reader.readline(), 16):
            content += reader.read(size)
            reader.readline()
        while line := reader.readline().decode().strip():
            name, _, value = line.partition(":")
            trailers[name.lower()] = value.strip()
        return content, trailers
    if "content-length" in fields:
        return reader.read(int(fields["content-length"])), {}
    return b"", {}


def chunked(content, trailer, value):
    return b"%x\r\n%s\r\n0\r\n%s: %s\r\n\r\n" % (len(content), content, trailer.encode(), value.encode())


def accept(key):
    return base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()


def serve1(stream):
    with stream, stream.makefile("rb") as reader:
        while True:
            first, fields = head(reader)
            if not first:
                return
            version = first.rsplit(" ", 1)[1]
            if fields.get("upgrade", "").lower() == "websocket":
                said = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept(fields['sec-websocket-key'])}"
                stream.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{said}\r\n\r\n".encode())
                while block := reader.read1(65536):
                    stream.sendall(block)
                return
            content, trailers = body(reader, fields)
            told = json.dumps({"heard": version, "body": content.decode(), "trailers": trailers}).encode()
            if version == "HTTP/1.0":
                return stream.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + told)
            stream.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-told\r\n\r\n")
            stream.sendall(chunked(told, "x-told", "late"))


def ask1(order, stream):
    host, version = order["host"], order["version"]
    with stream.makefile("rb") as reader:
        if order.get("socket"):
            key = base64.b64encode(os.urandom(16)).decode()
            said = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
            stream.sendall(f"GET /socket HTTP/1.1\r\nHost: {host}\r\n{said}\r\n\r\n".encode())
            first, fields = head(reader)
            agreed = first.split()[1] == "101" and fields.get("sec-websocket-accept") == accept(key)
            if not agreed:
                return {"status": first, "fields": fields}
            stream.sendall(b"across")
            return {"echo": reader.read(6).decode()}
        if version == "1.0":
            stream.sendall(f"POST / HTTP/1.0\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nasked".encode())
        else:
            framing = "Transfer-Encoding: chunked\r\nTrailer: x-asked\r\nTE: trailers\r\nConnection: TE"
            stream.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n".encode())
            stream.sendall(chunked(b"asked", "x-asked", "late"))
        first, fields = head(reader)
        if version == "1.0":
            if "transfer-encoding" in fields:
                return {"error": "chunks for a client of HTTP/1.0"}
            content, trailers = reader.read(int(fields.get("content-length", -1))), {}
        else:
            content, trailers = body(reader, fields)
        return {"status": first.split()[1], "told": json.loads(content), "trailers": trailers}


# ---- HTTP/2


def connection(client):
    # CONNECT of RFC 8441 has more fields than the library's own checks know.
    config = h2.config.H2Configuration(
        client_side=client, header_encoding="utf-8", validate_outbound_headers=False, validate_inbound_headers=False
    )
    made = h2.connection.H2Connection(config)
    if not client:
        made.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
        made.local_settings.acknowledge()
    made.initiate_connection()
    return made


def events(made, stream):
    stream.sendall(made.data_to_send())
    while block := stream.recv(65536):
        for event in made.receive_data(block):
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                made.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            yield event
        stream.sendall(made.data_to_send())


def serve2(stream):
    with stream:
        made, bodies, trailers, sockets = connection(False), {}, {}, set()
        for event in events(made, stream):
            if isinstance(event, h2.events.RequestReceived):
                bodies[event.stream_id], trailers[event.stream_id] = b"", {}
                if dict(event.headers).get(":protocol") == "websocket":
                    sockets.add(event.stream_id)
                    made.send_headers(event.stream_id, [(":status", "200")])
            elif isinstance(event, h2.events.TrailersReceived):
                trailers[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                if event.stream_id in sockets:
                    made.send_data(event.stream_id, event.data)
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id in sockets:
                made.end_stream(event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                number = event.stream_id
                told = {"heard": "HTTP/2", "body": bodies[number].decode(), "trailers": trailers[number]}
                made.send_headers(number, [(":status", "200")])
                made.send_data(number, json.dumps(told).encode())
                made.send_headers(number, [("x-told", "late")], end_stream=True)


def ask2(order, stream):
    made, answer, content, sent = connection(True), {"trailers": {}}, b"", False
    number = made.get_next_available_stream_id()
    fields = [(":scheme", "http"), (":path", "/socket" if order.get("socket") else "/"), (":authority", order["host"])]
    if not order.get("socket"):
        made.send_headers(number, [(":method", "POST"), *fields, ("te", "trailers")])
        made.send_data(number, b"asked")
        made.send_headers(number, [("x-asked", "late")], end_stream=True)
    for event in events(made, stream):
        if isinstance(event, h2.events.RemoteSettingsChanged) and order.get("socket") and not sent:
            if SettingCodes.ENABLE_CONNECT_PROTOCOL not in event.changed_settings:
                return {"error": "no CONNECT for other protocols"}
            sent = True
            made.send_headers(number, [(":method", "CONNECT"), (":protocol", "websocket"), *fields, ("sec-websocket-version", "13")])
        elif isinstance(event, h2.events.ResponseReceived):
            answer["status"] = dict(event.headers)[":status"]
            if order.get("socket"):
                if answer["status"] != "200":
                    return answer
                made.send_data(number, b"across")
        elif isinstance(event, h2.events.DataReceived):
            content += event.data
            if order.get("socket") and len(content) >= 6:
                return {"echo": content.decode()}
        elif isinstance(event, h2.events.TrailersReceived):
            answer["trailers"] = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            return answer | {"told": json.loads(content)}
        elif isinstance(event, h2.events.StreamReset):
            return {"error": f"reset {event.error_code}"}
    return {"error": "closed"}


# ---- orders


def listen(port, serve):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    while True:
        threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()


def main():
    if sys.argv[1] == "serve":
        threading.Thread(target=listen, args=(8081, serve2), daemon=True).start()
        return listen(8080, serve1)
    order = json.loads(sys.argv[2])
    try:
        with socket.create_connection((order["address"], 80), 10) as stream:
            stream.settimeout(15)
            print(json.dumps((ask2 if order["version"] == "2" else ask1)(order, stream)))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))


main()
