// The requests of the page. A reply is read, or one of three things went wrong.

export class Lost extends Error {} // no reply, or the server is in trouble: ask again
export class NoSession extends Error {} // the server does not know this browser (any more)
export class Refused extends Error {} // the server understood and said no: asking again changes nothing

const PATIENCE = 15_000; // ms

async function ask(method, path, body) {
  let reply;
  try {
    reply = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (reply.ok) return await reply.json();
  } catch {
    throw new Lost();
  }
  if (reply.status === 401 || reply.status === 403) throw new NoSession(await reason(reply));
  if (reply.status >= 500 || reply.status === 408 || reply.status === 429) throw new Lost();
  throw new Refused(await reason(reply));
}

async function reason(reply) {
  const text = await reply.text().catch(() => "");
  try {
    const said = JSON.parse(text);
    return String(said.error ?? said.detail ?? text).slice(0, 500);
  } catch {
    return text.slice(0, 500) || `HTTP ${reply.status}`;
  }
}

export const api = {
  open: (token) => ask("POST", "/session", { token }),
  who: () => ask("GET", "/session"),
  next: () => ask("GET", "/next"),
  send: (label) => ask("POST", "/labels", label),
  undo: (said) => ask("POST", "/undo", said),
  decide: (decision) => ask("POST", "/decisions", decision),
  lead: (token) => ask("POST", "/lead", { token }),
  history: () => ask("GET", "/history"),
  item: (id) => ask("GET", `/items/${encodeURIComponent(id)}`),
};

// Asks until there is a reply: after half a second, one, two ... at most eight; sooner when the browser is back online
// or the annotator wishes so. `renew` is tried once for a lost session.
export async function insist(request, { lost, back, renew, hurry }) {
  let renewed = false;
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    try {
      const reply = await request();
      back();
      return reply;
    } catch (error) {
      if (error instanceof NoSession && !renewed && (await renew())) {
        renewed = true;
        continue;
      }
      if (!(error instanceof Lost)) {
        back();
        throw error;
      }
      lost();
      await pause(wait, hurry);
    }
  }
}

function pause(milliseconds, hurry) {
  return new Promise((go) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      hurry.removeEventListener("click", done);
      go();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    hurry.addEventListener("click", done);
  });
}
