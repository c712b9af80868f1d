// What a run of the list takes, and what preflight finds for it: asked anew whenever something is chosen that it depends on.
import { html, useEffect, useState } from "./vendor/preact.js";
import { own } from "./api.js";
import { request } from "./options.js";
import { Loading, number, Problem, span } from "./parts.js";
import { language, t } from "./texts.js";

const MILLISECONDS = 500; // of rest before the server is asked

export const isAddress = (text) => /^\S+@\S+\.\S+$/.test(text.trim());

export function Ready({ checked, options, session }) {
  const [state, set] = useState({});
  const { adminemail, ...others } = request(options, session);
  const asked = JSON.stringify(isAddress(adminemail) ? { ...others, adminemail } : others);
  useEffect(() => {
    const aborter = new AbortController();
    const ask = async () => {
      set((before) => ({ ...before, loading: true }));
      try {
        const asking = { method: "POST", json: JSON.parse(asked), signal: aborter.signal };
        set({ found: await own(`drafts/${checked.token}/ready`, { lang: language() }, asking) });
      } catch (failure) {
        if (failure.name !== "AbortError") set({ failure });
      }
    };
    const timer = setTimeout(ask, MILLISECONDS);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [checked.token, asked, language()]);
  const { found, failure } = state;
  const list = (name, kind) => found[name].length > 0 && html`<h3>${t(`ready.${name}`)}</h3>
    <ul class=${`note ${kind}`}>${found[name].map((one) => html`<li>${one}</li>`)}</ul>`;
  return html`<div aria-live="polite" aria-busy=${!!state.loading}>
    <${Problem} failure=${failure} acting />
    ${!found && !failure && html`<${Loading} />`}
    ${found && html`<dl class="numbers">
        <div><dt>${t("users")}</dt><dd>${number(checked.good)}</dd></div>
        <div><dt>${t("ready.calls")}</dt><dd>${number(found.calls)}</dd></div>
        ${found.seconds !== null && html`<div><dt>${t("ready.time")}</dt><dd>${span(found.seconds)}</dd></div>
          <div><dt>${t("ready.over")}</dt><dd>${over(found, options, session)}</dd></div>`}
      </dl>
      ${found.busy_seconds > found.seconds * 1.05 && html`<p class="soft">${t("ready.busy", { span: span(found.busy_seconds) })}</p>`}
      ${list("problems", "bad")} ${list("unseen", "warn")} ${list("warnings", "warn")}`}
  </div>`;
}

function over(found, options, session) {
  if (session.approved.includes(options.jobtype) && !options.dry_run) return t("ready.approved", { span: span(found.seconds) });
  return new Intl.DateTimeFormat(t("locale"), { timeStyle: "short" }).format(new Date(Date.now() + found.seconds * 1000));
}
