// What the browser remembers: the name, the token of this tab, settings, verdicts not yet acknowledged. Never a text of
// an item. Where storage is blocked, things are kept for as long as the page is open.

const PREFIX = "amendment.label.";

function storage(area) {
  const spare = new Map();
  const attempt = (act, otherwise) => {
    try {
      return act(window[area]);
    } catch {
      return otherwise();
    }
  };
  return {
    get: (name) => attempt((s) => s.getItem(PREFIX + name), () => null) ?? spare.get(name) ?? null,
    set: (name, value) => attempt((s) => s.setItem(PREFIX + name, value), () => spare.set(name, value)),
    remove: (name) => {
      spare.delete(name);
      attempt((s) => s.removeItem(PREFIX + name), () => {});
    },
    names: (start) => {
      const found = attempt((s) => Object.keys(s).filter((n) => n.startsWith(PREFIX)).map((n) => n.slice(PREFIX.length)), () => []);
      return [...new Set([...found, ...spare.keys()])].filter((n) => n.startsWith(start));
    },
  };
}

export const browser = storage("localStorage");
export const tab = storage("sessionStorage");

export const isKey = (event, name) => event.key === PREFIX + name;

// The token of a link, or what was typed in its place.
export const tokenIn = (text) =>
  text.includes("token=") ? new URLSearchParams(text.slice(text.indexOf("token="))).get("token") : text.trim();

// crypto.randomUUID is missing where the page is served over plain HTTP from another machine.
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
