// The report as a picture: for each number of clients a bar for each form, as a share of the hand-written two-phase commit, with the
// quartiles of its rounds. One file, no script, no font of its own, readable on a light and on a dark page.
import type { Row } from './report.ts';

const BAR = 22;
const GAP = 6;
const GROUP_GAP = 40;
const HEIGHT = 260;
const LEFT = 46;
const TOP = 46;
const COLOURS = [
  '#4e79a7',
  '#f28e2b',
  '#59a14f',
  '#b07aa1',
  '#e15759',
  '#76b7b2',
  '#9c755f',
  '#bab0ac',
  '#edc948',
  '#ff9da7',
  '#86bcb6',
];

export function chart(title: string, rows: readonly Row[]): string {
  const shown = rows.filter(({ vsRaw }) => vsRaw !== null);
  const forms = [...new Set(shown.map(({ form }) => form))];
  const groups = [...new Set(shown.map(({ clients }) => clients))];
  const most = Math.max(1, ...shown.map(({ vsRaw, vsRawSpread }) => Math.max(vsRaw ?? 0, vsRawSpread?.[1] ?? 0)));
  const top = Math.ceil(most * 5) / 5;
  const y = (value: number): number => TOP + HEIGHT * (1 - value / top);
  const groupWidth = forms.length * (BAR + GAP);
  const width = LEFT + groups.length * (groupWidth + GROUP_GAP) + 10;
  const grid = Array.from({ length: Math.round(top / 0.2) + 1 }, (_, n) => n * 0.2).map(
    (value) =>
      `<line x1="${LEFT}" x2="${width - 10}" y1="${y(value)}" y2="${y(value)}" stroke="#888" stroke-width="${Math.abs(value - 1) < 0.01 ? 1.5 : 0.3}"/>` +
      `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(1)}</text>`,
  );
  const bars = groups.flatMap((clients, group) => {
    const left = LEFT + GROUP_GAP / 2 + group * (groupWidth + GROUP_GAP);
    const label = `<text x="${left + groupWidth / 2}" y="${TOP + HEIGHT + 18}" text-anchor="middle">${clients} clients</text>`;
    return [
      label,
      ...forms.map((form, at) => bar(shown, { clients, form }, left + at * (BAR + GAP), COLOURS[at] ?? '#888', y)),
    ];
  });
  const legend = forms.map(
    (form, at) =>
      `<rect x="${LEFT + (at % 4) * 120}" y="${TOP + HEIGHT + 30 + Math.floor(at / 4) * 18}" width="10" height="10" fill="${COLOURS[at] ?? '#888'}"/>` +
      `<text x="${LEFT + 15 + (at % 4) * 120}" y="${TOP + HEIGHT + 39 + Math.floor(at / 4) * 18}">${escaped(form)}</text>`,
  );
  const height = TOP + HEIGHT + 50 + Math.ceil(forms.length / 4) * 18;
  const full = Math.max(width, LEFT + 490);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${full} ${height}" width="${full}" height="${height}" font-family="sans-serif" font-size="12" fill="#777">
<title>${escaped(title)}</title>
<text x="${LEFT}" y="20" font-size="14">${escaped(title)}</text>
${[...grid, ...bars, ...legend].join('\n')}
</svg>
`;
}

function bar(
  rows: readonly Row[],
  wanted: { readonly clients: number; readonly form: string },
  x: number,
  colour: string,
  y: (value: number) => number,
): string {
  const row = rows.find(({ clients, form }) => clients === wanted.clients && form === wanted.form);
  if (row?.vsRaw == null) {
    return '';
  }
  const [low, high] = row.vsRawSpread ?? [row.vsRaw, row.vsRaw];
  const middle = x + BAR / 2;
  return (
    `<rect x="${x}" y="${y(row.vsRaw)}" width="${BAR}" height="${y(0) - y(row.vsRaw)}" fill="${colour}"><title>${escaped(row.form)}: ${row.vsRaw.toFixed(2)}</title></rect>` +
    `<line x1="${middle}" x2="${middle}" y1="${y(low)}" y2="${y(high)}" stroke="#333"/>` +
    `<text x="${middle}" y="${y(high) - 4}" text-anchor="middle" font-size="9">${row.vsRaw.toFixed(2)}</text>`
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
