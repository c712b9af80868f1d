// Users a second while the page is watched, beside what the pace and the quota allow.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { number } from "./parts.js";
import { t } from "./texts.js";

const WINDOW = 12_000; // milliseconds that a rate is taken over: a run stores its outcomes in steps
const KEPT = 600;

/** The rate at each look at the run since the page was opened. */
export function useRate(run) {
  const seen = useRef([]);
  const [samples, set] = useState([]);
  useEffect(() => {
    if (!run?.counts || ["success", "failed"].includes(run.state)) return;
    const now = Date.now();
    const done = run.counts.total - run.counts.waiting;
    seen.current = [...seen.current, { at: now, done }].slice(-KEPT);
    const first = seen.current.find((one) => now - one.at <= WINDOW) ?? seen.current[0];
    const rate = now > first.at ? ((done - first.done) * 1000) / (now - first.at) : 0;
    set((before) => [...before, { at: now, rate }].slice(-KEPT));
  }, [run]);
  return samples;
}

export function Rate({ samples, pace }) {
  const [width, height, edge] = [640, 160, 34];
  const top = Math.max(1, pace?.quota ?? 0, pace?.limit ?? 0, ...samples.map((one) => one.rate)) * 1.1;
  const [begin, end] = [samples[0]?.at ?? 0, samples.at(-1)?.at ?? 1];
  const x = (at) => edge + ((width - edge) * (at - begin)) / Math.max(1, end - begin);
  const y = (rate) => (height - 18) * (1 - rate / top) + 4;
  const points = samples.map((one) => `${x(one.at).toFixed(1)},${y(one.rate).toFixed(1)}`).join(" ");
  const level = (rate, kind) => html`<line class=${kind} x1=${edge} x2=${width} y1=${y(rate)} y2=${y(rate)} />
    <text x="0" y=${y(rate) + 4}>${number(Math.round(rate))}</text>`;
  const now = samples.at(-1)?.rate ?? 0;
  const words = t("rate.words", { now: now.toFixed(1), limit: pace ? number(pace.limit) : "?" });
  return html`<section><h2>${t("rate")}</h2>
    <svg class="chart" viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${words}>
      ${level(0, "axis")} ${pace && level(pace.limit, "limit")} ${pace && pace.quota !== pace.limit && level(pace.quota, "quota")}
      <polyline points=${points} />
    </svg>
    <p class="legend soft"><i class="line now"></i>${words} ${pace && html`<i class="line limit"></i>${t("rate.limit")}
      <i class="line quota"></i>${t("rate.quota")}`}</p>
  </section>`;
}
