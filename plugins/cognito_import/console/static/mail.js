// The mail that went out with the report, as its reader sees it, but for the link.
import { html, useState } from "./vendor/preact.js";
import { address, own } from "./api.js";
import { Loading, Problem, useLoaded } from "./parts.js";
import { t } from "./texts.js";

export function Mail({ run }) {
  const [open, setOpen] = useState(false);
  return html`<details class="mail" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${t("mail")}</summary>${open && html`<${Body} run=${run} />`}
  </details>`;
}

function Body({ run }) {
  const mail = useLoaded((signal) => own("run/mail", { run }, { signal }), [run]);
  if (mail.loading) return html`<${Loading} />`;
  if (!mail.value) return html`<p class="note">${mail.failure.status === 404 ? t("mail.none") : html`<${Problem} failure=${mail.failure} />`}</p>`;
  return html`<dl class="pairs"><dt>${t("mail.to")}</dt><dd>${mail.value.to}</dd><dt>${t("mail.subject")}</dt><dd>${mail.value.subject}</dd></dl>
    <p class="soft">${t("mail.link")}</p>
    <iframe class="letter" title=${t("mail")} src=${address("run/mail.html", { run })} sandbox=""></iframe>`;
}
