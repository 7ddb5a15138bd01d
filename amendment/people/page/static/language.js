// The texts of the interface: the page carries those of en.json, and no other script holds any.

const TEXTS = JSON.parse(document.getElementById("language").textContent);

export function t(name, values = {}) {
  return TEXTS[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export const number = (value) => value.toLocaleString(TEXTS.lang);
