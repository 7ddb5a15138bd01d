// In which words two texts differ: the shortest edit script by Myers (1986), "An O(ND) difference algorithm and its
// variations", greedy form, then words that agree by chance between larger changes count as changed too.

const MOST_EDITS = 2000; // the trace takes this many squared 4-byte numbers
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*|[^\s\p{L}\p{M}\p{N}]/gu;

// [start, end] of each word and each sign of a text; white space is no difference.
export function words(text) {
  const found = [];
  for (const match of text.matchAll(WORD)) found.push([match.index, match.index + match[0].length]);
  return found;
}

// For two lists of words: which of them the other list does not have at that place. `exact` is false where the lists are
// too long or too different to be aligned; then a word counts as changed where the other list has it nowhere.
export function compare(left, right) {
  const result = { left: new Uint8Array(left.length), right: new Uint8Array(right.length), exact: true };
  let start = 0;
  let end = 0;
  const shorter = Math.min(left.length, right.length);
  while (start < shorter && left[start] === right[start]) start += 1;
  while (end < shorter - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  const [a, b] = numbered(left.slice(start, left.length - end), right.slice(start, right.length - end));
  const matches = aligned(a, b);
  if (matches === null) {
    const [inA, inB] = [new Set(a), new Set(b)];
    a.forEach((word, i) => (result.left[start + i] = inB.has(word) ? 0 : 1));
    b.forEach((word, i) => (result.right[start + i] = inA.has(word) ? 0 : 1));
    return { ...result, exact: false };
  }
  result.left.fill(1, start, left.length - end);
  result.right.fill(1, start, right.length - end);
  for (const [i, j, length] of kept(matches, a.length, b.length)) {
    result.left.fill(0, start + i, start + i + length);
    result.right.fill(0, start + j, start + j + length);
  }
  return result;
}

function numbered(left, right) {
  const numbers = new Map();
  const number = (word) => {
    if (!numbers.has(word)) numbers.set(word, numbers.size);
    return numbers.get(word);
  };
  return [Int32Array.from(left, number), Int32Array.from(right, number)];
}

// Runs [i, j, length] with a[i..] = b[j..], in order; null where more than MOST_EDITS words differ.
function aligned(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const middle = most + 1;
  const reach = new Int32Array(2 * middle + 1);
  const trace = [];
  for (let d = 0; d <= most; d += 1) {
    trace.push(reach.slice(middle - d - 1, middle + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = isDown ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach[middle + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, b.length);
    }
  }
  return null;
}

function walkBack(trace, x, y) {
  const runs = [];
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const reach = (k) => trace[d][k + d + 1]; // as it was before step d
    const k = x - y;
    const isDown = k === -d || (k !== d && reach(k - 1) < reach(k + 1));
    const from = d === 0 ? 0 : isDown ? reach(k + 1) : reach(k - 1) + 1;
    if (x > from) runs.push([from, from - k, x - from]);
    [x, y] = isDown ? [from, from - k - 1] : [from - 1, from - k];
  }
  return runs.reverse();
}

// Drops runs that are shorter than the changes on both sides of them: a lone "the" between two rewritten sentences.
function kept(runs, leftLength, rightLength) {
  const stays = [];
  let [i, j] = [0, 0];
  runs.forEach(([x, y, length], n) => {
    const [nextX, nextY] = runs[n + 1] ?? [leftLength, rightLength];
    const before = Math.max(x - i, y - j);
    const after = Math.max(nextX - x - length, nextY - y - length);
    if (length < before && length < after && length < 3) return;
    stays.push([x, y, length]);
    [i, j] = [x + length, y + length];
  });
  return stays;
}
