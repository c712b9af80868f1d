// A run that waits for somebody's yes: Airflow's own question, answered by Airflow's own API.
import { html, useState } from "./vendor/preact.js";
import { answer, asked } from "./api.js";
import { Ask, number, Problem, useLoaded } from "./parts.js";
import { t } from "./texts.js";

export function Approval({ run, session, onAnswered }) {
  const question = useLoaded(() => (session.may_answer ? asked(run.run) : null), [run.run]);
  const [chosen, setChosen] = useState("");
  const title = t("approval", { job: t(`job.${run.jobtype ?? "delete"}`), n: number(run.users), by: run.asked_by || run.started_by || "?" });
  const own = session.user && session.user === (run.asked_by || run.started_by);
  const act = async () => {
    await answer(run.run, chosen);
    setChosen("");
    onAnswered();
  };
  return html`<article class="card">
    <h3><a href=${`#/run/${encodeURIComponent(run.run)}`}>${title}</a></h3>
    <${Problem} failure=${question.failure} />
    ${question.value && html`<details><summary>${question.value.subject}</summary><p class="lines">${question.value.body}</p></details>`}
    ${own && html`<p class="soft">${t("approval.own")}</p>`}
    ${session.may_answer
      ? html`<div class="row">
          <button type="button" class="danger" onClick=${() => setChosen("Approve")}>${t("approve")}</button>
          <button type="button" onClick=${() => setChosen("Reject")}>${t("reject")}</button>
        </div>`
      : html`<p class="soft">${t("no-answer")}</p>`}
    ${chosen && html`<${Ask} title=${title} text=${t(chosen === "Approve" ? "approve.text" : "reject.text")}
      yes=${t(chosen === "Approve" ? "approve" : "reject")} danger=${chosen === "Approve"} onYes=${act} onNo=${() => setChosen("")} />`}
  </article>`;
}
