// Marks differing words in two rendered answers, by putting <mark> around pieces of their text nodes, and takes the
// marks away again. Returns what there is to say about it.

import { compare, words } from "./differences.js";

export function mark(first, second) {
  const [left, right] = [pieces(first), pieces(second)];
  const found = compare(left.map((piece) => piece.word), right.map((piece) => piece.word));
  const count = wrap(left, found.left) + wrap(right, found.right);
  if (count === 0) return "The two answers have the same words.";
  if (!found.exact) return "The answers are too long to be compared word by word: words that only one of them has are marked.";
  return `Differences are marked in ${count} ${count === 1 ? "place" : "places"}.`;
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

// From the end, so that the offsets of what is still to be marked hold.
function wrap(all, changed) {
  let count = 0;
  for (let last = all.length - 1; last >= 0; last -= 1) {
    if (!changed[last]) continue;
    let first = last;
    while (first > 0 && changed[first - 1] && all[first - 1].node === all[last].node) first -= 1;
    const { node, start } = all[first];
    const tail = node.splitText(start);
    tail.splitText(all[last].end - start);
    const around = document.createElement("mark");
    tail.replaceWith(around);
    around.append(tail);
    count += 1;
    last = first;
  }
  return count;
}
