// Small parts that every view uses.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { t } from "./texts.js";

/** Load a value now and every `seconds` while the page is seen; what was loaded stays while the next answer is awaited. */
export function useLoaded(load, deps, seconds = 0) {
  const [state, set] = useState({ value: null, failure: null, loading: true });
  const again = useRef(() => {});
  useEffect(() => {
    let timer, over = false;
    const aborter = new AbortController();
    const run = async () => {
      clearTimeout(timer);
      let next = seconds;
      try {
        const value = await load(aborter.signal);
        if (over) return;
        set({ value, failure: null, loading: false });
        if (typeof seconds === "function") next = seconds(value);
      } catch (failure) {
        if (over || failure.name === "AbortError") return;
        set((before) => ({ ...before, failure, loading: false }));
        next = failure.kind === "offline" || failure.status >= 500 ? 5 : 0;
      }
      if (next) timer = setTimeout(() => (document.hidden ? wait() : run()), next * 1000);
    };
    const wait = () => document.addEventListener("visibilitychange", run, { once: true });
    again.current = run;
    run();
    return () => {
      over = true;
      aborter.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", run);
    };
  }, deps);
  return { ...state, again: () => again.current() };
}

/** Say what went wrong and what to do about it: of something that a person did (`acting`) nothing is tried again by itself. */
export function Problem({ failure, acting, kept }) {
  if (!failure) return null;
  const key = acting && failure.kind === "offline" ? "offline.acting" : kept && failure.kind === "expired" ? "expired.kept" : failure.kind;
  const text = key === "told" ? failure.message || t("failed") : t(key);
  const more = failure.kind === "forbidden" ? failure.message : "";
  return html`<div class="note bad" role="alert">${text}${more && html` <span class="soft">${more}</span>`}</div>`;
}

export const Loading = () => html`<p class="soft" role="status">${t("loading")}</p>`;

export const number = (value) => new Intl.NumberFormat(t("locale")).format(value ?? 0);

export function moment(text) {
  if (!text) return "";
  return new Intl.DateTimeFormat(t("locale"), { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
}

export function span(seconds) {
  if (seconds < 60) return t("seconds", { n: Math.max(1, Math.ceil(seconds)) });
  if (seconds < 5400) return t("minutes", { n: Math.ceil(seconds / 60) });
  return t("hours", { n: (seconds / 3600).toFixed(1) });
}

export const KINDS = ["succeeded", "changed", "existed", "incomplete", "exists", "failed", "interrupted", "not_attempted", "waiting"];

/** How many did not succeed, of those whose turn has come. */
export const failures = (counts) => ["exists", "failed", "interrupted", "not_attempted"].reduce((sum, kind) => sum + (counts[kind] ?? 0), 0);

/** The name of a kind; of a dry run that of what would happen. */
export const kindName = (kind, dry) => t(dry && kind !== "waiting" ? `dry.${kind}` : `kind.${kind}`);

/** How far a run is: one stretch for each kind of outcome, told in words to a screen reader. */
export function Bar({ counts, dry }) {
  const total = counts?.total || 0;
  const shown = KINDS.filter((kind) => counts?.[kind]);
  const words = shown.map((kind) => `${kindName(kind, dry)} ${number(counts[kind])}`).join(", ");
  return html`<div class="bar" role="img" aria-label=${words || t("nothing")}>
    ${total > 0 && shown.map((kind) => html`<i key=${kind} class=${`k-${kind}`} style=${{ flexGrow: counts[kind] }}></i>`)}
  </div>`;
}

export const state = (run) => (run.asking ? "asking" : run.state);

export const State = ({ run }) => html`<span class=${`state s-${state(run)}`}>${t(`state.${state(run)}`)}</span>`;

/** Ask before something that cannot be taken back. The frame that Airflow shows the page in has no confirm(). */
export function Ask({ title, text, yes, danger, onYes, onNo }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  useEffect(() => dialog.current.showModal(), []);
  const act = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await onYes();
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };
  return html`<dialog ref=${dialog} onCancel=${onNo} aria-labelledby="ask">
    <h2 id="ask">${title}</h2>
    <p class="lines">${text}</p>
    <${Problem} failure=${failure} />
    <div class="row end">
      <button type="button" onClick=${onNo} disabled=${busy}>${t("cancel")}</button>
      <button type="button" class=${danger ? "danger" : "primary"} onClick=${act} disabled=${busy}>${yes}</button>
    </div>
  </dialog>`;
}

export function Pages({ total, offset, size, onMove }) {
  if (total <= size) return null;
  return html`<nav class="row pages" aria-label=${t("pages")}>
    <button type="button" disabled=${offset === 0} onClick=${() => onMove(Math.max(0, offset - size))}>${t("previous")}</button>
    <span>${t("range", { from: number(offset + 1), to: number(Math.min(total, offset + size)), total: number(total) })}</span>
    <button type="button" disabled=${offset + size >= total} onClick=${() => onMove(offset + size)}>${t("next")}</button>
  </nav>`;
}
