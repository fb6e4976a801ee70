import { CommClient } from 'lumen-comm';
import { CommProvider, useComm, useConnection, useConversation, useInbox } from 'lumen-comm/react';
import { type FormEvent, useState } from 'react';

const url = import.meta.env.VITE_CHAT_URL ?? 'http://127.0.0.1:3000';

export function App() {
  const [client, setClient] = useState<CommClient>();
  const logIn = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const client = new CommClient({ url, userId: String(new FormData(event.currentTarget).get('user')) });
    client.connect().catch(console.error);
    setClient(client);
  };
  if (client !== undefined) {
    return (
      <CommProvider client={client}>
        <Chat />
      </CommProvider>
    );
  }
  return (
    <form onSubmit={logIn}>
      <label>
        Your name <input name="user" required />
      </label>
      <button>Log in</button>
    </form>
  );
}

function Chat() {
  const client = useComm();
  const status = useConnection(({ status }) => status);
  const { conversations, loading } = useInbox();
  const [id, setId] = useState<string>();
  const start = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const other = String(new FormData(event.currentTarget).get('other'));
    client.conversations
      .create({ type: 'direct', participantIds: [other] })
      .then((created) => setId(created.id))
      .catch(console.error);
  };
  return (
    <main>
      <p role="status">{loading ? 'loading' : status}</p>
      <form onSubmit={start}>
        <label>
          Chat with <input name="other" required />
        </label>
        <button>Open</button>
      </form>
      <nav>
        {conversations.map(({ id, participants, unreadCount }) => (
          <button key={id} onClick={() => setId(id)}>
            {participants.map(({ userId }) => userId).join(', ')} ({unreadCount})
          </button>
        ))}
      </nav>
      {id !== undefined && <Conversation key={id} id={id} />}
    </main>
  );
}

function Conversation({ id }: { id: string }) {
  const { messages, typing, send, setTyping } = useConversation(id);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    send(String(new FormData(event.currentTarget).get('text'))).catch(console.error);
    event.currentTarget.reset();
  };
  return (
    <section>
      {messages.map(({ id, clientId, senderId, content }) => (
        <p key={clientId ?? id}>
          {senderId}: {content}
        </p>
      ))}
      <p>{typing.length > 0 && `${typing.join(', ')} …`}</p>
      <form onSubmit={submit}>
        <label>
          Message <input name="text" required onInput={() => setTyping(true)} />
        </label>
        <button>Send</button>
      </form>
    </section>
  );
}
