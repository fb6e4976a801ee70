import type { Page } from 'playwright';
import { expect } from 'vitest';

/** Finds texts with insufficient contrast (WCAG 2.2, 1.4.3: at least 4.5:1, large text 3:1). */
async function lowContrastTexts(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    type Colour = readonly [red: number, green: number, blue: number, alpha: number];
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const read = (css: string): Colour => {
      if (canvas === null) throw new Error('No canvas');
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = css;
      canvas.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    };
    const over = (top: Colour, below: Colour): Colour => {
      const mix = (at: 0 | 1 | 2): number => top[at] * top[3] + below[at] * (1 - top[3]);
      return [mix(0), mix(1), mix(2), 1];
    };
    const luminance = ([red, green, blue]: Colour): number => {
      const linear = (value: number): number => {
        const part = value / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      };
      return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    };
    const behind = (element: Element): Colour => {
      const own = read(getComputedStyle(element).backgroundColor);
      if (own[3] === 1) return own;
      return over(own, element.parentElement === null ? [255, 255, 255, 1] : behind(element.parentElement));
    };
    const faint: string[] = [];
    for (const element of document.querySelectorAll('body *')) {
      const hasText = [...element.childNodes].some((node) => node instanceof Text && node.data.trim() !== '');
      if (!hasText || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      if (element.closest('.visually-hidden, svg, :disabled') !== null) continue;
      const style = getComputedStyle(element);
      const background = behind(element);
      const light = [luminance(over(read(style.color), background)), luminance(background)].sort((a, b) => b - a);
      const ratio = ((light[0] ?? 0) + 0.05) / ((light[1] ?? 0) + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (isLarge ? 3 : 4.5))
        faint.push(`${ratio.toFixed(2)} ${element.className} "${element.textContent.slice(0, 30)}"`);
    }
    return faint;
  });
}

/** Finds duplicate ids, dangling references and controls without an accessible name. */
async function namingProblems(page: Page): Promise<string[]> {
  const ids = await page.evaluate(() => {
    const all = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    const twice = all.filter((id, at) => all.indexOf(id) !== at).map((id) => `two elements have the id ${id}`);
    const references = [...document.querySelectorAll('[aria-labelledby], [aria-controls], label[for]')].flatMap(
      (element) => ['aria-labelledby', 'aria-controls', 'for'].flatMap((name) => element.getAttribute(name) ?? []),
    );
    const lost = references.filter((id) => document.querySelector(`#${CSS.escape(id)}`) === null);
    const pictures = [...document.querySelectorAll('img:not([alt])')].map(() => 'an image without alt');
    return [...twice, ...lost.map((id) => `no element has the id ${id}`), ...pictures];
  });
  // Playwright computes accessible names as browsers do (https://www.w3.org/TR/accname-1.2/).
  const tree = await page.locator('body').ariaSnapshot();
  const lines = tree.split('\n').map((line) => line.trim());
  const isNameless =
    /^- (?:button|link|textbox|searchbox|checkbox|switch|tab|menuitem|img|dialog|region|navigation)(?: \[[^\]]+\])*:?$/;
  const nameless = lines.flatMap((line, at) => (isNameless.test(line) ? [lines.slice(at, at + 4).join(' ')] : []));
  return [...ids, ...nameless];
}

/** Whether the page is wider than the viewport. */
async function overflows(page: Page): Promise<boolean> {
  return await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

/** Returns all accessibility problems of the page, after running animations have finished. */
async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(async () => {
    const appearing = document.getAnimations().filter(({ effect }) => effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(appearing.map(({ finished }) => finished));
  });
  const isWide = await overflows(page);
  return [
    ...(await lowContrastTexts(page)),
    ...(await namingProblems(page)),
    ...(isWide ? ['the page is wider than the viewport'] : []),
  ];
}

/** Waits until the page has no accessibility problem. One look could see an element that is only just appearing. */
export async function isAccessible(page: Page): Promise<void> {
  await expect.poll(() => accessibilityProblems(page)).toEqual([]);
}
