"""An order: charge the customer in PostgreSQL, record it in MariaDB. All of it or none of it; and what to do with each error.

    npm start                              # in another terminal
    python3 examples/python/order.py       # or: order.py <coordinator> [<price>]
"""

import sys
import uuid

import grpc

from client import Coordinator, LookByHand, OutcomeUnknown, Refused, RolledBack

ATTEMPTS = 3


def place_order(coordinator: Coordinator, price: int) -> str:
    order = str(uuid.uuid4())
    with coordinator.begin(timeout_ms=10_000) as tx:
        [customer] = tx.query("accounts", "update customer set deposit = deposit - $1 where id = 1 returning deposit", price)
        if customer["deposit"] < 0:
            raise ValueError("the deposit is too small")  # Leaving the block by an exception rolls everything back.
        tx.query("orders", "insert into customer_order (id, customer_id, amount) values (?, 1, ?)", order, price)
    return order


def main(address: str = "localhost:7420", price: str = "25") -> int:
    """Returns the exit code."""
    coordinator = Coordinator(address)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                print(f"order {place_order(coordinator, int(price))} is placed and paid")
                return 0
            except OutcomeUnknown as error:
                # The one case in which nothing may be concluded.
                print(f"not known yet: {error}", file=sys.stderr)
                return 7
            except LookByHand as error:
                print(f"call an operator: {error}", file=sys.stderr)
                return 8
            except Refused as error:
                # It is not committed: a commit that may be is OutcomeUnknown.
                if not error.retryable or attempt == ATTEMPTS:
                    what = "rolled back" if isinstance(error, RolledBack) else "refused"
                    print(f"nothing happened, it was {what}: {error}", file=sys.stderr)
                    return 1
            except (ValueError, grpc.RpcError) as error:
                # Lost before its commit was asked for: rolled back, at its deadline at the latest.
                print(f"nothing happened: {error}", file=sys.stderr)
                return 1
    finally:
        coordinator.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
