const SVG = 'http://www.w3.org/2000/svg';

/** Outlines on a grid of 24, drawn with the text's colour. */
const PATHS = {
  add: 'M12 5v14M5 12h14',
  archive: 'M4 5h16v4H4zM6 9v10h12V9M10 13h4',
  back: 'M15 5l-7 7 7 7',
  bell: 'M6 16v-5a6 6 0 0 1 12 0v5l1.500 2h-15zM10 20.500h4',
  'bell-off': 'M6 16v-5c0-.8.2-1.600.500-2.300M9 5.800A6 6 0 0 1 18 11v3M19 18H4.500L6 16M10 20.500h4M4 3l16 18',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  'check-double': 'M2 12.800l4.200 4.200 9-9.500M11 16l1.200 1 9-9.500',
  clock: 'M12 4.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M12 8v4.200l2.800 1.800',
  close: 'M6 6l12 12M18 6L6 18',
  code: 'M8 7l-5 5 5 5M16 7l5 5-5 5',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  down: 'M12 5v14M6 13l6 6 6-6',
  edit: 'M5 19l.8-3.600L16 5.200l2.800 2.800L8.600 18.200zM14 7.200l2.800 2.800',
  failed: 'M12 4.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M12 8.500v4.500M12 15.600v.1',
  forward: 'M14 6l6 6-6 6M20 12H9a5 5 0 0 0-5 5v1',
  group:
    'M9 12a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7M2.500 19.500c0-3.300 2.900-5.500 6.500-5.500s6.500 2.200 6.500 5.500M16 5.400a3.300 3.300 0 0 1 0 6.200M18 14.500c2.200.7 3.500 2.500 3.500 5',
  info: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 11v5M12 7.800v.1',
  leave: 'M14 4.500H5.500v15H14M10 12h10M16.500 8.500L20 12l-3.500 3.500',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  pause: 'M9 6v12M15 6v12',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.500 20c0-3.600 3.400-6 7.500-6s7.500 2.400 7.500 6',
  pin: 'M9 4h6l-.8 6 3.300 3.500h-11L9.800 10zM12 13.500V20',
  play: 'M8 6l10 6-10 6z',
  plug: 'M9 3v5M15 3v5M6.500 8h11v3a5.500 5.500 0 0 1-11 0zM12 16.500V21',
  read: 'M3 12s3.300-6 9-6 9 6 9 6-3.300 6-9 6-9-6-9-6M12 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  reply: 'M10 6l-6 6 6 6M4 12h11a5 5 0 0 1 5 5v1',
  retry: 'M19.500 12a7.500 7.500 0 1 1-2.300-5.400M19.500 4v4.500H15',
  search: 'M11 4.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M16 16l4.500 4.500',
  send: 'M5 12h13M12 5.500l6.500 6.500-6.500 6.500',
  smile:
    'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M8.800 14c.7 1.200 1.900 1.800 3.200 1.800s2.500-.6 3.200-1.800M9.300 10v.1M14.700 10v.1',
  trash: 'M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7M10.500 11v5M13.500 11v5',
  window: 'M14 5h5v5M19 5l-8 8M11 5H5v14h14v-6',
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration: whatever it means has to be said in words beside it. */
export function icon(name: IconName, size = 20): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  for (const [attribute, value] of Object.entries({
    class: `icon icon-${name}`,
    viewBox: '0 0 24 24',
    width: String(size),
    height: String(size),
    'aria-hidden': 'true',
  })) {
    svg.setAttribute(attribute, value);
  }
  return svg;
}
