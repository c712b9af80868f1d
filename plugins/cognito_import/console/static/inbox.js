// The inbox: what waits in it, what was filed and why, the nights, and a button that begins one now.
import { html, useState } from "./vendor/preact.js";
import { own, trigger } from "./api.js";
import { Ask, Loading, moment, number, Pages, Problem, State, useLoaded } from "./parts.js";
import { language, t } from "./texts.js";

const NIGHTLY = "cognito_import_nightly";
const SIZE = 20;
const NIGHTS = 5;
const EVERY = 10; // seconds: as long as the server shares a list
const COUNTS = ["ready", "later", "changing", "unfinished", "processed", "failed"];

export function Inbox() {
  const [offset, setOffset] = useState(0);
  const inbox = useLoaded((signal) => own("inbox", {}, { signal }), [], EVERY);
  const nights = useLoaded((signal) => own("inbox/nights", { offset, limit: NIGHTS }, { signal }), [offset], EVERY);
  const found = inbox.value;
  return html`<h1>${t("view.inbox")}</h1>
    <${Problem} failure=${inbox.failure} />
    ${inbox.loading && html`<${Loading} />`}
    ${found && !found.inbox && html`<p class="note">${t("inbox.unset")}</p>`}
    ${found?.inbox && html`<p class="soft">${t("inbox.text")} <code class="id">${found.inbox}</code></p>
      <dl class="numbers">${COUNTS.filter((name) => found.counts[name] || !["later", "changing", "unfinished"].includes(name)).map(
        (name) => html`<div key=${name}><dt>${t(`inbox.${name}`)}</dt><dd>${number(found.counts[name])}</dd></div>`,
      )}</dl>
      <${Now} inbox=${found} nights=${nights} />
      ${found.addresses
        ? html`<${Waiting} inbox=${found} /><${Filed} />`
        : html`<p class="note">${t("no-names")}</p>`}`}
    ${(found?.inbox || nights.value?.total > 0) && html`<${Nights} nights=${nights} names=${found?.addresses} offset=${offset} onMove=${setOffset} />`}`;
}

function Now({ inbox, nights }) {
  const [asking, setAsking] = useState(false);
  const { paused, next, nights: latest } = nights.value ?? {};
  const underWay = latest?.some((night) => ["running", "queued"].includes(night.state));
  const files = inbox.counts.ready + inbox.counts.changing;
  const begin = async () => {
    await trigger({}, NIGHTLY);
    setAsking(false);
    nights.again();
  };
  return html`<div class="row actions">
      <button type="button" class="primary" disabled=${!inbox.may_import || !files} onClick=${() => setAsking(true)}>${t("inbox.now")}</button>
      ${!files && html`<span class="soft">${t("inbox.empty")}</span>`}
      ${next && !paused && html`<span class="soft">${t("inbox.next", { at: moment(next) })}</span>`}
    </div>
    ${!inbox.may_import && html`<p class="soft">${t("no-import")}</p>`}
    ${paused && html`<p class="note warn">${t("inbox.paused")}</p>`}
    <div aria-live="polite">${underWay && html`<p class="note">${t("inbox.under-way")}</p>`}</div>
    ${asking && html`<${Ask} title=${t("inbox.now")} text=${t("inbox.now.text", { n: number(files) })} yes=${t("inbox.now")}
      onYes=${begin} onNo=${() => setAsking(false)} />`}`;
}

/** A page of files of one kind, and what moves and searches it. */
function useFiles(kind) {
  const [query, setQuery] = useState("");
  const [offset, setOffset] = useState(0);
  const load = (signal) => own("inbox/files", { kind, q: query, offset, limit: SIZE, lang: language() }, { signal });
  const loaded = useLoaded(load, [kind, query, offset, language()], EVERY);
  const search = html`<label>${t("search")} <input type="search" value=${query} onInput=${(event) => {
    setOffset(0);
    setQuery(event.target.value);
  }} /></label>`;
  const rest = html`<${Problem} failure=${loaded.failure} />
    ${loaded.loading && html`<${Loading} />`}
    ${loaded.value && !loaded.value.total && html`<p class="soft">${query ? t("no-match") : t("nothing")}</p>`}
    ${loaded.value && html`<${Pages} total=${loaded.value.total} offset=${offset} size=${SIZE} onMove=${setOffset} />`}`;
  return { rows: loaded.value?.rows ?? [], query, search, rest, toFirst: () => setOffset(0) };
}

const File = ({ file }) => html`<td class="file">${file.name}${file.size !== undefined && html` <span class="soft">${bytes(file.size)}</span>`}</td>`;

const RunLink = ({ run }) => run && html`<a href=${`#/run/${encodeURIComponent(run.run)}`}><${State} run=${run} /></a>`;

