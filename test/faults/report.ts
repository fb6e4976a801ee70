import type { FrameFaults } from '../../src/testing/faulty-socket.ts';
import type { Told } from './told.ts';

export interface ActorPlan {
  userId: string;
  seed: number;
  url: string;
  conversationIds: readonly string[];
  /** Groups of which the user may change name and members. */
  ownedGroups?: readonly string[] | undefined;
  /** Own messages are numbered from here. */
  firstNumber: number;
  directory?: string | undefined;
  /** Where what it is told is written at once, so that it is known also of a process that was killed. */
  toldFile?: string | undefined;
  frameFaults?: FrameFaults | undefined;
}

/** A message as it is compared. */
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

/** Everything that an actor knows, as plain data: it may come from another process. */
export interface ActorReport {
  views: Record<string, SeenConversation>;
  inbox: { id: string; text: string }[];
  told: Told;
  /** What the server has acknowledged. */
  acked: { id: string; rev?: number; deleted?: boolean }[];
  /** Up to where reading was acknowledged. */
  read: Record<string, number>;
  failures: string[];
  outbox: number;
  status: string;
  nextNumber: number;
  figures: {
    /** Emitted, repetitions included. */
    sends: number;
    messages: number;
    changes: number;
    connections: number;
    frames?: Record<string, number>;
  };
}

/** What a scenario asks of an actor in another process, and how it answers. */
export type ActorCommand =
  | { do: 'start'; plan: ActorPlan }
  | { do: 'work'; operations: number }
  | { do: 'keep' | 'settled' | 'heal' | 'read-all' | 'report' | 'stop' };
export interface ActorAnswer {
  number: number;
  report?: ActorReport;
  error?: string;
}
