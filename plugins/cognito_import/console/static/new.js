// A new import: a list that is pasted or dropped, what was understood of it, corrections in place, one button.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { own, trigger } from "./api.js";
import { ahead, Columns } from "./columns.js";
import { Options, request } from "./options.js";
import { number, Problem, useLoaded } from "./parts.js";
import { Preview } from "./preview.js";
import { isAddress, Ready } from "./ready.js";
import { language, t } from "./texts.js";

const KINDS = ["csv", "json", "jsonl", "xlsx"];
const ADMIN = "cognito-import-admin";
const DRAFT = "cognito-import-draft"; // so that a list outlives another view, a reload and a session
const NO_POOL = { groups: [], allowed: [], complete: false, closed: false, attributes: [] };

export function NewImport({ session }) {
  const [text, setText] = useState("");
  const [checked, setChecked] = useState(null); // what the server understood of the list
  const [edits, setEdits] = useState({}); // corrections that are not checked yet
  const [chosen, setChosen] = useState({}); // columns that are not used yet
  const [options, setOptions] = useState({
    ...session.defaults,
    jobtype: "import",
    adminemail: localStorage.getItem(ADMIN) ?? "",
    dry_run: false,
  });
  const [busy, setBusy] = useState("");
  const [failure, setFailure] = useState(null);
  const pool = useLoaded((signal) => (session.may_start ? own("pool", {}, { signal }) : NO_POOL), []);
  const result = useRef(null);
  const attempt = useRef({});

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
  const show = (answer) => {
    setChecked(answer);
    setChosen(ahead(answer));
    if (answer) sessionStorage.setItem(DRAFT, answer.token);
    else sessionStorage.removeItem(DRAFT);
  };
  const upload = ({ kind, name, body }) =>
    doing("check", async () => {
      const query = { kind, name, jobtype: options.jobtype, lang: language() };
      show(await own("drafts", query, { method: "POST", bytes: body }));
      setEdits({});
      result.current?.focus();
    });
  const decide = async (decisions, { token = checked.token, jobtype = options.jobtype } = {}) =>
    show(await own(`drafts/${token}`, { jobtype, lang: language() }, { method: "POST", json: decisions }));
  const correct = () =>
    doing("check", async () => {
      await decide({ edits });
      setEdits({});
      result.current?.focus();
    });
  const useColumns = (columns) =>
    doing("check", async () => {
      await decide({ columns });
      result.current?.focus();
    });
  const choose = (changed) => {
    const change = () => setOptions((before) => ({ ...before, ...changed }));
    if (!changed.jobtype) return change();
    return doing("check", async () => { // what a row may say depends on the job
      await decide({}, changed);
      change();
    });
  };
  const start = () =>
    doing("start", async () => {
      const about = JSON.stringify([checked.token, options]);
      if (attempt.current.about !== about) {
        const query = { jobtype: options.jobtype, lang: language() };
        attempt.current = { about, ...(await own(`drafts/${checked.token}/source`, query, { method: "POST" })) };
      }
      const { source, run, lost } = attempt.current;
      try {
        await trigger(request(options, session, source), undefined, run);
      } catch (error) {
        // Under the same name nobody is imported twice: it was there if only the answer was lost before.
        attempt.current.lost ||= error.kind === "offline";
        if (!lost || error.status !== 409) throw error;
      }
      localStorage.setItem(ADMIN, options.adminemail.trim());
      sessionStorage.removeItem(DRAFT);
      location.hash = `#/run/${encodeURIComponent(run)}`;
    });
  const take = (file) => {
    const kind = file.name.toLowerCase().split(".").at(-1);
    if (!KINDS.includes(kind)) return setFailure({ kind: "told", message: t("new.kind") });
    return upload({ kind, name: file.name.slice(-200), body: file });
  };
  useEffect(() => { // the list of before, or the same one in another language
    const token = checked?.token ?? sessionStorage.getItem(DRAFT);
    if (!session.may_start || !token) return;
    doing("check", () => decide({}, { token }).catch((error) => {
      if (error.status !== 404) throw error;
      show(null);
    }));
  }, [language()]);

  if (!session.may_start) return html`<h1>${t("view.new")}</h1><p class="note">${t("no-start")}</p>`;
  const there = pool.value ?? NO_POOL;
  const open = Object.keys(edits).length ? "correct" : !checked?.question && Object.keys(chosen).length ? "column.use" : "";
  return html`<h1>${t("view.new")}</h1>
    <section>
      <h2>${t("new.list")}</h2>
      <${Drop} onFile=${take} disabled=${!!busy}>
        <label for="pasted">${t("new.paste")}</label>
        <textarea id="pasted" rows=${checked ? 2 : 6} spellcheck="false" value=${text} placeholder=${"user01@example.com\nuser02@example.com"}
          onInput=${(event) => setText(event.target.value)}></textarea>
      <//>
      <div class="row"><button type="button" class=${checked ? "" : "primary"} disabled=${!text.trim() || !!busy}
        onClick=${() => upload({ kind: "text", name: "", body: new Blob([text]) })}>${t("new.check")}</button>
        ${checked && html`<button type="button" disabled=${!!busy} onClick=${() => { show(null); setText(""); setEdits({}); }}>${t("new.over")}</button>`}
        <span class="soft" role="status">${busy === "check" && t("new.checking")}</span></div>
    </section>
    ${busy !== "start" && html`<${Problem} failure=${failure} acting kept=${!!checked} />`}
    ${checked && html`<section ref=${result} tabindex="-1" aria-label=${t("new.understood")}>
      <h2>${checked.name === "list" ? t("new.understood") : checked.name}</h2>
      ${!checked.question && html`<p class=${`note ${checked.wrong ? "warn" : "good"}`} role="status">
        ${t(checked.wrong ? "new.some" : "new.all", { n: number(checked.users), good: number(checked.good), wrong: number(checked.wrong) })}</p>`}
      ${checked.read_as.length > 0 && html`<${Columns} checked=${checked} attributes=${there.attributes} busy=${!!busy} chosen=${chosen}
        onPick=${setChosen} onChoose=${useColumns} />`}
      ${!checked.question && html`<${Preview} checked=${checked} busy=${!!busy} edits=${edits} onEdit=${setEdits} onCorrect=${correct} />`}
    </section>`}
    ${checked && !checked.question && html`
    <${Options} options=${options} session=${session} checked=${checked} pool=${there} busy=${!!busy} onChange=${choose}
      onGroups=${(groups) => doing("check", () => decide({ groups }))} />
    <section>
      <h2>${t("ready")}</h2>
      ${checked.good > 0 && html`<${Ready} checked=${checked} options=${options} session=${session} />`}
      ${checked.wrong > 0 && html`<p>${t("new.out", { n: number(checked.wrong) })}</p>`}
      <button type="button" class=${options.jobtype === "delete" && !options.dry_run ? "danger" : "primary"} onClick=${start} aria-describedby="before"
        disabled=${!!busy || !!open || !checked.good || !isAddress(options.adminemail)}>
        ${t(options.dry_run ? "new.try" : `new.${options.jobtype}`, { n: number(checked.good) })}</button>
      <p class="soft" id="before" role="status">
        ${busy === "start" ? t("new.starting") : open ? t("new.open", { button: t(open) }) : !isAddress(options.adminemail) ? t("new.admin") : ""}</p>
    </section>`}`;
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
