// Requests to the page's own server and to Airflow's API: same origin, by the session of whoever is signed in.
const OWN = new URL("api/", document.baseURI);
const AIRFLOW = new URL("../api/v2/", document.baseURI);

/** What went wrong, by `kind`: offline, expired, forbidden, or told with the server's own words. */
export class Failure extends Error {
  constructor(kind, message = "", status = 0) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

async function request(url, { method = "GET", json, bytes, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-Cognito-Import"] = "page";
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (bytes !== undefined) headers["Content-Type"] = "application/octet-stream";
  let response;
  try {
    const body = bytes ?? (json === undefined ? undefined : JSON.stringify(json));
    response = await fetch(url, { method, headers, body, signal, credentials: "same-origin", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("offline");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const detail = answer?.detail;
  const words = typeof detail === "string" ? detail : (detail?.message ?? JSON.stringify(detail ?? response.statusText));
  const kind = { 401: "expired", 403: "forbidden" }[response.status] ?? "told";
  throw new Failure(kind, words, response.status);
}

/** The address of one of the server's endpoints; a list in the query is given once for each of its members. */
export function address(path, query = {}) {
  const url = new URL(path, OWN);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, one);
  }
  return url;
}

export const own = (path, query, options) => request(address(path, query), options);

const dag = (id = "cognito_import") => `dags/${encodeURIComponent(id)}`;
const runPath = (run) => `${dag()}/dagRuns/${encodeURIComponent(run)}`;
const question = (run) => `${runPath(run)}/taskInstances/approve/-1/hitlDetails`;
const airflow = (path, options) => request(new URL(path, AIRFLOW), options);

/** Start a run; under a name that a run has already Airflow answers 409. */
export const trigger = (conf, id, name) =>
  airflow(`${dag(id)}/dagRuns`, { method: "POST", json: { logical_date: null, conf, ...(name && { dag_run_id: name }) } });
export const stop = async (run) => {
  await own("run/stop", { run }, { method: "POST" }); // for the report, which says who it was
  return airflow(runPath(run), { method: "PATCH", json: { state: "failed" } });
};
export const asked = (run) => airflow(question(run));
export const answer = (run, option) =>
  airflow(question(run), { method: "PATCH", json: { chosen_options: [option], params_input: {} } });
