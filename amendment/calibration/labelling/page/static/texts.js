// Messages as they are shown: who speaks, the text, tool calls in plain words. Whatever a model wrote goes through
// textContent, and what could not be seen, or would turn other text round, is named instead.

import { markdown } from "./markdown.js";

const ROLES = { system: "System", developer: "Developer", user: "User", assistant: "Assistant", tool: "Tool" };

// C0 and C1 controls but tab and newline, orders of direction, byte order marks, invisible tags (but those of a flag).
const UNSEEN =
  /\u{1F3F4}[\u{E0020}-\u{E007F}]+|[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2028\u2029\u2066-\u2069\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}]+/gu;

const IN_A_ROW = 8;
const MOST_NAMED = 1000; // of one text; the others stand as one sign each

export function visible(text) {
  let left = MOST_NAMED;
  return text.replaceAll("\r\n", "\n").replace(UNSEEN, (found) => {
    const signs = [...found];
    if (signs[0] === "\u{1F3F4}") return found;
    const named = signs.slice(0, Math.min(IN_A_ROW, left));
    left -= named.length;
    if (named.length === 0) return "¤";
    const more = signs.length - named.length;
    return named.map(nameOf).join("") + (more ? `⟦and ${more} more that cannot be seen⟧` : "");
  });
}

function nameOf(sign) {
  const code = sign.codePointAt(0);
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `⟦U+${code.toString(16).toUpperCase().padStart(4, "0")}⟧`;
}

// `written`: without formatting. `alone`: an answer of one message needs no name of who speaks.
export function conversation(messages, { written = false, alone = false } = {}) {
  const made = document.createDocumentFragment();
  const isBare = alone && messages.length === 1 && messages[0].role === "assistant";
  for (const message of messages) made.append(shown(message, written, isBare));
  if (messages.length === 0) made.append(note("No text."));
  return made;
}

function shown(message, written, isBare) {
  const made = element("div", "message");
  made.dataset.role = message.role;
  if (!isBare) made.append(element("p", "role", speaker(message)));
  const body = element("div", "said-text");
  if (message.thinking) body.append(folded("What the model thought before it answered", message.thinking));
  for (const part of parts(message.content)) body.append(partShown(part, written));
  for (const call of message.tool_calls ?? []) body.append(toolCall(call));
  if (!body.hasChildNodes()) body.append(note("No text."));
  for (const block of body.children) block.dir = "auto";
  made.append(body);
  return made;
}

function speaker(message) {
  const role = ROLES[message.role] ?? visible(String(message.role));
  return message.role === "tool" && message.name ? `${role} ${visible(message.name)}` : role;
}

function parts(content) {
  if (content === null || content === undefined || content === "") return [];
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

function partShown(part, written) {
  if (typeof part.text !== "string") return folded(`A part of kind ${part.type ?? "unknown"}, not shown here`, json(part));
  const text = visible(part.text);
  if (text.trim() === "") return note("Nothing but white space.");
  return (written ? null : markdown(text)) ?? element("p", "as-written", text);
}

function toolCall(call) {
  const { name, arguments: given } = call.function ?? {};
  const made = element("div", "tool-call");
  made.append(element("p", "role", `Calls the tool ${visible(String(name))}`));
  made.append(element("pre", "", visible(typeof given === "string" ? given : json(given ?? {}))));
  return made;
}

function folded(title, text) {
  const made = element("details");
  made.append(element("summary", "", visible(title)), element("pre", "", visible(text)));
  return made;
}

const json = (value) => JSON.stringify(value, null, 2);
const note = (text) => element("p", "empty", text);

export function element(name, kind = "", text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}
