// One item before the annotator: its texts, how they are shown, and what was said about it before the verdict.

import { fade } from "./fades.js";
import { browser, uuid } from "./keep.js";
import { t } from "./language.js";
import { mark, unmark } from "./marks.js";
import { drafts } from "./outbox.js";
import { announce, foldPrompt, keepShorterInView, say, showQuestion, showTexts } from "./screen.js";

const $ = (id) => document.getElementById(id);
const button = (act) => document.querySelector(`[data-act=${act}]:not(.close)`);
const press = (act, isOn) => button(act).setAttribute("aria-pressed", String(isOn));

const view = { written: false, differences: false, seen: new Set() };
let current = null;
let own = ""; // uuid of the verdict that this showing will bring

export function present(item) {
  current = item;
  own = uuid();
  view.differences = false;
  view.seen.clear();
  press("differences", false);
  showQuestion(item);
  principles(item.principles.length > 0);
  // What was said before a verdict was taken back is there again, and what was not sent before the page was closed.
  const said = drafts.of(item.id) ?? item.said;
  choose(said.confidence === undefined ? null : String(said.confidence));
  $("principle").value = said.principle_id ?? "";
  $("comment").value = said.comment ?? "";
  noteComment();
  for (const button of document.querySelectorAll("[data-act=verdict]")) {
    if (item.said.choice === button.dataset.value) button.setAttribute("aria-pressed", "true");
    else button.removeAttribute("aria-pressed");
  }
  $("back").hidden = item.said.choice === undefined;
  say(item.said.choice === undefined ? "" : t("reopened", { choice: t(`said_${item.said.choice}`) }));
  close();
  side("first");
  draw();
  foldPrompt(true);
  scrollTo(0, 0);
}

export function forget() {
  current = null;
  $("prompt").replaceChildren();
  for (const side of ["first", "second"]) $(side).querySelector(".body").replaceChildren();
}

// The label to send; absent fields say nothing.
export function label(choice, seconds) {
  return { uuid: own, item: current.id, choice, seconds, ...remarks() };
}

// What an annotator says in addition to the verdict.
function remarks() {
  const said = {};
  const sure = document.querySelector("[data-act=confidence][aria-pressed=true]");
  if (sure) said.confidence = Number(sure.dataset.value);
  if ($("principle").value) said.principle_id = $("principle").value;
  if ($("comment").value.trim()) said.comment = $("comment").value.trim();
  return said;
}

export function keepDraft() {
  if (current) drafts.put(current.id, remarks());
}

// Both answers have been on the screen: a narrow one shows them in turn. Otherwise the one that was not is shown.
export function isRead() {
  const unseen = ["first", "second"].find((side) => !view.seen.has(side));
  if (unseen === undefined) return true;
  side(unseen);
  say(t("unread", { answer: t(unseen === "first" ? "answer_1" : "answer_2") }));
  return false;
}

export function choose(value) {
  for (const one of document.querySelectorAll("[data-act=confidence]")) {
    one.setAttribute("aria-pressed", String(one.dataset.value === value));
  }
}

// A second press takes it back.
export function confidence(value) {
  const isOn = document.querySelector(`[data-act=confidence][data-value="${value}"]`).getAttribute("aria-pressed") === "true";
  choose(isOn ? null : value);
  keepDraft();
}

export function differences() {
  view.differences = !view.differences;
  press("differences", view.differences);
  const bodies = ["first", "second"].map((side) => $(side).querySelector(".body"));
  if (!view.differences) {
    bodies.forEach(unmark);
    say("");
    announce(t("unmarked"));
  } else say(mark(...bodies));
}

export function written(isOn = !view.written) {
  view.written = isOn;
  press("written", isOn);
  browser.set("written", isOn ? "1" : "");
  if (!current) return;
  draw();
  foldPrompt($("whole-prompt").getAttribute("aria-expanded") !== "true"); // the texts are new nodes
}

export function apart(isOn = !$("answers").classList.contains("apart-on")) {
  $("answers").classList.toggle("apart-on", isOn);
  press("apart", isOn);
  browser.set("apart", isOn ? "1" : "");
}

export function principles(isOn = $("principles").hidden) {
  $("principles").hidden = !isOn;
  press("principles", isOn);
  fade();
}

export function guidelines(isOn = $("guidelines").hidden) {
  $("guidelines").hidden = !isOn;
  press("guidelines", isOn);
  browser.set("guidelines", isOn ? "1" : "0");
  fade();
}

// Which answer a narrow screen shows; the key switches to the other one.
export function side(shown) {
  $("both").dataset.shown = shown;
  for (const button of document.querySelectorAll("[data-act=side]")) {
    const isShown = button.dataset.value === shown;
    button.setAttribute("aria-pressed", String(isShown));
    button.dataset.key = isShown ? "" : "v";
  }
  for (const side of ["first", "second"]) if ($(side).getClientRects().length > 0) view.seen.add(side);
  fade();
}

export function comment() {
  const isOpen = $("comment-drawer").hidden;
  close();
  $("comment-drawer").hidden = !isOpen;
  button("comment").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("comment").focus();
}

// What Esc does: closes what is open, or leaves the list of principles. False where there was nothing to do.
export function leave() {
  if (document.activeElement !== $("principle")) return close();
  $("verdicts").focus({ preventScroll: true });
  return true;
}

// Closes the comment; true where it was open.
export function close() {
  const drawer = $("comment-drawer");
  const wasOpen = !drawer.hidden;
  const hadFocus = drawer.contains(document.activeElement);
  drawer.hidden = true;
  button("comment").setAttribute("aria-expanded", "false");
  if (hadFocus) $("verdicts").focus({ preventScroll: true });
  return wasOpen;
}

export function noteComment() {
  $("comment-name").textContent = $("comment").value.trim() ? t("comment_written") : t("comment");
}

function draw() {
  showTexts(current, view.written);
  if (view.differences) say(mark(...["first", "second"].map((side) => $(side).querySelector(".body"))));
  keepShorterInView();
  fade();
}
