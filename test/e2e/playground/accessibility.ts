import axe from 'axe-core';
import type { Page } from 'playwright';
import { expect } from 'vitest';

type ColorScheme = 'light' | 'dark';

/**
 * Returns what axe finds: WCAG 2.2 A and AA, its best practices, and two rules that are off by default. The second color
 * scheme changes nothing but colors.
 */
async function axeProblems(page: Page, rules: { only?: string[]; without?: string[] } = {}): Promise<string[]> {
  const isLoaded = await page.evaluate(() => 'axe' in globalThis);
  // The content policy of the page allows no inline script; the debugger is not subject to it.
  if (!isLoaded) await page.evaluate(axe.source);
  return await page.evaluate(async ({ only, without = [] }) => {
    const { axe: injected } = globalThis as unknown as { axe: typeof axe };
    const { violations } = await injected.run(document, {
      resultTypes: ['violations'],
      preload: false,
      ...(only === undefined
        ? {
            rules: {
              'label-content-name-mismatch': { enabled: true },
              'target-size': { enabled: true },
              ...Object.fromEntries(without.map((rule) => [rule, { enabled: false }])),
            },
          }
        : { runOnly: { type: 'rule', values: only } }),
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, any, all, none }) => {
        const why = [...any, ...all, ...none].map(({ message }) => message).join(' ');
        return `${id}: ${html.slice(0, 160)}: ${why.slice(0, 240)}`;
      }),
    );
  }, rules);
}

/** Whether the page is wider than the viewport. */
async function overflows(page: Page): Promise<boolean> {
  return await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

/** Waits until running animations have finished. */
async function settle(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const appearing = document.getAnimations().filter(({ effect }) => effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(appearing.map(({ finished }) => finished));
  });
}

/** The width to which WCAG wants pages to reflow (1.4.10). */
const NARROWEST = 320;

/** Returns the problems of the page without those of colors, at the narrowest width. Keeps what is open on the page. */
async function problemsOfNarrow(page: Page): Promise<string[]> {
  const size = page.viewportSize();
  if (size === null) return [];
  await page.setViewportSize({ ...size, width: NARROWEST });
  await settle(page);
  const problems = await axeProblems(page, { without: ['color-contrast'] });
  if (await overflows(page)) problems.push('the page is wider than the viewport');
  await page.setViewportSize(size);
  return problems.map((problem) => `${NARROWEST} px: ${problem}`);
}

/** Returns the accessibility problems of the page in both color schemes, and of phones also at the narrowest width. */
async function accessibilityProblems(page: Page): Promise<string[]> {
  const isDark = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches);
  const [scheme, other]: [ColorScheme, ColorScheme] = isDark ? ['dark', 'light'] : ['light', 'dark'];
  await settle(page);
  const problems = await axeProblems(page);
  if (await overflows(page)) problems.push('the page is wider than the viewport');
  await page.emulateMedia({ colorScheme: other });
  await settle(page);
  const ofColors = await axeProblems(page, { only: ['color-contrast'] });
  problems.push(...ofColors.map((problem) => `${other}: ${problem}`));
  await page.emulateMedia({ colorScheme: scheme });
  if ((page.viewportSize()?.width ?? 0) < 500) problems.push(...(await problemsOfNarrow(page)));
  return problems;
}

/** Waits until the page has no accessibility problem. One look could see an element that is only just appearing. */
export async function isAccessible(page: Page): Promise<void> {
  await expect.poll(() => accessibilityProblems(page)).toEqual([]);
}
