// The course of the work: sign in, fetch an item, keep and send the verdict, fetch the next one.

import { api, insist, NoSession, Refused } from "./api.js";
import * as item from "./item.js";
import { browser, isKey, tab, tokenIn, uuid } from "./keep.js";
import { listen } from "./keys.js";
import { t } from "./language.js";
import { drafts, outbox } from "./outbox.js";
import {
  announce, desk, focusTitle, foldPrompt, keepShorterInView, notice, say, show, showDone, showGuide, showHistory, showName, showProgress,
} from "./screen.js";
import { Watch } from "./watch.js";

const $ = (id) => document.getElementById(id);
const ASIDE = new Set(["skip", "flag"]); // say nothing of the answers
const BLINK = 300; // ms after an item appears in which nothing is taken: the second half of a double click

const watch = new Watch();
let name = "";
let isBusy = true;

// Requests

function ask(request) {
  const line = { lost, back: () => notice(""), renew, hurry: $("try-now") };
  return insist(request, line);
}

function lost() {
  const kept = outbox.of(name).length;
  notice(kept === 0 ? t("offline") : kept === 1 ? t("offline_one") : t("offline_more", { n: kept }), true);
}

async function renew() {
  const token = tab.get("token");
  if (!token || !name) return false;
  try {
    return (await api.open(token)).annotator === name;
  } catch (error) {
    if (error instanceof NoSession) tab.remove("token");
    return false;
  }
}

// Runs one piece of work at a time; a lost session ends at the door, with everything kept.
async function busily(work) {
  isBusy = true;
  desk.lock(true);
  try {
    await work();
  } catch (error) {
    if (error instanceof NoSession) signIn(t("no_session"));
    else if (error instanceof Refused) {
      notice(t("refused", { reason: error.message }));
      free();
    } else if (!(error instanceof SomebodyElse)) throw error;
  }
}

// Work that still waited for the server when the next annotator signed in: their session is no place for it.
class SomebodyElse extends Error {}

const only = (annotator, request) => () => {
  if (annotator !== name) throw new SomebodyElse();
  return request();
};

async function deliver() {
  let refused = "";
  for (const label of outbox.of(name)) {
    try {
      await ask(only(label.annotator, () => api.send(label)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refused = error.message;
    }
    outbox.strike(label.uuid);
  }
  return refused;
}

async function next() {
  const isBare = !document.querySelector("main:not([hidden])");
  const waiting = setTimeout(() => isBare && show("loading"), 400);
  try {
    place(await ask(api.next));
  } finally {
    clearTimeout(waiting);
  }
}

function place({ item: found, progress }) {
  if (progress) showProgress(progress);
  if (found) {
    show("work");
    item.present(found);
    watch.restart();
    focusTitle("work");
  } else {
    item.forget();
    showDone(progress);
  }
  setTimeout(free, BLINK);
}

function free() {
  desk.lock(false);
  isBusy = false;
}

function decide(choice) {
  if (isBusy || (!ASIDE.has(choice) && !item.isRead())) return;
  const label = { ...item.label(choice, watch.seconds()), annotator: name };
  outbox.put(label);
  drafts.strike(label.item);
  say("");
  busily(async () => {
    const refused = await deliver();
    await next();
    if (refused) notice(t("not_taken", { reason: refused }));
    else say(t("saved", { choice: t(`said_${choice}`) }));
  });
}

function undo() {
  if (isBusy) return;
  const said = { uuid: uuid(), annotator: name };
  busily(async () => {
    const { undone, progress } = await ask(only(said.annotator, () => api.undo(said)));
    if (undone) place({ item: undone, progress });
    else await next();
    say(t(undone ? "undone" : "nothing_undone"));
  });
}

function openHistory() {
  if (isBusy) return;
  const annotator = name;
  busily(async () => {
    const { history: answers } = await ask(only(annotator, api.history));
    free();
    showHistory(answers, (id) => busily(async () => place(await ask(only(annotator, () => api.item(id))))));
  });
}

function goOn() {
  showName(name);
  busily(async () => {
    await deliver();
    await next();
    announce($("count").textContent);
  });
}

// The door

function signIn(why = "") {
  item.forget();
  notice(why);
  show("signin");
  showName("");
  $("token").value = "";
  $("token").focus();
}

// As the annotator whose link it is; without one, as whoever opened theirs in this browser last.
async function enter(token) {
  try {
    const { annotator, ...guide } = await ask(() => (token ? api.open(token) : api.who()));
    showGuide(guide);
    if (token) tab.set("token", token);
    browser.set("name", (name = annotator));
    goOn();
  } catch (error) {
    if (error instanceof NoSession) tab.remove("token");
    signIn(error instanceof NoSession ? t("no_session") : t("refused", { reason: error.message }));
  }
}

$("signin-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const submit = event.target.querySelector("[type=submit]");
  if (submit.disabled || !$("token").value.trim()) return;
  submit.disabled = true;
  await enter(tokenIn($("token").value));
  submit.disabled = false;
});

// Buttons and keys

const ACTS = {
  verdict: decide,
  undo,
  again: () => isBusy || busily(next),
  confidence: item.confidence,
  differences: () => item.differences(),
  written: () => item.written(),
  apart: () => item.apart(),
  principles: () => item.principles(),
  guidelines: () => item.guidelines(),
  side: item.side,
  prompt: () => foldPrompt($("whole-prompt").getAttribute("aria-expanded") === "true"),
  comment: item.comment,
  history: openHistory,
  link: () => signIn(),
  help: () => $("help").showModal(),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button || button.disabled || event.detail > 1) return; // detail: the second click of a double click
  ACTS[button.dataset.act](button.dataset.value);
});