function Waiting({ inbox }) {
  const files = useFiles("waiting");
  return html`<section aria-labelledby="waiting-files"><h2 id="waiting-files">${t("inbox.waiting")}</h2>
    ${(files.rows.length > 0 || files.query) && html`<div class="row filters">${files.search}</div>`}
    ${files.rows.length > 0 && html`<div class="wide"><table>
      <thead><tr><th>${t("file")}</th><th>${t("arrived")}</th><th>${t("inbox.rule")}</th><th>${t("state")}</th></tr></thead>
      <tbody>${files.rows.map((file) => html`<tr key=${file.name}>
        <${File} file=${file} />
        <td class="when">${moment(file.arrived)}</td>
        <td>${t(`job.${file.rule.jobtype}`)} <span class="soft">${t(`engine.${file.rule.engine}`)}</span><br />
          ${file.rule.adminemail} <span class="soft">${t(file.rule.prefix ? "inbox.prefix" : "inbox.any", { prefix: file.rule.prefix })}</span></td>
        <td>${file.run
          ? html`<${RunLink} run=${file.run} />${["success", "failed"].includes(file.run.state) && html` <span class="soft">${t("inbox.ended")}</span>`}`
          : t(`inbox.${file.state}.text`, { n: number(inbox.quiet_seconds) })}</td>
      </tr>`)}</tbody></table></div>`}
    ${files.rest}
  </section>`;
}

function Filed() {
  const [kind, setKind] = useState("failed");
  const files = useFiles(kind);
  const choose = (event) => {
    files.toFirst();
    setKind(event.target.value);
  };
  return html`<section aria-labelledby="filed-files"><h2 id="filed-files">${t("inbox.filed")}</h2>
    <div class="row filters"><label>${t("outcome")} <select value=${kind} onChange=${choose}>
        <option value="failed">${t("inbox.failed")}</option><option value="processed">${t("inbox.processed")}</option>
      </select></label> ${files.search}</div>
    ${kind === "failed" && files.rows.length > 0 && html`<p class="soft">${t("inbox.failed.text")}</p>`}
    ${files.rows.length > 0 && html`<div class="wide"><table>
      <thead><tr><th>${t("file")}</th><th>${t("inbox.when")}</th><th>${t("run")}</th>${kind === "failed" && html`<th>${t("reason")}</th>`}</tr></thead>
      <tbody>${files.rows.map((file) => html`<tr key=${file.place}>
        <${File} file=${file} />
        <td class="when" title=${file.arrived ? t("inbox.arrived", { at: moment(file.arrived) }) : undefined}>${moment(file.filed)}</td>
        <td><${RunLink} run=${file.run} /></td>
        ${kind === "failed" && html`<td class="why">${file.reason.map((line) => html`<p>${line}</p>`)}<code class="id">${file.place}</code></td>`}
      </tr>`)}</tbody></table></div>`}
    ${files.rest}
  </section>`;
}

function Nights({ nights, names, offset, onMove }) {
  const [open, setOpen] = useState("");
  const found = nights.value;
  return html`<section aria-labelledby="nights"><h2 id="nights">${t("nights")}</h2>
    <${Problem} failure=${nights.failure} />
    ${found && !found.total && html`<p class="soft">${t("no-nights")}</p>`}
    ${found?.nights.length > 0 && html`<div class="wide"><table>
      <thead><tr><th>${t("started")}</th><th>${t("by")}</th><th>${t("night.runs")}</th><th>${t("state")}</th>${names && html`<th>${t("night.files")}</th>`}</tr></thead>
      <tbody>${found.nights.map((night) => html`<tr key=${night.run}>
          <td class="when">${moment(night.start_date ?? night.run_after)}</td>
          <td>${night.started_by || t("schedule")}</td>
          <td>${Object.entries(night.runs).map(([state, n]) => `${t(`state.${state}`)} ${number(n)}`).join(", ") || t(["success", "failed"].includes(night.state) ? "night.nothing" : "night.unlisted")}</td>
          <td><${State} run=${night} /></td>
          ${names && html`<td>${Object.keys(night.runs).length > 0 && html`<button type="button" class="small" aria-expanded=${open === night.run}
            onClick=${() => setOpen(open === night.run ? "" : night.run)}>${t(open === night.run ? "hide" : "show")}</button>`}</td>`}
        </tr>
        ${names && open === night.run && html`<tr key=${`${night.run} files`}><td colspan="5"><${Night} run=${night.run} /></td></tr>`}`)}</tbody>
    </table></div>
    <${Pages} total=${found.total} offset=${offset} size=${NIGHTS} onMove=${onMove} />`}
  </section>`;
}

function Night({ run }) {
  const [offset, setOffset] = useState(0);
  const files = useLoaded((signal) => own("inbox/night", { run, offset, limit: SIZE }, { signal }), [run, offset], EVERY);
  return html`<${Problem} failure=${files.failure} />
    ${files.loading && html`<${Loading} />`}
    ${files.value && html`<table><tbody>${files.value.rows.map((file, place) => html`<tr key=${place}><${File} file=${file} />
      <td>${file.run ? html`<${RunLink} run=${file.run} />` : t("state.none")}</td></tr>`)}</tbody></table>
    <${Pages} total=${files.value.total} offset=${offset} size=${SIZE} onMove=${setOffset} />`}`;
}

function bytes(size) {
  const [unit, value] = size < 1000 ? ["byte", size] : size < 1e6 ? ["kilobyte", size / 1e3] : ["megabyte", size / 1e6];
  return new Intl.NumberFormat(t("locale"), { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
}
