import { Chat } from './chat';

/** Rendered on the server for every request: `/?user=alice&with=bob`. */
export default async function Page({ searchParams }: { searchParams: Promise<{ user?: string; with?: string }> }) {
  const { user, with: other } = await searchParams;
  // An app with sessions takes the user from the session, and gives the client a token.
  if (user !== undefined && other !== undefined) {
    return <Chat url={process.env.CHAT_URL ?? 'http://127.0.0.1:3000'} userId={user} other={other} />;
  }
  return (
    <form>
      <label>
        Your name <input name="user" required />
      </label>
      <label>
        Chat with <input name="with" required />
      </label>
      <button>Log in</button>
    </form>
  );
}
