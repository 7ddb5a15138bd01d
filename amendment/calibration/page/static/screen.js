// What stands on the page: which sheet, progress, what is said to the annotator, the item with its texts.

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

export function showName(name) {
  $("who").hidden = !name;
  $("who").textContent = `${name} · change`;
  $("who").setAttribute("aria-label", `You are ${name}. Open another link`);
}

export function showProgress({ done, total, seconds_left: left }) {
  $("progress").max = Math.max(total, 1);
  $("progress").value = done;
  const wait = left === null || left === undefined || done >= total ? "" : ` · ${duration(left)} left`;
  $("count").textContent = `${done} of ${total}${wait}`;
}

function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 90) return `about ${minutes} min`;
  return `about ${Math.round(minutes / 30) / 2} h`;
}

export function showDone({ done, total }) {
  const isAll = done >= total;
  $("done").querySelector("h1").textContent = isAll ? "Done. Thank you." : "There is no item for you right now.";
  const waiting = "Other annotators have the remaining items; those that they leave open will come to you.";
  $("done-text").textContent = isAll
    ? `You have answered all ${total} items. You can close this page.`
    : `You have answered ${done} of ${total} items. ${waiting}`;
  show("done");
  focusTitle("done");
}

export function showTexts(item, written) {
  $("prompt").replaceChildren(conversation(item.prompt, { written }));
  for (const side of ["first", "second"]) {
    const body = $(side).querySelector(".body");
    body.replaceChildren(conversation(item[side], { written, alone: true }));
    body.scrollTop = 0;
  }
}

// What is asked, and by which principles: as the judge was, as far as that is known.
export function showQuestion({ question, principles }) {
  $("question").textContent = visible(question);
  $("by").textContent = principles.length === 1 ? "Judge by this principle only" : "Judge by these principles together";
  const isAny = principles.length > 0;
  $("decided").hidden = !isAny;
  document.querySelector("[data-act=principles]").hidden = !isAny;
  $("principles").querySelector("ul").replaceChildren(...principles.map((principle) => {
    const entry = element("li");
    entry.append(element("span", "id", visible(shortId(principle.id))), visible(principle.statement));
    return entry;
  }));
  const options = principles.map((principle) => {
    const words = visible(principle.statement);
    const option = element("option", "", `${visible(shortId(principle.id))}: ${words.slice(0, 80)}${words.length > 80 ? "…" : ""}`);
    option.value = principle.id;
    return option;
  });
  $("principle").replaceChildren(element("option", "", "not said"), ...options);
  $("principle").firstElementChild.value = "";
}

const shortId = (id) => id.slice(id.indexOf("/") + 1);

// The prompt is folded where it would push the answers out of sight.
export function foldPrompt(isFolded) {
  const [prompt, more] = [$("prompt"), $("whole-prompt")];
  prompt.classList.toggle("folded", isFolded);
  if (isFolded && prompt.scrollHeight <= prompt.clientHeight + 40) prompt.classList.remove("folded");
  more.hidden = isFolded && !prompt.classList.contains("folded");
  more.textContent = isFolded ? "Show the whole prompt" : "Show less of the prompt";
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
