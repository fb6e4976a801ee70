import * as v from 'valibot';
import { LIMITS } from './limits.ts';

/** What a linked page says about itself. Texts are plain text. */
export interface LinkPreview {
  /** The link, as it stands in the message. */
  url: string;
  title?: string | null | undefined;
  description?: string | null | undefined;
  /** An http(s) URL. Loading it tells the page's server who looks at the preview. */
  image?: string | null | undefined;
  /** Host name of the page. */
  domain: string;
}

/** Body of the route `linkPreviews`. */
export interface LinkPreviewsRequest {
  /** A text with links. The first three are previewed. */
  text: string;
}
/** Answer of the route `linkPreviews`: the previews that could be made. */
export interface LinkPreviews {
  previews: LinkPreview[];
}

const webUrl = v.pipe(v.string(), v.maxLength(LIMITS.urlLength), v.regex(/^https?:\/\//i, 'must be an http(s) URL'));
const line = (length: number) => v.optional(v.nullable(v.pipe(v.string(), v.maxLength(length))));

/** Validates {@link LinkPreview}. */
export const linkPreviewSchema = v.object({
  url: webUrl,
  title: line(300),
  description: line(1_000),
  image: v.optional(v.nullable(webUrl)),
  domain: v.pipe(v.string(), v.nonEmpty(), v.maxLength(253)),
}) satisfies v.GenericSchema<unknown, LinkPreview>;
/** Validates {@link LinkPreviewsRequest}. */
export const linkPreviewsRequestSchema = v.object({
  text: v.pipe(v.string(), v.maxLength(LIMITS.messageLength)),
}) satisfies v.GenericSchema<unknown, LinkPreviewsRequest>;
/** Validates {@link LinkPreviews}. */
export const linkPreviewsSchema = v.object({ previews: v.array(linkPreviewSchema) }) satisfies v.GenericSchema<
  unknown,
  LinkPreviews
>;
