// Users a second from the run's beginning, beside what the pace and the quota allow.
import { html } from "./vendor/preact.js";
import { Chart } from "./chart.js";
import { number } from "./parts.js";
import { t } from "./texts.js";

/** `speed` is what workers have stored, see report/timeline.py. */
export function Rate({ speed, pace, live, engine }) {
  if (!speed) return null;
  const { times, rates, throttles } = speed;
  const level = (value) => times.map(() => value);
  const met = throttles.reduce((sum, count) => sum + count, 0);
  const lines = [{ label: t("rate.line"), color: "--main", kind: "area", values: rates }];
  if (met) {
    const values = throttles.map((count, index) => (count ? rates[index] : null));
    lines.push({ label: t("rate.throttles"), color: "--warn", kind: "dots", values, told: throttles });
  }
  if (pace) lines.push({ label: t("rate.limit"), color: "--good", kind: "level", values: level(pace.limit) });
  if (pace && pace.quota !== pace.limit) lines.push({ label: t("rate.quota"), color: "--bad", kind: "level", values: level(pace.quota) });
  const most = Math.max(...rates);
  const words = t("rate.words", { most: most.toFixed(1), limit: pace ? number(pace.limit) : "?", throttles: number(met) });
  return html`<section><h2>${t("rate")}</h2>
    <${Chart} times=${times} lines=${lines} words=${words} />
    ${live && engine === "step_functions" && html`<p class="soft">${t("rate.late")}</p>`}
  </section>`;
}
