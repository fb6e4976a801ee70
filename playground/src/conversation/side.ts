/** What is shown next to the conversation: its details, or the thread of a message. */
export type Side = 'details' | { readonly threadId: string };
