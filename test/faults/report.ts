import type { FrameFaults } from '../../src/testing/faulty-socket.ts';
import type { Told } from './told.ts';

export interface ActorPlan {
  userId: string;
  seed: number;
  url: string;
  conversationIds: readonly string[];
  /** Groups whose name and members the user may change. */
  ownedGroups?: readonly string[] | undefined;
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
  inbox: { id: string; text: string }[];
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
