// The plots: five minutes of what the tiles tell, drawn by uPlot.

import uPlot from './uplot.js';

import { $, bytes, count, element, seconds } from './dom.js';

const KEPT = 300; // readings, one a second

const plots = [
  { title: 'Connections', lines: [['connections', '--blue']], show: count },
  { title: 'Deliveries a second', lines: [['deliveries', '--green']], show: count },
  { title: 'Time to reach a room', lines: [['p50', '--blue'], ['p99', '--amber']], show: seconds },
  { title: 'Skipped a second, too slow', lines: [['skipped', '--red']], show: count },
  { title: 'Memory', lines: [['memory', '--violet']], show: bytes },
];

export function makePlots() {
  const style = getComputedStyle(document.documentElement);
  for (const plot of plots) {
    const box = element('figure', { className: 'card' }, element('figcaption', {}, plot.title, ...(plot.lines.length > 1 ? plot.lines.map(([label, colour]) => element('span', { className: `key ${colour.slice(2)}`, textContent: label })) : [])));
    const space = element('div', { className: 'plot' });
    box.append(space);
    $('plots').append(box);
    const axis = { stroke: () => getComputedStyle(document.documentElement).getPropertyValue('--dim'), grid: { stroke: 'rgba(128,140,170,.15)' }, ticks: { show: false } };
    plot.data = [[], ...plot.lines.map(() => [])];
    plot.drawn = new uPlot(
      {
        width: 300,
        height: 150,
        legend: { show: false },
        cursor: { y: false },
        scales: { y: { range: (_, min, max) => [0, Math.max(max * 1.1, 0.001)] } },
        axes: [{ ...axis, size: 44 }, { ...axis, size: 64, values: (_, ticks) => ticks.map(plot.show) }],
        series: [{}, ...plot.lines.map(([label, colour]) => ({ label, stroke: style.getPropertyValue(colour), width: 2, points: { show: false }, value: (_, v) => (v == null ? '–' : plot.show(v)) }))],
      },
      plot.data,
      space,
    );
    new ResizeObserver(() => plot.drawn.setSize({ width: space.clientWidth, height: 150 })).observe(space);
  }
}

export function draw(at, figures) {
  for (const plot of plots) {
    const [times, ...lines] = plot.data;
    times.push(at / 1000);
    plot.lines.forEach(([name], i) => {
      const v = figures[name];
      lines[i].push(Number.isFinite(v) ? v : null);
    });
    for (const list of plot.data) if (list.length > KEPT) list.shift();
    plot.drawn.setData(plot.data);
  }
}
