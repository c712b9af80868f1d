// One run: how far it is, how fast, what became of whom, and what can be done about it.
import { html, useState } from "./vendor/preact.js";
import { address, own, stop, trigger } from "./api.js";
import { Approval } from "./approval.js";
import { Mail } from "./mail.js";
import { Outcomes } from "./outcomes.js";
import { Ask, Bar, failures, kindName, KINDS, Loading, moment, number, Problem, span, State, useLoaded } from "./parts.js";
import { Rate } from "./rate.js";
import { language, t } from "./texts.js";

const ended = (run) => ["success", "failed"].includes(run.state);

/** Seconds until the next look: a run that was stopped reports after its end, so it is watched on for a while. */
const pause = (run) => (ended(run) ? (run.report ? 0 : 10) : 2);

export function Run({ session, run: id, tab }) {
  const loaded = useLoaded((signal) => own("run", { run: id, lang: language() }, { signal }), [id, language()], pause);
  const run = loaded.value;
  if (loaded.loading) return html`<${Loading} />`;
  if (!run) return html`<${Problem} failure=${loaded.failure} />`;
  const counts = run.counts;
  const left = counts?.waiting ?? 0;
  const rate = run.speed?.rate ?? 0;
  return html`${!tab && html`<p><a href="#/runs">← ${t("view.runs")}</a></p>`}
    <h1>${run.read ? t("run.title", { job: t(`job.${run.jobtype}`), n: number(run.users) }) : t("run.reading")}</h1>
    <p class="row"><${State} run=${run} /> ${run.dry_run && html`<strong>${t("dry")}</strong> `}<span>${moment(run.start_date ?? run.run_after)}</span>
      <span>${run.started_by || t("schedule")}</span>${run.engine && html` <span>${t(`engine.${run.engine}`)}</span>`}
      <code class="id">${run.run}</code></p>
    <${Problem} failure=${loaded.failure} />
    ${run.asking && html`<${Approval} run=${run} session=${session} onAnswered=${loaded.again} />`}
    ${run.approval && !run.asking && html`<p class="soft">
      ${t(`answer.${run.approval.answer}`, { by: run.approval.by || "?", at: moment(run.approval.at) })}</p>`}
    ${run.rejection.length > 0 && html`<div class="note bad">${run.rejection.map((line) => html`<p>${line}</p>`)}</div>`}
    ${!run.read && ended(run) && !run.rejection.length && html`<p class="note bad">${t("run.unread")}</p>`}
    ${counts && html`<section aria-label=${t("outcome")}>
      <${Bar} counts=${counts} dry=${run.dry_run} />
      <dl class="numbers">${KINDS.filter((kind) => counts[kind] || kind === "succeeded").map(
        (kind) => html`<div key=${kind}><dt><i class=${`dot k-${kind}`}></i>${kindName(kind, run.dry_run)}</dt><dd>${number(counts[kind])}</dd></div>`,
      )}
      ${!ended(run) && left > 0 && rate > 0 && html`<div><dt>${t("left")}</dt><dd>${span(left / rate)}</dd></div>`}</dl>
      <p class="unseen" aria-live="polite">${ended(run) ? t(`state.${run.state}`) : ""}</p>
    </section>`}
    ${run.stopped && html`<p class="note warn">${t("stopped", { by: run.stopped.by, at: moment(run.stopped.at) })}</p>`}
    <${Actions} run=${run} session=${session} onDone=${loaded.again} />
    ${run.report && run.addresses && html`<${Mail} run=${run.run} />`}
    <${Rate} speed=${run.speed} pace=${run.pace} live=${!ended(run)} engine=${run.engine} />
    ${run.failures.length > 0 && html`<section><h2>${t("failures")}</h2><div class="wide"><table>
      <thead><tr><th class="num">${t("users")}</th><th>${t("code")}</th><th>${t("reason")}</th></tr></thead>
      <tbody>${run.failures.map((one) => html`<tr key=${one.code + one.message}><td class="num">${number(one.users)}</td>
        <td><code>${one.code}</code></td><td>${one.message}</td></tr>`)}</tbody></table></div></section>`}
    ${run.read && html`<${Outcomes} run=${run} live=${!ended(run)} />`}`;
}

function Actions({ run, session, onDone }) {
  const [asking, setAsking] = useState("");
  const [failure, setFailure] = useState(null);
  const over = ended(run);
  const failed = run.counts ? failures(run.counts) : 0;
  const start = async (conf) => {
    const begun = await trigger(conf);
    location.hash = `#/run/${encodeURIComponent(begun.dag_run_id)}`;
  };
  const acts = {
    stop: async () => {
      await stop(run.run);
      setAsking("");
      onDone();
    },
    again: async () => start(await own("run/again", { run: run.run })),
    undo: async () => {
      const { adminemail } = await own("run/again", { run: run.run });
      await start({ undo: run.name, adminemail });
    },
  };
  const button = (name, kind = "") =>
    html`<button type="button" class=${kind} onClick=${() => { setFailure(null); setAsking(name); }}>${t(`do.${name}`)}</button>`;
  const can = {
    stop: !over && session.may_stop,
    again: over && run.report && !run.dry_run && failed > 0 && session.may_start,
    undo: over && run.report && run.jobtype === "import" && !run.dry_run && run.counts?.succeeded > 0 && session.may_start && session.options.includes("undo"),
  };
  return html`<div class="row actions">
    ${run.report && run.addresses && html`<a class="button" href=${address("run/report.csv", { run: run.run })} download>${t("do.csv")}</a>`}
    ${can.again && button("again")} ${can.undo && button("undo", "danger")} ${can.stop && button("stop", "danger")}
    ${run.report && html`<span class="soft">${t("mailed", { at: moment(run.report.mailed), end: moment(run.report.expires_at) })}</span>`}
    <${Problem} failure=${failure} />
    ${asking && html`<${Ask} title=${t(`do.${asking}`)} text=${t(`do.${asking}.text`, { n: number(asking === "undo" ? run.counts.succeeded : failed) })}
      yes=${t(`do.${asking}`)} danger=${asking !== "again"} onYes=${acts[asking]} onNo=${() => setAsking("")} />`}
  </div>`;
}
