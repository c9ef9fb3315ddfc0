import concurrent.futures, threading
import grpc

# Calls that were given up by their clients.
given_up = []


def unary(request, _):
    return request[::-1]


def fan_out(request, _):
    for number in range(int(request)):
        yield b"%d" % number


def fan_in(requests, _):
    return b"%d" % sum(len(request) for request in requests)


def chat(requests, _):
    for request in requests:
        yield request.upper()


def fail(request, context):
    context.set_trailing_metadata((("detail", "of the story"), ("blob-bin", b"\x00\xff")))
    context.abort(grpc.StatusCode.NOT_FOUND, "no " + request.decode())


def slow(_, context):
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(30)
    given_up.append("slow")
    return b"too late"


def flaky(request, context):
    """Fails as many times as it is told, for each key."""
    key, times = request.decode().split(":")
    seen = tries[key] = tries.get(key, 0) + 1
    if seen <= int(times):
        context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
    return b"%d" % seen


tries = {}
METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Secret": grpc.unary_unary_rpc_method_handler(unary),
    "FanOut": grpc.unary_stream_rpc_method_handler(fan_out),
    "FanIn": grpc.stream_unary_rpc_method_handler(fan_in),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "Flaky": grpc.unary_unary_rpc_method_handler(flaky),
}
server = grpc.server(
    concurrent.futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", 32 << 20)]
)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Calls", METHODS),))
server.add_insecure_port("[::]:50051")
server.start()
