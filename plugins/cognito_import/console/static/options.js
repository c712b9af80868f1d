// What a run is asked for, beside its list.
import { html } from "./vendor/preact.js";
import { Groups } from "./groups.js";
import { t } from "./texts.js";

const OF_AN_IMPORT = ["invite", "resend_invitation", "create_groups"];

/** The request of these options: what is as the deployment has it is left to the deployment. */
export function request(options, session, source) {
  const conf = { source, adminemail: options.adminemail.trim(), jobtype: options.jobtype };
  if (options.engine !== session.defaults.engine) conf.engine = options.engine;
  if (options.jobtype === "import") {
    for (const name of ["existing_users", ...OF_AN_IMPORT]) {
      const value = name === "resend_invitation" ? options.invite && options[name] : options[name];
      if (value !== session.defaults[name]) conf[name] = value;
    }
  }
  if (options.dry_run) conf.dry_run = true;
  return conf;
}

export function Options({ options, session, checked, pool, busy, onChange, onGroups }) {
  const set = (name, read = (input) => input.value) => (event) => onChange({ [name]: read(event.target) });
  const check = (name, text) => html`<label class="check">
    <input type="checkbox" checked=${options[name]} disabled=${busy} onChange=${set(name, (input) => input.checked)} /> ${text}</label>`;
  const one = (name, values, texts) => html`<select value=${options[name]} disabled=${busy} onChange=${set(name)}>
    ${values.map((value) => html`<option value=${value}>${t(`${texts}.${value}`)}</option>`)}</select>`;
  return html`<section>
    <h2>${t("options")}</h2>
    <div class="fields">
      <label>${t("job")} ${one("jobtype", session.jobtypes, "job")}</label>
      <label>${t("adminemail")} <input type="email" required autocomplete="email" value=${options.adminemail}
        onInput=${set("adminemail")} aria-describedby="admin-help" /></label>
      ${options.jobtype === "import" && html`<label>${t("existing")} ${one("existing_users", ["fail", "complete"], "existing")}</label>`}
      ${session.engines.length > 1 && html`<label>${t("engine")} ${one("engine", session.engines, "engine")}</label>`}
    </div>
    <p class="soft" id="admin-help">${t("adminemail.text")}</p>
    ${options.jobtype === "import" && html`<${Groups} groups=${checked.own_groups ?? session.groups} own=${checked.own_groups !== null} pool=${pool}
      create=${options.create_groups} busy=${busy} onChange=${onGroups} />`}
    ${options.jobtype === "import" && OF_AN_IMPORT.filter((name) => name !== "resend_invitation" || options.invite).map((name) => check(name, t(name)))}
    ${session.options.includes("dry_run") && check("dry_run", t("dry_run"))}
    ${options.jobtype !== "import" && !options.dry_run && html`<p class="note warn">${t(session.approved.includes(options.jobtype) ? "asked" : "at-once")}</p>`}
  </section>`;
}
