"""A payment service that joins the transaction of whoever calls it: its caller commits, or nobody does. shop.ts is the caller.

    python3 examples/python/payments.py <coordinator> <port>
"""

import http.server
import sys

import grpc

from client import Coordinator, Refused


def serve(address: str, port: int) -> None:
    coordinator = Coordinator(address)

    class Payments(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            amount = int(self.rfile.read(int(self.headers["content-length"])))
            try:
                tx = coordinator.join(self.headers["concordat-context"])
                tx.query("accounts", "update customer set deposit = deposit - $1 where id = 1", amount)
                self.answer(204)
            except ValueError as error:
                self.answer(400, str(error))
            except (Refused, grpc.RpcError) as error:
                # The transaction cannot be committed any more, see Work.query. The caller hears it as well.
                self.answer(500, str(error))

        def answer(self, status: int, text: str = "") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Payments) as server:
        print(f"listening on {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
