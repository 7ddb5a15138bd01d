// Verdicts on their way: each is written down before it is sent, and struck out when the server has acknowledged it.
// A verdict holds ids and what the annotator said; the texts of the item are not kept. Sending one twice is harmless:
// the server knows it by its uuid.

import { browser } from "./keep.js";

const START = "verdict.";

export const outbox = {
  put(label) {
    browser.set(START + label.uuid, JSON.stringify({ at: Date.now(), label }));
  },
  strike(uuid) {
    browser.remove(START + uuid);
  },
  // Of this annotator alone, oldest first: another one's wait until they are back.
  of(annotator) {
    return browser.names(START).map(read).filter((kept) => kept?.label?.annotator === annotator)
      .sort((one, other) => one.at - other.at).map((kept) => kept.label);
  },
};

// Remarks whose verdict is not given yet, by item: closing the page loses nothing.
const DRAFT = "draft.";

export const drafts = {
  put: (item, said) => browser.set(DRAFT + item, JSON.stringify(said)),
  strike: (item) => browser.remove(DRAFT + item),
  of: (item) => read(DRAFT + item),
};

function read(name) {
  try {
    return JSON.parse(browser.get(name));
  } catch {
    return null;
  }
}
