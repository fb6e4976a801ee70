import { deletionOf, type Change } from '../changes.ts';
import type { ClientContext } from '../context.ts';

/** Emits a change as the event of the protocol. */
export function emitChange({ emitter }: Pick<ClientContext, 'emitter'>, change: Change): void {
  const { conversationId } = change;
  switch (change.kind) {
    case 'created':
      return emitter.emit('message:new', change.message);
    case 'updated': {
      const { message } = change;
      if (message.deletedAt === undefined) return emitter.emit('message:updated', message);
      return emitter.emit('message:deleted', deletionOf(message));
    }
    case 'deleted': {
      const { messageId, deletedBy, unauthenticated } = change;
      const marks = unauthenticated === true && { unauthenticated };
      return emitter.emit('message:deleted', { messageId, conversationId, deletedBy, ...marks });
    }
    case 'reactions': {
      const { messageId, reactions, seq, rev } = change;
      return emitter.emit('message:reaction-update', { messageId, reactions, conversationId, seq, rev });
    }
    case 'conversation':
      return emitter.emit('conversation:updated', change.update);
  }
}
