// What was understood of a list: each problem at its row, whose cells can be corrected, and the first good rows.
import { html } from "./vendor/preact.js";
import { number } from "./parts.js";
import { t } from "./texts.js";

export function Preview({ checked, busy, edits, onEdit, onCorrect }) {
  const changed = Object.keys(edits).length;
  const edit = (row, column, value) => onEdit({ ...edits, [row]: { ...(edits[row] ?? {}), [column]: value } });
  const out = (row) => {
    const { [row]: before, ...others } = edits;
    onEdit(before === null ? others : { ...edits, [row]: null });
  };
  const head = (more) => html`<thead><tr><th class="num">${t("row")}</th>${more}
    ${checked.columns.map((column) => html`<th>${column}</th>`)}</tr></thead>`;
  const cell = (problem, column) => html`<input value=${edits[problem.row]?.[column] ?? problem.cells[column] ?? ""}
    disabled=${edits[problem.row] === null} aria-label=${t("cell", { row: problem.row, column })}
    onInput=${(event) => edit(problem.row, column, event.target.value)} />`;
  const correct = (event) => {
    event.preventDefault();
    if (changed && !busy) onCorrect();
  };
  return html`${checked.problems.length > 0 && html`<form onSubmit=${correct}>
      <div class="wide tall"><table class="problems">
        ${head(html`<th>${t("problem")}</th>`)}
        <tbody>${checked.problems.map((problem) => html`<tr key=${problem.row} class=${edits[problem.row] === null ? "out" : ""}>
          <td class="num">${number(problem.row)}</td>
          <td>${problem.message} <button type="button" class="small" aria-pressed=${edits[problem.row] === null}
            onClick=${() => out(problem.row)}>${t(edits[problem.row] === null ? "take-back" : "leave-out")}</button></td>
          ${checked.columns.map((column) => html`<td>${cell(problem, column)}</td>`)}
        </tr>`)}</tbody>
      </table></div>
      ${checked.wrong > checked.problems.length && html`<p class="soft">${t("more", { n: number(checked.wrong - checked.problems.length) })}</p>`}
      <button type="submit" class=${changed ? "primary" : ""} disabled=${!changed || busy}>${t("correct")}</button></form>`}
    ${checked.first.length > 0 && html`<details open=${!checked.problems.length}>
      <summary>${t("first", { n: number(checked.first.length), good: number(checked.good) })}</summary>
      <div class="wide tall"><table>${head(null)}
        <tbody>${checked.first.map((one) => html`<tr key=${one.row}><td class="num">${number(one.row)}</td>
          ${checked.columns.map((column) => html`<td>${one.cells[column] ?? ""}</td>`)}</tr>`)}</tbody>
      </table></div></details>`}`;
}
