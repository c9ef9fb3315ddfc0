"""A service of limits by Envoy's protocol, on Envoy's own messages: of each descriptor it lets two hits pass."""

import concurrent.futures, time
import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc

Answer = rls_pb2.RateLimitResponse
asked, counted, peers = [], {}, []
slow = 0


def become(seconds):
    global slow
    slow = seconds


class Limits(rls_pb2_grpc.RateLimitServiceServicer):
    def ShouldRateLimit(self, request, context):
        told = [[[entry.key, entry.value] for entry in descriptor.entries] for descriptor in request.descriptors]
        asked.append([request.domain, request.hits_addend, told])
        peers.append(dict(context.invocation_metadata()).get("user-agent"))
        time.sleep(slow)
        answer = Answer(overall_code=Answer.OK)
        for descriptor in told:
            key = str(descriptor)
            counted[key] = counted.get(key, 0) + request.hits_addend
            status = answer.statuses.add(code=Answer.OK, limit_remaining=max(0, 2 - counted[key]))
            status.current_limit.name = "two"
            status.current_limit.requests_per_unit = 2
            status.current_limit.unit = Answer.RateLimit.HOUR
            status.duration_until_reset.seconds = 1800
            if counted[key] > 2:
                status.code = answer.overall_code = Answer.OVER_LIMIT
                answer.raw_body = b"come back later"
        answer.response_headers_to_add.append(base_pb2.HeaderValue(key="x-limits", value="counted"))
        answer.response_headers_to_add.append(base_pb2.HeaderValue(key="content-length", value="7"))
        answer.request_headers_to_add.append(base_pb2.HeaderValue(key="x-limits-seen", value="yes"))
        return answer


server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
rls_pb2_grpc.add_RateLimitServiceServicer_to_server(Limits(), server)
server.add_insecure_port("0.0.0.0:8081")
server.start()
