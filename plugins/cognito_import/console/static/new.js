// A new import: a list that is pasted or dropped, what was understood of it, corrections in place, one button.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { own, trigger } from "./api.js";
import { Options, request } from "./options.js";
import { number, Problem, span } from "./parts.js";
import { Preview } from "./preview.js";
import { language, t } from "./texts.js";

const KINDS = ["csv", "json", "jsonl", "xlsx"];
const ADMIN = "cognito-import-admin";

export function NewImport({ session }) {
  const [list, setList] = useState(null); // the upload itself: {kind, name, body}
  const [text, setText] = useState("");
  const [checked, setChecked] = useState(null);
  const [options, setOptions] = useState({
    ...session.defaults,
    jobtype: "import",
    adminemail: localStorage.getItem(ADMIN) ?? "",
    dry_run: false,
  });
  const [busy, setBusy] = useState("");
  const [failure, setFailure] = useState(null);
  const result = useRef(null);

  const doing = async (what, act) => {
    setBusy(what);
    setFailure(null);
    try {
      await act();
    } catch (error) {
      setFailure(error);
    }
    setBusy("");
  };
  const check = (from, jobtype = options.jobtype) =>
    doing("check", async () => {
      setChecked(null);
      const query = { kind: from.kind, name: from.name, jobtype, lang: language() };
      setChecked(await own("drafts", query, { method: "POST", bytes: from.body }));
      setList(from);
    });
  const correct = (edits) =>
    doing("check", async () => {
      const query = { jobtype: options.jobtype, lang: language() };
      setChecked(await own(`drafts/${checked.token}`, query, { method: "POST", json: { edits } }));
    });
  const start = () =>
    doing("start", async () => {
      const query = { jobtype: options.jobtype };
      const { source } = await own(`drafts/${checked.token}/source`, query, { method: "POST" });
      const begun = await trigger(request(options, session, source));
      localStorage.setItem(ADMIN, options.adminemail);
      location.hash = `#/run/${encodeURIComponent(begun.dag_run_id)}`;
    });
  const take = (file) => {
    const kind = file.name.toLowerCase().split(".").at(-1);
    if (!KINDS.includes(kind)) return setFailure({ kind: "told", message: t("new.kind") });
    return check({ kind, name: file.name.slice(-200), body: file });
  };
  const choose = (changed) => {
    setOptions({ ...options, ...changed });
    if (changed.jobtype && list) check(list, changed.jobtype); // what a row may say depends on the job
  };
  useEffect(() => result.current?.focus(), [checked?.token]);

  if (!session.may_start) return html`<h1>${t("view.new")}</h1><p class="note">${t("no-start")}</p>`;
  return html`<h1>${t("view.new")}</h1>
    <section>
      <h2>${t("new.list")}</h2>
      <${Drop} onFile=${take} disabled=${!!busy}>
        <label for="pasted">${t("new.paste")}</label>
        <textarea id="pasted" rows="6" spellcheck="false" value=${text} placeholder=${"user01@example.com\nuser02@example.com"}
          onInput=${(event) => setText(event.target.value)}></textarea>
      <//>
      <button type="button" class=${checked ? "" : "primary"} disabled=${!text.trim() || !!busy}
        onClick=${() => check({ kind: "text", name: "", body: new Blob([text]) })}>${t("new.check")}</button>
      ${busy === "check" && html`<span class="soft" role="status"> ${t("new.checking")}</span>`}
    </section>
    ${failure && !checked && html`<${Problem} failure=${failure} />`}
    ${checked && html`<section ref=${result} tabindex="-1" aria-label=${t("new.understood")}>
      <h2>${list?.name || t("new.understood")}</h2>
      <p class=${`note ${checked.wrong ? "warn" : "good"}`} role="status">
        ${t(checked.wrong ? "new.some" : "new.all", { n: number(checked.users), good: number(checked.good), wrong: number(checked.wrong) })}</p>
      <${Preview} key=${checked.token} checked=${checked} busy=${!!busy} onCorrect=${correct} />
    </section>
    <${Options} options=${options} session=${session} onChange=${choose} />
    <section>
      ${checked.good > 0 && html`<p>${summary(checked, options, session)}</p>`}
      <${Problem} failure=${failure} />
      <button type="button" class=${options.jobtype === "delete" ? "danger" : "primary"} onClick=${start}
        disabled=${!!busy || !checked.good || !/^\S+@\S+$/.test(options.adminemail)}>
        ${t(options.dry_run ? "new.try" : `new.${options.jobtype}`, { n: number(checked.good) })}</button>
      ${busy === "start" && html`<span class="soft" role="status"> ${t("new.starting")}</span>`}
      ${!options.adminemail && html`<p class="soft">${t("new.admin")}</p>`}
    </section>`}`;
}

function summary(checked, options, session) {
  const { seconds } = checked.estimate;
  const out = checked.wrong ? t("new.out", { n: number(checked.wrong) }) : "";
  if (options.dry_run || !seconds) return out;
  const over = new Intl.DateTimeFormat(t("locale"), { timeStyle: "short" }).format(new Date(Date.now() + seconds * 1000));
  const time = session.approved.includes(options.jobtype) ? t("new.after", { span: span(seconds) }) : t("new.time", { span: span(seconds), over });
  return `${out} ${time}`.trim();
}

function Drop({ onFile, disabled, children }) {
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (!disabled && event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  };
  const drag = (event) => {
    event.preventDefault();
    setOver(true);
  };
  const chosen = (event) => {
    if (event.target.files[0]) onFile(event.target.files[0]);
    event.target.value = "";
  };
  return html`<div class=${`drop ${over ? "over" : ""}`} onDrop=${drop} onDragOver=${drag} onDragLeave=${() => setOver(false)}>
    ${children}
    <div class="row"><span>${t("new.or")}</span>
      <button type="button" disabled=${disabled} onClick=${() => input.current.click()}>${t("new.file")}</button>
      <span class="soft">${t("new.files")}</span></div>
    <input ref=${input} type="file" hidden accept=".csv,.json,.jsonl,.xlsx" aria-label=${t("new.file")} onChange=${chosen} />
  </div>`;
}
