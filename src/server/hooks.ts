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

/** Functions of the app that decide about requests. Each may be asynchronous and has 2 s to answer, if not noted. */
export interface ServerHooks {
  /**
   * Returns whether a user may contact all of these users: before a conversation with them is created, before they are
   * added to one, before a call rings, and before their presence or their keys are shown. A rejected request fails with
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
