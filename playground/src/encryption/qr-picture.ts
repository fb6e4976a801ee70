import { encodeQR } from 'qr';

const SVG = 'http://www.w3.org/2000/svg';
/** Width of the margin in modules; ISO/IEC 18004 requires four. */
const QUIET = 4;

/** A QR code, dark on white in every theme, because cameras need it. */
export function qrPicture(text: string, label: string): SVGSVGElement {
  const data = encodeQR(text, 'raw', { ecc: 'medium', border: QUIET });
  const svg = document.createElementNS(SVG, 'svg');
  const side = data.length;
  const box = document.createElementNS(SVG, 'rect');
  const dark = document.createElementNS(SVG, 'path');
  const steps = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  for (const [element, attributes] of [
    [svg, { class: 'qr', viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label }],
    [box, { width: String(side), height: String(side), fill: '#fff' }],
    [dark, { d: steps.join(''), fill: '#000', 'shape-rendering': 'crispEdges' }],
  ] as const) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }
  svg.append(box, dark);
  return svg;
}
