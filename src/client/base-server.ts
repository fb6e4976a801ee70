/*
 * What the client needs for a LumenJS server: one chunk, loaded when the server has sent no hello.
 */
export { BaseModeRequester } from '../transport/base-mode.ts';
export { BaseHistory } from './timeline/base-history.ts';
