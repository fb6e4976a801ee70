const SVG = 'http://www.w3.org/2000/svg';

/** SVG paths on a grid of 24, stroked with the text color. */
const PATHS = {
  add: 'M12 5v14M5 12h14',
  archive: 'M4 5h16v4H4zM6 9v10h12V9M10 13h4',
  attach:
    'M19.500 11.500l-7.500 7.500a4.600 4.600 0 0 1-6.500-6.500l7.800-7.800a3 3 0 0 1 4.300 4.300l-7.500 7.500a1.500 1.500 0 0 1-2.100-2.100l6.800-6.800',
  back: 'M15 5l-7 7 7 7',
  bell: 'M6 16v-5a6 6 0 0 1 12 0v5l1.500 2h-15zM10 20.500h4',
  'bell-off': 'M6 16v-5c0-.8.2-1.600.500-2.300M9 5.800A6 6 0 0 1 18 11v3M19 18H4.500L6 16M10 20.500h4M4 3l16 18',
  camera: 'M4 7.500h10.500v9H4zM14.500 11l5.500-3v8l-5.500-3',
  'camera-off': 'M4 7.500h3M10.500 7.500h4v4M14.500 11l5.500-3v8l-3-1.600M14.500 16.500H4v-9M4 4l16 16',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  'check-double': 'M2 12.800l4.200 4.200 9-9.500M11 16l1.200 1 9-9.500',
  clock: 'M12 4.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M12 8v4.200l2.800 1.800',
  close: 'M6 6l12 12M18 6L6 18',
  code: 'M8 7l-5 5 5 5M16 7l5 5-5 5',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  download: 'M12 4v11M7 10.5l5 5 5-5M5 19.500h14',
  down: 'M12 5v14M6 13l6 6 6-6',
  edit: 'M5 19l.8-3.600L16 5.200l2.800 2.800L8.600 18.200zM14 7.200l2.800 2.800',
  expand: 'M14 5h5v5M19 5l-5.500 5.500M10 19H5v-5M5 19l5.500-5.500',
  failed: 'M12 4.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M12 8.500v4.500M12 15.600v.1',
  file: 'M7 3.500h7l4 4v13H7zM13.500 3.500v4.500h4.500',
  forward: 'M14 6l6 6-6 6M20 12H9a5 5 0 0 0-5 5v1',
  group:
    'M9 12a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7M2.500 19.500c0-3.300 2.900-5.500 6.500-5.500s6.500 2.200 6.500 5.500M16 5.400a3.300 3.300 0 0 1 0 6.200M18 14.500c2.200.7 3.500 2.500 3.500 5',
  hand: 'M8 12V6.500a1.500 1.500 0 0 1 3 0V11M11 10.500V5a1.500 1.500 0 0 1 3 0v5.500M14 10.500V6.500a1.500 1.500 0 0 1 3 0v7a6.500 6.500 0 0 1-6.500 6.500c-2.400 0-3.900-1.100-5-3.200l-2.300-4.200a1.500 1.500 0 0 1 2.600-1.500L8 13.800',
  'hang-up':
    'M3.500 14.800c4.700-4.700 12.300-4.700 17 0l-2.200 2.400-3.800-1.700.2-2.500a9.500 9.500 0 0 0-5.400 0l.2 2.500-3.800 1.700z',
  info: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 11v5M12 7.800v.1',
  key: 'M8.500 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8M11.500 12.200L19 4.700M16 7.700l2.500 2.500',
  leave: 'M14 4.500H5.500v15H14M10 12h10M16.500 8.500L20 12l-3.500 3.500',
  lock: 'M6 11h12v8.500H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3M12 14.500v1.500',
  'lock-open': 'M6 11h12v8.500H6zM8.500 11V7.500a3.500 3.500 0 0 1 6.800-1.200M12 14.500v1.500',
  mic: 'M12 14.500a3 3 0 0 0 3-3V7a3 3 0 0 0-6 0v4.500a3 3 0 0 0 3 3M6 11.500a6 6 0 0 0 12 0M12 17.500V21',
  'mic-off':
    'M15 10.500V7a3 3 0 0 0-5.600-1.500M9 9.500v2a3 3 0 0 0 4.500 2.600M6 11.500a6 6 0 0 0 9.300 5M18 11.500c0 .9-.2 1.700-.5 2.500M12 17.500V21M4 4l16 16',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  next: 'M9 5l7 7-7 7',
  pause: 'M9 6v12M15 6v12',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4.500 20c0-3.600 3.400-6 7.500-6s7.500 2.400 7.500 6',
  phone:
    'M6 4.500h3l1.500 4-2 1.500a11 11 0 0 0 5.500 5.500l1.500-2 4 1.500v3a1.500 1.500 0 0 1-1.500 1.500A13.500 13.500 0 0 1 4.500 6 1.500 1.500 0 0 1 6 4.500',
  pin: 'M9 4h6l-.8 6 3.300 3.500h-11L9.800 10zM12 13.500V20',
  play: 'M8 6l10 6-10 6z',
  plug: 'M9 3v5M15 3v5M6.500 8h11v3a5.500 5.500 0 0 1-11 0zM12 16.500V21',
  read: 'M3 12s3.300-6 9-6 9 6 9 6-3.300 6-9 6-9-6-9-6M12 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  reply: 'M10 6l-6 6 6 6M4 12h11a5 5 0 0 1 5 5v1',
  retry: 'M19.500 12a7.500 7.500 0 1 1-2.300-5.400M19.500 4v4.500H15',
  screen: 'M4 5h16v11H4zM9 20h6M12 16v4M12 13V8.500M9.800 10.500L12 8.300l2.200 2.200',
  'screen-off': 'M4 5h16v11H4zM9 20h6M12 16v4M9.500 8.500l5 4.500M14.500 8.500l-5 4.500',
  search: 'M11 4.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M16 16l4.500 4.500',
  send: 'M5 12h13M12 5.500l6.500 6.500-6.500 6.500',
  settings:
    'M5 7h8M17 7h2M5 17h2M11 17h8M15 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5M9 19.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  shield: 'M12 4l7 2.500v5c0 4.200-2.900 7.200-7 8.500-4.100-1.300-7-4.300-7-8.500v-5zM9 12l2.200 2.200L15.200 10',
  shrink: 'M19 10h-5V5M14 10l5.500-5.500M5 14h5v5M10 14l-5.500 5.500',
  smile:
    'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M8.800 14c.7 1.200 1.900 1.800 3.200 1.800s2.500-.6 3.200-1.800M9.300 10v.1M14.700 10v.1',
  sound: 'M4.500 10v4h3l4 3.500v-11l-4 3.500zM15 9.500a3.500 3.500 0 0 1 0 5M17.500 7a7 7 0 0 1 0 10',
  'sound-off': 'M4.500 10v4h3l4 3.500v-11l-4 3.500zM15.500 10l4 4M19.500 10l-4 4',
  thread: 'M4 5h16v11h-8l-4.500 4v-4H4zM8 9h8M8 12.500h5',
  trash: 'M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7M10.500 11v5M13.500 11v5',
  window: 'M14 5h5v5M19 5l-8 8M11 5H5v14h14v-6',
} as const;

export type IconName = keyof typeof PATHS;

/** Creates a decorative icon, hidden from screen readers. The element around it needs a label. */
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

/** Shows one icon in an element, instead of the one that it contains. */
export function setIcon(element: Element, name: IconName, size?: number): void {
  if (element.querySelector(`:scope > .icon-${name}`) === null) element.replaceChildren(icon(name, size));
}
