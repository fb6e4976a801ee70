import type { Work } from '../work.ts';
import { order } from './001-order.ts';
import { marks } from './002-marks.ts';
import { reactions } from './003-reactions.ts';
import { search } from './004-search.ts';
import { mailbox } from './005-mailbox.ts';
import { applied } from './006-applied.ts';
import { probe } from './007-probe.ts';
import { joined } from './008-joined.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly up: () => Work<void>;
}

/** In order, and never changed once released: a database has each of them exactly once. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'order', up: order },
  { version: 2, name: 'marks', up: marks },
  { version: 3, name: 'reactions', up: reactions },
  { version: 4, name: 'search', up: search },
  { version: 5, name: 'mailbox', up: mailbox },
  { version: 6, name: 'applied', up: applied },
  { version: 7, name: 'probe', up: probe },
  { version: 8, name: 'joined', up: joined },
];
