// The list of runs, and above it what waits for an answer.
import { html, useState } from "./vendor/preact.js";
import { own } from "./api.js";
import { Approval } from "./approval.js";
import { Bar, Loading, moment, number, Pages, Problem, State, useLoaded } from "./parts.js";
import { t } from "./texts.js";

const SIZE = 20;
const STATES = ["", "asking", "running", "queued", "success", "failed"];

export function Runs({ session, night = "" }) {
  const [state, setState] = useState("");
  const [job, setJob] = useState("");
  const [query, setQuery] = useState("");
  const [offset, setOffset] = useState(0);
  const load = (signal) => own("runs", { state, job, night, q: query, offset, limit: SIZE }, { signal });
  const runs = useLoaded(load, [state, job, night, query, offset], 5);
  const asking = useLoaded((signal) => own("runs", { state: "asking", night, limit: SIZE }, { signal }), [night], 10);
  const filter = (set) => (event) => {
    setOffset(0);
    set(event.target.value);
  };
  const found = runs.value;
  const filtered = state || job || query;
  return html`<h1>${t(night ? "view.night" : "view.runs")}</h1>
    ${asking.value?.runs.length > 0 && html`<section aria-label=${t("waiting")}>
      <h2>${t("waiting")}</h2>
      ${asking.value.runs.map((run) => html`<${Approval} key=${run.run} run=${run} session=${session}
        onAnswered=${() => { asking.again(); runs.again(); }} />`)}
    </section>`}
    <form class="row filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("state")} <select value=${state} onChange=${filter(setState)}>
        ${STATES.map((one) => html`<option value=${one}>${t(one ? `state.${one}` : "all")}</option>`)}
      </select></label>
      <label>${t("job")} <select value=${job} onChange=${filter(setJob)}>
        ${["", ...session.jobtypes, ...(session.options.includes("undo") ? ["undo"] : [])].map(
          (one) => html`<option value=${one}>${t(one ? `job.${one}` : "all")}</option>`)}
      </select></label>
      <label>${t("search.runs")} <input type="search" value=${query} onInput=${filter(setQuery)} /></label>
    </form>
    <${Problem} failure=${runs.failure} />
    ${runs.loading && html`<${Loading} />`}
    ${found && !found.runs.length && html`<p class="note">${filtered ? t("no-match") : t(night ? "no-night" : "no-runs")}
      ${!filtered && !night && html` <a href="#/new">${t("view.new")}</a>`}</p>`}
    ${found?.runs.length > 0 && html`<div class="wide"><table>
      <thead><tr><th>${t("started")}</th><th>${t("by")}</th><th>${t("job")}</th><th class="num">${t("users")}</th>
        <th>${t("outcome")}</th><th>${t("state")}</th></tr></thead>
      <tbody>${found.runs.map((run) => html`<tr key=${run.run}>
        <td><a href=${`#/run/${encodeURIComponent(run.run)}`}>${moment(run.start_date ?? run.run_after)}</a></td>
        <td>${run.started_by || t("schedule")}</td>
        <td>${run.read ? t(`job.${run.jobtype}`) : ""}${run.dry_run ? ` (${t("dry")})` : ""}</td>
        <td class="num">${run.read ? number(run.users) : ""}</td>
        <td class="counts">${run.read && html`<${Bar} counts=${run.counts} dry=${run.dry_run} />`}
          ${run.unreadable && html`<span class="soft">${t("unreadable")}</span>`}</td>
        <td><${State} run=${run} /></td>
      </tr>`)}</tbody>
    </table></div>
    <${Pages} total=${found.total} offset=${offset} size=${SIZE} onMove=${setOffset} />`}`;
}
