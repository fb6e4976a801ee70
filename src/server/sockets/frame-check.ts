/** The beginning of a Socket.IO packet (protocol version 5), read without parsing its JSON. */
export interface PacketHeader {
  /** First character of the packet: the digit of its type. */
  readonly type: string;
  readonly namespace: string;
  /** Id of the acknowledgement as it was received; empty if the peer wants none. */
  readonly ackId: string;
  /** Number of binary frames that belong to the packet and follow it. */
  readonly attachments: number;
  /** Index at which the JSON starts. */
  readonly dataAt: number;
}

/** Types of Socket.IO packets. */
export const PACKET = { connect: '0', event: '2', binaryEvent: '5', binaryAck: '6' } as const;

/** Socket.IO's own limit. A larger number closes the connection. */
const MAX_ATTACHMENTS = 10;
/** A longer namespace can't be one that an app has created. */
const MAX_NAMESPACE_LENGTH = 256;
/** `Number.MAX_SAFE_INTEGER` has 16 digits. */
const MAX_ACK_DIGITS = 16;

/** Reads the header of a packet. Returns `undefined` if it is malformed. */
export function packetHeader(packet: string): PacketHeader | undefined {
  const type = packet.charAt(0);
  let at = 1;
  let attachments = 0;
  if (type === PACKET.binaryEvent || type === PACKET.binaryAck) {
    const end = digitsEnd(packet, at, 2);
    attachments = Number(packet.slice(at, end));
    if (end === at || attachments > MAX_ATTACHMENTS || packet.charAt(end) !== '-') return undefined;
    at = end + 1;
  }
  let namespace = '/';
  if (packet.charAt(at) === '/') {
    const comma = packet.slice(at, at + MAX_NAMESPACE_LENGTH + 1).indexOf(',');
    if (comma === -1 && packet.length - at > MAX_NAMESPACE_LENGTH) return undefined;
    const end = comma === -1 ? packet.length : at + comma;
    namespace = packet.slice(at, end);
    at = end + 1;
  }
  const dataAt = digitsEnd(packet, at, MAX_ACK_DIGITS);
  return { type, namespace, ackId: packet.slice(at, dataAt), attachments, dataAt };
}

function digitsEnd(text: string, from: number, max: number): number {
  let at = from;
  while (at < from + max && isDigit(text.charCodeAt(at))) at += 1;
  return at;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Limits of the JSON in a frame. */
export interface StructureLimits {
  /** Nesting depth. */
  readonly depth: number;
  /** Number of values and keys. */
  readonly values: number;
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

/**
 * Counts the nesting and the values of JSON without parsing it, because parsing allocates an object for every two
 * characters of `{}`. Linear in the length of the text. Malformed JSON is left to the parser.
 *
 * @returns the rule that the JSON violates, `undefined` if it violates none
 */
export function structureViolation(text: string, from: number, limits: StructureLimits): string | undefined {
  let depth = 0;
  let values = 0;
  for (let at = from; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at + 1);
        break;
      case OPENING_BRACE:
      case OPENING_BRACKET:
        depth += 1;
        values += 1;
        if (depth > limits.depth) return `request must have at most ${limits.depth} levels of nesting`;
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
        break;
    }
    if (values > limits.values) return `request must have at most ${limits.values} values`;
  }
  return undefined;
}

/** Returns the index of the quote that closes a string. Searching for it is much faster than looking at each character. */
function stringEnd(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && isEscaped(text, from, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

/** Returns whether an odd number of backslashes precedes a quote of a string that starts at `from`. */
function isEscaped(text: string, from: number, quote: number): boolean {
  let at = quote;
  while (at > from && text.charCodeAt(at - 1) === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}
