/**
 * The style sheet of the shadow root. What it says of the host is important: other rules of the page's style sheets, such as `*`,
 * would apply to it and be inherited.
 */
export const STYLES = `
:host {
  all: initial !important;
  color-scheme: inherit !important;
  display: block !important;
  font: 13.5px/1.4 system-ui, sans-serif !important;
  color: light-dark(#1b1c25, #ececf3) !important;
  --canvas: light-dark(#f6f6f9, #17181f);
  --field: light-dark(#fff, #1f212a);
  --line: light-dark(#d4d4de, #34374a);
  --text: light-dark(#1b1c25, #ececf3);
  --soft: light-dark(#565869, #a4a6ba);
  --accent: light-dark(#3f4bc9, #a9b1ff);
  --good: light-dark(#18794e, #4cc38a);
  --bad: light-dark(#c4283a, #ff8a93);
}
:host([hidden]), [hidden] { display: none !important; }
:host([data-fixed]) {
  color-scheme: light dark !important;
  position: fixed !important;
  inset: auto 0 0 !important;
  z-index: 2147483647 !important;
  pointer-events: none !important;
}
.launcher, .drawer { pointer-events: auto; }
* { box-sizing: border-box; }
button, input, select { font: inherit; color: inherit; }
button, select, input[type='search'] {
  min-height: 32px;
  padding: 4px 10px;
  border: 1px solid var(--line);
  border-radius: 6px;
  background: var(--field);
}
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.launcher { margin: 8px; }
.drawer {
  display: flex;
  flex-direction: column;
  height: min(320px, 44dvh);
  border-top: 1px solid var(--line);
  background: var(--canvas);
}
header { display: flex; justify-content: space-between; border-bottom: 1px solid var(--line); }
.tabs { display: flex; min-width: 0; overflow-x: auto; }
header button { flex: none; min-height: 40px; border: 0; border-radius: 0; background: none; color: var(--soft); }
header button[aria-selected='true'] { color: var(--text); box-shadow: inset 0 -2px var(--accent); }
.body { flex: 1; min-height: 0; overflow: auto; }
.tools {
  position: sticky;
  top: 0;
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 8px;
  padding: 8px 12px;
  background: var(--canvas);
}
.tools > :first-child { flex: 1 1 160px; min-width: 0; max-width: 420px; margin-inline-end: auto; }
.rows { padding: 0 12px 12px; }
.columns { display: flex; flex-wrap: wrap; align-items: start; gap: 16px 48px; padding: 14px 16px; }
section { min-width: 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.good { color: var(--good); }
.bad { color: var(--bad); }
h2, legend { margin: 0 0 6px; padding: 0; font-size: 12px; font-weight: 600; color: var(--soft); }
fieldset { margin: 0; padding: 0; border: 0; min-width: 0; }
ol, ul { margin: 0; padding: 0; list-style: none; }
code, pre, time, .facts dd { font-family: ui-monospace, monospace; font-size: 12.5px; }
.facts { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 4px 16px; margin: 0 0 8px; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
.events li { border-top: 1px solid var(--line); }
summary { display: flex; gap: 12px; padding: 4px 2px; cursor: pointer; }
time { flex: none; color: var(--soft); }
.name { flex: none; width: 13em; overflow: hidden; text-overflow: ellipsis; font-weight: 600; color: var(--accent); }
.line { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
pre { margin: 0 0 8px; white-space: pre-wrap; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 4px 8px 4px 0; border-top: 1px solid var(--line); text-align: start; vertical-align: top; overflow-wrap: anywhere; }
.seen { table-layout: fixed; }
.words { display: block; white-space: pre-wrap; }
.fault { display: grid; grid-template-columns: 6em minmax(80px, 150px) 4em auto; align-items: center; gap: 12px; min-height: 34px; }
.fault input { width: 100%; accent-color: var(--accent); }
@media (max-width: 480px) {
  .fault { grid-template-columns: 6em minmax(60px, 1fr) 4em; }
  .fault .soft { grid-column: 2 / -1; }
  .name { width: 9em; }
}
@media (forced-colors: active) { header button[aria-selected='true'] { outline: 2px solid; outline-offset: -4px; } }
`;
