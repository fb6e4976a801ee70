/** A list of `All`; `never`, which nothing can be assigned to, if the list `Names` lacks one of them. */
export type Complete<All, Names extends readonly All[]> = [All] extends [Names[number]] ? readonly All[] : never;
