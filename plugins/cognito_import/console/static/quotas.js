// Cognito's quotas: what is allowed in each category that imports call, and how much of it all callers used in the last day.
import { html, useState } from "./vendor/preact.js";
import { own } from "./api.js";
import { Chart } from "./chart.js";
import { Loading, number, Problem, useLoaded } from "./parts.js";
import { t } from "./texts.js";

const EVERY = 300; // seconds: CloudWatch counts in five minutes together
const rate = (value) => number(Math.round(value * 10) / 10);
const share = (one) => (one.busiest ?? 0) / one.quota;

export function Quotas() {
  const quotas = useLoaded((signal) => own("quotas", {}, { signal }), [], EVERY);
  const [chosen, setChosen] = useState("");
  const found = quotas.value;
  const known = found?.unknown === null;
  const shown = found?.categories.find((one) => one.name === chosen) ?? found?.categories.reduce((a, b) => (share(b) > share(a) ? b : a));
  return html`<section aria-labelledby="quotas">
    <h2 id="quotas">${t("quotas")}</h2>
    <p class="soft">${t("quotas.text")}</p>
    <${Problem} failure=${quotas.failure} />
    ${quotas.loading && html`<${Loading} />`}
    ${found && html`<div class="wide"><table>
      <thead><tr><th>${t("quotas.category")}</th><th class="num">${t("quotas.quota")}</th>
        ${known && html`<th class="num">${t("quotas.mean")}</th><th class="num">${t("quotas.busiest")}</th>`}</tr></thead>
      <tbody>${found.categories.map((one) => html`<tr key=${one.name}>
        <td class="file"><code>${one.name}</code> <span class="soft">${one.operations.join(", ")}</span></td>
        <td class="num">${rate(one.quota)}</td>
        ${known && html`<td class="num">${rate(one.mean)}</td><td class="num">${rate(one.busiest)} (${number(Math.round(100 * share(one)))}%)</td>`}
      </tr>`)}</tbody></table></div>
    ${found.unknown !== null && html`<p class="note warn">${t("quotas.unknown", { code: found.unknown })}</p>`}
    ${known && html`<div class="row filters"><label>${t("quotas.category")} <select value=${shown.name} onChange=${(event) => setChosen(event.target.value)}>
        ${found.categories.map((one) => html`<option value=${one.name}>${one.name}</option>`)}
      </select></label></div>
      <${Chart} times=${found.times} words=${t("quotas.words", { name: shown.name, busiest: rate(shown.busiest), quota: rate(shown.quota) })} lines=${[
        { label: t("quotas.used"), color: "--main", values: shown.rates, kind: "area" },
        { label: t("quotas.quota"), color: "--bad", values: found.times.map(() => shown.quota), kind: "level" },
      ]} />`}`}
  </section>`;
}
