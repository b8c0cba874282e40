"""A small client of Concordat: unary calls, and what to do when an answer is lost. Copy it, or write your own after it."""

import time
import uuid

import grpc

from wire import error_details_pb2, resource_pb2, resource_pb2_grpc, transaction_pb2, transaction_pb2_grpc, types_pb2

CALL_S = 20  # One wait for an answer. It bounds the wait, never the outcome.
# Of docs/errors.md: what says "new-transaction" there, and what says that nothing of a commit was asked for.
NEW_TRANSACTION = {"BRANCH_VOTED_NO", "TXN_ROLLED_BACK", "TXN_TIMEOUT", "CLIENT_LOST", "BRANCH_UNKNOWN", "ENGINE_UNAVAILABLE"}
NOT_ASKED_FOR = {"FIELD_INVALID", "RESOURCE_UNKNOWN", "REQUEST_ID_REUSED"}
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class Refused(Exception):
    """An answer that is an error. `reason` is of docs/errors.md; match on it, never on the text."""

    def __init__(self, reason: str, message: str, metadata: dict):
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.metadata = metadata

    @property
    def retryable(self) -> bool:
        """The same work, as a new transaction, may succeed: a deadlock may, a constraint does not."""
        known = self.metadata.get("retryable")
        return self.reason in NEW_TRANSACTION if known is None else known == "true"


class RolledBack(Refused):
    """Nothing is committed anywhere, and nothing ever will be."""


class OutcomeUnknown(Exception):
    """The commit was asked for and nobody could say how it ended. Keep the id, and ask with Coordinator.outcome."""

    def __init__(self, gtrid: str):
        super().__init__(f"ask again how {gtrid} ended, and run nothing a second time before that")
        self.gtrid = gtrid


class LookByHand(Exception):
    """Branches ended against the decision: an operator runs `concordat tx explain`."""


def refusal(error: grpc.RpcError) -> Refused | None:
    """The answer of Concordat that an error carries. None: it is the transport's, and says nothing of what was done."""
    trailer = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if trailer is None:
        return None
    status = error_details_pb2.ErrorStatus.FromString(trailer)
    for detail in status.details:
        if detail.type_url.endswith("/google.rpc.ErrorInfo"):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            metadata = dict(info.metadata)
            kind = RolledBack if metadata.get("outcome") == "rolled-back" else Refused
            return kind(info.reason, status.message, metadata)
    return None


def call(method, request, caller: str, patience_s: float = 10):
    """One call. Where its answer is lost, the same request again: its request id, or its number, makes two of it one."""
    end = time.monotonic() + patience_s
    pause_s = 0.1
    while True:
        try:
            return method(request, timeout=CALL_S, metadata=(("concordat-caller", caller),))
        except grpc.RpcError as error:
            refused = refusal(error)
            if refused is not None:
                raise refused from error
            if error.code() not in LOST or time.monotonic() + pause_s > end:
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 2)


def value(parameter) -> resource_pb2.Value:
    """A parameter as the wire has it."""
    match parameter:
        case None:
            return resource_pb2.Value(null=True)
        case bool():
            return resource_pb2.Value(bool=parameter)
        case int():
            return resource_pb2.Value(int=parameter)
        case float():
            return resource_pb2.Value(double=parameter)
        case str():
            return resource_pb2.Value(text=parameter)
        case bytes():
            return resource_pb2.Value(bytes=parameter)
    raise TypeError(f"a parameter of the type {type(parameter).__name__} is not sent")


def python(cell: resource_pb2.Value):
    """A cell of a row."""
    kind = cell.WhichOneof("kind")
    return None if kind == "null" else getattr(cell, kind)


class Coordinator:
    """One connection for the whole process."""

    def __init__(self, address: str):
        self.caller = uuid.uuid4().hex  # Request ids are this process's own, over all of its connections.
        self.channels = {}
        self.transactions = transaction_pb2_grpc.TransactionServiceStub(self.channel(address))

    def channel(self, address: str) -> grpc.Channel:
        return self.channels.setdefault(address, grpc.insecure_channel(address))

    def begin(self, timeout_ms: int = 10_000) -> "Transaction":
        request = transaction_pb2.BeginRequest(request_id=uuid.uuid4().hex, timeout_ms=timeout_ms)
        return Transaction(self, call(self.transactions.Begin, request, self.caller).gtrid)

    def join(self, context: str) -> "Work":
        """Work in the transaction of whoever calls, who passes its context on: `1;<gtrid>`, in the header `concordat-context`."""
        version, _, gtrid = context.partition(";")
        if version != "1" or not gtrid or ";" in gtrid:
            raise ValueError("not the context of a transaction that this program can join: answer your caller with an error")
        return Work(self, gtrid, joined=True)

    def outcome(self, gtrid: str, branches) -> str:
        """How it ended: COMMITTED or ROLLED_BACK; UNSPECIFIED and UNKNOWN mean: ask again."""
        request = transaction_pb2.GetTransactionRequest(gtrid=gtrid, branches=branches)
        answer = call(self.transactions.GetTransaction, request, self.caller)
        return types_pb2.Outcome.Name(answer.transaction.outcome).removeprefix("OUTCOME_")

    def close(self) -> None:
        for channel in self.channels.values():
            channel.close()


