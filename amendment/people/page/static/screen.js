// What stands on the page: which sheet, progress, what is said to the annotator, the item with its texts.

import { number, t } from "./language.js";
import { markdown } from "./markdown.js";
import { conversation, element, visible } from "./texts.js";

const $ = (id) => document.getElementById(id);
const SHEETS = ["loading", "signin", "work", "done"];

export const desk = {
  buttons: () => document.querySelectorAll("[data-act=verdict], [data-act=undo], [data-act=again]"),
  // While something is on its way, and for a blink after a new item appeared, no verdict can be given.
  lock(isLocked) {
    for (const button of this.buttons()) button.disabled = isLocked;
    $("work").setAttribute("aria-busy", String(isLocked));
  },
};

export function show(name) {
  for (const sheet of SHEETS) $(sheet).hidden = sheet !== name;
  document.querySelector(".skip-link").hidden = name !== "work";
}

export function focusTitle(name) {
  $(name).querySelector("h1").focus({ preventScroll: true });
}

// Said where eyes rest, and to screen readers.
export function say(text) {
  $("said").textContent = text;
  announce(text);
}

export function announce(text) {
  $("status").textContent = text;
}

// What goes on until it is taken away; "" takes it away. `canHurry` offers to try again at once.
export function notice(text, canHurry = false) {
  const bar = $("notice");
  if (bar.firstElementChild.textContent !== text) bar.firstElementChild.textContent = text;
  $("try-now").hidden = !canHurry;
  bar.hidden = text === "";
}

let share = null; // the total that this annotator's bar has shown

export function showName(name) {
  share = null;
  $("who").hidden = $("open-history").hidden = !name;
  $("who").textContent = t("who", { name });
}

export function showProgress({ done, total, seconds_left: left }) {
  $("moved").textContent = share === null || share === total ? "" : t("share_moved", { before: share });
  share = total;
  $("progress").max = Math.max(total, 1);
  $("progress").value = done;
  const isKnown = left !== null && left !== undefined && done < total;
  $("count").textContent = t("count", { done, total });
  $("left").textContent = isKnown ? t("left", { wait: duration(left) }) : "";
}

export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return t("wait_short");
  if (minutes < 90) return t("wait_minutes", { n: minutes });
  return t("wait_hours", { n: number(Math.round(minutes / 30) / 2) });
}

export function showDone({ done, total }) {
  const kind = done >= total ? "done" : "rest";
  $("done").querySelector("h1").textContent = t(`${kind}_title`);
  $("done-text").textContent = t(`${kind}_text`, { done, total });
  show("done");
  focusTitle("done");
}

export function showTexts(item, written) {
  const last = item.prompt.findLastIndex(({ role }) => role === "user");
  const earlier = element("div", "earlier");
  earlier.append(conversation(item.prompt.slice(0, Math.max(last, 0)), { written }));
  $("prompt").replaceChildren(...(last > 0 ? [earlier] : []), conversation(item.prompt.slice(Math.max(last, 0)), { written }));
  for (const side of ["first", "second"]) {
    const body = $(side).querySelector(".body");
    body.replaceChildren(conversation(item[side], { written, alone: true }));
    body.scrollTop = 0;
  }
}

// What is asked, and by which principles: as the judge was, as far as that is known.
export function showQuestion({ question, principles }) {
  $("question").textContent = visible(question);
  $("by").textContent = principles.length === 1 ? t("by_one") : t("by_several");
  const isAny = principles.length > 0;
  document.querySelector("[data-act=principles]").hidden = !isAny;
  $("principles").querySelector("ul").replaceChildren(...principles.map((principle) => {
    const entry = element("li");
    entry.append(element("span", "id", visible(shortId(principle.id))), visible(principle.statement));
    return entry;
  }));
  // The principles of the item come first, then the others of the constitution.
  const asked = new Set(principles.map(({ id }) => id));
  const others = constitution.filter(({ id }) => !asked.has(id));
  const everything = [option("", t("not_said")), ...principles.map(named)];
  if (others.length > 0) everything.push(element("hr"), ...others.map(named));
  if (isAny || others.length > 0) everything.push(element("hr"), option(SOMETHING_ELSE, t("something_else")));
  $("principle").replaceChildren(...everything);
  $("decided").hidden = everything.length === 1;
}

const SOMETHING_ELSE = "something-else"; // as the server knows it

function option(value, text) {
  const made = element("option", "", text);
  made.value = value;
  return made;
}

function named({ id, statement }) {
  const words = visible(statement);
  return option(id, `${visible(shortId(id))}: ${words.slice(0, 80)}${words.length > 80 ? "…" : ""}`);
}

let constitution = [];

// What holds for all items: every principle, and the guidelines of whoever leads the spot check.
export function showGuide(guide) {
  constitution = guide.constitution;
  const text = guide.guidelines || t("guidelines_text");
  $("guidelines").querySelector(".said-text").replaceChildren(markdown(visible(text)) ?? element("p", "as-written", visible(text)));
}

// The annotator's answers, latest first; `open` gets the id of one that is chosen.
export function showHistory(answers, open) {
  const entries = answers.map(({ item, choice, prompt }) => {
    const [entry, button] = [element("li"), element("button", "", t("history_entry", { choice: t(`said_${choice}`), prompt: visible(prompt) }))];
    button.type = "button";
    button.addEventListener("click", () => {
      $("history").close();
      open(item);
    });
    entry.append(button);
    return entry;
  });
  $("history").querySelector("ol").replaceChildren(...(entries.length > 0 ? entries : [element("li", "empty", t("history_empty"))]));
  $("history").showModal();
  $("history").querySelector("button").focus(); // not the list, which a browser takes where it scrolls
}

$("history")?.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const buttons = [...$("history").querySelectorAll("li button")];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

const shortId = (id) => id.slice(id.indexOf("/") + 1);

// The prompt is folded where it would push the answers out of sight: to its last question, and that to its beginning.
export function foldPrompt(isFolded) {
  const [prompt, more, earlier] = [$("prompt"), $("whole-prompt"), document.querySelector("#prompt .earlier")];
  const isCut = () => prompt.scrollHeight > prompt.clientHeight + 40;
  if (earlier) earlier.hidden = false;
  prompt.classList.toggle("folded", isFolded);
  more.hidden = isFolded && !isCut();
  const turns = earlier?.childElementCount;
  if (turns && isFolded && isCut()) earlier.hidden = true;
  if (isFolded && !isCut()) prompt.classList.remove("folded");
  const waiting = turns ? t(turns === 1 ? "prompt_earlier_one" : "prompt_earlier", { n: turns }) : t("prompt_whole");
  more.firstElementChild.textContent = isFolded ? waiting : t("prompt_less");
  more.setAttribute("aria-expanded", String(!isFolded));
}

// The shorter answer stays in view while the longer one scrolls: it sticks by its upper end where it fits between
// header and desk, by its lower end where it does not.
export function keepShorterInView() {
  const top = document.querySelector(".top").offsetHeight + 12;
  const room = innerHeight - document.querySelector(".desk").offsetHeight - 12;
  for (const side of ["first", "second"]) {
    const answer = $(side);
    const stick = Math.min(top, room - answer.offsetHeight);
    answer.style.setProperty("--stick", `${Math.round(stick)}px`);
  }
}
