// The page: its views by the address behind `#`, the language, and the colours of Airflow around it.
import { html, render, useEffect, useState } from "./vendor/preact.js";
import { own } from "./api.js";
import { Inbox } from "./inbox.js";
import { NewImport } from "./new.js";
import { Loading, Problem, useLoaded } from "./parts.js";
import { Run } from "./run.js";
import { Runs } from "./runs.js";
import { Settings } from "./settings.js";
import { chooseLanguage, language, t } from "./texts.js";

function follow() {
  // Airflow keeps its theme as a class of its own document, which is of the same origin.
  const around = (() => {
    try {
      return window.parent.document.documentElement;
    } catch {
      return document.documentElement;
    }
  })();
  const own = document.documentElement;
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const dark = around === own ? preferred.matches : around.classList.contains("dark");
    own.classList.toggle("dark", dark);
  };
  apply();
  if (around === own) preferred.addEventListener("change", apply);
  else new MutationObserver(apply).observe(around, { attributes: true, attributeFilter: ["class"] });
}

function route() {
  const [view, ...rest] = location.hash.slice(2).split("/");
  const [run, dag] = rest.map(decodeURIComponent);
  return { view: view || "new", run: run ?? "", dag: dag ?? "" };
}

/** The tab on a run in Airflow: an import, or the imports that a night has started. */
function Tab({ session, run, dag }) {
  if (dag === session.dag) return html`<${Run} session=${session} run=${run} tab />`;
  if (dag === session.nightly) return html`<${Runs} session=${session} night=${run} />`;
  return html`<p class="note">${t("tab.other")}</p>`;
}

const VIEWS = { new: NewImport, runs: Runs, run: Run, inbox: Inbox, settings: Settings, tab: Tab };

function App() {
  const [place, setPlace] = useState(route());
  const [, setLanguage] = useState(language());
  const session = useLoaded((signal) => own("session", {}, { signal }), []);
  useEffect(() => {
    const moved = () => setPlace(route());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const choose = (event) => {
    chooseLanguage(event.target.value);
    setLanguage(event.target.value);
  };
  const View = VIEWS[place.view] ?? NewImport;
  const here = (view) => (view === place.view || (view === "runs" && place.view === "run") ? "page" : undefined);
  const link = (view) => html`<a href=${`#/${view}`} aria-current=${here(view)}>${t(`view.${view}`)}</a>`;
  return html`${place.view !== "tab" && html`<header class="top">
      <nav aria-label=${t("views")}>${link("new")} ${link("runs")} ${link("inbox")} ${link("settings")}</nav>
      <label class="language"><span class="unseen">${t("language")}</span>
        <select value=${language()} onChange=${choose}>
          <option value="en">English</option><option value="ja">日本語</option>
        </select>
      </label>
    </header>`}
    <main>
      <${Problem} failure=${session.failure} />
      ${session.loading && html`<${Loading} />`}
      ${session.value && html`<${View} key=${`${place.view}/${place.run}`} session=${session.value} run=${place.run} dag=${place.dag} />`}
    </main>`;
}

follow();
document.getElementById("app").textContent = "";
render(html`<${App} />`, document.getElementById("app"));
