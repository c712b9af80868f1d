// What preflight finds now, Cognito's quotas, and the settings that are in force.
import { html, useState } from "./vendor/preact.js";
import { own } from "./api.js";
import { Loading, Problem, useLoaded } from "./parts.js";
import { Quotas } from "./quotas.js";
import { language, t } from "./texts.js";

export function Settings({ session }) {
  const settings = useLoaded((signal) => own("settings", {}, { signal }), []);
  const [check, setCheck] = useState({});
  const run = async () => {
    setCheck({ busy: true });
    try {
      setCheck({ found: await own("preflight", { lang: language() }, { method: "POST" }) });
    } catch (failure) {
      setCheck({ failure });
    }
  };
  const found = check.found;
  const list = (name, kind) =>
    found[name].length > 0 && html`<h3>${t(`check.${name}`)}</h3>
      <ul class=${`note ${kind}`}>${found[name].map((one) => html`<li>${one}</li>`)}</ul>`;
  return html`<h1>${t("view.settings")}</h1>
    <section>
      <h2>${t("check")}</h2>
      <p class="soft">${t("check.text")}</p>
      <button type="button" class="primary" disabled=${check.busy || !session.may_start} onClick=${run}>
        ${check.busy ? t("check.busy") : t("check.do")}
      </button>
      ${!session.may_start && html`<p class="soft">${t("no-start")}</p>`}
      <${Problem} failure=${check.failure} />
      <div aria-live="polite">
        ${found && html`${list("problems", "bad")} ${list("unseen", "warn")} ${list("warnings", "warn")}
          ${!found.problems.length && !found.unseen.length && html`<p class="note good">${t("check.good")}</p>`}`}
      </div>
    </section>
    <${Quotas} />
    <section>
      <h2>${t("settings")}</h2>
      <p class="soft">${t("settings.text")}</p>
      <${Problem} failure=${settings.failure} />
      ${settings.loading && html`<${Loading} />`}
      ${settings.value && html`<div class="wide"><table>
        <thead><tr><th>${t("setting")}</th><th>${t("value")}</th></tr></thead>
        <tbody>${settings.value.map((one) => html`<tr key=${one.name}><td class="name"><code>${one.name}</code></td><td>${shown(one)}</td></tr>`)}</tbody>
      </table></div>`}
    </section>`;
}

function shown(one) {
  if (one.hidden) return html`<span class="soft">${t(one.value ? "set" : "unset")}</span>`;
  if (one.value === null || (Array.isArray(one.value) && !one.value.length)) return html`<span class="soft">–</span>`;
  if (Array.isArray(one.value)) return one.value.join(", ");
  return typeof one.value === "object" ? html`<code class="lines">${JSON.stringify(one.value, null, 1)}</code>` : String(one.value);
}
