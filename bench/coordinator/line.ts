// A stream to the coordinator as the bench's client and participants see it: inside one process, or over gRPC.

export interface Line<Said> {
  say(message: Said): void;
  hangUp(): void;
}

/** Opens a stream. `hear` gets the coordinator's messages, never from inside the call that opened it. */
export type Dial<Heard, Said> = (hear: (message: Heard) => void) => Line<Said>;