class Work:
    """What a service may do within a transaction, whoever began it."""

    def __init__(self, coordinator: Coordinator, gtrid: str, joined: bool = False):
        self.coordinator = coordinator
        self.gtrid = gtrid
        self.joined = joined
        self.enlisted = {}
        self.branches = {}  # By their names, as Commit wants them.
        self.statements = {}

    @property
    def context(self) -> str:
        return f"1;{self.gtrid}"

    def query(self, resource: str, sql: str, *parameters) -> list[dict]:
        """One statement at a database. After an error the transaction can only be rolled back."""
        place = self.enlisted.get(resource) or self._enlist(resource)
        number = self.statements.get(place.bqual, 0) + 1
        self.statements[place.bqual] = number
        request = resource_pb2.ExecuteRequest(
            gtrid=self.gtrid,
            bqual=place.bqual,
            sql=sql,
            parameters=[value(parameter) for parameter in parameters],
            statement=number,
            timeout_ms=place.timeout_ms if number == 1 else 0,
        )
        stub = resource_pb2_grpc.ResourceServiceStub(self.coordinator.channel(place.address))
        try:
            answer = call(stub.Execute, request, self.coordinator.caller)
        except (Refused, grpc.RpcError) as error:
            if self.joined:
                self.forbid_commit(str(error))
            raise
        self.branches[place.bqual] = types_pb2.BranchRef(bqual=place.bqual, instance=answer.instance)
        names = [column.name for column in answer.columns]
        return [dict(zip(names, map(python, row.values))) for row in answer.rows]

    def _enlist(self, resource: str):
        request = transaction_pb2.EnlistRequest(
            request_id=uuid.uuid4().hex,
            gtrid=self.gtrid,
            resource=resource,
            new_branch=self.joined,  # The caller may have a branch at the same database; this one is ours.
        )
        self.enlisted[resource] = call(self.coordinator.transactions.Enlist, request, self.coordinator.caller)
        return self.enlisted[resource]

    def forbid_commit(self, why: str) -> None:
        """A service that joined does not end the transaction, but without its part nobody may commit it."""
        request = transaction_pb2.SetRollbackOnlyRequest(gtrid=self.gtrid, reason=why.replace("\n", " ")[:200])
        call(self.coordinator.transactions.SetRollbackOnly, request, self.coordinator.caller)


class Transaction(Work):
    """`with coordinator.begin() as tx:` commits at the end of the block, and rolls back if it raises."""

    def __enter__(self) -> "Transaction":
        return self

    def __exit__(self, kind, error, trace) -> bool:
        if kind is None:
            self.commit()
        else:
            self.rollback("the client gave up")
        return False

    def commit(self, patience_s: float = 30) -> None:
        """Returns when it is committed. A lost answer is asked for again: the commit has one outcome, however often it is asked."""
        request = transaction_pb2.CommitRequest(
            request_id=uuid.uuid4().hex, gtrid=self.gtrid, branches=self.branches.values()
        )
        try:
            answer = call(self.coordinator.transactions.Commit, request, self.coordinator.caller, patience_s)
        except RolledBack:
            raise
        except Refused as error:
            if error.reason not in NOT_ASKED_FOR:
                raise OutcomeUnknown(self.gtrid) from error
            self.rollback("its commit was refused")
            raise
        except grpc.RpcError as error:
            raise OutcomeUnknown(self.gtrid) from error
        if answer.outcome != types_pb2.OUTCOME_COMMITTED:
            raise LookByHand(f"{self.gtrid} ended as {types_pb2.Outcome.Name(answer.outcome)}")

    def rollback(self, why: str) -> None:
        """Harmless after the end. If nobody hears it, the deadline does the same, and locks are held until then."""
        request = transaction_pb2.RollbackRequest(
            request_id=uuid.uuid4().hex, gtrid=self.gtrid, reason=why, branches=self.branches.values()
        )
        try:
            call(self.coordinator.transactions.Rollback, request, self.coordinator.caller, patience_s=0)
        except (grpc.RpcError, Refused):
            pass
