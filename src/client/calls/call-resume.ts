import { isCommError } from '../../protocol/errors.ts';
import type { CallCore } from './call-core.ts';

/**
 * There is a connection again: the server is asked how the call stands, and then told what happened meanwhile. A call
 * that is over says its goodbye, should it still owe one.
 */
export async function resumeCall(core: CallCore): Promise<void> {
  const { line } = core;
  if (!core.isOver && line.isOurs && line.id !== '' && !(await sync(core))) return;
  if (core.isOver) return line.sayAgain();
  line.lineUp();
  core.media?.backend.recover('signalling');
  core.members.tellAgain();
}

/** @returns false when the line was lost once more: whoever finds it again begins anew */
async function sync(core: CallCore): Promise<boolean> {
  let isAnswered = true;
  const asked = core.line.sync().catch((error: unknown) => {
    isAnswered = isCommError(error) && error.code === 'NOT_FOUND';
    if (isAnswered) core.step({ type: 'vanished' });
    return undefined;
  });
  await core.ask(asked, (call) => {
    if (call !== undefined && !core.isOver) core.told(call);
  });
  return isAnswered;
}
