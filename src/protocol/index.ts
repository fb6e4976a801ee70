/** The wire, once: every event, type, schema, limit and error code that a client and a server share. */
export * from './calls.ts';
export * from './conversations.ts';
export * from './encryption.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './files.ts';
export * from './hello.ts';
export * from './limits.ts';
export * from './marks.ts';
export * from './messages.ts';
export * from './presence.ts';
export * from './rest.ts';
export * from './schemas.ts';
export * from './vocabulary.ts';
