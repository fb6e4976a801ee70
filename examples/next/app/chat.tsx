'use client';

import { CommClient } from 'lumen-comm';
import { CommProvider, useComm, useConnection, useConversation } from 'lumen-comm/react';
import { type FormEvent, useEffect, useState } from 'react';

/** Renders the empty state on the server, and connects in the browser. */
export function Chat({ url, userId, other }: { url: string; userId: string; other: string }) {
  const [client] = useState(() => new CommClient({ url, userId }));
  useEffect(() => {
    // Rejects if the page is left before it is connected.
    client.connect().catch(console.warn);
    return () => void client.disconnect();
  }, [client]);
  return (
    <CommProvider client={client}>
      <h1>
        {userId} and {other}
      </h1>
      <Conversation other={other} />
    </CommProvider>
  );
}

function Conversation({ other }: { other: string }) {
  const client = useComm();
  const status = useConnection(({ status }) => status);
  const [id, setId] = useState<string>();
  const { messages, send } = useConversation(id);
  useEffect(() => {
    if (status !== 'connected') return;
    // Returns the conversation that the two already have.
    client.conversations
      .create({ type: 'direct', participantIds: [other] })
      .then((conversation) => setId(conversation.id))
      .catch(console.error);
  }, [client, status, other]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    send(String(new FormData(event.currentTarget).get('text'))).catch(console.error);
    event.currentTarget.reset();
  };
  return (
    <main>
      <p role="status">{status}</p>
      {messages.map(({ id, clientId, senderId, content }) => (
        <p key={clientId ?? id}>
          {senderId}: {content}
        </p>
      ))}
      <form onSubmit={submit}>
        <label>
          Message <input name="text" required />
        </label>
        <button disabled={id === undefined}>Send</button>
      </form>
    </main>
  );
}
