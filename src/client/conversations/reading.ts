import type { Lazy } from '../../lib/lazy.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import type { History } from '../timeline/history.ts';
import type { Directory } from './directory.ts';
import type { LiveInbox } from './live-inbox.ts';

/** The reading parts of the client. */
export type Reading = Lazy<{
  readonly directory: Directory;
  readonly inbox: LiveInbox;
  readonly history: Pick<History, 'page'>;
  readonly rest: Pick<RestClient, 'ask'>;
}>;
