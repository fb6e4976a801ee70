import { expect, test } from 'vitest';
import { matchRoute, type RouteMatch } from '../../../../src/server/rest/match-route.ts';

test.each<[method: string, path: string, expected: Partial<RouteMatch> | undefined]>([
  ['GET', '/c/conversations', { name: 'listConversations', id: undefined }],
  ['POST', '/c/conversations', { name: 'createConversation', id: undefined }],
  ['GET', '/c/conversations/x', { name: 'getConversation', id: 'x' }],
  ['GET', '/c/conversations/a%2Fb%20c', { name: 'getConversation', id: 'a/b c' }],
  ['GET', '/c/conversations/x/messages', { name: 'listMessages', id: 'x' }],
  ['GET', '/c/conversations/x/changes', { name: 'listChanges', id: 'x' }],
  ['GET', '/c/messages/search', { name: 'searchMessages', id: undefined }],
  ['GET', '/c/messages/7', { name: 'getMessage', id: '7' }],
  ['DELETE', '/c/messages/7', { name: 'deleteMessage', id: '7' }],
  ['GET', '/c/messages/', undefined],
  ['GET', '/c/conversations/x/members', { name: 'listMembers', id: 'x' }],
  ['GET', '/c/conversations/x/others', undefined],
  ['PATCH', '/c/messages/7', undefined],
  ['GET', '/other/messages/7', undefined],
  ['GET', '/c', undefined],
])('%s %s', (method, path, expected) => {
  expect(matchRoute(method, path, '/c')).toEqual(expected);
});

test('invalid percent-encoding is rejected only in paths of a route', () => {
  expect(matchRoute('GET', '/elsewhere/%', '/c')).toBeUndefined();
  expect(() => matchRoute('GET', '/c/messages/%', '/c')).toThrow(/percent/);
});
