// The groups of users whose rows name none: those of the user pool to choose from, or typed where the page may not list them.
import { html, useState } from "./vendor/preact.js";
import { t } from "./texts.js";

export function Groups({ groups, own, pool, create, busy, onChange }) {
  const [typed, setTyped] = useState("");
  const [fault, setFault] = useState("");
  const add = () => {
    const name = typed.trim();
    if (!name || groups.includes(name)) return setTyped("");
    if (/\s/.test(name) || name.length > 128) return setFault(t("groups.name"));
    if (pool.closed && !pool.allowed.includes(name)) return setFault(t("groups.closed", { groups: pool.allowed.join(", ") }));
    if (pool.complete && !pool.groups.includes(name) && !create) return setFault(t("groups.none", { group: name }));
    setTyped("");
    return onChange([...groups, name]);
  };
  const type = (event) => {
    setFault("");
    setTyped(event.target.value);
  };
  const enter = (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    add();
  };
  return html`<fieldset>
    <legend>${t("groups")}</legend>
    <ul class="chips">${groups.map((name) => html`<li key=${name}>${name}
        <button type="button" class="small" disabled=${busy} aria-label=${t("groups.remove", { group: name })}
          onClick=${() => onChange(groups.filter((other) => other !== name))}>×</button></li>`)}
      ${!groups.length && html`<li class="soft">${t("groups.empty")}</li>`}</ul>
    <div class="row">
      <input list="pool-groups" value=${typed} aria-label=${t("groups.add")} placeholder=${t("groups.add")} aria-invalid=${!!fault}
        aria-describedby="groups-fault" onInput=${type} onKeyDown=${enter} />
      <datalist id="pool-groups">${pool.groups.filter((name) => !groups.includes(name)).map((name) => html`<option value=${name}></option>`)}</datalist>
      <button type="button" disabled=${busy || !typed.trim()} onClick=${add}>${t("add")}</button>
      ${own && html`<button type="button" disabled=${busy} onClick=${() => onChange(null)}>${t("groups.usual")}</button>`}
    </div>
    <p id="groups-fault" class="fault" role="status">${fault}</p>
  </fieldset>`;
}
