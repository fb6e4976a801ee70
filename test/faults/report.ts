import type { FrameFaults } from '../../src/testing/faulty-socket.ts';
import type { Told } from './told.ts';

export interface ActorPlan {
  userId: string;
  seed: number;
  url: string;
  conversationIds: readonly string[];
  /** Groups whose name and members the user may change. */
  ownedGroups?: readonly string[] | undefined;
  /** Users whom a message may mention, by conversation: the members who never leave it. */
  mentionable: Record<string, readonly string[]>;
  /** A group from which users are removed and banned meanwhile, so that their requests are refused. */
  club: string;
  /** Number of the first own message. */
  firstNumber: number;
  database?: string | undefined;
  /** File to which events are written immediately, so that those of a killed process are known. */
  toldFile?: string | undefined;
  frameFaults?: FrameFaults | undefined;
}

/** The compared fields of a message. */
export interface SeenMessage {
  id: string;
  clientId: string;
  seq: number;
  rev: number;
  senderId: string;
  content: string;
  deleted: boolean;
  reactions: string;
  status: string;
  readBy: string;
  threadId: string;
  /** Number of replies and who replied, of the root of a thread. */
  thread: string;
  mentions: string;
  pinned: string;
}

export interface SeenConversation {
  messages: SeenMessage[];
  hasNewer: boolean;
  hasOlder: boolean;
  loading: boolean;
  error: string | undefined;
}

/** The state of an actor as plain data, because it may come from another process. */
export interface ActorReport {
  views: Record<string, SeenConversation>;
  /** The replies of each opened thread, by the id of its root. */
  threads: Record<string, SeenConversation>;
  /** Ids of the pinned messages, by conversation. Empty before everything is read. */
  pins: Record<string, string[]>;
  /** The names of the users, as `users.watch()` has them. */
  names: Record<string, string>;
  inbox: { id: string; text: string }[];
  /** Whether the inbox is being loaded, and why its last page could not be loaded. */
  inboxLoad: { loading: boolean; error: string | undefined };
  told: Told;
  /** Messages that the server has acknowledged. */
  acked: { id: string; rev?: number; deleted?: boolean }[];
  /** Acknowledged read positions. */
  read: Record<string, number>;
  failures: string[];
  outbox: number;
  status: string;
  nextNumber: number;
  figures: {
    /** Number of emitted requests, including repeated ones. */
    sends: number;
    messages: number;
    changes: number;
    connections: number;
    /** Number of completed actions, by kind. */
    done: Record<string, number>;
    frames?: Record<string, number>;
  };
}

/** Messages between a scenario and an actor in a child process. */
export type ActorCommand =
  | { do: 'start'; plan: ActorPlan }
  | { do: 'work'; operations: number }
  | { do: 'keep' | 'settled' | 'heal' | 'read-all' | 'report' | 'stop' };
export interface ActorAnswer {
  number: number;
  report?: ActorReport;
  error?: string;
}
