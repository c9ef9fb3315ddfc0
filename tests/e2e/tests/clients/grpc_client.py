import concurrent.futures, queue, threading
import grpc

# Before this, TARGET says where the server is called, and AUTHORITY as whom.
LONG = 30
SAID = ["blob-bin", "detail"]
NAMED = ("grpc.default_authority", AUTHORITY)
channel = grpc.insecure_channel(
    TARGET,
    options=[NAMED, ("grpc.enable_retries", 0), ("grpc.max_receive_message_length", 32 << 20)],
)


def path(method):
    return "/shop.Calls/" + method


def unary(method, request, timeout=LONG):
    return channel.unary_unary(path(method))(request, timeout=timeout)


def refused(method, request, timeout=LONG):
    """Code, message and trailing metadata (but for what proxies add) of a call that fails."""
    try:
        unary(method, request, timeout)
    except grpc.RpcError as error:
        metadata = sorted((key, repr(value)) for key, value in error.trailing_metadata() or () if key in SAID)
        return [error.code().name, error.details(), metadata]
    return None


def fan_out(count):
    return [part.decode() for part in channel.unary_stream(path("FanOut"))(b"%d" % count, timeout=LONG)]


def fan_in(sizes):
    return channel.stream_unary(path("FanIn"))((b"x" * size for size in sizes), timeout=LONG).decode()


def chat(words):
    """One word after the other: the next is said when the last was answered."""
    said = queue.Queue()
    answers = channel.stream_stream(path("Chat"))(iter(said.get, None), timeout=LONG)
    heard = []
    for word in words:
        said.put(word.encode())
        heard.append(next(answers).decode())
    said.put(None)
    return heard + [len(list(answers))]


def cancelled():
    call = channel.unary_unary(path("Slow")).future(b"", timeout=LONG)
    while not call.running(): pass
    channel.unary_unary(path("Unary"))(b"meanwhile", timeout=LONG)
    return call.cancel()


def at_once(count):
    """Calls side by side, of growing size; how many of them were answered rightly."""
    def one(index):
        request = bytes([index % 251]) * (index * 997) + b"!"
        return unary("Unary", request) == request[::-1]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return sum(pool.map(one, range(count)))


answered, failed = [0], []


def refused_anew(method):
    """The code of a call that fails, on a connection of its own: one that was told to go may meet a call that nobody
    sends again."""
    with grpc.insecure_channel(TARGET, options=[NAMED, ("grpc.use_local_subchannel_pool", 1)]) as own:
        try:
            own.unary_unary(path(method))(b"", timeout=LONG)
        except grpc.RpcError as error:
            return error.code().name
    return None


def begin(channels):
    """Calls again and again, on channels that are opened anew now and then."""
    def call():
        while True:
            options = [NAMED, ("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(TARGET, options=options) as own:
                for _ in range(100):
                    try:
                        if own.unary_unary(path("Unary"))(b"abc", timeout=LONG) == b"cba":
                            answered[0] += 1
                    except grpc.RpcError as error:
                        failed.append(repr(error))
    for _ in range(channels):
        threading.Thread(target=call, daemon=True).start()
