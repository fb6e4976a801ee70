import { isCommError } from '../../protocol/errors.ts';
import type { CallCore } from './call-core.ts';

/**
 * There is a connection again: the server is asked how the call stands, and then told what happened meanwhile. A call
 * that is over says its goodbye, should it still owe one.
 */
export async function resumeCall(core: CallCore): Promise<void> {
  const { line } = core;
  if (!core.isOver && line.isOurs && line.id !== '') {
    try {
      const call = await line.sync();
      if (call !== undefined && !core.isOver) core.told(call);
    } catch (error) {
      // The line was lost once more: whoever finds it again comes back here.
      if (!isCommError(error) || error.code !== 'NOT_FOUND') return;
      core.step({ type: 'vanished' });
    }
  }
  if (core.isOver) return line.sayAgain();
  line.lineUp();
  core.media?.recover('signalling');
  core.members.tellAgain();
}
