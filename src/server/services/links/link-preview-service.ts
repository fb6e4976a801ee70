import { BoundedMap } from '../../../lib/bounded-map.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/logger.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { LinkPreview } from '../../../protocol/link-previews.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { UserBudgets } from '../limits/user-budgets.ts';
import type { Caller } from '../ports.ts';
import { fetchPage, type FetchPolicy } from './fetch-page.ts';
import { parsePreview } from './parse-preview.ts';
import { isPublicAddress } from './public-address.ts';

/** Dependencies of {@link LinkPreviewService}. */
export interface LinkPreviewDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<ResolvedConfig, 'linkPreviews'>;
  readonly budgets: Pick<UserBudgets, 'chargeLinkPreview'>;
  /** Where pages may be fetched from. @defaultValue the ports 80 and 443 of public addresses */
  readonly policy?: FetchPolicy | undefined;
}

const PUBLIC_WEB: FetchPolicy = {
  allowsAddress: isPublicAddress,
  allowsPort: (port) => port === 80 || port === 443,
};
const MAX_LINKS = 3;
const TIMEOUT_MS = 5_000;
const MAX_CONCURRENT = 8;
/** Links of which previews, or failures, are kept. */
const CACHE_SIZE = 1_000;
const CACHE_TTL_MS = 3_600_000;

/** Makes previews of links. Disabled unless configured, because it makes the server request what users name. */
export class LinkPreviewService {
  readonly #deps: LinkPreviewDeps;
  readonly #policy: FetchPolicy;
  readonly #cache = new BoundedMap<string, { readonly at: number; readonly preview: Promise<LinkPreview | undefined> }>(
    CACHE_SIZE,
  );
  #active = 0;

  constructor(deps: LinkPreviewDeps) {
    this.#deps = deps;
    this.#policy = deps.policy ?? PUBLIC_WEB;
  }

  /**
   * Returns previews of the first three links of a text. Links without a preview are omitted.
   *
   * @throws CommError `UNSUPPORTED` if previews are disabled, `RATE_LIMITED`
   */
  async previews(caller: Caller, text: string): Promise<LinkPreview[]> {
    if (!this.#deps.config.linkPreviews) throw new CommError('UNSUPPORTED', 'Link previews are disabled');
    const previews = await Promise.all(linksOf(text).map((link) => this.#preview(caller, link)));
    return previews.filter((preview) => preview !== undefined);
  }

  #preview(caller: Caller, link: string): Promise<LinkPreview | undefined> {
    const { clock, budgets } = this.#deps;
    const now = clock.now();
    const known = this.#cache.get(link);
    if (known !== undefined && now - known.at < CACHE_TTL_MS) return known.preview;
    budgets.chargeLinkPreview(caller);
    if (this.#active >= MAX_CONCURRENT) {
      throw new CommError('RATE_LIMITED', 'Too many link previews are being made', { retryAfterMs: 1_000 });
    }
    const preview = this.#fetch(link);
    this.#cache.delete(link);
    this.#cache.set(link, { at: now, preview });
    return preview;
  }

  /** Never rejects: a page that can't be fetched has no preview. */
  async #fetch(link: string): Promise<LinkPreview | undefined> {
    const { clock, logger } = this.#deps;
    const timeout = new AbortController();
    const stop = clock.after(TIMEOUT_MS, () => timeout.abort());
    this.#active += 1;
    try {
      const page = await fetchPage(new URL(link), this.#policy, timeout.signal);
      return page && (await parsePreview(link, page));
    } catch (error) {
      // The link is part of a message, so it isn't logged.
      logger.debug('no link preview', { reason: error instanceof Error ? error.message : 'unknown' });
      return undefined;
    } finally {
      stop();
      this.#active -= 1;
    }
  }
}

/** Returns the first links of a text, each once, without punctuation that follows them. */
export function linksOf(text: string): string[] {
  const found = Array.from(text.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi), ([link]) => link.replace(/[.,;:!?)\]}'*]+$/, ''));
  return [...new Set(found)].filter((link) => URL.canParse(link)).slice(0, MAX_LINKS);
}
