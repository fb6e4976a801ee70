/** A file whose bytes have been received, before it is stored for its conversation. */
export interface ReceivedFile {
  readonly fileId: string;
  readonly conversationId: string;
  readonly uploaderId: string;
  readonly fileName: string;
  /** Type that the uploader has announced and, where it has a signature, that the bytes have. */
  readonly mimeType: string;
  /** Bytes. */
  readonly size: number;
  /** Reads the bytes, in chunks. */
  read(): AsyncIterable<Uint8Array>;
}

/** A user as the app knows them. */
export interface ResolvedUser {
  readonly id: string;
  /** At most 100 characters. @defaultValue that of the other sources, else the id */
  readonly displayName?: string | undefined;
  /** An http(s) URL, or a path of the pages' own origin; at most 512 characters. */
  readonly avatarUrl?: string | undefined;
  /** At most 4 KiB of JSON, 8 levels deep. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** Functions of the app that decide about requests. Each may be asynchronous and has 2 s to answer, if not noted. */
export interface ServerHooks {
  /**
   * Returns the profiles of users, at most 500 of them. The answer is stored; each user is asked about again after a minute at
   * the earliest. Users without an entry, and invalid fields, have the profile of the other sources, as have all users while
   * the hook fails. With this hook, users can't change their profiles.
   *
   * @defaultValue profiles are those that users and the app have stored, and those of tokens
   */
  resolveUsers?:
    | ((userIds: readonly string[]) => readonly ResolvedUser[] | Promise<readonly ResolvedUser[]>)
    | undefined;
  /**
   * Returns whether a user may contact all of these users: before a conversation with them is created, before they are
   * added to one, before a call rings, and before their presence, their keys or their profiles are shown. Only `true`
   * allows it. A rejected request fails with
   * `FORBIDDEN`, or with the code of a CommError that the hook throws.
   *
   * @defaultValue every user may contact every other
   */
  mayContact?: ((callerId: string, userIds: readonly string[]) => boolean | Promise<boolean>) | undefined;
  /**
   * Checks an uploaded file, for example with a virus scanner, before messages can refer to it. A CommError that the hook
   * throws is sent to the uploader, and the file is deleted. Has 60 s to answer.
   *
   * @defaultValue every file is accepted
   */
  beforeUpload?: ((file: ReceivedFile) => void | Promise<void>) | undefined;
}
