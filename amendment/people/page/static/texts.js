// Messages as they are shown: who speaks, the text, tool calls in plain words. Whatever a model wrote goes through
// textContent, and what could not be seen, or would turn other text round, is named instead.

import { fade } from "./fades.js";
import { number, t } from "./language.js";
import { markdown } from "./markdown.js";

const ROLES = ["system", "developer", "user", "assistant", "tool"]; // every other one is shown as it is written

// Where a sign that cannot be seen is spelling: flags and joined pictures, a picture's own form, joiners inside words of
// scripts that need them. Everywhere else such a sign is named: controls but tab and newline, marks of direction, signs
// without width, fillers, tags and variation selectors.
const PICTURE = "\\p{Extended_Pictographic}[\\u{1F3FB}-\\u{1F3FF}]?\\uFE0F?";
const JOINING = "[\\p{Script=Arabic}\\p{Script=Syriac}\\p{Script=Mongolian}\\p{Script=Devanagari}\\p{Script=Bengali}\\p{Script=Gurmukhi}" +
  "\\p{Script=Gujarati}\\p{Script=Oriya}\\p{Script=Tamil}\\p{Script=Telugu}\\p{Script=Kannada}\\p{Script=Malayalam}\\p{Script=Sinhala}" +
  "\\p{Script=Myanmar}\\p{Script=Khmer}]";
const SPELLED = [
  "\\u{1F3F4}[\\u{E0030}-\\u{E0039}\\u{E0061}-\\u{E007A}]{3,6}\\u{E007F}",
  `${PICTURE}(?:\\u200D${PICTURE})*`,
  "[#*0-9]\\uFE0F\\u20E3",
  `(?<=${JOINING}\\p{M}{0,4})[\\u200C\\u200D](?=${JOINING})`,
].join("|");
const HIDDEN = "[\\u0000-\\u0008\\u000B-\\u001F\\u007F-\\u009F\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F" +
  "\\u2028-\\u202E\\u2060-\\u206F\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\u{1D173}-\\u{1D17A}\\u{E0000}-\\u{E0FFF}]";
const UNSEEN = new RegExp(`(${SPELLED})|${HIDDEN}+`, "gu");

const MOST_AT_ONCE = 100_000; // characters; browsers take minutes to lay out some texts of a million
const IN_A_ROW = 8;
const MOST_NAMED = 1000; // of one text; the others stand as one sign each

export function visible(text) {
  let left = MOST_NAMED;
  return text.replaceAll("\r\n", "\n").replace(UNSEEN, (found, spelled) => {
    if (spelled !== undefined) return found;
    const signs = [...found];
    const named = signs.slice(0, Math.min(IN_A_ROW, left));
    left -= named.length;
    if (named.length === 0) return "¤";
    const more = signs.length - named.length;
    return named.map(nameOf).join("") + (more ? t("unseen_more", { n: more }) : "");
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
  if (messages.length === 0) made.append(note(t("no_text")));
  return made;
}

function shown(message, written, isBare) {
  const made = element("div", "message");
  made.dataset.role = message.role;
  if (!isBare) made.append(element("p", "role", speaker(message)));
  const body = element("div", "said-text");
  if (message.thinking) body.append(folded(t("thinking"), message.thinking));
  for (const part of parts(message.content)) body.append(partShown(part, written));
  for (const call of message.tool_calls ?? []) body.append(toolCall(call));
  if (!body.hasChildNodes()) body.append(note(t("no_text")));
  isolate(body);
  made.append(body);
  return made;
}

function isolate(body) {
  for (const block of body.children) block.dir = "auto";
}

// A long text a portion at a time, the next one when its reader asks for it. `show` makes a node of a portion.
function portions(text, show) {
  const end = portionEnd(text);
  const made = document.createDocumentFragment();
  made.append(show(visible(text.slice(0, end))));
  if (end === text.length) return made;
  const rest = text.slice(end);
  const more = element("button", "more", t("more", { n: number(rest.length) }));
  more.type = "button";
  more.dataset.key = "n";
  more.addEventListener("click", () => {
    const body = more.parentElement;
    more.replaceWith(portions(rest, show));
    isolate(body);
    fade();
  });
  made.append(more);
  return made;
}

function portionEnd(text) {
  if (text.length <= MOST_AT_ONCE) return text.length;
  for (const gap of ["\n", " "]) {
    const end = text.lastIndexOf(gap, MOST_AT_ONCE) + 1;
    if (end > MOST_AT_ONCE / 2) return end;
  }
  return MOST_AT_ONCE + (text.codePointAt(MOST_AT_ONCE - 1) > 0xffff ? 1 : 0);
}

function speaker(message) {
  if (message.role === "tool" && message.name) return t("tool_named", { name: visible(message.name) });
  return ROLES.includes(message.role) ? t(message.role) : visible(String(message.role));
}

function parts(content) {
  if (content === null || content === undefined || content === "") return [];
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

function partShown(part, written) {
  if (typeof part.text !== "string") return folded(t("part", { kind: String(part.type) }), json(part));
  if (part.text.trim() === "") return note(t("white_space"));
  return portions(part.text, (text) => (written ? null : markdown(text)) ?? element("p", "as-written", text));
}

function toolCall(call) {
  const { name, arguments: given } = call.function ?? {};
  const made = element("div", "tool-call");
  made.append(element("p", "role", t("calls", { name: visible(String(name)) })));
  made.append(portions(typeof given === "string" ? given : json(given ?? {}), inPre));
  return made;
}

function folded(title, text) {
  const made = element("details");
  made.append(element("summary", "", visible(title)), portions(text, inPre));
  return made;
}

const inPre = (text) => element("pre", "", text);
const json = (value) => JSON.stringify(value, null, 2);
const note = (text) => element("p", "empty", text);

export function element(name, kind = "", text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}
