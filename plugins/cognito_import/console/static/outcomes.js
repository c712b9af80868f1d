// What became of each user: searched and paged by the server.
import { html, useState } from "./vendor/preact.js";
import { own } from "./api.js";
import { kindName, KINDS, Loading, number, Pages, Problem, useLoaded } from "./parts.js";
import { language, t } from "./texts.js";

const SIZE = 50;

export function Outcomes({ run, live }) {
  const [query, setQuery] = useState("");
  const [kind, setKind] = useState("");
  const [offset, setOffset] = useState(0);
  const load = (signal) =>
    run.addresses ? own("run/outcomes", { run: run.run, q: query, kind: kind || [], offset, limit: SIZE, lang: language() }, { signal }) : null;
  const loaded = useLoaded(load, [run.run, query, kind, offset, live, language()], live ? 4 : 0);
  if (!run.addresses) return html`<p class="note">${t("no-addresses")}</p>`;
  const filter = (set) => (event) => {
    setOffset(0);
    set(event.target.value);
  };
  const found = loaded.value;
  return html`<section><h2>${t("each")}</h2>
    <form class="row filters" onSubmit=${(event) => event.preventDefault()}>
      <label>${t("search")} <input type="search" value=${query} onInput=${filter(setQuery)} /></label>
      <label>${t("outcome")} <select value=${kind} onChange=${filter(setKind)}>
        <option value="">${t("all")}</option>
        ${KINDS.map((one) => html`<option value=${one}>${kindName(one, run.dry_run)}</option>`)}
      </select></label>
      ${found && html`<span class="soft" role="status">${t("found", { n: number(found.total) })}</span>`}
    </form>
    <${Problem} failure=${loaded.failure} />
    ${loaded.loading && html`<${Loading} />`}
    ${found && !found.rows.length && html`<p class="note">${t("no-match")}</p>`}
    ${found?.rows.length > 0 && html`<div class="wide"><table class="outcomes">
      <thead><tr><th class="num">#</th><th>${t("address")}</th><th>${t("outcome")}</th><th>${t("reason")}</th></tr></thead>
      <tbody>${found.rows.map((row) => html`<tr key=${row.row}><td class="num">${number(row.row)}</td><td>${row.useremail}</td>
        <td><i class=${`dot k-${row.kind}`}></i>${kindName(row.kind, run.dry_run)}</td>
        <td>${row.code && html`<code>${row.code}</code> `}${row.message}</td></tr>`)}</tbody>
    </table></div>
    <${Pages} total=${found.total} offset=${offset} size=${SIZE} onMove=${setOffset} />`}
  </section>`;
}
