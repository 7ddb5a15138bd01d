// The lead's page: asks for progress, flags, comments and agreement every 15 seconds, and shows them.

import { api, Lost, NoSession } from "./api.js";
import { fade } from "./fades.js";
import { tab, tokenIn, uuid } from "./keep.js";
import { number, t } from "./language.js";
import { duration } from "./screen.js";
import { conversation, element, visible } from "./texts.js";

const EVERY = 15_000; // ms
const $ = (id) => document.getElementById(id);
const of = (n, total) => t("lead_of", { n: number(n), total: number(total) });
const percent = (share) => t("lead_percent", { n: number(Math.round(100 * share)) });
const isGiven = (value) => value !== null && value !== undefined;
const FORM = { dateStyle: "medium", timeStyle: "short" };
const timeOf = (at) => (at ? t("lead_at", { time: new Date(at).toLocaleString(document.documentElement.lang, FORM) }) : t("lead_none"));

function tiles({ labels, missing, agreement, people }) {
  const rows = [
    ["lead_labels", number(labels), ""],
    ["lead_missing", number(missing), ""],
    ["lead_agree", isGiven(agreement.value) ? percent(agreement.value) : t("lead_none"), ground(agreement)],
    ["lead_flags", number(people.reduce((sum, person) => sum + person.flag, 0)), ""],
  ];
  $("tiles").replaceChildren(...rows.map(([name, value, note]) => {
    const tile = element("div");
    tile.append(element("dt", "", t(name)), element("dd", "figure", value));
    if (note) tile.append(element("dd", "hint", note));
    return tile;
  }));
}

function ground({ n, low, high }) {
  if (n === 0) return t("lead_no_pairs");
  return isGiven(low) ? t("lead_interval", { low: percent(low), high: percent(high), n: number(n) }) : t("lead_few", { n: number(n) });
}

function table(id, heads, rows) {
  const row = (kind, cells) => {
    const made = element("tr");
    made.append(...cells.map((cell, column) => element(column === 0 ? "th" : kind, "", cell)));
    return made;
  };
  const [head, body] = [element("thead"), element("tbody")];
  head.append(row("th", heads.map((name) => t(name))));
  body.append(...rows.map((cells) => row("td", cells)));
  $(id).replaceChildren(head, body);
}

function notes(found) {
  const made = [];
  let person = null;
  for (const { annotator, kind, comment, prompt, at } of found) {
    if (annotator !== person) made.push(element("h3", "", visible((person = annotator))));
    const note = element("article", kind);
    const head = element("p", "hint");
    head.append(element("b", "", t(`lead_kind_${kind}`)), " · ", timeOf(at));
    const text = element("p", comment ? "said" : "empty", comment ? visible(comment) : t("lead_wordless"));
    text.dir = "auto";
    note.append(head, text, element("p", "hint", t("lead_about", { prompt: visible(prompt) })));
    made.push(note);
  }
  $("notes").replaceChildren(...(made.length > 0 ? made : [element("p", "empty", t("lead_no_notes"))]));
}

// A comparison that the lead decides. Its text box stays while a reason is written; only the line with the decision changes.
function disputes(found) {
  $("decide").hidden = found.length === 0;
  const names = new Set(found.map(({ item }) => `dispute-${item}`));
  for (const gone of [...$("disputes").children]) if (!names.has(gone.id)) gone.remove();
  for (const dispute of found) {
    if (!$(`dispute-${dispute.item}`)) $("disputes").append(disputed(dispute));
    const { choice, comment } = dispute;
    $(`dispute-${dispute.item}`).querySelector(".decided").textContent = choice
      ? t("lead_decided", { choice: t(`lead_says_${choice}`), comment: visible(comment) })
      : t("lead_undecided");
  }
}

function disputed({ item, question, prompt, a, b }) {
  const [made, both, row] = [element("article", "dispute"), element("div", "pair"), element("p", "row")];
  made.id = `dispute-${item}`;
  for (const [name, messages] of [["answer_1", a], ["answer_2", b]]) {
    const answer = element("div");
    answer.append(element("h4", "", t(name)), conversation(messages, { alone: true }));
    both.append(answer);
  }
  const [label, why] = [element("label", "", t("lead_why")), element("textarea")];
  why.id = label.htmlFor = `why-${item}`;
  why.maxLength = 10_000;
  for (const choice of ["A", "B", "tie", "skip"]) {
    const button = element("button", "", t(`lead_says_${choice}`));
    button.type = "button";
    button.addEventListener("click", () => decide({ item, choice, comment: why.value.trim() }, why));
    row.append(button);
  }
  made.append(element("h3", "", visible(question)), conversation(prompt), both, label, why, row, element("p", "hint decided"));
  return made;
}

async function decide(decision, why) {
  if (!decision.comment) {
    notice(t("lead_why_missing"));
    return why.focus();
  }
  try {
    show(await api.decide({ token: tab.get("lead"), uuid: uuid(), ...decision }));
    notice("");
    why.value = "";
  } catch (error) {
    notice(error instanceof Lost ? t("lead_not_kept") : t("refused", { reason: error.message }));
  }
}

function show(view) {
  disputes(view.disputes);
  tiles(view);
  $("gate").hidden = !view.outlook;
  $("outlook").textContent = view.outlook ?? "";
  table("gates", ["lead_check", "lead_outcome", "lead_found"], (view.gates ?? []).map(({ check, outcome, found }) => [t(`lead_check_${check}`), outcome, found]));
  table("disputed", ["lead_prompt", "lead_split"], view.disputed.map(({ prompt, people }) => [visible(prompt), people.join(" : ")]));
  $("disputed-none").hidden = view.disputed.length > 0;
  const none = t("lead_none");
  const heads = ["name", "done", "today", "left", "seconds", "skips", "flagged", "comments", "self", "last"].map((name) => `lead_${name}`);
  table("people", heads, view.people.map((person) => [
    visible(person.annotator), of(person.done, person.total), number(person.today),
    isGiven(person.seconds_left) && person.done < person.total ? duration(person.seconds_left) : none,
    isGiven(person.seconds) ? number(Math.round(person.seconds)) : none,
    number(person.skip), number(person.flag), number(person.comments),
    person.repeats > 0 ? of(person.repeats_same, person.repeats) : none, timeOf(person.at),
  ]));
  table("pairs", ["lead_name", "lead_both", "lead_share"], view.pairs.map(({ people: [one, other], items, agree }) => [
    t("lead_pair", { one: visible(one), other: visible(other) }), number(items), percent(agree),
  ]));
  notes(view.notes);
  $("updated").textContent = t("lead_updated", { time: new Date().toLocaleTimeString(document.documentElement.lang) });
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}

async function refresh() {
  const token = tab.get("lead");
  if (!token) return door("");
  try {
    show(await api.lead(token));
    notice("");
    $("signin").hidden = true;
    $("view").hidden = false;
    fade();
  } catch (error) {
    if (error instanceof NoSession) return door(t("no_session"));
    notice(error instanceof Lost ? t("offline") : t("refused", { reason: error.message }));
  }
  setTimeout(refresh, EVERY);
}

function door(why) {
  tab.remove("lead");
  notice(why);
  $("view").hidden = true;
  $("signin").hidden = false;
  $("token").focus();
}

$("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  tab.set("lead", tokenIn($("token").value));
  refresh();
});

if (location.hash.includes("token=")) {
  tab.set("lead", tokenIn(location.hash));
  history.replaceState(null, "", location.pathname); // out of the address bar, its history and screen shots
}
refresh();
