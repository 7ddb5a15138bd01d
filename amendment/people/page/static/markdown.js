// A small part of Markdown, as DOM nodes: paragraphs, headings, lists, quotes, tables, fenced and inline code, bold,
// emphasis, rules. Everything else stays as it is written: links, images and HTML are text. Nodes are made one by one and filled
// with textContent; time is linear in the length of the text.

const DEEPEST = 6;
const LONGEST = 200_000; // characters
const MOST = 5000; // elements; browsers take seconds for some tens of thousands
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}#{1,6}[ \t]+(.*)$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const BULLET = /^( *)([-*+]|\d{1,9}[.)])([ \t]+)(?=\S)/;

class TooMuch extends Error {}

let count = 0;

// Null for a text that would become too large a tree: show it as it is written.
export function markdown(text) {
  if (text.length > LONGEST) return null;
  count = 0;
  try {
    return blocks(text.split("\n"), 0);
  } catch (error) {
    if (error instanceof TooMuch) return null;
    throw error;
  }
}

function make(name, ...children) {
  count += 1;
  if (count > MOST) throw new TooMuch();
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

const isRule = (line) => line.length < 200 && RULE.test(line);
const isBlank = (line) => line.trim() === "";
const startsBlock = (line) =>
  FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || BULLET.test(line) || isRule(line);

function blocks(lines, depth) {
  const made = document.createDocumentFragment();
  if (depth > DEEPEST) {
    made.append(make("p", lines.join("\n")));
    return made;
  }
  for (let at = 0; at < lines.length; ) {
    if (isBlank(lines[at])) at += 1;
    else if (FENCE.test(lines[at])) at = fence(lines, at, made);
    else if (HEADING.test(lines[at])) {
      const said = HEADING.exec(lines[at])[1].trimEnd();
      made.append(make("h3", inline(said)));
      at += 1;
    } else if (isRule(lines[at])) {
      made.append(make("hr"));
      at += 1;
    } else if (QUOTE.test(lines[at])) at = quote(lines, at, made, depth);
    else if (BULLET.test(lines[at])) at = list(lines, at, made, depth);
    else at = paragraph(lines, at, made);
  }
  return made;
}

function fence(lines, start, into) {
  const mark = FENCE.exec(lines[start])[1];
  const closes = (line) => {
    const said = line.trim();
    return said.length >= mark.length && said === mark[0].repeat(said.length);
  };
  let end = start + 1;
  while (end < lines.length && !closes(lines[end])) end += 1;
  into.append(make("pre", make("code", lines.slice(start + 1, end).join("\n"))));
  return end + 1;
}

function quote(lines, start, into, depth) {
  let end = start;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inner = lines.slice(start, end).map((line) => line.replace(QUOTE, ""));
  into.append(make("blockquote", blocks(inner, depth + 1)));
  return end;
}

function list(lines, start, into, depth) {
  const [, indent, mark] = BULLET.exec(lines[start]);
  const isOrdered = /\d/.test(mark);
  const made = make(isOrdered ? "ol" : "ul");
  if (isOrdered) made.start = Number.parseInt(mark, 10);
  let at = start;
  while (at < lines.length) {
    const found = BULLET.exec(lines[at]);
    if (!found || isRule(lines[at]) || found[1].length > indent.length + 1 || /\d/.test(found[2]) !== isOrdered) break;
    const end = itemEnd(lines, at, found[1].length);
    const width = found[0].length;
    const rest = lines.slice(at + 1, end).map((line) => line.slice(Math.min(width, line.length - line.trimStart().length)));
    made.append(item([lines[at].slice(width), ...rest], depth));
    at = end;
  }
  into.append(made);
  return at;
}

// The lines of an item: those indented more than its mark, those that go on with its paragraph, blank ones between.
function itemEnd(lines, start, indent) {
  let end = start + 1;
  while (end < lines.length) {
    if (isBlank(lines[end])) {
      let next = end;
      while (next < lines.length && isBlank(lines[next])) next += 1;
      if (next === lines.length) return next;
      const isInside = lines[next].length - lines[next].trimStart().length > indent + 1;
      if (!isInside) return BULLET.test(lines[next]) ? next : end;
      end = next;
    } else if (lines[end].length - lines[end].trimStart().length > indent + 1 || !startsBlock(lines[end])) end += 1;
    else return end;
  }
  return end;
}

function item(lines, depth) {
  const made = make("li", blocks(lines, depth + 1));
  const first = made.firstElementChild;
  if (first?.tagName === "P") first.replaceWith(...first.childNodes);
  return made;
}

function paragraph(lines, start, into) {
  let end = start + 1;
  while (end < lines.length && !isBlank(lines[end]) && !startsBlock(lines[end])) end += 1;
  const said = lines.slice(start, end);
  const head = said.findIndex((line, at) => line.includes("|") && at + 1 < said.length && isRuled(said[at + 1]));
  const before = head === -1 ? said : said.slice(0, head);
  if (before.length > 0) into.append(make("p", inline(before.join("\n"))));
  if (head !== -1) into.append(table(said.slice(head)));
  return end;
}

// The line under the head of a table.
const isRuled = (line) => line.length < 2000 && line.includes("-") && cells(line).every((cell) => /^:?-+:?$/.test(cell));

const cells = (line) =>
  line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

// A table that has a cell outside its columns stays as it is written: browsers would have no place for it.
function table(lines) {
  const [head, ruled, ...rows] = lines.map(cells);
  if (ruled.length !== head.length || rows.some((row) => row.length > head.length)) return make("pre", lines.join("\n"));
  const row = (kind, said) => make("tr", ...head.map((_, column) => {
    const cell = make(kind, inline(said[column] ?? ""));
    if (ruled[column].endsWith(":")) cell.className = ruled[column].startsWith(":") ? "middle" : "right";
    return cell;
  }));
  const box = make("div", make("table", make("thead", row("th", head)), make("tbody", ...rows.map((said) => row("td", said)))));
  box.className = "table";
  return box;
}

const SPANS = [
  ["``", "code"],
  ["`", "code"],
  ["**", "strong"],
  ["*", "em"],
];

function inline(text, depth = 0) {
  const made = document.createDocumentFragment();
  let plain = 0;
  let at = 0;
  const next = /[`*\\]/g;
  const missing = new Set(); // marks that nothing closes any more: looked for once
  while ((next.lastIndex = at, next.test(text))) {
    at = next.lastIndex - 1;
    if (text[at] === "\\") {
      if (text[at + 1] === "*" || text[at + 1] === "`") {
        made.append(text.slice(plain, at));
        plain = at + 1;
      }
      at += 2;
      continue;
    }
    const found = span(text, at, missing);
    if (found === null) {
      const mark = text[at];
      while (text[at] === mark) at += 1;
      continue;
    }
    made.append(text.slice(plain, at));
    const isCode = found.name === "code";
    made.append(make(found.name, isCode || depth >= 2 ? found.inner : inline(found.inner, depth + 1)));
    at = plain = found.end;
  }
  made.append(text.slice(plain));
  return made;
}

const isLetter = (sign) => sign !== undefined && /[\p{L}\p{N}]/u.test(sign); // 2*3*4 is a product

function span(text, at, missing) {
  const [mark, name] = SPANS.find(([start]) => text.startsWith(start, at));
  const start = at + mark.length;
  if (missing.has(mark) || start >= text.length) return null;
  let close = text.indexOf(mark, start);
  if (close === -1) {
    missing.add(mark);
    return null;
  }
  if (name === "strong" && text[close + 2] === "*") close += 1;
  const inner = text.slice(start, close);
  if (inner === "") return null;
  if (name !== "code" && /^\s|\s$/.test(inner)) return null;
  if (name === "em" && (text[close + 1] === "*" || isLetter(text[at - 1]) || isLetter(text[close + 1]))) return null;
  return { name, inner, end: close + mark.length };
}
