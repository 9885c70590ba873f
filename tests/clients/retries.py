"""A client in another language goes by proto/keyward/v1/service_config.json.

Usage: retries.py ADDRESS DESCRIPTOR_SET SERVICE_CONFIG BREAK MEND, with the secret of a caller in
CALLER. BREAK is a command after which the server says NOT_SERVING, and MEND one after which it
serves again; both return only then.
"""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ADDRESS, DESCRIPTOR_SET, SERVICE_CONFIG, BREAK, MEND = sys.argv[1:]
METADATA = [("authorization", "Bearer " + os.environ["CALLER"])]
# More than anything takes, even on a machine that is busy.
LONG = 120

POOL = descriptor_pool.DescriptorPool()
with open(DESCRIPTOR_SET, "rb") as file:
    for one in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        POOL.Add(one)


def message(name, /, **fields):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName("keyward.v1." + name))(**fields)


def run(command):
    subprocess.run(command, shell=True, check=True, stdout=sys.stderr, timeout=LONG)


def service_config():
    """The published one, with time for what is broken and mended meanwhile."""
    with open(SERVICE_CONFIG, encoding="utf-8") as file:
        config = json.load(file)
    for method in config["methodConfig"]:
        if "timeout" in method:
            method["timeout"] = f"{LONG}s"
    return json.dumps(config)


def channel(address):
    options = [
        ("grpc.service_config", service_config()),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Two of one address would share a connection, and a lost one's wait.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.insecure_channel(address, options)


def method(on, service, name):
    return on.unary_unary(
        f"/keyward.v1.{service}/{name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=lambda answer: message(RESPONSES[name]).FromString(answer),
    )


RESPONSES = {"Introspect": "IntrospectResponse", "CreateKey": "CreateKeyResponse", "GetKey": "Key"}


class Between(grpc.GenericRpcHandler):
    """Stands between client and server, counts attempts, and mends after an answer UNAVAILABLE
    before it is passed on: so the next attempt finds all well, however slow the machine is."""

    def __init__(self):
        self.attempts = 0
        self.mend = False
        self.server = grpc.insecure_channel(ADDRESS, [("grpc.enable_retries", 0)])

    def service(self, call):
        if not call.method.startswith("/keyward.v1."):
            return None
        authorization = [pair for pair in call.invocation_metadata if pair[0] == "authorization"]

        def pass_on(request, context):
            self.attempts += 1
            try:
                return self.server.unary_unary(call.method)(request, metadata=authorization, timeout=LONG)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE and self.mend:
                    self.mend = False
                    run(MEND)
                context.abort(error.code(), error.details())

        return grpc.unary_unary_rpc_method_handler(pass_on)


def serve(between, port=0):
    server = grpc.server(ThreadPoolExecutor(4), [between], options=[("grpc.so_reuseport", 0)])
    return server, server.add_insecure_port(f"127.0.0.1:{port}")


def attempts(between, call, expected, code):
    """Makes a call and compares how often it was tried and how it ended."""
    before = between.attempts
    try:
        answer, ended = call(), grpc.StatusCode.OK
    except grpc.RpcError as error:
        answer, ended = None, error.code()
    made = between.attempts - before
    assert (made, ended) == (expected, code), f"{made} attempts and {ended}, not {expected} and {code}"
    return answer


def main():
    between = Between()
    server, port = serve(between)
    server.start()
    client = channel(f"127.0.0.1:{port}")
    introspect, create = method(client, "Introspect", "Introspect"), method(client, "KeyAdmin", "CreateKey")
    get = method(client, "KeyAdmin", "GetKey")
    question = message("IntrospectRequest", secret=os.environ["CALLER"])

    def ask():
        return introspect(question, metadata=METADATA, timeout=LONG)

    def change():
        return create(message("CreateKeyRequest", parent="workspaces/none"), metadata=METADATA, timeout=LONG)

    code = grpc.StatusCode
    assert attempts(between, ask, 1, code.OK).active
    attempts(between, lambda: introspect(question, timeout=LONG), 1, code.UNAUTHENTICATED)
    attempts(between, lambda: get(message("GetKeyRequest", name="x"), metadata=METADATA), 1, code.INVALID_ARGUMENT)

    run(BREAK)
    attempts(between, ask, 4, code.UNAVAILABLE)
    attempts(between, change, 1, code.UNAVAILABLE)
    between.mend = True
    assert attempts(between, ask, 2, code.OK).active

    # A server that says NOT_SERVING is not asked: the call waits for one that serves.
    run(BREAK)
    with channel(ADDRESS) as direct:
        failing = threading.Event()
        direct.subscribe(lambda state: state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and failing.set(), True)
        waiting = method(direct, "Introspect", "Introspect").future(question, metadata=METADATA, timeout=LONG)
        assert failing.wait(LONG) and not waiting.done()
        run(MEND)
        assert waiting.result(LONG).active

    # Nobody listens for a while, as between the end of one replica and the next: the call waits.
    server.stop(None).wait()
    gone = threading.Event()
    client.subscribe(lambda state: state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and gone.set(), True)
    waiting = introspect.future(question, metadata=METADATA, timeout=LONG)
    assert gone.wait(LONG) and not waiting.done()
    again, same = serve(between, port)
    assert same == port
    again.start()
    assert waiting.result(LONG).active
    client.close()
    again.stop(None).wait()
    print("a client in Python goes by the service config")


main()
