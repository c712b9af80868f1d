// What the columns of a table hold: as their headers say, or as a person chooses.
import { html, useState } from "./vendor/preact.js";
import { t } from "./texts.js";

const FIELDS = ["useremail", "groups", "external_id", "enabled", "email_verified"];
const OUT = "-";

const label = (field) => (FIELDS.includes(field) ? t(`field.${field}`) : field);

export function Columns({ checked, attributes, busy, chosen, onPick, onChoose }) {
  const asking = !!checked.question;
  const given = (column) => chosen[column.place] ?? column.field ?? OUT;
  const columns = checked.read_as;
  const picked = (place, value) => {
    const next = { ...chosen, [place]: value };
    for (const other of columns) { // a field is in one column
      if (value && value !== OUT && other.place !== place && given(other) === value) next[other.place] = "";
    }
    onPick(next);
  };
  const clear = columns.some((column) => given(column) === "useremail");
  const choose = (event) => {
    event.preventDefault();
    onChoose(Object.fromEntries(columns.map((column) => [column.place, given(column) === OUT ? null : given(column)])));
  };
  const option = (value) => html`<option value=${value}>${label(value)}</option>`;
  const select = (column) => {
    const value = given(column);
    const known = [...FIELDS, ...attributes];
    return html`<select value=${value} disabled=${busy} aria-label=${t("column.holds", { column: column.header })}
        onChange=${(event) => picked(column.place, event.target.value)}>
      <option value="">${t("column.report")}</option>
      <option value=${OUT}>${t("column.out")}</option>
      ${FIELDS.map(option)}
      ${value && value !== OUT && !known.includes(value) && option(value)}
      <optgroup label=${t("column.attributes")}>${attributes.map(option)}</optgroup>
    </select>`;
  };
  const guess = (column) => column.guess && given(column) !== column.guess && html`<button type="button" class="small" disabled=${busy}
      aria-label=${t("column.guess", { column: column.header, field: label(column.guess) })}
      onClick=${() => picked(column.place, column.guess)}>${label(column.guess)}?</button>`;
  const changed = Object.keys(chosen).length > 0;
  const form = html`<form onSubmit=${choose}>
    <div class="wide tall"><table class="columns">
      <thead><tr><th>${t("column")}</th><th>${t("column.sample")}</th><th>${t("column.field")}</th></tr></thead>
      <tbody>${columns.map((column) => html`<tr key=${column.place}>
        <td>${column.header}</td><td class="soft">${column.samples.join(" · ")}</td>
        <td><div class="row">${select(column)} ${guess(column)}</div></td></tr>`)}</tbody>
    </table></div>
    <button type="submit" class=${changed ? "primary" : ""} disabled=${busy || !clear || !changed}>${t("column.use")}</button>
  </form>`;
  const unknown = columns.filter((column) => column.field === "" && !column.chosen).length;
  if (asking) {
    const twice = columns.some((column) => column.field === "useremail");
    return html`<h3>${t(twice ? "column.clear" : "column.where")}</h3>
      ${twice && html`<p class="note warn">${checked.question}</p>`} ${form}`;
  }
  return html`<details open=${unknown > 0}><summary>${t(unknown ? "column.unknown" : "column.known", { n: String(unknown) })}</summary>
    ${unknown > 0 && html`<p class="soft">${t("column.text")}</p>`} ${form}</details>`;
}

/** What is chosen ahead of the person: the address, where nothing else says which column has it. */
export function ahead(checked) {
  const found = checked.question && checked.read_as.find((column) => column.guess === "useremail");
  return found ? { [found.place]: "useremail" } : {};
}