// Esc leaves the door, where the link was not to be changed after all.
const stay = () => browser.get("name") && (enter(), true);
listen({ isOn: () => $("keys-on").checked, escape: () => ($("signin").hidden ? item.leave() : stay()) });
for (const button of document.querySelectorAll("dialog .shut")) button.addEventListener("click", () => button.closest("dialog").close());
$("keys-on").checked = browser.get("keys") !== "off";
$("keys-on").addEventListener("change", () => browser.set("keys", $("keys-on").checked ? "on" : "off"));
$("comment").addEventListener("input", item.noteComment);
for (const box of ["comment", "principle"]) $(box).addEventListener("input", item.keepDraft);
// A list used with the mouse gives the keys back; with the keyboard, Esc does, since each arrow is a choice.
let isPointed = false;
$("principle").addEventListener("pointerdown", () => (isPointed = true));
$("principle").addEventListener("keydown", () => (isPointed = false));
$("principle").addEventListener("change", () => isPointed && $("verdicts").focus({ preventScroll: true }));
// The session belongs to the browser: whoever opens their link in another tab would answer in this tab's name.
addEventListener("storage", (event) => {
  if (!isKey(event, "name") || event.newValue === name) return;
  tab.remove("token");
  location.reload();
});
const layout = new ResizeObserver(keepShorterInView);
for (const part of [...document.querySelectorAll(".answer"), document.querySelector(".desk"), document.body]) layout.observe(part);

item.written(browser.get("written") === "1");
item.apart(browser.get("apart") === "1");
const isWide = matchMedia("(min-width: 52.01rem)").matches; // elsewhere the guidelines wait for their button
item.guidelines((browser.get("guidelines") ?? (isWide ? "1" : "0")) === "1");
// A new link in the address bar of an open page loads nothing by itself.
addEventListener("hashchange", () => location.hash.includes("token=") && location.reload());
const given = location.hash.includes("token=") ? tokenIn(location.hash) : null;
if (given) history.replaceState(null, "", location.pathname); // out of the address bar, its history and screen shots
if (given || browser.get("name")) enter(given);
else signIn();
