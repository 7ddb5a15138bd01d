// Marks differing words in two rendered answers, by putting <mark> around pieces of their text nodes, and takes the
// marks away again. Returns what there is to say about it.

import { compare, words } from "./differences.js";
import { number, t } from "./language.js";

const MOST = 5000; // marks; browsers take seconds for some tens of thousands
const LONGEST = 400_000; // characters of both answers

export function mark(first, second) {
  if (first.textContent.length + second.textContent.length > LONGEST) return t("too_long");
  const [left, right] = [pieces(first), pieces(second)];
  const found = compare(left.map((piece) => piece.word), right.map((piece) => piece.word));
  const marked = [...runs(left, found.left), ...runs(right, found.right)];
  const count = marked.length;
  if (count === 0) return t("same_words");
  if (count > MOST) return t("too_many");
  wrap(marked);
  if (!found.exact) return t("not_exact");
  return count === 1 ? t("marked_one") : t("marked", { n: number(count) });
}

export function unmark(container) {
  const parents = new Set();
  for (const node of container.querySelectorAll("mark")) {
    parents.add(node.parentNode);
    node.replaceWith(...node.childNodes);
  }
  for (const parent of parents) parent.normalize();
}

function pieces(container) {
  const found = [];
  for (const text of container.querySelectorAll(".said-text")) {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      for (const [start, end] of words(node.data)) found.push({ node, start, end, word: node.data.slice(start, end) });
    }
  }
  return found;
}

// Runs of changed words, each inside one text node.
function runs(all, changed) {
  const found = [];
  all.forEach(({ node, start, end }, i) => {
    if (!changed[i]) return;
    const last = found.at(-1);
    if (last && last.node === node && changed[i - 1]) last.end = end;
    else found.push({ node, start, end });
  });
  return found;
}

// Each text node is taken apart once: a split at every mark would copy the text as often.
function wrap(found) {
  const byNode = new Map();
  for (const run of found) {
    if (!byNode.has(run.node)) byNode.set(run.node, []);
    byNode.get(run.node).push(run);
  }
  for (const [node, marked] of byNode) {
    const parts = [];
    let plain = 0;
    for (const { start, end } of marked) {
      const around = document.createElement("mark");
      around.append(node.data.slice(start, end));
      parts.push(node.data.slice(plain, start), around);
      plain = end;
    }
    node.replaceWith(...parts.filter((part) => part !== ""), node.data.slice(plain));
  }
}
