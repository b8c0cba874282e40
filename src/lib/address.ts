// Network addresses as people write them: `host:port`, with IPv6 literals in brackets. Nothing is resolved here.

interface Address {
  /** A host name, an IPv4 literal or an IPv6 literal without its brackets. */
  readonly host: string;
  /** 0 to 65,535; 0 asks the system for a free port when one listens. */
  readonly port: number;
}

const PORT_MAX = 65_535;
const HOST_CHARS_MAX = 253;
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const IPV6 = /^[0-9A-Fa-f:.]{2,45}$/;
const LOOPBACK_V4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/**
 * The address, or a sentence that says what is wrong with `text`. Names of services instead of ports, unix socket paths and IPv6
 * literals without brackets are refused: each of them has been read as something else by one tool or another.
 */
export function parseAddress(text: string): Address | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text);
  if (match === null) {
    return text.includes('::') || text.split(':').length > 2
      ? 'an IPv6 address goes in brackets, like [::1]:7420'
      : 'must be host:port, like localhost:7420';
  }
  const [, literal, name, digits = ''] = match;
  const host = literal ?? name ?? '';
  if (literal === undefined ? !HOST.test(host) || host.length > HOST_CHARS_MAX : !IPV6.test(host)) {
    return 'has no valid host before the port, like localhost:7420';
  }
  const port = Number(digits);
  if (!/^(?:0|[1-9]\d{0,4})$/.test(digits) || port > PORT_MAX) {
    return `must end in a port number from 0 to ${PORT_MAX}`;
  }
  return { host, port };
}

/** The spelling that `parseAddress` reads and that gRPC dials. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** True when nothing outside this machine can reach the host. A name other than `localhost` is not trusted to be one. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || LOOPBACK_V4.test(host);
}
