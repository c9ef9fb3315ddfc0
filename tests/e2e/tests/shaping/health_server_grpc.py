"""A server of gRPC with a health service, whose answer the story decides."""

import concurrent.futures, os
import grpc

# HealthCheckResponse with SERVING, and with NOT_SERVING.
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
well, checks = True, []


def become(state):
    global well
    well = state


def check(request, _):
    # HealthCheckRequest: the name of the service is its only field.
    checks.append(request[2:].decode())
    return SERVING if well else NOT_SERVING


def who(_, context):
    return os.environ["POD_NAME"].encode()


handler = grpc.unary_unary_rpc_method_handler
server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([
    grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler(check)}),
    grpc.method_handlers_generic_handler("shop.Names", {"Who": handler(who)}),
])
server.add_insecure_port("0.0.0.0:50051")
server.start()
