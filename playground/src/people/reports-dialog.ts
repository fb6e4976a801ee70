import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { exactTime, listTime } from '../lib/format.ts';
import { nameOf, summaryOf } from '../lib/people.ts';
import { button } from '../ui/button.ts';
import { confirm, openDialog } from '../ui/dialog.ts';
import { attempt } from '../ui/toast.ts';
import { REPORT_REASONS } from './report-dialog.ts';

/** What the playground's server answers; see its `moderation.ts`. */
interface Report {
  readonly id: string;
  readonly conversationId: string;
  readonly messageId: string;
  readonly senderId: string;
  readonly reporterId: string;
  readonly reason: string;
  readonly comment?: string | undefined;
  readonly message?: Message | undefined;
  readonly content?: string | undefined;
  readonly createdAt: string;
}

/** Shows the open reports to the moderator, oldest first. */
export function showReports({ userId }: Session): void {
  const note = h('p', { class: 'muted', role: 'status' }, 'Loading…');
  const rows = h('ul', { class: 'reports', 'aria-label': 'Open reports' });
  const more = button({ label: 'Show more', class: 'button-quiet' }, () => void load());
  const dialog = openDialog('Reports', note, rows, more);
  more.hidden = true;
  let last: string | undefined;

  async function ask<T>(path: string, method: 'GET' | 'POST'): Promise<T> {
    const headers = { 'x-playground-user': userId };
    const response = await fetch(`/playground/reports${path}`, { method, headers, signal: dialog.signal });
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    return (await response.json()) as T;
  }

  function show(): void {
    note.hidden = rows.childElementCount > 0;
    setChildren(note, 'No open reports.');
  }

  async function load(): Promise<void> {
    const query = last === undefined ? '' : `?after=${last}`;
    const loading = ask<{ reports: readonly Report[]; hasMore: boolean }>(query, 'GET');
    const page = await attempt('The reports could not be loaded', loading, dialog.signal);
    if (dialog.signal.aborted) return;
    if (page === undefined) return setChildren(note, 'The reports could not be loaded.');
    last = page.reports.at(-1)?.id ?? last;
    rows.append(...page.reports.map(row));
    more.hidden = !page.hasMore;
    show();
  }

  function row(report: Report): HTMLElement {
    const { id, conversationId, messageId, senderId, reporterId, reason, comment, content, message, createdAt } =
      report;
    const close = async (query: string): Promise<void> => {
      const closing = ask(`/${id}?${query}`, 'POST');
      if ((await attempt('The report was not closed', closing, dialog.signal)) === undefined) return;
      element.remove();
      show();
      dialog.element.querySelector('button')?.focus();
    };
    const remove = async (): Promise<void> => {
      const text = `The message of ${nameOf(senderId)} is deleted for everyone.`;
      if (!(await confirm({ title: 'Delete the message?', text, action: 'Delete' }))) return;
      const query = new URLSearchParams({ action: 'delete', conversation: conversationId, message: messageId });
      await close(query.toString());
    };
    const quoted = content ?? (message === undefined ? '' : summaryOf(message));
    const reasonText = REPORT_REASONS.find(([value]) => value === reason)?.[1] ?? reason;
    const element = h(
      'li',
      { class: 'report' },
      h(
        'p',
        {},
        h('strong', {}, reasonText),
        h(
          'span',
          { class: 'muted' },
          ` · ${nameOf(reporterId)}, `,
          h('time', { datetime: createdAt, title: exactTime(createdAt) }, listTime(createdAt)),
        ),
      ),
      h('p', { class: 'forward-quote', dir: 'auto' }, `${nameOf(senderId)}: ${quoted}`),
      comment !== undefined && h('p', { dir: 'auto' }, comment),
      h(
        'div',
        { class: 'report-actions' },
        button({ label: 'Dismiss', class: 'button-small' }, () => void close('action=dismiss')),
        button(
          { label: 'Delete message', icon: 'trash', class: 'button-small button-danger-quiet' },
          () => void remove(),
        ),
      ),
    );
    return element;
  }

  void load();
}
