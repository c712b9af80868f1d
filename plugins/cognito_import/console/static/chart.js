// Lines over time: drawn by uPlot in the page's colours, told in words and as a table to those who do not see them.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import uPlot from "./vendor/uplot.js";
import { language, t } from "./texts.js";

const HEIGHT = 180;
const DAY = 86_400;
const FONT = "12px system-ui, sans-serif";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const value = (number) =>
  number == null ? "–" : new Intl.NumberFormat(t("locale"), { maximumFractionDigits: 1 }).format(number);

/** A moment in seconds since the epoch, as exact as the `step` between two of them asks for. */
function clock(seconds, step) {
  const style = step >= DAY ? { dateStyle: "short" } : { timeStyle: step < 60 ? "medium" : "short" };
  return new Intl.DateTimeFormat(t("locale"), style).format(new Date(seconds * 1000));
}

function options(lines, onPoint) {
  const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: FONT };
  const paths = { bars: uPlot.paths.bars({ size: [0.6, 40] }), none: () => null };
  return {
    width: 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { range: (plot, first, last) => (plot.data[0].length < 2 ? [plot.data[0][0] - 30, plot.data[0][0] + 30] : [first, last]) },
      y: { range: (_, __, most) => [0, Math.max(1, most ?? 1) * 1.1] },
    },
    axes: [
      { ...axis, values: (_, splits, __, ___, step) => splits.map((at) => clock(at, step)), space: 90, size: 30 },
      { ...axis, values: (_, splits) => splits.map(value), size: 56 },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: () => colour(line.color),
        width: line.kind === "dots" ? 0 : 2,
        dash: line.kind === "level" ? [6, 4] : undefined,
        fill: line.kind === "area" ? () => `${colour(line.color)}22` : undefined,
        paths: line.kind === "dots" ? paths.none : undefined,
        points: line.kind === "dots" ? { show: true, size: 8, fill: () => colour(line.color) } : { show: line.kind !== "level" && line.values.length < 2 },
      })),
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

/**
 * Draw `lines` over `times`, in seconds since the epoch, from zero up.
 *
 * A line is `{ label, color, values, kind, told }`: `color` a variable of the style sheet, a value null where nothing is known, `kind`
 * "area", "level" (dashed) or "dots", else a plain line, and `told` what is read out in place of the values, if they only place dots.
 * `words` say what there is to see.
 */
export function Chart({ times, lines, words }) {
  const place = useRef(null);
  const plot = useRef(null);
  const [point, setPoint] = useState(null);
  const look = JSON.stringify([language(), ...lines.map(({ label, color, kind }) => [label, color, kind])]);
  const data = [times, ...lines.map((line) => line.values)];
  useEffect(() => {
    const drawn = new uPlot(options(lines, setPoint), data, place.current);
    plot.current = drawn;
    const fit = new ResizeObserver(() => drawn.setSize({ width: Math.max(240, place.current.clientWidth), height: HEIGHT }));
    fit.observe(place.current);
    const themed = new MutationObserver(() => drawn.redraw());
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    return () => {
      fit.disconnect();
      themed.disconnect();
      drawn.destroy();
    };
  }, [look]);
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)]);
  const step = times.length > 1 ? times[1] - times[0] : 60;
  const told = (line, at) => value((line.told ?? line.values)[at]);
  const shown = point !== null && point < times.length ? point : null;
  return html`<figure class="chart">
    <div ref=${place} class="plot" role="img" aria-label=${words}></div>
    <figcaption class="legend soft">
      ${shown !== null && html`<strong>${clock(times[shown], Math.min(step, DAY - 1))}</strong>`}
      ${lines.map((line) => html`<span key=${line.label}><i class=${`swatch ${line.kind ?? ""}`} style=${{ color: `var(${line.color})` }}></i>${line.label}${
        shown === null ? "" : ` ${told(line, shown)}`}</span>`)}
    </figcaption>
    <details class="soft"><summary>${t("chart.table")}</summary>
      <div class="wide tall" tabindex="0" role="region" aria-label=${t("chart.table")}><table>
        <thead><tr><th>${t("chart.time")}</th>${lines.map((line) => html`<th class="num">${line.label}</th>`)}</tr></thead>
        <tbody>${times.map((at, index) => html`<tr key=${at}><td>${clock(at, Math.min(step, DAY - 1))}</td>
          ${lines.map((line) => html`<td class="num">${told(line, index)}</td>`)}</tr>`)}</tbody>
      </table></div>
    </details>
  </figure>`;
}
